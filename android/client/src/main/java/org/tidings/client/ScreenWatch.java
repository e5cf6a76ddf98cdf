package org.tidings.client;

import android.content.BroadcastReceiver;
import android.content.Context;
import android.content.Intent;
import android.content.IntentFilter;
import android.os.PowerManager;
import java.util.function.Consumer;

/** Knows whether a person looks at the phone, so that what is of low priority can wait until then (XEP-0352). */
final class ScreenWatch {
    private final Context context;
    private final Consumer<Boolean> listener;
    private final BroadcastReceiver receiver = new BroadcastReceiver() {
        @Override
        public void onReceive(Context context, Intent intent) {
            listener.accept(Intent.ACTION_SCREEN_ON.equals(intent.getAction()));
        }
    };

    ScreenWatch(Context context, Consumer<Boolean> listener) {
        this.context = context;
        this.listener = listener;
    }

    void start() {
        IntentFilter filter = new IntentFilter(Intent.ACTION_SCREEN_ON);
        filter.addAction(Intent.ACTION_SCREEN_OFF);
        context.registerReceiver(receiver, filter);
        listener.accept(context.getSystemService(PowerManager.class).isInteractive());
    }

    void stop() {
        context.unregisterReceiver(receiver);
    }
}
