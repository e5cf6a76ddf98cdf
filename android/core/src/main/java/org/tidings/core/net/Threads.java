package org.tidings.core.net;

import java.io.Closeable;
import java.io.IOException;

/** Starts threads that keep no process alive, and closes what may be closed already. */
final class Threads {
    private Threads() {}

    static Thread start(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    static void close(Closeable what) {
        try {
            what.close();
        } catch (IOException e) {
            // It is of no use any more either way.
        }
    }
}
