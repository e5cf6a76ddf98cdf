package org.tidings.client;

import android.content.Context;
import android.content.pm.PackageInfo;
import android.content.pm.PackageManager;
import android.os.Build;

/** What a developer has to know first about the phone that a log comes from. */
final class LogHeader {
    private LogHeader() {}

    static String of(Context context, Tidings tidings) {
        ServerConfig server = tidings.server();
        String kind = server == null ? "none" : server.fingerprint() != null ? "pinned" : server.systemTrustOnly() ? "system" : "first use";
        return "app " + context.getPackageName() + " " + version(context) + "\n"
                + "phone " + Build.MANUFACTURER + " " + Build.MODEL + ", Android " + Build.VERSION.RELEASE + " (API " + Build.VERSION.SDK_INT
                + ")\n"
                + "status " + tidings.status() + ", trust " + kind + ", keystore " + (tidings.isKeystoreUsed() ? "used" : "not used") + "\n"
                + "enabled " + tidings.settings().isEnabled() + ", notifications " + (NotificationPermission.isGranted(context)
                ? "allowed" : "forbidden") + ", battery " + (tidings.battery().isGranted() ? "exempt"
                : tidings.battery().isRestricted() ? "restricted" : "not exempt") + "\n"
                + "history " + tidings.history().count() + ", unread " + tidings.history().unread() + "\n\n";
    }

    private static String version(Context context) {
        try {
            PackageInfo info = context.getPackageManager().getPackageInfo(context.getPackageName(), 0);
            return String.valueOf(info.versionName);
        } catch (PackageManager.NameNotFoundException e) {
            return "?";
        }
    }
}
