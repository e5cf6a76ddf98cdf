package org.tidings.client;

import android.content.BroadcastReceiver;
import android.content.Context;
import android.content.Intent;

/** Is called by the system's alarm, also where the process was gone by then. */
public final class AlarmReceiver extends BroadcastReceiver {
    @Override
    public void onReceive(Context context, Intent intent) {
        PendingResult result = goAsync();
        Tidings.of(context).runner().wake(() -> {
            if (result != null) {
                result.finish();
            }
        });
    }
}
