package org.tidings.client;

import android.Manifest;
import android.app.Activity;
import android.app.NotificationManager;
import android.content.Context;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.os.Build;
import android.provider.Settings;

/** Whether notifications may be shown, and how to ask the person for it. */
public final class NotificationPermission {
    private NotificationPermission() {}

    /** Whether the system shows this app's notifications. */
    public static boolean isGranted(Context context) {
        return context.getSystemService(NotificationManager.class).areNotificationsEnabled();
    }

    /**
     * Shows the system's question, where there is one (Android 13 on) and it was not answered for good.
     *
     * @return false where the system has no such question: {@link #settings} leads to its switch then
     */
    public static boolean request(Activity activity, int requestCode) {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.TIRAMISU) {
            return false;
        }
        if (activity.checkSelfPermission(Manifest.permission.POST_NOTIFICATIONS) != PackageManager.PERMISSION_GRANTED) {
            activity.requestPermissions(new String[] {Manifest.permission.POST_NOTIFICATIONS}, requestCode);
        }
        return true;
    }

    /** The system's screen for this app's notifications. */
    public static Intent settings(Context context) {
        return new Intent(Settings.ACTION_APP_NOTIFICATION_SETTINGS).putExtra(Settings.EXTRA_APP_PACKAGE, context.getPackageName())
                .addFlags(Intent.FLAG_ACTIVITY_NEW_TASK);
    }

    /** The system's screen for one channel ({@link ClientSettings#channelId}). */
    public static Intent settings(Context context, String channelId) {
        return new Intent(Settings.ACTION_CHANNEL_NOTIFICATION_SETTINGS).putExtra(Settings.EXTRA_APP_PACKAGE, context.getPackageName())
                .putExtra(Settings.EXTRA_CHANNEL_ID, channelId).addFlags(Intent.FLAG_ACTIVITY_NEW_TASK);
    }
}
