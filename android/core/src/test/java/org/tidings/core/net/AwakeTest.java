package org.tidings.core.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.tidings.core.Notification;
import org.tidings.core.device.Awake;
import org.tidings.core.device.Engine;
import org.tidings.core.device.ServerAddress;
import org.tidings.core.device.Settings;
import org.tidings.core.device.Sink;
import org.tidings.core.device.Status;
import org.tidings.core.testing.MemoryStore;

/** The processor is kept awake while the device works or waits for its server, and not a moment longer. */
class AwakeTest {
    /** What is said of the processor, in order. */
    private static final class Processor implements Awake {
        final BlockingQueue<Boolean> said = new LinkedBlockingQueue<>();
        private boolean held;

        @Override
        public synchronized void hold() {
            assertFalse(held, "held twice");
            held = true;
            said.add(true);
        }

        @Override
        public synchronized void release() {
            assertTrue(held, "released twice");
            held = false;
            said.add(false);
        }

        void awaits(boolean expected) throws InterruptedException {
            assertEquals(expected, said.poll(30, TimeUnit.SECONDS));
        }
    }

    private static final Sink NOBODY = new Sink() {
        @Override
        public void show(Notification notification) {}

        @Override
        public void status(Status status) {}

        @Override
        public void firstMet(String fingerprint) {}
    };

    private static Device device(int port, Processor processor) throws Exception {
        return new Device.Builder(ServerAddress.of("127.0.0.1", "localhost", port, 0), new MemoryStore(), NOBODY,
                new Settings("localhost").waits(600_000, 600_000)).networks(new org.tidings.core.device.NetworkMonitor() {
                    @Override
                    public void start(Listener listener) {
                        listener.changed("wifi");
                    }

                    @Override
                    public void stop() {}
                }).awake(processor).start();
    }

    @Test
    void whileItWaitsForASilentServer() throws Exception {
        Processor processor = new Processor();
        try (ServerSocket silent = new ServerSocket(0)) {
            Device device = device(silent.getLocalPort(), processor);
            Socket accepted = silent.accept();
            processor.awaits(true);
            device.with(Engine::status);
            assertEquals(null, processor.said.poll(), "it waits for the server's part of TLS");
            accepted.close();
            processor.awaits(false);
            device.close();
            processor.awaits(true);
            processor.awaits(false);
        }
    }

    @Test
    void forEachThingThatThereIsToDo() throws Exception {
        Processor processor = new Processor();
        int port;
        try (ServerSocket closed = new ServerSocket(0)) {
            port = closed.getLocalPort();
        }
        Device device = device(port, processor);
        processor.awaits(true);
        processor.awaits(false);
        device.alarm();
        processor.awaits(true);
        processor.awaits(false);
        device.close();
        processor.awaits(true);
        processor.awaits(false);
        device.alarm();
        assertEquals(null, processor.said.poll(), "it is over");
    }
}
