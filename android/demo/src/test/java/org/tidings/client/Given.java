package org.tidings.client;

import android.content.Context;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import org.tidings.core.device.Account;
import org.tidings.core.device.Status;
import org.tidings.core.net.Device;
import org.tidings.core.stream.Trouble;

/** Puts the library into a state, for tests of what shows it: what the network and a server would have done. */
public final class Given {
    private final Tidings tidings;

    public Given(Context context) {
        tidings = Tidings.of(context);
    }

    /** The process ends; the next test has another. */
    public void endProcess() throws Exception {
        tidings.removeServer();
        settle();
        Field instance = Tidings.class.getDeclaredField("instance");
        instance.setAccessible(true);
        instance.set(null, null);
    }

    /** A server is known. The connection to it ends before it has done anything, so that only {@link #status} says how it is. */
    public Given server(String link) throws Exception {
        tidings.setServer(ServerConfig.ofInvitation(link));
        settle();
        ((Device) field("device").get(tidings.runner())).close();
        return status(Status.State.OFFLINE, System.currentTimeMillis(), 0, Trouble.NO_NETWORK, null);
    }

    /** What was asked of the library before is done. */
    private void settle() throws Exception {
        ((ExecutorService) field("control").get(tidings.runner())).submit(() -> {}).get();
    }

    public Given account(String name, String identity) throws ReflectiveOperationException, IOException {
        ((SqliteStore) field("store").get(tidings.runner())).saveAccount(
                new Account(name, "secret-password", "5f1c1a4e-9c5b-4d6e-8f2a-0123456789ab", true, true, identity));
        return this;
    }

    public Given status(Status.State state, long since, long nextAttempt, Trouble trouble, String fingerprint) throws ReflectiveOperationException {
        field("status").set(tidings.runner(), new ConnectionStatus(state, since, nextAttempt, trouble,
                trouble == null ? null : "in English", fingerprint));
        return this;
    }

    private static Field field(String name) throws NoSuchFieldException {
        Field field = Runner.class.getDeclaredField(name);
        field.setAccessible(true);
        return field;
    }

    /** One notification in the history, as its element came. */
    public Given received(String xml, long when, boolean read) {
        tidings.history().putBack(new HistoryEntry(SqliteStore.parse(xml.getBytes(StandardCharsets.UTF_8)), when, read, read));
        return this;
    }

    public static org.tidings.core.Notification notification(String xml) {
        return org.tidings.core.Notification.of(SqliteStore.parse(xml.getBytes(StandardCharsets.UTF_8)));
    }

    /** Shows it as the library does. */
    public void post(String xml, android.graphics.Bitmap image) {
        tidings.runner().poster().post(notification(xml), image);
    }
}
