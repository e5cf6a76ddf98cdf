package org.tidings.client;

import android.content.Context;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import org.tidings.core.Notification;
import org.tidings.core.device.Account;
import org.tidings.core.device.Alarm;
import org.tidings.core.device.Channel;
import org.tidings.core.device.Engine;
import org.tidings.core.device.Settings;
import org.tidings.core.device.Sink;
import org.tidings.core.device.Status;
import org.tidings.core.device.Store;
import org.tidings.core.device.Transport;
import org.tidings.core.sasl.ChannelBinding;
import org.tidings.core.stream.Trouble;
import org.tidings.core.testing.FakeServer;
import org.tidings.core.testing.SeededRandom;

/** The library's store and receiver under the core's engine, with a server in memory: its process dies at a chosen step. */
final class Phone implements Transport, Alarm {
    /** The process is gone; nothing catches this. */
    static final class Killed extends Error {
        private static final long serialVersionUID = 1;
    }

    final FakeServer server = new FakeServer();
    private final Context context;
    /** Steps until the process dies; it does not where this is negative. */
    int stepsToLive = -1;
    int steps;
    History history;
    Poster poster;
    private SqliteStore store;
    private Receiver receiver;
    private Engine engine;
    private FakeServer.Connection link;
    private final Deque<Runnable> inFlight = new ArrayDeque<>();
    private int generation;
    private long now = 1_000_000;
    private long alarmAt = Long.MAX_VALUE;

    Phone(Context context) {
        this.context = context;
    }

    void step() {
        steps++;
        if (stepsToLive == 0) {
            throw new Killed();
        }
        if (stepsToLive > 0) {
            stepsToLive--;
        }
    }

    /** A new process, with the files and the screen of the last one. */
    Phone start() throws IOException {
        generation++;
        inFlight.clear();
        link = null;
        alarmAt = Long.MAX_VALUE;
        EventLog log = new EventLog(context.getNoBackupFilesDir());
        ClientSettings settings = new ClientSettings(context, () -> {});
        Channels.create(context, settings);
        poster = new Poster(context, settings);
        Database database = new Database(context);
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
        store = new SqliteStore(database, new Secrets(context, new SecretCipher(), log), () -> {});
        receiver = new Receiver(context, settings, history, poster, log, status -> {});
        receiver.setListener(notification -> {
            step();
            return true;
        });
        engine = new Engine(new Settings(server.domain), dyingStore(), dyingSink(), () -> now, this, new SeededRandom(generation), this);
        receiver.starts();
        engine.start("wifi");
        receiver.started();
        return settle();
    }

    private Store dyingStore() {
        return new Store() {
            @Override
            public Account account() throws IOException {
                return store.account();
            }

            @Override
            public void saveAccount(Account account) throws IOException {
                store.saveAccount(account);
            }

            @Override
            public List<String> recentIds() throws IOException {
                return store.recentIds();
            }

            @Override
            public void save(List<Notification> notifications) throws IOException {
                step();
                store.save(notifications);
                step();
            }

            @Override
            public List<Notification> unshown() throws IOException {
                return store.unshown();
            }

            @Override
            public void shown(String id) throws IOException {
                step();
                store.shown(id);
                step();
            }

            @Override
            public List<String> topics() throws IOException {
                return store.topics();
            }

            @Override
            public void saveTopics(Collection<String> topics) throws IOException {
                store.saveTopics(topics);
            }

            @Override
            public String keepalive() throws IOException {
                return store.keepalive();
            }

            @Override
            public void saveKeepalive(String learned) throws IOException {
                store.saveKeepalive(learned);
            }
        };
    }

    private Sink dyingSink() {
        return new Sink() {
            @Override
            public void show(Notification notification) {
                step();
                receiver.show(notification);
                step();
            }

            @Override
            public void status(Status status) {
                receiver.status(status);
            }

            @Override
            public void firstMet(String fingerprint) {
                receiver.firstMet(fingerprint);
            }
        };
    }

    Phone settle() {
        while (!inFlight.isEmpty()) {
            inFlight.remove().run();
        }
        return this;
    }

    Phone pass(long millis) {
        long end = now + millis;
        while (alarmAt <= end) {
            now = Math.max(now, alarmAt);
            alarmAt = Long.MAX_VALUE;
            engine.alarm();
            settle();
        }
        now = end;
        return this;
    }

    /** The connection breaks. */
    Phone cut() {
        link = null;
        inFlight.clear();
        engine.failed(Trouble.CLOSED, "cut", null);
        return settle();
    }

    private void later(Runnable task) {
        int of = generation;
        inFlight.add(() -> {
            if (of == generation) {
                task.run();
            }
        });
    }

    @Override
    public void connect(String known) {
        FakeServer.Connection[] made = new FakeServer.Connection[1];
        made[0] = server.connect(bytes -> later(() -> {
            if (link == made[0]) {
                engine.received(bytes, 0, bytes.length);
            }
        }));
        link = made[0];
        later(() -> engine.connected(new Channel(new ChannelBinding(new byte[] {1}, "SHA256withECDSA", null), Channel.SYSTEM)));
    }

    @Override
    public void send(byte[] bytes) {
        FakeServer.Connection to = link;
        later(() -> {
            if (to != null && link == to) {
                to.receive(bytes);
            }
        });
    }

    @Override
    public void close() {
        link = null;
    }

    @Override
    public void set(long at) {
        alarmAt = at;
    }

    @Override
    public void cancel() {
        alarmAt = Long.MAX_VALUE;
    }
}
