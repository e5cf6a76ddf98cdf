package org.tidings.client;

/** Hears that the connection is in another state; called on the main thread. */
public interface StatusListener {
    void onStatus(ConnectionStatus status);
}
