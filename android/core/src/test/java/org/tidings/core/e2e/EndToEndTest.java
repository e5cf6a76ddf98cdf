package org.tidings.core.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.tidings.core.device.Channel;
import org.tidings.core.device.Invitation;
import org.tidings.core.device.ServerAddress;
import org.tidings.core.device.Status;
import org.tidings.core.device.TopicList;
import org.tidings.core.net.KeyingMaterial;
import org.tidings.core.net.Trust;
import org.tidings.core.stream.Trouble;
import org.tidings.core.testing.CuttingProxy;
import org.tidings.core.testing.TidingsServer;

/** Devices against the real server, over TLS. */
@EnabledIfSystemProperty(named = "tidings.binary", matches = ".+")
class EndToEndTest {
    private static TidingsServer server;

    @TempDir
    Path folder;
    private int devices;

    @BeforeAll
    static void start() throws IOException {
        server = new TidingsServer(Files.createTempDirectory("tidings-e2e").toFile());
    }

    @AfterAll
    static void stop() throws IOException {
        server.close();
    }

    private File newFolder() {
        return folder.resolve("device" + ++devices).toFile();
    }

    private static ServerAddress direct(int port) {
        return ServerAddress.of("127.0.0.1", "localhost", port, 0);
    }

    private static ServerAddress startTls(int port) {
        return ServerAddress.of("127.0.0.1", "localhost", 0, port);
    }

    @Test
    void registersReceivesAndAcknowledgesEveryWay() throws IOException {
        for (boolean inline : new boolean[] {true, false}) {
            for (ServerAddress address : new ServerAddress[] {direct(server.xmpps), startTls(server.xmpp)}) {
                try (TestDevice device = new TestDevice(newFolder(), address, Trust.firstUse(), settings -> settings.inlineLogin(inline))) {
                    device.awaitOnline();
                    assertEquals(1, device.met.size());
                    assertEquals(device.met.get(0), device.account().identity());
                    String id = server.sendTo(device.account().username(), "Gr\u00fc\u00dfe & <x>");
                    device.awaitShown(1);
                    assertEquals("Gr\u00fc\u00dfe & <x>", device.shown.get(0).title());
                    TestDevice.await("delivered", () -> delivered(id));
                    device.device().with(engine -> engine.opened(id));
                    TestDevice.await("opened", () -> "1".equals(count(id, "opened")));
                    assertEquals("done", device.ask(answer -> device.device().with(engine -> engine.ping(answer))));
                }
            }
        }
    }

    private static boolean delivered(String id) {
        return "1".equals(count(id, "delivered"));
    }

