package org.tidings.core.device;

/** Knows which network the device is on. */
public interface NetworkMonitor {
    /** Hears of another network. */
    interface Listener {
        /** @param network a name that is the same each time the device is on it, or null where there is none */
        void changed(String network);
    }

    /** Tells at once which network there is, and from then on each other one. */
    void start(Listener listener);

    void stop();
}
