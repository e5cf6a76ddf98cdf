package org.tidings.client;

import android.content.BroadcastReceiver;
import android.content.Context;
import android.content.Intent;

/** Connects again after a restart of the phone and after an update of the app. */
public final class BootReceiver extends BroadcastReceiver {
    @Override
    public void onReceive(Context context, Intent intent) {
        String action = intent.getAction();
        if (Intent.ACTION_BOOT_COMPLETED.equals(action) || Intent.ACTION_MY_PACKAGE_REPLACED.equals(action)) {
            PendingResult result = goAsync();
            Tidings.of(context).runner().adapt(() -> {
                if (result != null) {
                    result.finish();
                }
            });
        }
    }
}
