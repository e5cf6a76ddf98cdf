package org.tidings.core.testing;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** Stands between a device and its server, and breaks their connections. */
public final class CuttingProxy implements AutoCloseable {
    private final ServerSocket listener;
    private final List<Socket> open = new CopyOnWriteArrayList<>();
    public volatile int target;
    /** After so many bytes towards the device the connection breaks; negative for never. */
    public volatile int cutAfter = -1;

    public CuttingProxy(int target) throws IOException {
        this.target = target;
        listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        start(this::accept);
    }

    public int port() {
        return listener.getLocalPort();
    }

    /** Something that may end with a broken socket. */
    private interface Task {
        void run() throws IOException;
    }

    private static void start(Task task) {
        Thread thread = new Thread(() -> {
            try {
                task.run();
            } catch (IOException e) {
                // That is what it is for.
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    private void accept() throws IOException {
        while (true) {
            Socket device = listener.accept();
            try {
                Socket server = new Socket("127.0.0.1", target);
                open.add(device);
                open.add(server);
                start(() -> pump(device, server, false));
                start(() -> pump(server, device, true));
            } catch (IOException e) {
                device.close();
            }
        }
    }

    private void pump(Socket from, Socket to, boolean counted) throws IOException {
        byte[] buffer = new byte[4096];
        try (Socket a = from; Socket b = to) {
            InputStream in = a.getInputStream();
            OutputStream out = b.getOutputStream();
            int passed = 0;
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                int limit = cutAfter;
                if (counted && limit >= 0 && passed + read > limit) {
                    out.write(buffer, 0, Math.max(0, limit - passed));
                    out.flush();
                    return;
                }
                out.write(buffer, 0, read);
                passed += read;
            }
        }
    }

    /** Resets every connection. */
    public void cut() throws IOException {
        for (Socket socket : open) {
            if (!socket.isClosed()) {
                socket.setSoLinger(true, 0);
                socket.close();
            }
        }
        open.clear();
    }

    @Override
    public void close() throws IOException {
        listener.close();
        cut();
    }
}
