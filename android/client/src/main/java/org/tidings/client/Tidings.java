package org.tidings.client;

import android.annotation.SuppressLint;
import android.app.Activity;
import android.content.Context;
import android.os.Handler;
import android.os.Looper;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * The library's door: {@code Tidings.start(context)} in the application's {@code onCreate} is all that an app needs to say.
 * Methods are for any thread; listeners and callbacks are called on the main thread, unless they say otherwise.
 */
public final class Tidings {
    /** The intent extra with the notification's id, for an activity of one's own ({@link #setDetailsActivity}). */
    public static final String EXTRA_ID = "org.tidings.client.ID";

    /** There is one connection in a process, and the application's context lives as long as that. */
    @SuppressLint("StaticFieldLeak")
    private static Tidings instance;

    private final Context context;
    private final ClientSettings settings;
    private final EventLog log;
    private final Runner runner;
    private final List<StatusListener> listeners = new CopyOnWriteArrayList<>();
    private final Handler main = new Handler(Looper.getMainLooper());

    private Tidings(Context context) {
        this.context = context;
        settings = new ClientSettings(context, this::settingsChanged);
        log = new EventLog(context.getNoBackupFilesDir());
        runner = new Runner(context, settings, log, this::tell);
    }

    /** The library of this app. */
    public static synchronized Tidings of(Context context) {
        if (instance == null) {
            instance = new Tidings(context.getApplicationContext());
        }
        return instance;
    }

    /** Connects, now and after each restart of the phone, until {@link #stop}. */
    public static Tidings start(Context context) {
        Tidings tidings = of(context);
        tidings.settings.setStarted(true);
        tidings.runner.adapt();
        return tidings;
    }

    /** Disconnects for good; the server keeps what comes until the next {@link #start}. */
    public static void stop(Context context) {
        Tidings tidings = of(context);
        tidings.settings.setStarted(false);
        tidings.runner.adapt();
    }

    // ---- the connection ----

    public ConnectionStatus status() {
        return runner.status();
    }

    /** Hears each change from now on. */
    public void addStatusListener(StatusListener listener) {
        listeners.add(listener);
    }

    public void removeStatusListener(StatusListener listener) {
        listeners.remove(listener);
    }

    private void tell(ConnectionStatus status) {
        for (StatusListener listener : listeners) {
            main.post(() -> listener.onStatus(status));
        }
    }

    /** Tries at once, where it would have waited. */
    public void retry() {
        runner.retry();
    }

    /** Asks the server for a sign of life. */
    public void ping(PingCallback callback) {
        runner.requests().ping(callback);
    }

    /** A person accepts the server's new certificate, of which the status named the fingerprint. */
    public void trust(String fingerprint) {
        runner.trust(Objects.requireNonNull(fingerprint));
    }

    /** By what the server is known: {@code sha256:…} or {@code system}; null where it was not met yet. */
    @Nullable
    public String serverIdentity() {
        return runner.identity();
    }

    /** The account's name, or null where there is none yet. */
    @Nullable
    public String username() {
        return runner.username();
    }

    // ---- the server ----

    /** The server: what {@link #setServer} said, or else {@code assets/tidings.properties}; null where there is none. */
    @Nullable
    public ServerConfig server() {
        return runner.server();
    }

    /** Another server, or the same with a new token. The account of another server is forgotten; the history stays. */
    public void setServer(ServerConfig server) {
        runner.setServer(server);
    }

    /** No server any more, not the one of the assets either. */
    public void removeServer() {
        runner.setServer(null);
    }

    /** What is wrong with {@code assets/tidings.properties}, and in which line; null where nothing is. */
    @Nullable
    public ConfigurationException configurationError() {
        return runner.configurationError();
    }

    // ---- notifications ----

    public ClientSettings settings() {
        return settings;
    }

    private void settingsChanged() {
        runner.settingsChanged();
    }

    public History history() {
        return runner.history();
    }

    public Topics topics() {
        return runner.requests();
    }

    /** Who reads what arrives before it is shown; to be set before {@link #start}, each time the process starts. */
    public void setNotificationListener(@Nullable NotificationListener listener) {
        runner.setListener(listener);
    }

    /** A person opened a notification: it is read, it leaves the screen, and the server hears of it. */
    public void opened(String id) {
        runner.opened(id);
    }

    /**
     * The activity that shows a notification after a tap, with {@link #EXTRA_ID}; the library's own where null. A
     * {@code <meta-data android:name="org.tidings.client.details" android:value="CLASS"/>} of the application says the same.
     */
    public void setDetailsActivity(@Nullable Class<? extends Activity> activity) {
        runner.poster().setDetailsActivity(activity);
    }

    /** What a notification may open. */
    public UriPolicy uris() {
        return runner.uris();
    }

    public ImageLoader images() {
        return runner.images();
    }

    // ---- the phone ----

    public BatteryExemption battery() {
        return new BatteryExemption(context);
    }

    /** Whether the account is encrypted by the phone's keystore; where that does not work it is in the app's private files only. */
    public boolean isKeystoreUsed() {
        return runner.isKeystoreUsed();
    }

    /** What the connection did, without names, addresses and contents, for a person to send to a developer. */
    public String exportLog() {
        return LogHeader.of(context, this) + log.read();
    }

    Runner runner() {
        return runner;
    }

    EventLog log() {
        return log;
    }

    /** Whether it is to be connected at all, after the app's and the person's will. */
    boolean isWanted() {
        return settings.isStarted() && settings.isEnabled();
    }
}
