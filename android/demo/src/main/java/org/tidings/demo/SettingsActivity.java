package org.tidings.demo;

import android.app.Activity;
import android.app.AlertDialog;
import android.content.ActivityNotFoundException;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.net.Uri;
import android.os.Bundle;
import android.view.View;
import android.view.ViewGroup;
import android.view.accessibility.AccessibilityNodeInfo;
import android.widget.Switch;
import android.widget.TextView;
import android.widget.Toast;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.tidings.client.BatteryExemption;
import org.tidings.client.ClientSettings;
import org.tidings.client.NotificationPermission;

/** What the phone's owner decides, and the way to what only the system's screens change. */
public final class SettingsActivity extends Screen {
    private static final int EXPORT = 1;
    private static final int ASK_NOTIFICATIONS = 2;

    private ViewGroup rows;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        show(R.layout.settings, true);
        rows = findViewById(R.id.rows);
    }

    /** Built anew each time: the system's screens, to which rows lead, may have changed what they say. */
    @Override
    protected void onResume() {
        super.onResume();
        rows.removeAllViews();
        ClientSettings settings = tidings().settings();
        group(R.string.group_receiving);
        toggle(R.string.enabled, R.string.enabled_text, settings::isEnabled, settings::setEnabled);
        battery();
        group(R.string.group_showing);
        if (!NotificationPermission.isGranted(this)) {
            row(R.string.notifications_off, getString(R.string.notifications_off_text), view -> allowNotifications());
        }
        toggle(R.string.sound, 0, settings::hasSound, settings::setSound);
        toggle(R.string.vibration, 0, settings::hasVibration, settings::setVibration);
        row(R.string.channels, getString(R.string.channels_text), view -> open(NotificationPermission.settings(this)));
        toggle(R.string.images, R.string.images_text, settings::hasImages, settings::setImages);
        toggle(R.string.tap_opens, R.string.tap_opens_text, () -> settings.tapAction() == ClientSettings.TapAction.OPEN_URI,
                on -> settings.setTapAction(on ? ClientSettings.TapAction.OPEN_URI : ClientSettings.TapAction.SHOW_DETAILS));
        row(R.string.theme, getString(AppTheme.chosen(this).label), view -> chooseTheme());
        group(R.string.group_more);
        row(R.string.export_log, getString(R.string.export_log_text), view -> chooseLogFile());
        row(R.string.about, getString(R.string.about_text, version()), null);
    }

    private void group(int title) {
        TextView heading = (TextView) getLayoutInflater().inflate(R.layout.setting_group, rows, false);
        heading.setText(title);
        rows.addView(heading);
    }

    private View row(int title, CharSequence text, View.OnClickListener action) {
        View row = getLayoutInflater().inflate(R.layout.setting, rows, false);
        row.<TextView>findViewById(R.id.setting_title).setText(title);
        setOrHide(row.findViewById(R.id.setting_text), text);
        row.findViewById(R.id.setting_switch).setVisibility(View.GONE);
        if (action != null) {
            row.setOnClickListener(action);
        } else {
            row.setBackground(null);
        }
        rows.addView(row);
        return row;
    }

    private void toggle(int title, int text, BooleanSupplier state, Consumer<Boolean> change) {
        View row = row(title, text == 0 ? null : getString(text), null);
        Switch on = row.findViewById(R.id.setting_switch);
        on.setVisibility(View.VISIBLE);
        on.setChecked(state.getAsBoolean());
        row.setOnClickListener(view -> {
            on.setChecked(!on.isChecked());
            change.accept(on.isChecked());
        });
        row.setBackground(getDrawable(Attributes.resource(this, android.R.attr.selectableItemBackground)));
        // To a screen reader the row is the switch.
        row.setAccessibilityDelegate(new View.AccessibilityDelegate() {
            // What takes its place is newer than Android 8.
            @SuppressWarnings("deprecation")
            @Override
            public void onInitializeAccessibilityNodeInfo(View host, AccessibilityNodeInfo info) {
                super.onInitializeAccessibilityNodeInfo(host, info);
                info.setClassName(Switch.class.getName());
                info.setCheckable(true);
                info.setChecked(on.isChecked());
            }
        });
    }

    private void battery() {
        BatteryExemption battery = tidings().battery();
        String advice = battery.advice();
        row(R.string.battery, advice == null ? getString(R.string.battery_exempt) : advice, view -> {
            String vendor = battery.vendorUri();
            if (battery.isRestricted()) {
                open(battery.appDetails());
            } else if (!battery.isGranted()) {
                open(battery.request());
            } else if (vendor != null) {
                open(new Intent(Intent.ACTION_VIEW, Uri.parse(vendor)));
            } else {
                open(battery.settings());
            }
        });
    }

    /** Some phones have not all of the system's screens. */
    private void open(Intent intent) {
        try {
            startActivity(intent);
        } catch (ActivityNotFoundException | SecurityException e) {
            startActivity(tidings().battery().appDetails());
        }
    }

    private void allowNotifications() {
        if (!NotificationPermission.request(this, ASK_NOTIFICATIONS)) {
            open(NotificationPermission.settings(this));
        }
    }

    /** Refused for good: then the system does not ask any more, and only its own screen helps. */
    @Override
    public void onRequestPermissionsResult(int request, String[] permissions, int[] results) {
        super.onRequestPermissionsResult(request, permissions, results);
        if (request == ASK_NOTIFICATIONS && permissions.length > 0 && !NotificationPermission.isGranted(this)
                && !shouldShowRequestPermissionRationale(permissions[0])) {
            open(NotificationPermission.settings(this));
        }
    }

    private void chooseTheme() {
        AppTheme[] themes = AppTheme.values();
        String[] labels = new String[themes.length];
        for (int i = 0; i < themes.length; i++) {
            labels[i] = getString(themes[i].label);
        }
        new AlertDialog.Builder(this).setTitle(R.string.theme)
                .setSingleChoiceItems(labels, AppTheme.chosen(this).ordinal(), (dialog, which) -> {
                    dialog.dismiss();
                    themes[which].choose(this);
                    recreate();
                })
                .show();
    }

    private void chooseLogFile() {
        try {
            startActivityForResult(new Intent(Intent.ACTION_CREATE_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("text/plain")
                    .putExtra(Intent.EXTRA_TITLE, "tidings-log.txt"), EXPORT);
        } catch (ActivityNotFoundException e) {
            Toast.makeText(this, R.string.export_failed, Toast.LENGTH_LONG).show();
        }
    }

    @Override
    protected void onActivityResult(int request, int result, Intent data) {
        super.onActivityResult(request, result, data);
        Uri file = request == EXPORT && result == Activity.RESULT_OK && data != null ? data.getData() : null;
        if (file != null) {
            Background.load(() -> export(file), done -> Toast.makeText(this, done ? R.string.exported : R.string.export_failed,
                    Toast.LENGTH_LONG).show());
        }
    }

    private boolean export(Uri file) {
        try (OutputStream out = getContentResolver().openOutputStream(file)) {
            if (out == null) {
                throw new FileNotFoundException(file.toString());
            }
            out.write(tidings().exportLog().getBytes(StandardCharsets.UTF_8));
            return true;
        } catch (IOException | SecurityException e) {
            return false;
        }
    }

    private String version() {
        try {
            return String.valueOf(getPackageManager().getPackageInfo(getPackageName(), 0).versionName);
        } catch (PackageManager.NameNotFoundException e) {
            throw new IllegalStateException(e);
        }
    }
}
