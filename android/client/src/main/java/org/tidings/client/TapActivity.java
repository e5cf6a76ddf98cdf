package org.tidings.client;

import android.app.Activity;
import android.content.ActivityNotFoundException;
import android.content.Intent;
import android.os.Bundle;

/** Takes a tap on a notification, shows nothing itself, and opens what the person's settings say. */
public final class TapActivity extends Activity {
    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        String id = getIntent().getStringExtra(Tidings.EXTRA_ID);
        if (id != null && state == null) {
            open(Tidings.of(this), id);
        }
        finish();
    }

    private void open(Tidings tidings, String id) {
        HistoryEntry entry = tidings.history().get(id);
        tidings.opened(id);
        if (entry == null) {
            launch(getPackageManager().getLaunchIntentForPackage(getPackageName()));
            return;
        }
        boolean atOnce = tidings.settings().tapAction() == ClientSettings.TapAction.OPEN_URI;
        if (!atOnce || !launch(tidings.uris().intent(entry.uri()))) {
            launch(tidings.runner().poster().details(id));
        }
    }

    private boolean launch(@Nullable Intent intent) {
        try {
            if (intent != null) {
                startActivity(intent);
            }
            return intent != null;
        } catch (ActivityNotFoundException | SecurityException e) {
            return false;
        }
    }
}
