package org.tidings.core.session;

import org.tidings.core.Notification;

/** One copy of a notification, and what the server is owed for it. */
public final class Delivery {
    final int number;
    final String receiptFor;
    private final Notification notification;

    Delivery(Notification notification, int number, String receiptFor) {
        this.notification = notification;
        this.number = number;
        this.receiptFor = receiptFor;
    }

    public Notification notification() {
        return notification;
    }
}
