package org.tidings.e2e;

import android.app.Notification;
import android.app.NotificationManager;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.robolectric.annotation.Implementation;
import org.robolectric.annotation.Implements;
import org.robolectric.shadow.api.Shadow;
import org.robolectric.shadows.ShadowNotificationManager;

/** Remembers every notification that the app posts, also where a later one takes its place. */
@Implements(NotificationManager.class)
public class PostedNotifications extends ShadowNotificationManager {
    private static final List<String> TITLES = new CopyOnWriteArrayList<>();

    @Override
    @Implementation
    protected void notify(String tag, int id, Notification notification) {
        super.notify(tag, id, notification);
        CharSequence title = notification.extras.getCharSequence(Notification.EXTRA_TITLE);
        boolean summary = (notification.flags & Notification.FLAG_GROUP_SUMMARY) != 0;
        if (tag != null && title != null && !summary) {
            TITLES.add(title.toString());
        }
    }

    static List<String> titles() {
        return TITLES;
    }

    static ShadowNotificationManager of(NotificationManager manager) {
        return Shadow.extract(manager);
    }
}
