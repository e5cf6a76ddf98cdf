package org.tidings.demo;

import android.os.Handler;
import android.os.Looper;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;

/** Keeps the database and files off the main thread: one task after the other, its result back on the main thread. */
final class Background {
    private static final ExecutorService THREAD = Executors.newSingleThreadExecutor(task -> {
        Thread thread = new Thread(task, "app-background");
        thread.setDaemon(true);
        return thread;
    });
    private static final Handler MAIN = new Handler(Looper.getMainLooper());

    private Background() {}

    static void run(Runnable task) {
        THREAD.execute(task);
    }

    /** A task that throws ends the process, as it would have on the main thread. */
    static <T> void load(Callable<T> task, Consumer<T> then) {
        THREAD.execute(() -> {
            T result;
            try {
                result = task.call();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
            MAIN.post(() -> then.accept(result));
        });
    }
}
