package org.tidings.client;

import android.app.Notification;
import android.app.NotificationManager;
import java.util.Map;
import java.util.TreeMap;
import org.robolectric.annotation.Implementation;
import org.robolectric.annotation.Implements;
import org.robolectric.shadows.ShadowNotificationManager;

/** Counts how often each notification is handed to the system. */
@Implements(NotificationManager.class)
public class CountingNotificationManager extends ShadowNotificationManager {
    static final Map<String, Integer> POSTED = new TreeMap<>();

    @Implementation
    @Override
    protected void notify(String tag, int id, Notification notification) {
        if (tag != null && !tag.equals(Poster.SUMMARY)) {
            POSTED.merge(tag, 1, Integer::sum);
        }
        super.notify(tag, id, notification);
    }
}
