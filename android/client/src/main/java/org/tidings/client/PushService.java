package org.tidings.client;

import android.app.Notification;
import android.app.NotificationManager;
import android.app.Service;
import android.content.Context;
import android.content.Intent;
import android.content.pm.ServiceInfo;
import android.os.Build;
import android.os.IBinder;

/** Tells the system that the process is of use while nothing of the app is on the screen; the work is not done here. */
public final class PushService extends Service {
    static final int ID = 0x7165;

    private static volatile boolean running;

    /** Starts it, where the system lets an app do that now; otherwise the connection lives as long as the process. */
    static void start(Context context, EventLog log) {
        if (running) {
            return;
        }
        try {
            context.startForegroundService(new Intent(context, PushService.class));
        } catch (IllegalStateException | SecurityException e) {
            log.add("no service in the foreground now: " + e.getClass().getSimpleName());
        }
    }

    /** Ends it. One that is about to start finds out itself: the system wants it to come to the foreground first. */
    static void stop(Context context) {
        if (running) {
            context.stopService(new Intent(context, PushService.class));
        }
    }

    /** Shows another state of the connection. */
    static void show(Context context, Notification line) {
        if (running) {
            context.getSystemService(NotificationManager.class).notify(ID, line);
        }
    }

    /** The type for this version of Android; 0 where there are no types. */
    static int type(int sdk) {
        if (sdk >= Build.VERSION_CODES.UPSIDE_DOWN_CAKE) {
            return ServiceInfo.FOREGROUND_SERVICE_TYPE_SPECIAL_USE;
        }
        return sdk >= Build.VERSION_CODES.Q ? ServiceInfo.FOREGROUND_SERVICE_TYPE_DATA_SYNC : 0;
    }

    @Override
    public void onCreate() {
        super.onCreate();
        Tidings tidings = Tidings.of(this);
        Channels.create(this, tidings.settings());
        Notification line = tidings.runner().poster().connectionLine(tidings.status());
        try {
            if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
                startTyped(line);
            } else {
                startForeground(ID, line);
            }
            running = true;
        } catch (IllegalStateException | SecurityException e) {
            tidings.log().add("not in the foreground: " + e.getClass().getSimpleName());
            stopSelf();
        }
    }

    @RequiresApi(Build.VERSION_CODES.Q)
    private void startTyped(Notification line) {
        startForeground(ID, line, type(Build.VERSION.SDK_INT));
    }

    @Override
    public int onStartCommand(Intent intent, int flags, int startId) {
        Tidings tidings = Tidings.of(this);
        if (!tidings.isWanted()) {
            stopSelf();
            return START_NOT_STICKY;
        }
        tidings.runner().wake(() -> {});
        return START_STICKY;
    }

    @Override
    public void onDestroy() {
        running = false;
        stopForeground(STOP_FOREGROUND_REMOVE);
        super.onDestroy();
    }

    @Override
    public IBinder onBind(Intent intent) {
        return null;
    }
}
