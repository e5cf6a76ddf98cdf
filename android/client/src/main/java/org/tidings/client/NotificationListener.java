package org.tidings.client;

import org.tidings.core.Notification;

/** For apps that read what arrives themselves: data, or a display of their own. */
public interface NotificationListener {
    /**
     * A notification came and is stored; it counts as handed over when this returns. Called on the
     * connection's thread, in order, and again with the same id if the process dies or this throws
     * before it has returned: that thread must not be held up for long.
     *
     * @return whether the library shows it, too
     */
    boolean onNotification(Notification notification);
}
