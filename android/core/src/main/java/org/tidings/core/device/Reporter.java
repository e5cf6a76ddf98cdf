package org.tidings.core.device;

import java.io.IOException;
import org.tidings.core.stream.Trouble;

/** Tells the app what goes on, and remembers what it told last. */
final class Reporter {
    private final Sink sink;
    private final Clock clock;
    private Status status;

    Reporter(Sink sink, Clock clock) {
        this.sink = sink;
        this.clock = clock;
        status = new Status(Status.State.STOPPED, clock.millis(), 0, null, null, null);
    }

    Status status() {
        return status;
    }

    void stopped() {
        tell(Status.State.STOPPED, 0, null, null, null);
    }

    void offline() {
        tell(Status.State.OFFLINE, 0, Trouble.NO_NETWORK, "there is no network", null);
    }

    /** The last trouble stays to be seen until there is a session. */
    void connecting() {
        tell(Status.State.CONNECTING, 0, status.trouble(), status.message(), null);
    }

    void online() {
        tell(Status.State.ONLINE, 0, null, null, null);
    }

    void waiting(long until, Trouble trouble, String message, String fingerprint) {
        tell(Status.State.WAITING, until, trouble, message, fingerprint);
    }

    /** Something could not be stored; whatever else goes on goes on. */
    void storeFailed(IOException e) {
        if (status.trouble() != Trouble.STORE) {
            tell(status.state(), status.nextAttempt(), Trouble.STORE, "the device cannot store: " + e.getMessage(), null);
        }
    }

    /** The store was tried: it takes what comes, or not. */
    void stored(IOException failure) {
        if (failure != null) {
            storeFailed(failure);
        } else if (status.trouble() == Trouble.STORE && status.state() == Status.State.ONLINE) {
            online();
        }
    }

    private void tell(Status.State state, long next, Trouble trouble, String message, String fingerprint) {
        status = new Status(state, clock.millis(), next, trouble, message, fingerprint);
        sink.status(status);
    }
}
