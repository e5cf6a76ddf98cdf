package org.tidings.client;

import android.content.Context;
import android.os.SystemClock;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import org.tidings.core.Notification;
import org.tidings.core.device.Sink;
import org.tidings.core.device.Status;

/** What the core tells: notifications, which it has stored by then, go to the app and to the screen. */
final class Receiver implements Sink {
    private final Context context;
    private final ClientSettings settings;
    private final History history;
    private final Poster poster;
    private final EventLog log;
    private final Consumer<ConnectionStatus> told;
    private final ImageLoader images;
    private final Executor fetching = Executors.notificationImages();
    private volatile NotificationListener listener;
    /** While the last run's are taken up: some may be on the screen already. */
    private volatile boolean starting;
    private Status.State last;

    Receiver(Context context, ClientSettings settings, History history, Poster poster, EventLog log, Consumer<ConnectionStatus> told) {
        this.context = context;
        this.settings = settings;
        this.history = history;
        this.poster = poster;
        this.log = log;
        this.told = told;
        images = new ImageLoader(fetching);
    }

    void setListener(@Nullable NotificationListener listener) {
        this.listener = listener;
    }

    void starts() {
        starting = true;
    }

    void started() {
        starting = false;
    }

    @Override
    public void show(Notification notification) {
        String id = notification.id();
        if (history.isShown(id) || starting && (history.isRead(id) || poster.isActive(id))) {
            return;
        }
        NotificationListener app = listener;
        boolean shown = app == null || app.onNotification(notification);
        if (!shown || isSilent(notification)) {
            history.markRead(id);
            return;
        }
        for (String replaced : poster.post(notification, null)) {
            history.markRead(replaced);
        }
        if (notification.image() != null && settings.hasImages()) {
            fetching.execute(() -> addImage(notification));
        }
    }

    /** Data for the app has nothing to show. */
    private static boolean isSilent(Notification notification) {
        return SafeText.line(notification.title(), 1).isEmpty() && SafeText.line(notification.message(), 1).isEmpty();
    }

    private void addImage(Notification notification) {
        WakeLock lock = new WakeLock(context);
        lock.hold();
        try {
            android.graphics.Bitmap image = images.fetch(notification.image());
            if (image != null && poster.isActive(notification.id())) {
                poster.post(notification, image);
            }
        } finally {
            lock.release();
        }
    }

    @Override
    public void status(Status status) {
        if (status.state() != last || status.trouble() != null) {
            log.add(status.toString());
        }
        last = status.state();
        told.accept(ConnectionStatus.of(status, SystemClock.elapsedRealtime(), System.currentTimeMillis()));
    }

    @Override
    public void firstMet(String fingerprint) {
        log.add("the server is known by its key from now on");
    }
}
