package org.tidings.client;

import android.content.BroadcastReceiver;
import android.content.Context;
import android.content.Intent;

/** Is called by the system's alarm, also where the process was gone by then. */
public final class AlarmReceiver extends BroadcastReceiver {
    @Override
    public void onReceive(Context context, Intent intent) {
        Tidings.of(context).runner().wake();
    }
}
