package org.tidings.client;

import android.app.AlarmManager;
import android.app.PendingIntent;
import android.content.Context;
import android.content.Intent;
import android.os.Handler;
import android.os.Looper;
import android.os.SystemClock;
import org.tidings.core.device.Alarm;

/**
 * The core's alarm: a timer of the process while the phone is awake, and the system's alarm for when it sleeps. The system's
 * is inexact and needs no permission; an idle phone lets it through about every nine minutes.
 */
final class DeviceAlarm implements Alarm {
    /** The system's alarm is set anew only for a difference that matters: each time is a call to another process. */
    private static final long TOLERANCE_MS = 500;
    private static final long NEVER = Long.MAX_VALUE;

    private final AlarmManager manager;
    private final PendingIntent intent;
    private final Handler timer = new Handler(Looper.getMainLooper());
    private final Runnable ring;
    private long systemAt = NEVER;

    DeviceAlarm(Context context, Runnable ring) {
        manager = context.getSystemService(AlarmManager.class);
        intent = PendingIntent.getBroadcast(context, 0, new Intent(context, AlarmReceiver.class),
                PendingIntent.FLAG_IMMUTABLE | PendingIntent.FLAG_UPDATE_CURRENT);
        this.ring = ring;
    }

    @Override
    public synchronized void set(long at) {
        long now = SystemClock.elapsedRealtime();
        timer.removeCallbacks(ring);
        timer.postDelayed(ring, Math.max(0, at - now));
        if (systemAt <= now || Math.abs(at - systemAt) > TOLERANCE_MS) {
            systemAt = at;
            manager.setAndAllowWhileIdle(AlarmManager.ELAPSED_REALTIME_WAKEUP, at, intent);
        }
    }

    @Override
    public synchronized void cancel() {
        timer.removeCallbacks(ring);
        manager.cancel(intent);
        systemAt = NEVER;
    }
}
