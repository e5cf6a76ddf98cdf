package org.tidings.client;

/** Hears how a request to the server ended; called on the main thread. */
public interface ResultCallback {
    void onDone();

    /** @param condition the server's stanza error, or {@code replaced}, {@code offline} or {@code lost} */
    void onRefused(String condition);
}
