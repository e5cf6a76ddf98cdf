package org.tidings.core.testing;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.tidings.core.Notification;
import org.tidings.core.device.Alarm;
import org.tidings.core.device.Channel;
import org.tidings.core.device.Engine;
import org.tidings.core.device.Settings;
import org.tidings.core.device.Sink;
import org.tidings.core.device.Status;
import org.tidings.core.device.Transport;
import org.tidings.core.sasl.ChannelBinding;
import org.tidings.core.stream.Trouble;

/** One device and one server on a fake clock, with a network between them that can fail. */
public final class World implements Transport, Alarm, Sink {
    public final FakeServer server = new FakeServer();
    public final MemoryStore store = new MemoryStore();
    public final List<String> shown = new ArrayList<>();
    public final List<Status> statuses = new ArrayList<>();
    public final List<String> met = new ArrayList<>();
    public final Settings settings;
    public Engine engine;
    public long now = 1_000_000;
    /** A network that lets nothing through, although nobody says so. */
    public boolean blackHole;
    public boolean refusing;
    /** After so long a silence the network forgets the connection. */
    public long forgetsAfter = Long.MAX_VALUE;
    public String identity = Channel.PIN + "aa";
    public String expected;
    /** The notification whose showing goes wrong. */
    public String stumblesOver;
    public int attempts;
    public int wakeUps;
    public long bytesOut;
    public long bytesIn;

    private final Deque<Runnable> inFlight = new ArrayDeque<>();
    private final long seed;
    private FakeServer.Connection link;
    private long alarmAt = Long.MAX_VALUE;
    private long lastTraffic;
    private int generation;

    public World(long seed) {
        this.seed = seed;
        this.settings = new Settings(server.domain);
    }

    public World start() {
        generation++;
        inFlight.clear();
        link = null;
        alarmAt = Long.MAX_VALUE;
        engine = new Engine(settings, store, this, () -> now, this, new SeededRandom(seed + generation), this);
        try {
            engine.start("wifi");
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return settle();
    }

    /** The process is gone, and the connection with it. */
    public void kill() {
        generation++;
        engine = null;
        inFlight.clear();
        link = null;
        alarmAt = Long.MAX_VALUE;
    }

    private void later(Runnable task) {
        int of = generation;
        inFlight.add(() -> {
            if (of == generation) {
                task.run();
            }
        });
    }

    /** Until nothing is under way. */
    public World settle() {
        while (!inFlight.isEmpty()) {
            inFlight.remove().run();
        }
        return this;
    }

    /** Lets time pass, with every alarm in it. */
    public World pass(long millis) {
        long end = now + millis;
        while (alarmAt <= end) {
            now = Math.max(now, alarmAt);
            alarmAt = Long.MAX_VALUE;
            wakeUps++;
            engine.alarm();
            settle();
        }
        now = end;
        return this;
    }

    public World push(String id) {
        server.push(id, id);
        return settle();
    }

    /** The connection breaks, and both sides hear of it. */
    public World cut() {
        FakeServer.Connection cut = link;
        link = null;
        inFlight.clear();
        if (cut != null) {
            engine.failed(Trouble.CLOSED, "cut", null);
        }
        return settle();
    }

    public boolean isOnline() {
        return engine.status().state() == Status.State.ONLINE;
    }

    public long alarmAt() {
        return alarmAt;
    }

    private boolean passes() {
        boolean forgotten = now - lastTraffic > forgetsAfter;
        if (!forgotten && !blackHole) {
            lastTraffic = now;
        }
        return !forgotten && !blackHole;
    }

    // ---- the engine's transport ----

    @Override
    public void connect(String known) {
        attempts++;
        expected = known;
        lastTraffic = now;
        if (blackHole) {
            return;
        }
        if (refusing) {
            later(() -> engine.failed(Trouble.UNREACHABLE, "refused", null));
        } else if (known != null && !known.equals(identity)) {
            int attempt = attempts;
            String seen = identity;
            later(() -> {
                if (attempt == attempts) {
                    engine.failed(Trouble.CERTIFICATE_CHANGED, "another certificate", seen);
                }
            });
        } else {
            FakeServer.Connection[] made = new FakeServer.Connection[1];
            made[0] = server.connect(bytes -> later(() -> {
                if (link == made[0] && passes()) {
                    bytesIn += bytes.length;
                    engine.received(bytes, 0, bytes.length);
                }
            }));
            link = made[0];
            later(() -> engine.connected(new Channel(new ChannelBinding(new byte[] {1, 2, 3}, "SHA256withECDSA", null), identity)));
        }
    }

    @Override
    public void send(byte[] bytes) {
        FakeServer.Connection to = link;
        bytesOut += bytes.length;
        later(() -> {
            if (to != null && link == to && passes()) {
                to.receive(bytes);
            }
        });
    }

    @Override
    public void close() {
        link = null;
    }

    /** Bytes that come from wherever. */
    public World inject(byte[] bytes) {
        engine.received(bytes, 0, bytes.length);
        return settle();
    }

    // ---- its alarm ----

    @Override
    public void set(long at) {
        alarmAt = at;
    }

    @Override
    public void cancel() {
        alarmAt = Long.MAX_VALUE;
    }

    // ---- its sink ----

    @Override
    public void show(Notification notification) {
        store.step();
        if (notification.id().equals(stumblesOver)) {
            throw new IllegalStateException("a mistake of the app");
        }
        shown.add(notification.id());
        store.step();
    }

    @Override
    public void status(Status status) {
        statuses.add(status);
    }

    @Override
    public void firstMet(String fingerprint) {
        met.add(fingerprint);
    }
}
