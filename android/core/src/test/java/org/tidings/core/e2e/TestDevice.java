package org.tidings.core.e2e;

import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.tidings.core.Notification;
import org.tidings.core.device.Account;
import org.tidings.core.device.Answer;
import org.tidings.core.device.ServerAddress;
import org.tidings.core.device.Settings;
import org.tidings.core.device.Sink;
import org.tidings.core.device.Status;
import org.tidings.core.net.Device;
import org.tidings.core.net.KeyingMaterial;
import org.tidings.core.net.Trust;
import org.tidings.core.store.FileStore;
import org.tidings.core.stream.Trouble;

/** A device over real sockets with its files in a folder, and what it was told. */
final class TestDevice implements AutoCloseable, Sink {
    private static final long PATIENCE_S = 60;

    private final FileStore store;
    private final Device device;
    final List<Notification> shown = Collections.synchronizedList(new ArrayList<>());
    final List<Status> statuses = Collections.synchronizedList(new ArrayList<>());
    final List<String> met = Collections.synchronizedList(new ArrayList<>());
    volatile Status status;

    TestDevice(File folder, ServerAddress server, Trust trust, Consumer<Settings> change) throws IOException {
        this(folder, server, trust, change, KeyingMaterial.PLATFORM);
    }

    TestDevice(File folder, ServerAddress server, Trust trust, Consumer<Settings> change, KeyingMaterial material) throws IOException {
        Settings settings = new Settings(server.domain()).waits(20, 500).pace(30_000, 10_000);
        change.accept(settings);
        store = new FileStore(folder);
        device = new Device.Builder(server, store, this, settings).trust(trust).keyingMaterial(material).start();
    }

    TestDevice(File folder, ServerAddress server) throws IOException {
        this(folder, server, Trust.firstUse(), settings -> {});
    }

    static void await(String what, Supplier<Boolean> condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
        while (!condition.get()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("waited in vain: " + what);
            }
            try {
                Thread.sleep(10);
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }
    }

    TestDevice awaitOnline() {
        await("online; " + statuses, () -> status != null && status.state() == Status.State.ONLINE);
        return this;
    }

    void awaitTrouble(Trouble trouble) {
        await(trouble + "; " + statuses, () -> status != null && status.trouble() == trouble);
    }

    void awaitShown(int count) {
        await(count + " notifications, not " + shown.size() + "; " + status, () -> shown.size() >= count);
    }

    List<String> titles() {
        List<String> titles = new ArrayList<>();
        synchronized (shown) {
            for (Notification notification : shown) {
                titles.add(notification.title());
            }
        }
        return titles;
    }

    Account account() {
        try {
            return store.account();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    Device device() {
        return device;
    }

    /** Waits until a request is answered; the answer is {@code done} or a condition. */
    String ask(Consumer<Answer> request) {
        String[] said = new String[1];
        request.accept(new Answer() {
            @Override
            public void done() {
                said[0] = "done";
            }

            @Override
            public void refused(String condition) {
                said[0] = condition;
            }
        });
        await("an answer", () -> said[0] != null);
        return said[0];
    }

    @Override
    public void show(Notification notification) {
        shown.add(notification);
    }

    @Override
    public void status(Status status) {
        this.status = status;
        statuses.add(status);
    }

    @Override
    public void firstMet(String fingerprint) {
        met.add(fingerprint);
    }

    @Override
    public void close() throws IOException {
        device.close();
        store.close();
    }
}
