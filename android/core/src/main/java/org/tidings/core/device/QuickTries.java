package org.tidings.core.device;

/** A few attempts that need not wait, when the network has changed; a network that flaps uses them up. */
final class QuickTries {
    static final int MOST = 5;
    static final long REFILL = 60_000;

    private int left = MOST;
    private long filledAt;

    QuickTries(long now) {
        filledAt = now;
    }

    boolean take(long now) {
        long more = Math.max(0, now - filledAt) / REFILL;
        filledAt += more * REFILL;
        left = (int) Math.min(MOST, left + more);
        if (left == 0) {
            return false;
        }
        left--;
        return true;
    }
}
