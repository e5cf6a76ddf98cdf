package org.tidings.core.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.tidings.core.device.ServerAddress;
import org.tidings.core.stream.Ns;
import org.tidings.core.stream.Trouble;

/** What listens where a server should: nothing, garbage, or half of TLS. */
class DialerTest {
    private final List<AutoCloseable> open = new CopyOnWriteArrayList<>();

    /** What a listener does to whoever comes. */
    private interface Manners {
        void meet(Socket socket) throws IOException;
    }

    private int listen(Manners manners) throws IOException {
        ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        open.add(listener);
        Threads.start("listener", () -> {
            while (!listener.isClosed()) {
                try {
                    Socket socket = listener.accept();
                    open.add(socket);
                    manners.meet(socket);
                } catch (IOException e) {
                    // The test is over, or the dialer has gone.
                }
            }
        });
        return listener.getLocalPort();
    }

    @AfterEach
    void closeAll() throws Exception {
        for (AutoCloseable one : open) {
            one.close();
        }
    }

    private static Dialer.Race race(int direct, int startTls) {
        ServerAddress server = ServerAddress.of("127.0.0.1", "push.example.org", direct, startTls);
        return new Dialer(server, name -> null, Trust.firstUse(), KeyingMaterial.PLATFORM).new Race(null);
    }

    private static Trouble trouble(int direct, int startTls) {
        return assertThrows(DialException.class, () -> race(direct, startTls).run()).trouble;
    }

    private static void say(Socket socket, String text) throws IOException {
        OutputStream out = socket.getOutputStream();
        out.write(text.getBytes(StandardCharsets.UTF_8));
        out.flush();
    }

    @Test
    void garbageWhereTlsShouldBe() throws IOException {
        int garbage = listen(socket -> {
            byte[] noise = new byte[4096];
            new Random(1).nextBytes(noise);
            socket.getOutputStream().write(noise);
            socket.close();
        });
        assertEquals(Trouble.TLS, trouble(garbage, 0));
        assertEquals(Trouble.PROTOCOL, trouble(0, garbage));
        assertEquals(Trouble.TLS, trouble(listen(Socket::close), 0));
        assertEquals(Trouble.CLOSED, trouble(0, listen(Socket::close)));
        assertEquals(Trouble.PROTOCOL, trouble(0, listen(socket -> say(socket, "HTTP/1.1 400 Bad Request\r\n\r\n"))));
    }

    @Test
    void tlsThatStopsHalfWay() throws IOException {
        String features = "<stream:stream xmlns='jabber:client' xmlns:stream='" + Ns.STREAM + "'><stream:features><starttls xmlns='" + Ns.TLS
                + "'/></stream:features>";
        int half = listen(socket -> {
            say(socket, features + "<proceed xmlns='" + Ns.TLS + "'/>");
            socket.getOutputStream().write(new byte[] {22, 3, 3, 0, 80, 2, 0});
            socket.getOutputStream().flush();
            socket.shutdownOutput();
        });
        assertEquals(Trouble.TLS, trouble(0, half));
        int refused = listen(socket -> say(socket, features + "<failure xmlns='" + Ns.TLS + "'/>"));
        assertEquals(Trouble.TLS, trouble(0, refused));
        int without = listen(socket -> say(socket, "<stream:stream xmlns:stream='" + Ns.STREAM + "'><stream:features/>"));
        assertEquals(Trouble.TLS, trouble(0, without));
    }

    @Test
    void aRaceThatIsCalledOffEnds() throws Exception {
        int silent = listen(socket -> {});
        Dialer.Race race = race(silent, silent);
        Thread canceller = Threads.start("canceller", () -> {
            try {
                Thread.sleep(400);
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            race.cancel();
        });
        DialException e = assertThrows(DialException.class, race::run);
        assertTrue(e.trouble == Trouble.TLS || e.trouble == Trouble.UNREACHABLE || e.trouble == Trouble.CLOSED, e.trouble.name());
        canceller.join();
    }

    @Test
    void nobodyThere() {
        assertEquals(Trouble.UNREACHABLE, trouble(1, 1));
        ServerAddress nowhere = ServerAddress.ofDomain("nowhere.invalid");
        Dialer dialer = new Dialer(nowhere, name -> {
            throw new IOException("no name server");
        }, Trust.system(), KeyingMaterial.PLATFORM);
        assertEquals(Trouble.UNREACHABLE, assertThrows(DialException.class, () -> dialer.new Race(null).run()).trouble);
    }
}
