package org.tidings.core.device;

/**
 * How long to wait between attempts: a random time up to a ceiling that doubles each time ("full
 * jitter"), so that devices that lost one server do not all come back at once.
 */
final class Backoff {
    private final long first;
    private final long most;
    private int failures;

    Backoff(long first, long most) {
        this.first = first;
        this.most = most;
    }

    /** The last connection held. */
    void reset() {
        failures = 0;
    }

    /** Milliseconds until the next attempt. */
    long next(RandomSource random) {
        long ceiling = failures < 31 ? Math.min(first << failures, most) : most;
        failures = Math.min(failures + 1, 31);
        return RandomSource.upTo(random, ceiling);
    }

    /** A wait for failures that need a person: four to eight times the highest ceiling. */
    long slow(RandomSource random) {
        return 4 * most + RandomSource.upTo(random, 4 * most);
    }
}
