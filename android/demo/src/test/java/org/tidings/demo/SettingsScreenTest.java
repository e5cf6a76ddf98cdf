package org.tidings.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.app.AlertDialog;
import android.app.NotificationManager;
import android.content.Intent;
import android.content.res.Configuration;
import android.net.Uri;
import android.os.Looper;
import android.provider.Settings;
import android.view.View;
import android.view.ViewGroup;
import android.view.accessibility.AccessibilityNodeInfo;
import android.widget.Switch;
import android.widget.TextView;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import org.junit.Test;
import org.robolectric.shadows.ShadowDialog;
import org.tidings.client.ClientSettings;

/** What the phone's owner decides. */
public final class SettingsScreenTest extends AppTest {
    private static View row(Activity screen, int title) {
        ViewGroup rows = screen.findViewById(R.id.rows);
        for (int i = 0; i < rows.getChildCount(); i++) {
            TextView text = rows.getChildAt(i).findViewById(R.id.setting_title);
            if (text != null && text.getText().toString().equals(screen.getString(title))) {
                return rows.getChildAt(i);
            }
        }
        return null;
    }

    @Test
    public void switchesSwitchAndAreSwitchesToAScreenReader() {
        SettingsActivity screen = open(SettingsActivity.class, null);
        ClientSettings settings = tidings.settings();
        for (int title : new int[] {R.string.enabled, R.string.sound, R.string.vibration, R.string.images, R.string.tap_opens}) {
            View row = row(screen, title);
            boolean before = row.<Switch>findViewById(R.id.setting_switch).isChecked();
            row.performClick();
            AccessibilityNodeInfo info = row.createAccessibilityNodeInfo();
            assertEquals(Switch.class.getName(), info.getClassName().toString());
            assertEquals(!before, info.isChecked());
        }
        assertFalse(settings.isEnabled() || settings.hasSound() || settings.hasVibration() || settings.hasImages());
        assertEquals(ClientSettings.TapAction.OPEN_URI, settings.tapAction());
    }

    @Test
    public void leadsToTheSystemsScreens() {
        SettingsActivity screen = open(SettingsActivity.class, null);
        row(screen, R.string.channels).performClick();
        assertEquals(Settings.ACTION_APP_NOTIFICATION_SETTINGS, shadowOf(screen).getNextStartedActivity().getAction());
        row(screen, R.string.battery).performClick();
        assertEquals(Settings.ACTION_REQUEST_IGNORE_BATTERY_OPTIMIZATIONS, shadowOf(screen).getNextStartedActivity().getAction());
    }

    @Test
    public void saysWhenNotificationsAreForbidden() {
        assertEquals(null, row(open(SettingsActivity.class, null), R.string.notifications_off));
        shadowOf(app.getSystemService(NotificationManager.class)).setNotificationsEnabled(false);
        assertNotNull(row(open(SettingsActivity.class, null), R.string.notifications_off));
    }

    @Test
    public void aDarkThemeIsDarkAlsoByDay() {
        SettingsActivity screen = open(SettingsActivity.class, null);
        int light = screen.getColor(R.color.surface);
        row(screen, R.string.theme).performClick();
        shadowOf(Looper.getMainLooper()).idle();
        AlertDialog question = (AlertDialog) ShadowDialog.getLatestDialog();
        shadowOf(question.getListView()).performItemClick(AppTheme.DARK.ordinal());
        assertEquals(AppTheme.DARK, AppTheme.chosen(app));
        StatusActivity other = open(StatusActivity.class, null);
        Configuration configuration = other.getResources().getConfiguration();
        assertEquals(Configuration.UI_MODE_NIGHT_YES, configuration.uiMode & Configuration.UI_MODE_NIGHT_MASK);
        assertEquals(app.getResources().getConfiguration().fontScale, configuration.fontScale, 0);
        assertTrue(other.getColor(R.color.surface) != light);
    }

    @Test
    public void theLogIsSavedWithoutSecrets() throws Exception {
        SettingsActivity screen = open(SettingsActivity.class, null);
        row(screen, R.string.export_log).performClick();
        Intent asked = shadowOf(screen).peekNextStartedActivityForResult().intent;
        assertEquals(Intent.ACTION_CREATE_DOCUMENT, asked.getAction());
        Uri file = Uri.parse("content://files/log");
        ByteArrayOutputStream saved = new ByteArrayOutputStream();
        shadowOf(app.getContentResolver()).registerOutputStream(file, saved);
        shadowOf(screen).receiveResult(asked, Activity.RESULT_OK, new Intent().setData(file));
        until("the file", () -> saved.size() > 100);
        String log = new String(saved.toByteArray(), StandardCharsets.UTF_8);
        assertTrue(log, log.contains("org.tidings.demo 0.1.0"));
        for (String secret : new String[] {"secret-password", "3c0f9b1e5ad24b7c", "push.example.org", "Storm", "soup"}) {
            assertFalse(secret, log.contains(secret));
        }
    }
}
