package org.tidings.core.net;

import java.io.IOException;
import java.security.SecureRandom;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.tidings.core.device.Alarm;
import org.tidings.core.device.Awake;
import org.tidings.core.device.Clock;
import org.tidings.core.device.Engine;
import org.tidings.core.device.NetworkMonitor;
import org.tidings.core.device.ServerAddress;
import org.tidings.core.device.Settings;
import org.tidings.core.device.Sink;
import org.tidings.core.device.Store;

/** A device that runs: an {@link Engine} on a thread of its own, over sockets. Its methods are for any thread. */
public final class Device implements AutoCloseable {
    private static final long NEVER = Long.MAX_VALUE;

    private final LinkedBlockingQueue<Runnable> tasks = new LinkedBlockingQueue<>();
    private final Engine engine;
    private final Clock clock;
    private final NetworkMonitor networks;
    private final Awake awake;
    private boolean isHeld;
    private Thread thread;
    private long alarmAt = NEVER;
    private volatile boolean closed;

    /** What a device is built of. */
    public static final class Builder {
        private final ServerAddress server;
        private final Settings settings;
        private final Store store;
        private final Sink sink;
        private Trust trust = Trust.firstUse();
        private SrvResolver resolver = DnsClient.ofSystem();
        private KeyingMaterial material = KeyingMaterial.PLATFORM;
        private Clock clock = () -> TimeUnit.NANOSECONDS.toMillis(System.nanoTime());
        private Alarm alarm;
        private NetworkMonitor networks;
        private Awake awake = new Awake() {
            @Override
            public void hold() {}

            @Override
            public void release() {}
        };

        public Builder(ServerAddress server, Store store, Sink sink, Settings settings) {
            this.server = server;
            this.settings = settings;
            this.store = store;
            this.sink = sink;
        }

        public Builder trust(Trust trust) {
            this.trust = trust;
            return this;
        }

        /** Who is asked for SRV records. */
        public Builder resolver(SrvResolver resolver) {
            this.resolver = resolver;
            return this;
        }

        public Builder keyingMaterial(KeyingMaterial material) {
            this.material = material;
            return this;
        }

        /** A clock and alarms that go on while the device sleeps; {@link Device#alarm} is what they call. */
        public Builder time(Clock clock, Alarm alarm) {
            this.clock = clock;
            this.alarm = alarm;
            return this;
        }

        /** Without one, there is a network that never changes. */
        public Builder networks(NetworkMonitor networks) {
            this.networks = networks;
            return this;
        }

        /** What keeps the processor awake while there is something to do; nothing has to where it never sleeps. */
        public Builder awake(Awake awake) {
            this.awake = awake;
            return this;
        }

        /** Starts it. */
        public Device start() throws IOException {
            Device device = new Device(this);
            device.start();
            return device;
        }
    }

    private Device(Builder builder) {
        clock = builder.clock;
        networks = builder.networks;
        awake = builder.awake;
        Dialer dialer = new Dialer(builder.server, builder.resolver, builder.trust, builder.material);
        SocketTransport transport = new SocketTransport(dialer, this::execute);
        SecureRandom random = new SecureRandom();
        Alarm alarm = builder.alarm != null ? builder.alarm : new Alarm() {
            @Override
            public void set(long at) {
                alarmAt = at;
            }

            @Override
            public void cancel() {
                alarmAt = NEVER;
            }
        };
        engine = new Engine(builder.settings, builder.store, builder.sink, clock, alarm, random::nextBytes, transport);
        transport.serve(engine);
    }

    private void start() throws IOException {
        engine.start(networks == null ? "network" : null);
        thread = Threads.start("tidings", this::loop);
        if (networks != null) {
            networks.start(network -> execute(() -> engine.network(network)));
        }
    }

    private void loop() {
        try {
            work();
        } finally {
            synchronized (tasks) {
                closed = true;
                release();
            }
        }
    }

    private void work() {
        while (!closed) {
            restIfIdle();
            try {
                long left = alarmAt == NEVER ? NEVER : Math.max(0, alarmAt - clock.millis());
                Runnable task = left == NEVER ? tasks.take() : tasks.poll(left, TimeUnit.MILLISECONDS);
                if (task != null) {
                    task.run();
                } else {
                    alarmAt = NEVER;
                    engine.alarm();
                }
            } catch (InterruptedException e) {
                return;
            } catch (RuntimeException e) {
                // An app's mistake in what it was told; it is reported and does not end the device.
                Thread.currentThread().getUncaughtExceptionHandler().uncaughtException(Thread.currentThread(), e);
            }
        }
    }

    private void execute(Runnable task) {
        synchronized (tasks) {
            if (closed) {
                return;
            }
            if (!isHeld) {
                isHeld = true;
                awake.hold();
            }
            tasks.add(task);
        }
    }

    private void restIfIdle() {
        synchronized (tasks) {
            if (tasks.isEmpty() && !engine.isBusy()) {
                release();
            }
        }
    }

    private void release() {
        if (isHeld) {
            isHeld = false;
            awake.release();
        }
    }

    /** Runs something with the engine, on its thread. */
    public void with(Consumer<Engine> task) {
        execute(() -> task.accept(engine));
    }

    /** For alarms of one's own: the time has come. */
    public void alarm() {
        execute(engine::alarm);
    }

    /** Ends the session in good order; nothing is heard afterwards. */
    @Override
    public void close() {
        if (networks != null) {
            networks.stop();
        }
        execute(() -> {
            engine.stop();
            closed = true;
        });
        try {
            thread.join(5_000);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
