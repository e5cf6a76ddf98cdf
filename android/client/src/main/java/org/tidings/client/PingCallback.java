package org.tidings.client;

/** Hears whether and how soon the server answered; called on the main thread. */
public interface PingCallback {
    void onAnswer(long milliseconds);

    /** @param condition as for {@link ResultCallback} */
    void onRefused(String condition);
}
