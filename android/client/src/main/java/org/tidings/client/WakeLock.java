package org.tidings.client;

import android.content.Context;
import android.os.PowerManager;
import org.tidings.core.device.Awake;

/** Keeps the processor awake while the core works or waits for its server. */
final class WakeLock implements Awake {
    /** Longer than a login and an answer may take; a fault must not empty the battery. */
    private static final long MOST_MS = 120_000;

    private final PowerManager.WakeLock lock;

    WakeLock(Context context) {
        lock = context.getSystemService(PowerManager.class).newWakeLock(PowerManager.PARTIAL_WAKE_LOCK, "tidings:connection");
        lock.setReferenceCounted(false);
    }

    @Override
    public void hold() {
        lock.acquire(MOST_MS);
    }

    @Override
    public void release() {
        lock.release();
    }
}
