package org.tidings.client;

import android.content.BroadcastReceiver;
import android.content.Context;
import android.content.Intent;

/** Hears that the person swiped a notification away: it is read. */
public final class DismissReceiver extends BroadcastReceiver {
    @Override
    public void onReceive(Context context, Intent intent) {
        String id = intent.getStringExtra(Tidings.EXTRA_ID);
        if (id != null) {
            Tidings.of(context).history().markRead(id);
        }
    }
}
