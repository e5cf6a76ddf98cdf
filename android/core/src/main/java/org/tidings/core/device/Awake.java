package org.tidings.core.device;

/** Keeps the processor awake while the device works or waits for its server; on Android a partial wake lock. */
public interface Awake {
    /** The processor must not sleep until {@link #release}. Called from any thread, and not again before that. */
    void hold();

    void release();
}
