package org.tidings.client;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertTrue;

import android.content.Intent;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;
import org.tidings.core.device.Status;
import org.tidings.core.stream.Trouble;
import org.tidings.core.testing.CuttingProxy;
import org.tidings.core.testing.TidingsServer;

/** The library on a simulated phone, against the real server. */
@RunWith(RobolectricTestRunner.class)
@Config(shadows = CountingNotificationManager.class)
public final class EndToEndTest extends ClientTest {
    private TidingsServer server;
    private CuttingProxy proxy;

    @Before
    public void setUp() throws IOException {
        CountingNotificationManager.POSTED.clear();
        server = new TidingsServer(Files.createTempDirectory("tidings-client").toFile());
        proxy = new CuttingProxy(server.xmpps);
    }

    @After
    public void tearDown() throws IOException {
        Tidings.stop(app);
        await("the end", () -> Tidings.of(app).status().state() == Status.State.STOPPED);
        proxy.close();
        server.close();
    }

    private Tidings online(ServerConfig config) {
        Tidings.of(app).setServer(config);
        Tidings tidings = Tidings.start(app);
        await("a connection; " + tidings.status(), () -> tidings.status().isOnline());
        return tidings;
    }

    private ServerConfig address() {
        return ServerConfig.of("127.0.0.1", "localhost", proxy.port(), 0);
    }

    /** The simulated phone's clock stands still, so whoever waits for the next attempt is told to try at once. */
    private void awaitPosted(int count) {
        await(count + " notifications", () -> {
            if (Tidings.of(app).status().state() == Status.State.WAITING) {
                Tidings.of(app).retry();
            }
            return CountingNotificationManager.POSTED.size() >= count;
        });
    }

    private static Map<String, Integer> once(List<String> ids) {
        Map<String, Integer> expected = new TreeMap<>();
        for (String id : ids) {
            expected.put(id, 1);
        }
        return expected;
    }

    @Test
    public void fromTheServerToTheTapAndBack() throws Exception {
        Tidings tidings = online(address());
        Robolectric.buildService(PushService.class).create().startCommand(0, 1);
        String id = server.call("POST", "/v1/notifications", "{\"to\":{\"user\":\"" + tidings.username()
                + "\"},\"title\":\"Storm\",\"message\":\"Stay inside\",\"uri\":\"https://example.org/\",\"priority\":\"high\",\"data\":{\"k\":\"v\"}}",
                202);
        id = TidingsServer.field(id, "id");
        awaitPosted(1);
        HistoryEntry entry = tidings.history().get(id);
        assertEquals("Storm", entry.title());
        assertEquals("v", entry.data().get("k"));
        String sent = id;
        await("the acknowledgement", () -> "1".equals(server.count(sent, "delivered")));
        assertEquals("0", server.count(id, "opened"));
        Robolectric.buildActivity(TapActivity.class, new Intent().putExtra(Tidings.EXTRA_ID, id)).create();
        await("the opening", () -> "1".equals(server.count(sent, "opened")));
        long[] took = {-1};
        tidings.ping(new PingCallback() {
            @Override
            public void onAnswer(long milliseconds) {
                took[0] = milliseconds;
            }

            @Override
            public void onRefused(String condition) {
                throw new AssertionError(condition);
            }
        });
        await("an answer", () -> took[0] >= 0);
        assertTrue("met without an authority", tidings.serverIdentity().startsWith("sha256:"));
    }

