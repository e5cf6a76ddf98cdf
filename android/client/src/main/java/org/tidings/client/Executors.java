package org.tidings.client;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** Makes the threads for pictures: few, and gone when there is nothing to fetch. */
final class Executors {
    private static final int THREADS = 2;
    private static final int MOST_WAITING = 16;

    private Executors() {}

    /** For what an app asks for: everything gets its turn. */
    static Executor images() {
        return pool(new ThreadPoolExecutor(THREADS, THREADS, 10, TimeUnit.SECONDS, new LinkedBlockingQueue<>()));
    }

    /** For what servers name: of too many, the oldest get none. */
    static Executor notificationImages() {
        return pool(new ThreadPoolExecutor(1, 1, 10, TimeUnit.SECONDS, new ArrayBlockingQueue<>(MOST_WAITING),
                new ThreadPoolExecutor.DiscardOldestPolicy()));
    }

    private static Executor pool(ThreadPoolExecutor pool) {
        pool.allowCoreThreadTimeOut(true);
        pool.setThreadFactory(task -> {
            Thread thread = new Thread(task, "tidings-image");
            thread.setDaemon(true);
            return thread;
        });
        return pool;
    }
}
