package org.tidings.core.net;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.tidings.core.device.Engine;
import org.tidings.core.device.Transport;
import org.tidings.core.stream.Trouble;

/** Carries an engine's bytes over sockets: a thread reads, a thread writes, and the engine's own waits for neither. */
final class SocketTransport implements Transport {
    private static final byte[] END = new byte[0];
    /** Pieces that may wait for a server that does not read. */
    private static final int MOST_WAITING = 4096;
    /** Pieces that may have been read and wait for the engine. */
    private static final int READ_AHEAD = 8;

    private final Dialer dialer;
    private final Executor loop;
    private Engine engine;
    private Link link;

    /** @param loop runs a task on the engine's thread */
    SocketTransport(Dialer dialer, Executor loop) {
        this.dialer = dialer;
        this.loop = loop;
    }

    void serve(Engine engine) {
        this.engine = engine;
    }

    @Override
    public void connect(String known) {
        link = new Link(known);
        Threads.start("tidings-connect", link::run);
    }

    @Override
    public void send(byte[] bytes) {
        if (link == null) {
            return;
        }
        link.out.add(bytes);
        if (link.out.size() > MOST_WAITING) {
            link.post(() -> engine.failed(Trouble.PROTOCOL, "the server reads nothing", null));
        }
    }

    @Override
    public void close() {
        if (link != null) {
            link.close();
            link = null;
        }
    }

    /** One attempt, and the connection that comes of it. */
    private final class Link {
        final BlockingQueue<byte[]> out = new LinkedBlockingQueue<>();
        private final Semaphore room = new Semaphore(READ_AHEAD);
        private final Dialer.Race race;
        private Dialer.Dialed dialed;
        private boolean closed;

        Link(String known) {
            race = dialer.new Race(known);
        }

        private void run() {
            try {
                Dialer.Dialed winner = race.run();
                synchronized (this) {
                    dialed = winner;
                    if (closed) {
                        Threads.close(winner.tcp);
                        return;
                    }
                }
                post(() -> engine.connected(winner.channel));
                Threads.start("tidings-write", this::write);
                read(winner.socket.getInputStream());
                post(() -> engine.failed(Trouble.CLOSED, "the server closed the connection", null));
            } catch (DialException e) {
                post(() -> engine.failed(e.trouble, e.getMessage(), e.seen));
            } catch (IOException e) {
                post(() -> engine.failed(Trouble.CLOSED, "the connection broke: " + e.getMessage(), null));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        private void read(InputStream in) throws IOException, InterruptedException {
            byte[] buffer = new byte[8192];
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                byte[] bytes = Arrays.copyOf(buffer, read);
                while (!room.tryAcquire(1, TimeUnit.SECONDS)) {
                    if (isClosed()) {
                        return;
                    }
                }
                loop.execute(() -> {
                    room.release();
                    if (link == this) {
                        engine.received(bytes, 0, bytes.length);
                    }
                });
            }
        }

        private synchronized boolean isClosed() {
            return closed;
        }

        private void write() {
            try {
                OutputStream to = dialed.socket.getOutputStream();
                for (byte[] bytes = out.take(); bytes != END; bytes = out.take()) {
                    to.write(bytes);
                    to.flush();
                }
            } catch (IOException e) {
                post(() -> engine.failed(Trouble.CLOSED, "the connection broke: " + e.getMessage(), null));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } finally {
                Threads.close(dialed.tcp);
            }
        }

        /** On the engine's thread, unless the engine has given this connection up. */
        private void post(Runnable task) {
            loop.execute(() -> {
                if (link == this) {
                    task.run();
                }
            });
        }

        /** What was said last still goes out, if it can at once. */
        void close() {
            race.cancel();
            synchronized (this) {
                closed = true;
                if (dialed == null) {
                    return;
                }
            }
            out.add(END);
            Threads.start("tidings-close", () -> {
                try {
                    Thread.sleep(1_000);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
                Threads.close(dialed.tcp);
            });
        }
    }
}
