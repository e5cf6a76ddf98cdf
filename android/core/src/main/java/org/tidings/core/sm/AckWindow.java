package org.tidings.core.sm;

/**
 * Counts what we sent and what the server has acknowledged of it (XEP-0198 section 4).
 *
 * <p>Both counters wrap at 2^32, as {@code int} does; the second is never ahead of the first.
 */
public final class AckWindow {
    private int sent;
    private int acknowledged;

    public AckWindow(int start) {
        sent = start;
        acknowledged = start;
    }

    /** A stanza goes out; returns its number. */
    public int send() {
        return ++sent;
    }

    /** The server's last {@code h}. */
    public int acknowledged() {
        return acknowledged;
    }

    /** How many stanzas are unacknowledged. */
    public long inFlight() {
        return Integer.toUnsignedLong(sent - acknowledged);
    }

    /**
     * The server has handled everything up to {@code h}: returns how many stanzas that are, or -1
     * where it claims what was never sent or takes back what it said; nothing changes then.
     */
    public long acknowledge(int h) {
        long newly = Integer.toUnsignedLong(h - acknowledged);
        if (newly > inFlight()) {
            return -1;
        }
        acknowledged = h;
        return newly;
    }
}
