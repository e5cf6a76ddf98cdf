package org.tidings.core.device;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.tidings.core.Notification;
import org.tidings.core.session.Delivery;

/** Notifications between their arrival and their acknowledgement: stored, then shown, and only then done with. */
final class Deliveries {
    /** Notifications that may wait for the store; past that the server keeps them. */
    static final int MOST_WAITING = 256;
    private static final long FIRST_RETRY = 5_000;
    private static final long LAST_RETRY = 300_000;

    private final Store store;
    private final Sink sink;
    private final SeenRing seen = new SeenRing();
    private List<Delivery> waiting = new ArrayList<>();
    private long retryAt = Long.MAX_VALUE;
    private long retryAfter = FIRST_RETRY;
    private IOException failure;

    Deliveries(Store store, Sink sink) {
        this.store = store;
        this.sink = sink;
    }

    /** Takes up what the last run left: which ids were seen, and what was stored and perhaps not shown. */
    void start() throws IOException {
        for (String id : store.recentIds()) {
            seen.add(id);
        }
        for (Notification notification : store.unshown()) {
            show(notification);
        }
    }

    /** A copy of a notification came. */
    void add(Delivery delivery) {
        waiting.add(delivery);
    }

    /** Whether more wait for the store than may: the server is to keep them. */
    boolean isOverflowing() {
        return waiting.size() > MOST_WAITING;
    }

    /** Stores and shows what waits. Returns what the device now has for good. */
    List<Delivery> flush(long now) {
        if (waiting.isEmpty() || retryAt != Long.MAX_VALUE && now < retryAt) {
            return new ArrayList<>();
        }
        List<Notification> fresh = new ArrayList<>();
        Set<String> ids = new HashSet<>();
        for (Delivery delivery : waiting) {
            Notification notification = delivery.notification();
            if (!seen.contains(notification.id()) && ids.add(notification.id())) {
                fresh.add(notification);
            }
        }
        try {
            if (!fresh.isEmpty()) {
                store.save(fresh);
            }
        } catch (IOException e) {
            failure = e;
            retryAt = now + retryAfter;
            retryAfter = Math.min(2 * retryAfter, LAST_RETRY);
            return new ArrayList<>();
        }
        failure = null;
        retryAt = Long.MAX_VALUE;
        retryAfter = FIRST_RETRY;
        for (Notification notification : fresh) {
            seen.add(notification.id());
        }
        for (Notification notification : fresh) {
            show(notification);
        }
        List<Delivery> done = waiting;
        waiting = new ArrayList<>();
        return done;
    }

    private void show(Notification notification) {
        try {
            sink.show(notification);
        } catch (RuntimeException e) {
            // The app stumbled over this one. It stays marked as not shown, and must not hold up the others.
            return;
        }
        try {
            store.shown(notification.id());
        } catch (IOException e) {
            // It is stored and shown; at worst the next run shows it again in the same place.
            failure = e;
        }
    }

    /** The connection is gone: what waits comes again with the next one. */
    void disconnected() {
        waiting.clear();
        retryAt = Long.MAX_VALUE;
    }

    /** When to try the store again. */
    long retryAt() {
        return waiting.isEmpty() ? Long.MAX_VALUE : retryAt;
    }

    /** Why the store did not take what came, or null. */
    IOException failure() {
        return failure;
    }
}
