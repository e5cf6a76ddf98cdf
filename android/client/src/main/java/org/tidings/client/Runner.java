package org.tidings.client;

import android.content.Context;
import android.os.SystemClock;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.tidings.core.device.Account;
import org.tidings.core.device.Channel;
import org.tidings.core.device.Engine;
import org.tidings.core.device.Settings;
import org.tidings.core.device.Status;
import org.tidings.core.net.Device;
import org.tidings.core.net.DnsClient;
import org.tidings.core.net.Trust;

/** Keeps one connection open while the app and the person want it, with everything of the platform that it needs. */
final class Runner {
    /** After how long a store that could not be read is tried again. */
    private static final long STORE_RETRY_S = 60;

    private final Context context;
    private final ClientSettings settings;
    private final EventLog log;
    private final Consumer<ConnectionStatus> listener;
    private final ScheduledExecutorService control;
    private final Servers servers;
    private final SqliteStore store;
    private final Secrets secrets;
    private final History history;
    private final Poster poster;
    private final UriPolicy uris;
    private final ImageLoader images;
    private final ServerRequests requests;
    private final Receiver receiver;
    private final NetworkWatch networks;
    private final ScreenWatch screen;

    private volatile ConnectionStatus status;
    private volatile Device device;

    Runner(Context context, ClientSettings settings, EventLog log, Consumer<ConnectionStatus> listener) {
        this.context = context;
        this.settings = settings;
        this.log = log;
        this.listener = listener;
        control = control();
        secrets = new Secrets(context, new SecretCipher(), log);
        servers = new Servers(context, secrets, log);
        Database database = new Database(context);
        poster = new Poster(context, settings);
        history = new History(database, new History.Screen() {
            @Override
            public void read(String id) {
                poster.cancel(id);
            }

            @Override
            public void allRead() {
                poster.cancelAll();
            }
        });
        store = new SqliteStore(database, secrets, history::changed);
        uris = new UriPolicy(context);
        images = new ImageLoader(Executors.images());
        receiver = new Receiver(context, settings, history, poster, log, this::told);
        requests = new ServerRequests(this);
        networks = new NetworkWatch(context, this::retry);
        screen = new ScreenWatch(context, active -> with(engine -> engine.setActive(active), () -> {}));
        status = new ConnectionStatus(Status.State.STOPPED, System.currentTimeMillis(), 0, null, null, null);
    }

    private static ScheduledExecutorService control() {
        ScheduledThreadPoolExecutor executor = new ScheduledThreadPoolExecutor(1, task -> {
            Thread thread = new Thread(task, "tidings-control");
            thread.setDaemon(true);
            return thread;
        });
        executor.setKeepAliveTime(10, TimeUnit.SECONDS);
        executor.allowCoreThreadTimeOut(true);
        return executor;
    }

    // ---- running ----

    private boolean isWanted() {
        return settings.isStarted() && settings.isEnabled() && servers.get() != null;
    }

    /** Does what the app and the person want now: connects, or disconnects. Returns at once. */
    void adapt() {
        adapt(() -> {});
    }

    /** @param done is called when it is done */
    void adapt(Runnable done) {
        control.execute(() -> {
            try {
                adaptNow();
            } catch (RuntimeException e) {
                // The system refused something; the watchdog tries again.
                log.add("not as it should be: " + e);
            } finally {
                done.run();
            }
        });
    }

    private void adaptNow() {
        Channels.create(context, settings);
        if (!isWanted()) {
            close();
            PushService.stop(context);
            Watchdog.cancel(context);
            return;
        }
        if (device == null) {
            open();
        }
        PushService.start(context, log);
        Watchdog.schedule(context);
    }

    private void open() {
        ServerConfig server = servers.get();
        servers.hideNames(server);
        try {
            store.use(server.address().domain() + '\n' + (server.username() == null ? "" : server.username()));
            receiver.starts();
            device = builder(server).start();
            screen.start();
            log.add("started on Android " + android.os.Build.VERSION.SDK_INT);
        } catch (IOException e) {
            log.add("cannot start: " + e.getMessage());
            told(new ConnectionStatus(Status.State.STOPPED, System.currentTimeMillis(), 0, org.tidings.core.stream.Trouble.STORE,
                    e.getMessage(), null));
            control.schedule((Runnable) this::adapt, STORE_RETRY_S, TimeUnit.SECONDS);
        } finally {
            receiver.started();
        }
    }

