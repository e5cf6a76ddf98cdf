package org.tidings.client;

import android.annotation.SuppressLint;
import android.app.ActivityManager;
import android.content.Context;
import android.content.Intent;
import android.net.Uri;
import android.os.Build;
import android.os.PowerManager;
import android.provider.Settings;
import java.util.Locale;

/** Leads the person through what lets the connection live while the phone sleeps. */
public final class BatteryExemption {
    private final Context context;

    BatteryExemption(Context context) {
        this.context = context;
    }

    /** Whether the app keeps its network in Doze. */
    public boolean isGranted() {
        return context.getSystemService(PowerManager.class).isIgnoringBatteryOptimizations(context.getPackageName());
    }

    /** Whether the person, or the phone's maker, has forbidden all work in the background: nothing arrives then. */
    public boolean isRestricted() {
        return Build.VERSION.SDK_INT >= Build.VERSION_CODES.P && isBackgroundRestricted();
    }

    @RequiresApi(Build.VERSION_CODES.P)
    private boolean isBackgroundRestricted() {
        return context.getSystemService(ActivityManager.class).isBackgroundRestricted();
    }

    /** The system's question for the exemption, to be started by an activity. */
    @SuppressLint("BatteryLife")
    public Intent request() {
        return new Intent(Settings.ACTION_REQUEST_IGNORE_BATTERY_OPTIMIZATIONS, Uri.parse("package:" + context.getPackageName()));
    }

    /** The system's list of exemptions, where a person takes it back; also for phones that do not have the question. */
    public Intent settings() {
        return new Intent(Settings.ACTION_IGNORE_BATTERY_OPTIMIZATION_SETTINGS).addFlags(Intent.FLAG_ACTIVITY_NEW_TASK);
    }

    /** The system's screen of the app, where "restricted" is taken back. */
    public Intent appDetails() {
        return new Intent(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, Uri.parse("package:" + context.getPackageName()))
                .addFlags(Intent.FLAG_ACTIVITY_NEW_TASK);
    }

    /** In the person's language what is to be done now; null where nothing is. */
    @Nullable
    public String advice() {
        if (isRestricted()) {
            return context.getString(R.string.tidings_battery_restricted);
        }
        if (!isGranted()) {
            return context.getString(R.string.tidings_battery_not_exempt);
        }
        return vendorUri() == null ? null : context.getString(R.string.tidings_battery_vendor, Build.MANUFACTURER);
    }

    /** Where it is written how this maker's own task killer is told to leave an app alone; null for makers without one. */
    @Nullable
    public String vendorUri() {
        switch (Build.MANUFACTURER.toLowerCase(Locale.ROOT)) {
            case "huawei": case "xiaomi": case "oneplus": case "samsung": case "meizu": case "asus": case "oppo": case "vivo":
            case "realme": case "nokia": case "sony": case "lenovo": case "wiko":
                return "https://dontkillmyapp.com/" + Build.MANUFACTURER.toLowerCase(Locale.ROOT);
            default:
                return null;
        }
    }
}
