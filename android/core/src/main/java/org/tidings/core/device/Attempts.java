package org.tidings.core.device;

/** When to connect: at once on another network, after a random wait behind a failure, never while there is no network. */
final class Attempts {
    static final long NEVER = Long.MAX_VALUE;
    /** A connection that lived so long has held; sooner endings raise the next wait. */
    private static final long HELD = 20_000;

    private final Settings settings;
    private final RandomSource random;
    private final Backoff backoff;
    private final QuickTries quickTries;
    private long at = NEVER;
    /** When the attempt that is under way has failed. */
    private long by = NEVER;
    private long onlineAt = NEVER;

    Attempts(Settings settings, RandomSource random, long now) {
        this.settings = settings;
        this.random = random;
        backoff = new Backoff(settings.firstWait, settings.longestWait);
        quickTries = new QuickTries(now);
    }

    /** The next one is due now. */
    void hurry(long now) {
        at = now;
    }

    void never() {
        at = NEVER;
    }

    /** There is another network. */
    void networkChanged(long now) {
        at = quickTries.take(now) ? now : now + backoff.next(random);
    }

    /** One begins. */
    void begin(long now) {
        at = NEVER;
        by = now + settings.pace.negotiation;
    }

    boolean isConnecting() {
        return by != NEVER;
    }

    /** There is a connection; it looks after itself. */
    void connected() {
        by = NEVER;
    }

    void online(long now) {
        onlineAt = now;
    }

    boolean wasOnline() {
        return onlineAt != NEVER;
    }

    /** Whatever there was is over. */
    void disconnected(long now) {
        if (wasOnline() && now - onlineAt >= HELD) {
            backoff.reset();
        }
        by = NEVER;
        onlineAt = NEVER;
    }

    /** It failed: the next one has a time. */
    void failed(long now, boolean needsPerson) {
        at = now + (needsPerson ? backoff.slow(random) : backoff.next(random));
    }

    boolean isDue(long now) {
        return at <= now;
    }

    boolean isLate(long now) {
        return by <= now;
    }

    /** Whether one is planned. */
    boolean isWaiting() {
        return at != NEVER;
    }

    long at() {
        return at;
    }

    /** When something is to be done. */
    long deadline() {
        return Math.min(at, by);
    }
}
