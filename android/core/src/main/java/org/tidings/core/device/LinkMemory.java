package org.tidings.core.device;

import java.io.IOException;
import java.util.function.Consumer;
import org.tidings.core.session.Connection;

/** Tells from how connections fare what the keepalive is to learn, and keeps that. */
final class LinkMemory {
    private final Store store;
    private final Consumer<IOException> storeFailed;
    private final Keepalive keepalive = new Keepalive();
    /** The network and the silence that the last connection may have died of. */
    private String suspectNetwork;
    private long suspectSilence = -1;

    LinkMemory(Store store, Consumer<IOException> storeFailed) {
        this.store = store;
        this.storeFailed = storeFailed;
    }

    void start() throws IOException {
        keepalive.parse(store.keepalive());
    }

    long silence(String network) {
        return keepalive.interval(network);
    }

    /** After each thing heard: a silence that the link survived may be followed by a longer one. */
    void heard(Connection connection, String network) {
        long survived = connection.takeSurvivedSilence();
        if (survived >= 0 && keepalive.held(network, survived)) {
            changed(connection, network);
        }
    }

    /** The connection is over; if a probe had no answer, its silence is under suspicion. */
    void ended(Connection connection, String network) {
        if (connection.unansweredSilence() >= 0) {
            suspectNetwork = network;
            suspectSilence = connection.unansweredSilence();
        }
    }

    /** The device left the network: that may have been the reason. */
    void acquit() {
        suspectSilence = -1;
    }

    /** A session begins or goes on. If it goes on, the server was there all the time: the network dropped a silent connection. */
    void established(Connection connection, String network, boolean resumed) {
        if (resumed && suspectSilence >= 0 && network.equals(suspectNetwork)) {
            keepalive.lost(network, suspectSilence);
            changed(connection, network);
        }
        suspectSilence = -1;
    }

    private void changed(Connection connection, String network) {
        connection.setSilence(keepalive.interval(network));
        try {
            store.saveKeepalive(keepalive.format());
        } catch (IOException e) {
            storeFailed.accept(e);
        }
    }
}
