package org.tidings.core.device;

import org.tidings.core.Notification;

/** What the device tells its app. Called on the device's own thread; it must not block for long. */
public interface Sink {
    /**
     * A notification, which is stored already. One whose showing a crash interrupted comes again
     * with the same id: put it in the place of the first. So does, at the next start, one whose
     * showing threw an exception.
     */
    void show(Notification notification);

    /** What goes on has changed. */
    void status(Status status);

    /** The server was met for the first time and no authority vouches for it: it is known by this key from now on. */
    void firstMet(String fingerprint);
}
