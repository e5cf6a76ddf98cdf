package org.tidings.client;

import android.app.Activity;
import android.app.Notification;
import android.app.NotificationManager;
import android.app.PendingIntent;
import android.content.ComponentName;
import android.content.Context;
import android.content.Intent;
import android.content.pm.ApplicationInfo;
import android.content.pm.PackageManager;
import android.graphics.Bitmap;
import android.net.Uri;
import android.os.Bundle;
import android.os.Handler;
import android.os.Looper;
import android.service.notification.StatusBarNotification;
import java.util.ArrayList;
import java.util.List;

/** Puts notifications on the screen, each under its own id, so that the same one is never there twice. */
final class Poster {
    /** The number that all notifications have; their tag tells them apart. */
    static final int ID = 0x7164;
    static final String GROUP = "org.tidings.client";
    static final String SUMMARY = "org.tidings.client.summary";
    static final String META_DETAILS = "org.tidings.client.details";
    private static final String META_ICON = "org.tidings.client.icon";
    private static final String META_COLOR = "org.tidings.client.color";
    private static final String COLLAPSE = "org.tidings.client.collapse";
    /** The system silently drops what an app posts above about 50. */
    static final int MOST_ACTIVE = 40;
    private static final int SUMMARY_LINES = 6;
    /** Many notifications that come together make one summary. */
    private static final long SUMMARY_DELAY_MS = 300;

    private final Context context;
    private final ClientSettings settings;
    private final NotificationManager manager;
    private final Handler main = new Handler(Looper.getMainLooper());
    private final Runnable summarize = this::summarize;
    private volatile Class<? extends Activity> details;

    Poster(Context context, ClientSettings settings) {
        this.context = context;
        this.settings = settings;
        manager = context.getSystemService(NotificationManager.class);
    }

    void setDetailsActivity(@Nullable Class<? extends Activity> activity) {
        details = activity;
    }

    /** What shows a notification in full. */
    Intent details(String id) {
        String named = metaData().getString(META_DETAILS);
        Class<? extends Activity> set = details;
        Intent intent = new Intent();
        if (set != null) {
            intent.setClass(context, set);
        } else if (named != null) {
            intent.setComponent(new ComponentName(context.getPackageName(), named.startsWith(".") ? context.getPackageName() + named : named));
        } else {
            intent.setClass(context, DetailsActivity.class);
        }
        return intent.putExtra(Tidings.EXTRA_ID, id).addFlags(Intent.FLAG_ACTIVITY_NEW_TASK | Intent.FLAG_ACTIVITY_CLEAR_TOP);
    }

    private Bundle metaData() {
        try {
            ApplicationInfo info = context.getPackageManager().getApplicationInfo(context.getPackageName(), PackageManager.GET_META_DATA);
            return info.metaData == null ? Bundle.EMPTY : info.metaData;
        } catch (PackageManager.NameNotFoundException e) {
            return Bundle.EMPTY;
        }
    }

    /**
     * Shows it, in the place of an earlier copy, and of what it collapses.
     *
     * @param image null where there is none yet
     * @return the ids of what it took from the screen because it stands in their place
     */
    List<String> post(org.tidings.core.Notification notification, @Nullable Bitmap image) {
        String collapse = notification.toElement().attribute("collapse");
        long expires = Times.parse(notification.expiresAt());
        long left = expires - System.currentTimeMillis();
        List<String> gone = new ArrayList<>();
        if (expires > 0 && left <= 0) {
            return gone;
        }
        StatusBarNotification[] active = manager.getActiveNotifications();
        for (StatusBarNotification other : active) {
            if (collapse != null && isOne(other) && !other.getTag().equals(notification.id())
                    && collapse.equals(other.getNotification().extras.getString(COLLAPSE))) {
                manager.cancel(other.getTag(), ID);
                gone.add(other.getTag());
            }
        }
        makeRoom(active, notification.id());
        Notification.Builder builder = builder(notification, image);
        if (expires > 0) {
            builder.setTimeoutAfter(left);
        }
        if (collapse != null) {
            Bundle extras = new Bundle();
            extras.putString(COLLAPSE, collapse);
            builder.addExtras(extras);
        }
        manager.notify(notification.id(), ID, builder.build());
        main.removeCallbacks(summarize);
        main.postDelayed(summarize, SUMMARY_DELAY_MS);
        return gone;
    }

    private Notification.Builder builder(org.tidings.core.Notification notification, @Nullable Bitmap image) {
        String title = SafeText.line(notification.title(), SafeText.TITLE);
        String message = SafeText.text(notification.message(), SafeText.SHOWN);
        long sent = Times.parse(notification.sentAt());
        String channel = settings.channelId(notification.priority());
        Notification.Builder builder = base(channel).setContentTitle(title.isEmpty() ? label() : title).setContentText(message)
                .setWhen(sent > 0 ? sent : System.currentTimeMillis()).setShowWhen(true).setAutoCancel(true).setOnlyAlertOnce(true)
                .setGroup(GROUP).setGroupAlertBehavior(Notification.GROUP_ALERT_CHILDREN)
                .setContentIntent(tap(notification.id())).setDeleteIntent(dismiss(notification.id()));
        if (image == null) {
            return builder.setStyle(new Notification.BigTextStyle().bigText(message));
        }
        return builder.setLargeIcon(image).setStyle(new Notification.BigPictureStyle().bigPicture(image).bigLargeIcon((Bitmap) null)
                .setSummaryText(message));
    }

