package org.tidings.client;

import static org.robolectric.Shadows.shadowOf;

import android.app.Application;
import android.os.Looper;
import java.io.IOException;
import java.lang.reflect.Field;
import java.util.concurrent.TimeUnit;
import org.junit.After;
import org.junit.Before;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;

/** A phone with the library on it, and nothing of an app. */
@Config(application = Application.class)
public abstract class ClientTest {
    private static final long PATIENCE_S = 60;

    Application app;

    /** Something that is looked at until it is true. */
    interface Condition {
        boolean holds() throws IOException;
    }

    @Before
    public final void phone() throws ReflectiveOperationException {
        app = RuntimeEnvironment.getApplication();
        forgetProcess();
    }

    @After
    public final void endProcess() throws ReflectiveOperationException {
        Tidings.stop(app);
        await("the end", () -> Tidings.of(app).status().state() == org.tidings.core.device.Status.State.STOPPED);
        forgetProcess();
    }

    /** What comes is as in a new process, with the files of the last one. */
    static void forgetProcess() throws ReflectiveOperationException {
        Field instance = Tidings.class.getDeclaredField("instance");
        instance.setAccessible(true);
        instance.set(null, null);
        Field running = PushService.class.getDeclaredField("running");
        running.setAccessible(true);
        running.set(null, false);
    }

    /** Everything that the library was asked to do has been done. */
    void settle() {
        boolean[] done = new boolean[1];
        Tidings.of(app).runner().adapt(() -> done[0] = true);
        await("the library", () -> done[0]);
    }

    static void await(String what, Condition condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
        try {
            while (!condition.holds()) {
                if (System.nanoTime() > end) {
                    throw new AssertionError("waited in vain for " + what);
                }
                shadowOf(Looper.getMainLooper()).idle();
                Thread.sleep(5);
            }
        } catch (InterruptedException | IOException e) {
            throw new AssertionError(what, e);
        }
    }
}
