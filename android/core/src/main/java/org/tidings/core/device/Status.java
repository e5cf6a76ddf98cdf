package org.tidings.core.device;

import org.tidings.core.stream.Trouble;

/** What a device is doing, for its app to show. */
public final class Status {
    /** In a word. */
    public enum State {
        STOPPED,
        /** There is no network. */
        OFFLINE,
        CONNECTING,
        ONLINE,
        /** The last attempt failed; the next one has a time. */
        WAITING
    }

    private final State state;
    private final long since;
    private final long nextAttempt;
    private final Trouble trouble;
    private final String message;
    private final String fingerprint;

    Status(State state, long since, long nextAttempt, Trouble trouble, String message, String fingerprint) {
        this.state = state;
        this.since = since;
        this.nextAttempt = nextAttempt;
        this.trouble = trouble;
        this.message = message;
        this.fingerprint = fingerprint;
    }

    public State state() {
        return state;
    }

    /** Since when, by the engine's clock. */
    public long since() {
        return since;
    }

    /** When the next attempt is made, by the engine's clock; of use only while waiting. */
    public long nextAttempt() {
        return nextAttempt;
    }

    /** The last trouble, or null where all is well. */
    public Trouble trouble() {
        return trouble;
    }

    /** The last trouble in an English sentence, or null. */
    public String message() {
        return message;
    }

    /**
     * What an unexpected certificate would be known by, for {@link Engine#trust}: its key, or
     * {@link Channel#SYSTEM} where an authority vouches for it. Otherwise null.
     */
    public String fingerprint() {
        return fingerprint;
    }

    @Override
    public String toString() {
        return state + (trouble == null ? "" : " (" + trouble + ": " + message + ")");
    }
}