    private Notification.Builder base(String channel) {
        Bundle meta = metaData();
        int icon = meta.getInt(META_ICON, 0);
        Notification.Builder builder = new Notification.Builder(context, channel)
                .setSmallIcon(icon == 0 ? R.drawable.tidings_ic_notification : icon);
        int color = meta.getInt(META_COLOR, 0);
        return color == 0 ? builder : builder.setColor(color);
    }

    private String label() {
        return String.valueOf(context.getApplicationInfo().loadLabel(context.getPackageManager()));
    }

    /** An activity, since a receiver may open none from Android 12 on. */
    private PendingIntent tap(String id) {
        Intent intent = new Intent(context, TapActivity.class).setData(Uri.fromParts("notification", id, null))
                .putExtra(Tidings.EXTRA_ID, id).addFlags(Intent.FLAG_ACTIVITY_NEW_TASK);
        return PendingIntent.getActivity(context, 0, intent, PendingIntent.FLAG_IMMUTABLE | PendingIntent.FLAG_UPDATE_CURRENT);
    }

    private PendingIntent dismiss(String id) {
        Intent intent = new Intent(context, DismissReceiver.class).setData(Uri.fromParts("notification", id, null))
                .putExtra(Tidings.EXTRA_ID, id);
        return PendingIntent.getBroadcast(context, 0, intent, PendingIntent.FLAG_IMMUTABLE | PendingIntent.FLAG_UPDATE_CURRENT);
    }

    /** The oldest ones leave the screen; the history still has them as new. */
    private void makeRoom(StatusBarNotification[] active, String butThis) {
        List<StatusBarNotification> ours = new ArrayList<>();
        for (StatusBarNotification one : active) {
            if (isOne(one) && !one.getTag().equals(butThis)) {
                ours.add(one);
            }
        }
        ours.sort((a, b) -> Long.compare(a.getNotification().when, b.getNotification().when));
        for (int i = 0; i <= ours.size() - MOST_ACTIVE; i++) {
            manager.cancel(ours.get(i).getTag(), ID);
        }
    }

    private static boolean isOne(StatusBarNotification active) {
        return active.getId() == ID && active.getTag() != null && !active.getTag().equals(SUMMARY);
    }

    /** Whether it stands on the screen. */
    boolean isActive(String id) {
        for (StatusBarNotification active : manager.getActiveNotifications()) {
            if (isOne(active) && active.getTag().equals(id)) {
                return true;
            }
        }
        return false;
    }

    void cancel(String id) {
        manager.cancel(id, ID);
        main.removeCallbacks(summarize);
        main.postDelayed(summarize, SUMMARY_DELAY_MS);
    }

    void cancelAll() {
        for (StatusBarNotification active : manager.getActiveNotifications()) {
            if (active.getId() == ID && active.getTag() != null) {
                manager.cancel(active.getTag(), ID);
            }
        }
    }

    /** The group's own line: there where there are several, with the newest of them. */
    private void summarize() {
        List<StatusBarNotification> ours = new ArrayList<>();
        for (StatusBarNotification active : manager.getActiveNotifications()) {
            if (isOne(active)) {
                ours.add(active);
            }
        }
        if (ours.isEmpty()) {
            manager.cancel(SUMMARY, ID);
            return;
        }
        ours.sort((a, b) -> Long.compare(b.getNotification().when, a.getNotification().when));
        Notification.InboxStyle style = new Notification.InboxStyle();
        for (StatusBarNotification one : ours.subList(0, Math.min(ours.size(), SUMMARY_LINES))) {
            style.addLine(one.getNotification().extras.getCharSequence(Notification.EXTRA_TITLE));
        }
        String count = context.getResources().getQuantityString(R.plurals.tidings_summary, ours.size(), ours.size());
        manager.notify(SUMMARY, ID, base(settings.channelId(org.tidings.core.Notification.Priority.LOW)).setContentTitle(label())
                .setContentText(count).setStyle(style.setSummaryText(count)).setGroup(GROUP).setGroupSummary(true)
                .setGroupAlertBehavior(Notification.GROUP_ALERT_CHILDREN).setOnlyAlertOnce(true).setAutoCancel(true)
                .setWhen(ours.get(0).getNotification().when).setShowWhen(true).setNumber(ours.size())
                .setContentIntent(launch()).build());
    }

    /** Opens the app, or null where it has nothing to open. */
    @Nullable
    private PendingIntent launch() {
        Intent intent = context.getPackageManager().getLaunchIntentForPackage(context.getPackageName());
        return intent == null ? null : PendingIntent.getActivity(context, 1, intent, PendingIntent.FLAG_IMMUTABLE);
    }

    /** The line that a service in the foreground has to show. */
    Notification connectionLine(ConnectionStatus status) {
        Notification.Builder builder = base(Channels.CONNECTION).setContentTitle(status.text(context))
                .setOngoing(true).setShowWhen(false).setContentIntent(launch()).setVisibility(Notification.VISIBILITY_SECRET)
                .setCategory(Notification.CATEGORY_SERVICE).setOnlyAlertOnce(true);
        String trouble = status.isOnline() ? null : status.troubleText(context);
        return trouble == null ? builder.build() : builder.setContentText(trouble).build();
    }
}
