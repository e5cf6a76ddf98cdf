package org.tidings.client;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.tidings.core.Notification;
import org.tidings.core.xml.Element;

/** A notification as it stands in the history. Its texts are made harmless: no control or bidirectional characters. */
public final class HistoryEntry {
    final Element element;
    private final Notification notification;
    private final long receivedAt;
    private final boolean read;
    private final boolean opened;

    HistoryEntry(Element element, long receivedAt, boolean read, boolean opened) {
        this.element = element;
        this.notification = Notification.of(element);
        this.receivedAt = receivedAt;
        this.read = read;
        this.opened = opened;
    }

    /** As it came: nothing in it is made harmless. */
    public Notification notification() {
        return notification;
    }

    public String id() {
        return notification.id();
    }

    /** One line; empty where there is none. */
    public String title() {
        return SafeText.line(notification.title(), SafeText.TITLE);
    }

    /** Empty where there is none. */
    public String message() {
        return SafeText.text(notification.message(), SafeText.MESSAGE);
    }

    /** As the back end wrote it: {@link UriPolicy#intent} says whether it may be opened. */
    @Nullable
    public String uri() {
        return notification.uri();
    }

    /** A picture's address, for {@link ImageLoader}. */
    @Nullable
    public String image() {
        return notification.image();
    }

    @Nullable
    public String topic() {
        String topic = notification.topic();
        return topic == null ? null : SafeText.line(topic, SafeText.TITLE);
    }

    public Notification.Priority priority() {
        return notification.priority();
    }

    public Map<String, String> data() {
        return Collections.unmodifiableMap(new LinkedHashMap<>(notification.data()));
    }

    /** When this device received it, in milliseconds of the epoch. */
    public long receivedAt() {
        return receivedAt;
    }

    /** When it was sent, in milliseconds of the epoch; when it was received where the server does not say. */
    public long sentAt() {
        long sent = Times.parse(notification.sentAt());
        return sent > 0 ? sent : receivedAt;
    }

    public boolean isRead() {
        return read;
    }

    /** Whether a person opened it. */
    public boolean isOpened() {
        return opened;
    }
}