    private static String count(String id, String of) {
        try {
            return server.count(id, of);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void twoHundredOfflineOnesComeOnceAndInOrder() throws IOException {
        File files = newFolder();
        String user;
        try (TestDevice device = new TestDevice(files, direct(server.xmpps))) {
            user = device.awaitOnline().account().username();
        }
        List<String> titles = new ArrayList<>();
        String last = null;
        for (int i = 0; i < 200; i++) {
            titles.add("n" + i);
            last = server.sendTo(user, "n" + i);
        }
        String id = last;
        try (TestDevice device = new TestDevice(files, direct(server.xmpps))) {
            device.awaitShown(200);
            assertEquals(titles, device.titles());
            TestDevice.await("delivered", () -> delivered(id));
        }
        try (TestDevice device = new TestDevice(files, direct(server.xmpps))) {
            device.awaitOnline();
            server.sendTo(user, "after");
            device.awaitShown(1);
            assertEquals(Collections.singletonList("after"), device.titles());
        }
    }

    @Test
    void fiftyCutsLoseNothingAndShowNothingTwice() throws IOException {
        Random random = new Random(50);
        try (CuttingProxy proxy = new CuttingProxy(server.xmpps); TestDevice device = new TestDevice(newFolder(), direct(proxy.port()))) {
            String user = device.awaitOnline().account().username();
            List<String> titles = new ArrayList<>();
            for (int cut = 0; cut < 50; cut++) {
                for (int i = random.nextInt(4); i > 0; i--) {
                    titles.add("c" + titles.size());
                    server.sendTo(user, titles.get(titles.size() - 1));
                }
                if (cut % 2 == 0) {
                    proxy.cut();
                } else {
                    // In the middle of whatever comes, at the login or behind it.
                    proxy.cutAfter = random.nextInt(6000);
                    proxy.cut();
                    TestDevice.await("an attempt", () -> device.status.state() != Status.State.ONLINE);
                    sleep(random.nextInt(150));
                    proxy.cutAfter = -1;
                    proxy.cut();
                }
                if (cut % 5 == 0) {
                    device.awaitOnline();
                }
            }
            device.awaitShown(titles.size());
            server.sendTo(user, "last");
            titles.add("last");
            device.awaitShown(titles.size());
            assertEquals(titles, device.titles());
        }
    }

    private static void sleep(int millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void aServerThatRestartsAndOneThatHasAnotherCertificate() throws IOException {
        File data = Files.createTempDirectory("tidings-e2e").toFile();
        try (TidingsServer own = new TidingsServer(data); TestDevice device = new TestDevice(newFolder(), direct(own.xmpps))) {
            String user = device.awaitOnline().account().username();
            String known = device.account().identity();
            own.stop();
            TestDevice.await("the end", () -> device.status.state() != Status.State.ONLINE);
            own.start();
            own.sendTo(user, "again");
            device.awaitShown(1);
            device.awaitOnline();

            own.stop();
            own.forgetCertificate();
            own.start();
            device.awaitTrouble(Trouble.CERTIFICATE_CHANGED);
            String seen = device.status.fingerprint();
            assertNotEquals(known, seen);
            assertTrue(seen.startsWith(Channel.PIN), seen);
            own.sendTo(user, "behind a new certificate");
            assertEquals(1, device.shown.size());
            device.device().with(engine -> engine.trust(seen));
            device.awaitShown(2);
            assertEquals(seen, device.account().identity());
        }
    }

    @Test
    void aRevokedAccountIsReplaced() throws IOException {
        try (TestDevice device = new TestDevice(newFolder(), direct(server.xmpps))) {
            String user = device.awaitOnline().account().username();
            assertEquals("done", device.ask(answer -> device.device().with(engine -> engine.subscribe("revoked", answer))));
            server.call("DELETE", "/v1/users/" + user, null, 204);
            TestDevice.await("another account", () -> !device.account().username().equals(user) && device.account().registered());
            device.awaitOnline();
            TestDevice.await("the topic", () -> {
                try {
                    return server.call("GET", "/v1/topics", null, 200).contains("revoked");
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            });
            server.send("{\"topic\":\"revoked\"}", "to the new one");
            device.awaitShown(1);
        }
    }

    @Test
    void topicsFromTheDevice() throws IOException {
        try (TestDevice device = new TestDevice(newFolder(), direct(server.xmpps))) {
            device.awaitOnline();
            assertEquals("done", device.ask(answer -> device.device().with(engine -> engine.subscribe("news", answer))));
            assertEquals("done", device.ask(answer -> device.device().with(engine -> engine.subscribe("weather", answer))));
            List<String> listed = Collections.synchronizedList(new ArrayList<>());
            device.device().with(engine -> engine.listTopics(new TopicList() {
                @Override
                public void topics(List<String> topics) {
                    listed.addAll(topics);
                }

                @Override
                public void refused(String condition) {
                    listed.add(condition);
                }
            }));
            TestDevice.await("the list", () -> !listed.isEmpty());
            Collections.sort(listed);
            assertEquals("[news, weather]", listed.toString());
            server.send("{\"topic\":\"news\"}", "for the topic");
            device.awaitShown(1);
            assertEquals("news", device.shown.get(0).topic());
            assertEquals("done", device.ask(answer -> device.device().with(engine -> engine.unsubscribe("news", answer))));
            server.send("{\"topic\":\"news\"}", "not for this device");
            server.send("{\"topic\":\"weather\"}", "for it");
            device.awaitShown(2);
            assertEquals("[for the topic, for it]", device.titles().toString());
        }
    }

    @Test
    void twoDevicesOfOneAccountGetEverythingEach() throws IOException {
        server.call("POST", "/v1/users", "{\"username\":\"shared\",\"password\":\"a long secret, with, commas=\"}", 201);
        try (TestDevice one = new TestDevice(newFolder(), direct(server.xmpps), Trust.firstUse(), s -> s.account("shared", "a long secret, with, commas="));
                TestDevice two = new TestDevice(newFolder(), startTls(server.xmpp), Trust.firstUse(), s -> s.account("shared", "a long secret, with, commas=").inlineLogin(false))) {
            one.awaitOnline();
            two.awaitOnline();
            server.sendTo("shared", "both");
            one.awaitShown(1);
            two.awaitShown(1);
        }
        try (TestDevice wrong = new TestDevice(newFolder(), direct(server.xmpps), Trust.firstUse(), s -> s.account("shared", "wrong"))) {
            wrong.awaitTrouble(Trouble.CREDENTIALS);
        }
    }

    @Test
    void whomToTrustDecidesBeforeAnythingIsSaid() throws IOException {
        String fingerprint;
        try (TestDevice device = new TestDevice(newFolder(), direct(server.xmpps))) {
            fingerprint = device.awaitOnline().account().identity();
        }
        try (TestDevice pinned = new TestDevice(newFolder(), direct(server.xmpps), Trust.pinned(fingerprint), s -> {})) {
            pinned.awaitOnline();
            assertTrue(pinned.met.isEmpty() || pinned.met.equals(Collections.singletonList(fingerprint)));
        }
        String other = Channel.PIN + String.join("", Collections.nCopies(64, "0"));
        try (TestDevice refused = new TestDevice(newFolder(), direct(server.xmpps), Trust.pinned(other), s -> {})) {
            refused.awaitTrouble(Trouble.CERTIFICATE_CHANGED);
            assertEquals(fingerprint, refused.status.fingerprint());
        }
        try (TestDevice refused = new TestDevice(newFolder(), startTls(server.xmpp), Trust.system(), s -> {})) {
            refused.awaitTrouble(Trouble.CERTIFICATE_UNTRUSTED);
            assertFalse(refused.account().registered());
        }
    }

    @Test
    void aLoginIsBoundToItsConnectionByWhatThePlatformGives() throws IOException {
        List<Integer> lengths = Collections.synchronizedList(new ArrayList<>());
        KeyingMaterial recorded = (socket, label, length) -> {
            byte[] bytes = KeyingMaterial.PLATFORM.export(socket, label, length);
            lengths.add(bytes == null ? 0 : bytes.length);
            return bytes;
        };
        try (TestDevice device = new TestDevice(newFolder(), direct(server.xmpps), Trust.firstUse(), s -> {}, recorded)) {
            device.awaitOnline();
        }
        assertEquals(Collections.singletonList(Runtime.version().feature() >= 25 ? 32 : 0), lengths);
        // Material of another connection: the server refuses it, so it is looked at.
        server.call("POST", "/v1/users", "{\"username\":\"bound\",\"password\":\"a long secret\"}", 201);
        try (TestDevice device = new TestDevice(newFolder(), direct(server.xmpps), Trust.firstUse(), s -> s.account("bound", "a long secret"))) {
            device.awaitOnline();
        }
        try (TestDevice device = new TestDevice(newFolder(), direct(server.xmpps), Trust.firstUse(), s -> s.account("bound", "a long secret"),
                (socket, label, length) -> new byte[length])) {
            device.awaitTrouble(Trouble.CREDENTIALS);
        }
    }

    @Test
    void tokensAndClosedRegistration() throws IOException {
        File data = Files.createTempDirectory("tidings-e2e").toFile();
        try (TidingsServer own = new TidingsServer(data, "--set", "registration.policy=token", "--set", "registration.tokens=[\"let me in\"]")) {
            Invitation invitation = Invitation.parse("tidings:127.0.0.1?domain=localhost&xmpps=" + own.xmpps + "&xmpp=" + own.xmpp + "&token=let%20me%20in");
            try (TestDevice device = new TestDevice(newFolder(), invitation.server(), Trust.firstUse(), s -> s.token(invitation.token()))) {
                device.awaitOnline();
            }
            try (TestDevice device = new TestDevice(newFolder(), direct(own.xmpps), Trust.firstUse(), s -> s.token("wrong"))) {
                device.awaitTrouble(Trouble.REGISTRATION_REFUSED);
            }
            try (TestDevice device = new TestDevice(newFolder(), direct(own.xmpps))) {
                device.awaitTrouble(Trouble.REGISTRATION_REFUSED);
            }
        }
    }

    @Test
    void theRaceIsWonByWhateverLeadsThere() throws IOException {
        try (ServerSocket silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            ServerAddress half = ServerAddress.of("127.0.0.1", "localhost", silent.getLocalPort(), server.xmpp);
            try (TestDevice device = new TestDevice(newFolder(), half)) {
                device.awaitOnline();
            }
            ServerAddress other = ServerAddress.of("127.0.0.1", "localhost", server.xmpps, silent.getLocalPort());
            try (TestDevice device = new TestDevice(newFolder(), other)) {
                device.awaitOnline();
            }
        }
        // A port where something else listens, and one where nothing does.
        try (TestDevice device = new TestDevice(newFolder(), ServerAddress.of("127.0.0.1", "localhost", server.xmpp, server.xmpps))) {
            device.awaitTrouble(Trouble.TLS);
        }
        try (TestDevice device = new TestDevice(newFolder(), direct(1))) {
            device.awaitTrouble(Trouble.UNREACHABLE);
        }
    }
}