    @Test
    public void cutsAndOfflineOnesLoseNothing() throws Exception {
        Tidings tidings = online(address());
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            ids.add(server.sendTo(tidings.username(), "t" + i));
            proxy.cut();
        }
        awaitPosted(10);
        Tidings.stop(app);
        await("the end", () -> tidings.status().state() == Status.State.STOPPED);
        for (int i = 10; i < 60; i++) {
            ids.add(server.sendTo(tidings.username(), "t" + i));
        }
        forgetProcess();
        Tidings.start(app);
        awaitPosted(60);
        assertEquals(once(ids), CountingNotificationManager.POSTED);
        assertEquals(60, Tidings.of(app).history().unread());
        String last = ids.get(59);
        await("the acknowledgement", () -> "1".equals(server.count(last, "delivered")));
    }

    @Test
    public void topics() throws Exception {
        Tidings tidings = online(address());
        List<String> said = new ArrayList<>();
        tidings.topics().subscribe("news", new ResultCallback() {
            @Override
            public void onDone() {
                said.add("done");
            }

            @Override
            public void onRefused(String condition) {
                said.add(condition);
            }
        });
        await("an answer", () -> !said.isEmpty());
        assertEquals("[done]", said.toString());
        server.send("{\"topic\":\"news\"}", "on the topic");
        awaitPosted(1);
        assertEquals("news", tidings.history().list(null, 0, 1).get(0).topic());
        tidings.topics().list(new TopicsCallback() {
            @Override
            public void onTopics(List<String> topics) {
                said.add(topics.toString());
            }

            @Override
            public void onRefused(String condition) {
                said.add(condition);
            }
        });
        await("the list", () -> said.size() == 2);
        assertEquals("[news]", said.get(1));
    }

    @Test
    public void anAppThatReadsTheDataItself() throws Exception {
        List<String> got = new ArrayList<>();
        Tidings.of(app).setNotificationListener(notification -> {
            synchronized (got) {
                got.add(notification.data().toString());
            }
            return false;
        });
        Tidings tidings = online(address());
        server.call("POST", "/v1/notifications", "{\"to\":{\"user\":\"" + tidings.username() + "\"},\"title\":\"x\",\"data\":{\"k\":\"v\"}}", 202);
        await("the data", () -> !got.isEmpty() && tidings.history().unread() == 0 && tidings.history().count() == 1);
        assertEquals("[{k=v}]", got.toString());
        assertTrue("and nothing is shown", CountingNotificationManager.POSTED.isEmpty());
    }

    @Test
    public void anotherCertificateWaitsForThePerson() throws Exception {
        Tidings tidings = online(address());
        String known = tidings.serverIdentity();
        String name = tidings.username();
        server.stop();
        server.forgetCertificate();
        server.start();
        proxy.target = server.xmpps;
        tidings.retry();
        await("the trouble", () -> {
            if (tidings.status().trouble() != Trouble.CERTIFICATE_CHANGED) {
                tidings.retry();
            }
            return tidings.status().trouble() == Trouble.CERTIFICATE_CHANGED && tidings.status().fingerprint() != null;
        });
        assertEquals(app.getString(R.string.tidings_trouble_certificate_changed), tidings.status().troubleText(app));
        String fingerprint = tidings.status().fingerprint();
        assertNotEquals(known, fingerprint);
        tidings.trust(fingerprint);
        await("a connection", () -> tidings.status().isOnline());
        assertEquals(fingerprint, tidings.serverIdentity());
        assertEquals("the account stays", name, tidings.username());
    }

    @Test
    public void aPinnedServerThatThePersonAgreesToAgain() throws Exception {
        Tidings tidings = online(address());
        String first = tidings.serverIdentity();
        tidings.setServer(address().withFingerprint(first));
        await("a connection", () -> tidings.status().isOnline() && first.equals(tidings.server().fingerprint()));
        server.stop();
        server.forgetCertificate();
        server.start();
        await("the trouble", () -> {
            if (tidings.status().trouble() != Trouble.CERTIFICATE_CHANGED) {
                tidings.retry();
            }
            return tidings.status().trouble() == Trouble.CERTIFICATE_CHANGED && tidings.status().fingerprint() != null;
        });
        String second = tidings.status().fingerprint();
        tidings.trust(second);
        await("a connection", () -> tidings.status().isOnline());
        assertEquals(second, tidings.server().fingerprint());
    }

    @Test
    public void anAccountOfAnOperator() throws Exception {
        server.stop();
        server.close();
        server = new TidingsServer(Files.createTempDirectory("tidings-closed").toFile(), "--set", "registration.policy=\"closed\"");
        proxy.target = server.xmpps;
        Tidings.of(app).setServer(address());
        Tidings tidings = Tidings.start(app);
        await("the refusal", () -> tidings.status().trouble() == Trouble.REGISTRATION_REFUSED);
        assertFalse(tidings.status().isOnline());
        server.call("POST", "/v1/users", "{\"username\":\"anna\",\"password\":\"wonder-land-7\"}", 201);
        online(address().withAccount("anna", "wonder-land-7"));
        server.sendTo("anna", "for anna");
        awaitPosted(1);
        assertEquals("anna", tidings.username());
    }
}
