package org.tidings.client;

import android.content.Context;
import android.text.format.DateUtils;
import org.tidings.core.device.Status;
import org.tidings.core.stream.Trouble;

/** What the connection does, for a program and, in words, for a person. Times are by the wall clock. */
public final class ConnectionStatus {
    private final Status.State state;
    private final long since;
    private final long nextAttempt;
    private final Trouble trouble;
    private final String message;
    private final String fingerprint;

    ConnectionStatus(Status.State state, long since, long nextAttempt, @Nullable Trouble trouble, @Nullable String message,
            @Nullable String fingerprint) {
        this.state = state;
        this.since = since;
        this.nextAttempt = nextAttempt;
        this.trouble = trouble;
        this.message = message;
        this.fingerprint = fingerprint;
    }

    /** @param elapsed the engine's clock at this moment, {@code wall} the calendar's */
    static ConnectionStatus of(Status status, long elapsed, long wall) {
        boolean waits = status.state() == Status.State.WAITING;
        return new ConnectionStatus(status.state(), wall - (elapsed - status.since()),
                waits ? wall + (status.nextAttempt() - elapsed) : 0, status.trouble(), status.message(), status.fingerprint());
    }

    public Status.State state() {
        return state;
    }

    public boolean isOnline() {
        return state == Status.State.ONLINE;
    }

    /** Since when, in milliseconds of the epoch. */
    public long since() {
        return since;
    }

    /** When the next attempt is made, in milliseconds of the epoch; 0 where none is planned. */
    public long nextAttempt() {
        return nextAttempt;
    }

    /** The last trouble, or null where all is well. */
    @Nullable
    public Trouble trouble() {
        return trouble;
    }

    /** The last trouble in an English sentence for developers, or null. */
    @Nullable
    public String message() {
        return message;
    }

    /**
     * What an unexpected certificate would be known by ({@link Tidings#trust}): {@code sha256:} and the hash of its
     * key, or {@code system} where an authority vouches for it. Otherwise null.
     */
    @Nullable
    public String fingerprint() {
        return fingerprint;
    }

    /** The state in the person's language. */
    public String text(Context context) {
        switch (state) {
            case ONLINE:
                return context.getString(R.string.tidings_state_online);
            case CONNECTING:
                return context.getString(R.string.tidings_state_connecting);
            case OFFLINE:
                return context.getString(R.string.tidings_state_offline);
            case WAITING:
                return context.getString(R.string.tidings_state_waiting,
                        DateUtils.formatDateTime(context, nextAttempt, DateUtils.FORMAT_SHOW_TIME));
            default:
                return context.getString(R.string.tidings_state_stopped);
        }
    }

    /** The last trouble in the person's language, or null. */
    @Nullable
    public String troubleText(Context context) {
        return trouble == null ? null : context.getString(TroubleText.of(trouble));
    }

    @Override
    public String toString() {
        return state + (trouble == null ? "" : " (" + trouble + ")");
    }
}