    private Device.Builder builder(ServerConfig server) {
        Settings core = new Settings(server.address().domain()).token(server.token());
        if (server.username() != null && server.password() != null) {
            core.account(server.username(), server.password());
        }
        Trust trust = server.fingerprint() != null ? Trust.pinned(server.fingerprint())
                : server.systemTrustOnly() ? Trust.system() : Trust.firstUse();
        return new Device.Builder(server.address(), store, receiver, core).trust(trust).networks(networks)
                .resolver(new DnsClient(networks::nameServers)).awake(new WakeLock(context))
                .time(SystemClock::elapsedRealtime, new DeviceAlarm(context, this::alarm));
    }

    private void close() {
        Device open = device;
        device = null;
        if (open != null) {
            screen.stop();
            open.close();
            log.add("stopped");
        }
    }

    /** The time has come that the core named, or somebody thinks so. */
    void alarm() {
        Device open = device;
        if (open != null) {
            open.alarm();
        }
    }

    /** The process was woken: the connection is to be there if it is wanted, and looks after itself. */
    void wake(Runnable done) {
        Device open = device;
        if (open != null) {
            open.alarm();
            done.run();
            return;
        }
        adapt(done);
    }

    /** What a wake-up does, and the service, too, where the system did not let it start before. */
    void check(Runnable done) {
        alarm();
        adapt(done);
    }

    /** Does something with the engine, or the other where there is none. */
    void with(Consumer<Engine> task, Runnable otherwise) {
        Device open = device;
        if (open != null) {
            open.with(task);
        } else {
            control.execute(otherwise);
        }
    }

    void retry() {
        with(Engine::retry, () -> {});
    }

    private void told(ConnectionStatus now) {
        status = now;
        PushService.show(context, poster.connectionLine(now));
        listener.accept(now);
    }

    // ---- the server ----

    void trust(String fingerprint) {
        log.add("a person trusts another certificate");
        control.execute(() -> {
            with(engine -> engine.trust(fingerprint), () -> {});
            ServerConfig server = servers.get();
            if (server != null && server.fingerprint() != null) {
                close();
                servers.set(server.withFingerprint(fingerprint.startsWith(Channel.PIN) ? fingerprint : null));
                servers.save();
                adaptNow();
            }
        });
    }

    void setServer(@Nullable ServerConfig server) {
        servers.set(server);
        control.execute(() -> {
            servers.save();
            close();
            adaptNow();
        });
    }

    @Nullable
    ServerConfig server() {
        return servers.get();
    }

    @Nullable
    ConfigurationException configurationError() {
        return servers.error();
    }

    @Nullable
    private Account account() {
        try {
            return store.account();
        } catch (IOException e) {
            return null;
        }
    }

    @Nullable
    String username() {
        Account account = account();
        return account == null ? null : account.username();
    }

    @Nullable
    String identity() {
        Account account = account();
        return account == null ? null : account.identity();
    }

    boolean isKeystoreUsed() {
        return secrets.isEncrypted("account");
    }

    // ---- notifications ----

    void settingsChanged() {
        adapt();
    }

    void setListener(@Nullable NotificationListener listener) {
        receiver.setListener(listener);
    }

    void opened(String id) {
        history.markOpened(id);
        with(engine -> engine.opened(id), () -> {});
    }

    /** While nothing runs, a wish is for the next start. */
    void keepTopic(String topic, boolean wanted) {
        try {
            List<String> topics = new ArrayList<>(store.topics());
            topics.remove(topic);
            if (wanted) {
                topics.add(topic);
            }
            store.saveTopics(topics);
        } catch (IOException e) {
            log.add("a topic cannot be kept: " + e.getMessage());
        }
    }

    ConnectionStatus status() {
        return status;
    }

    History history() {
        return history;
    }

    Poster poster() {
        return poster;
    }

    UriPolicy uris() {
        return uris;
    }

    ImageLoader images() {
        return images;
    }

    ServerRequests requests() {
        return requests;
    }
}
