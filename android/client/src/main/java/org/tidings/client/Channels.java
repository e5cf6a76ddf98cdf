package org.tidings.client;

import android.app.NotificationChannel;
import android.app.NotificationManager;
import android.content.Context;
import java.util.HashSet;
import java.util.Set;
import org.tidings.core.Notification;

/**
 * The notification channels: one for each priority, and one for the line that says that the connection is kept. An app may
 * not change a channel's sound once it exists, so other sound and vibration make other channels.
 */
final class Channels {
    static final String CONNECTION = "tidings_connection";
    private static final String PREFIX = "tidings_";
    private static final long[] PATTERN = {0, 250, 150, 250};

    private Channels() {}

    static String id(Notification.Priority priority, boolean sound, boolean vibration) {
        String name = priority == Notification.Priority.HIGH ? "high" : priority == Notification.Priority.LOW ? "low" : "normal";
        return PREFIX + name + (sound ? "" : "_silent") + (vibration ? "" : "_still");
    }

    /** Creates those of today's settings, and removes those of earlier ones. */
    static void create(Context context, ClientSettings settings) {
        NotificationManager manager = context.getSystemService(NotificationManager.class);
        Set<String> wanted = new HashSet<>();
        for (Notification.Priority priority : Notification.Priority.values()) {
            NotificationChannel channel = channel(context, priority, settings);
            wanted.add(channel.getId());
            manager.createNotificationChannel(channel);
        }
        NotificationChannel connection = new NotificationChannel(CONNECTION, context.getString(R.string.tidings_channel_connection),
                NotificationManager.IMPORTANCE_MIN);
        connection.setDescription(context.getString(R.string.tidings_channel_connection_description));
        connection.setShowBadge(false);
        manager.createNotificationChannel(connection);
        wanted.add(CONNECTION);
        for (NotificationChannel channel : manager.getNotificationChannels()) {
            if (channel.getId().startsWith(PREFIX) && !wanted.contains(channel.getId())) {
                manager.deleteNotificationChannel(channel.getId());
            }
        }
    }

    private static NotificationChannel channel(Context context, Notification.Priority priority, ClientSettings settings) {
        int name = R.string.tidings_channel_normal;
        int importance = NotificationManager.IMPORTANCE_DEFAULT;
        if (priority == Notification.Priority.HIGH) {
            name = R.string.tidings_channel_high;
            importance = NotificationManager.IMPORTANCE_HIGH;
        } else if (priority == Notification.Priority.LOW) {
            name = R.string.tidings_channel_low;
            importance = NotificationManager.IMPORTANCE_LOW;
        }
        NotificationChannel channel = new NotificationChannel(id(priority, settings.hasSound(), settings.hasVibration()),
                context.getString(name), importance);
        if (!settings.hasSound()) {
            channel.setSound(null, null);
        }
        boolean vibrates = settings.hasVibration() && priority != Notification.Priority.LOW;
        channel.enableVibration(vibrates);
        if (vibrates) {
            channel.setVibrationPattern(PATTERN);
        }
        channel.enableLights(priority != Notification.Priority.LOW);
        return channel;
    }
}
