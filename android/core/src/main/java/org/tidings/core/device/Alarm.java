package org.tidings.core.device;

/** Wakes the device: {@link Engine#alarm} is to be called once the clock has come that far, even in deep sleep. */
public interface Alarm {
    /** Replaces the alarm that was set before. */
    void set(long at);

    void cancel();
}
