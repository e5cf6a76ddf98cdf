package org.tidings.core.device;

/** Tells the time since some moment, the device's sleep included: on Android {@code SystemClock.elapsedRealtime()}. */
public interface Clock {
    /** Milliseconds; never goes back. */
    long millis();
}
