package org.tidings.e2e;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertTrue;

import android.app.Activity;
import android.view.View;
import android.widget.ListView;
import android.widget.TextView;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;
import org.tidings.core.testing.CuttingProxy;
import org.tidings.core.testing.TidingsServer;

/** The app as it is in the APK, shrunk and renamed, against the real server; everything is done through its screens. */
@RunWith(RobolectricTestRunner.class)
@Config(shadows = PostedNotifications.class)
public final class EndToEndTest {
    private TidingsServer server;
    private CuttingProxy proxy;
    private Phone phone;

    @Before
    public void setUp() throws IOException {
        PostedNotifications.titles().clear();
        server = new TidingsServer(Files.createTempDirectory("tidings-apk").toFile());
        proxy = new CuttingProxy(server.xmpps);
        phone = new Phone();
    }

    @After
    public void tearDown() throws IOException {
        phone.off();
        proxy.close();
        server.close();
    }

    private String link() {
        return "tidings:127.0.0.1?domain=localhost&xmpps=" + proxy.port();
    }

    private int online() throws IOException {
        String users = server.call("GET", "/v1/users?online=true", null, 200);
        return users.split("\"online\":true", -1).length - 1;
    }

    private void connect() throws Exception {
        phone.add(link());
        phone.until("the server sees the device", () -> online() == 1);
    }

    /** However long the app would wait after so many failures, the person does not. */
    private void untilAllAreShown(List<String> sent) throws Exception {
        for (int i = 0; ; i++) {
            phone.tryNow();
            try {
                phone.until("all of " + sent.size(), 5_000, () -> PostedNotifications.titles().containsAll(sent));
                return;
            } catch (AssertionError e) {
                if (i == 12) {
                    List<String> missing = new ArrayList<>(sent);
                    missing.removeAll(PostedNotifications.titles());
                    throw new AssertionError(phone.state() + "; missing " + missing, e);
                }
            }
        }
    }

    /** Each of them once in the list, and none posted twice. */
    private void assertAllOnce(List<String> sent) throws Exception {
        assertEquals("shown twice", new HashSet<>(PostedNotifications.titles()).size(), PostedNotifications.titles().size());
        List<String> expected = new ArrayList<>(sent);
        List<String> listed = phone.history();
        Collections.sort(expected);
        Collections.sort(listed);
        assertEquals(expected, listed);
    }

    @Test
    public void registersReceivesAndShows() throws Exception {
        connect();
        String id = server.sendTo(phone.account(), "Storm");
        phone.until("the notification", () -> phone.shows("Storm"));
        phone.until("its acknowledgement", () -> "1".equals(server.count(id, "delivered")));
        assertAllOnce(Collections.singletonList("Storm"));
        assertEquals("0", server.count(id, "opened"));

        ActivityController<? extends Activity> list = phone.open(phone.screen("HistoryActivity"));
        phone.until("a row", () -> ((ListView) phone.view(list, "list")).getCount() == 1);
        phone.close(list);
        ActivityController<? extends Activity> details = phone.open(phone.screen("DetailsActivity").putExtra("org.tidings.client.ID", id));
        phone.until("its text", () -> phone.text(details, "title").equals("Storm"));
        phone.until("the server hears that it was opened", () -> "1".equals(server.count(id, "opened")));
        phone.close(details);
    }

    @Test
    public void fiftyCutsLoseNothingAndShowNothingTwice() throws Exception {
        connect();
        String account = phone.account();
        Random random = new Random(1);
        List<String> sent = new ArrayList<>();
        for (int cut = 0; cut < 50; cut++) {
            for (int i = random.nextInt(4); i >= 0; i--) {
                String title = "n" + sent.size();
                server.sendTo(account, title);
                sent.add(title);
            }
            // In the midst of a stanza as well as between two, and while the next connection is being made.
            if (cut % 2 == 0) {
                proxy.cutAfter = random.nextInt(6_000);
            }
            for (int i = random.nextInt(10); i > 0; i--) {
                phone.live();
                Thread.sleep(2);
            }
            proxy.cut();
            if (cut % 4 == 3) {
                proxy.cutAfter = -1;
                untilAllAreShown(sent);
            }
        }
        proxy.cutAfter = -1;
        untilAllAreShown(sent);
        assertAllOnce(sent);
    }

    @Test
    public void serverRestarts() throws Exception {
        connect();
        String account = phone.account();
        server.sendTo(account, "before");
        phone.until("the first", () -> phone.shows("before"));
        server.stop();
        server.start();
        server.sendTo(account, "after");
        phone.until("the second", () -> phone.shows("after"));
        assertEquals(account, phone.account());
        assertAllOnce(Arrays.asList("before", "after"));
    }

    @Test
    public void certificateChangedIsSaidAndWaitsForThePerson() throws Exception {
        connect();
        String account = phone.account();
        server.stop();
        server.forgetCertificate();
        server.start();
        server.sendTo(account, "later");
        ActivityController<? extends Activity> status = phone.open(phone.screen("StatusActivity"));
        phone.until("the question about the new key", () -> phone.view(status, "certificate").getVisibility() == View.VISIBLE);
        assertTrue(phone.text(status, "fingerprint"), phone.text(status, "fingerprint").startsWith("sha256:"));
        assertEquals(0, online());
        assertTrue(PostedNotifications.titles().isEmpty());
        phone.view(status, "trust").performClick();
        phone.until("the notification", () -> phone.shows("later"));
        assertEquals(View.GONE, phone.view(status, "certificate").getVisibility());
        phone.close(status);
        assertEquals(account, phone.account());
    }

    @Test
    public void revokedAccountIsReplaced() throws Exception {
        connect();
        String account = phone.account();
        server.call("DELETE", "/v1/users/" + account, null, 204);
        phone.until("another account", () -> online() == 1 && !phone.account().equals(account));
        String other = phone.account();
        assertNotEquals(account, other);
        server.sendTo(other, "anew");
        phone.until("the notification", () -> phone.shows("anew"));
    }

    @Test
    public void twoHundredWaitWhileThePhoneIsOff() throws Exception {
        connect();
        String account = phone.account();
        proxy.target = 1; // Nobody listens there.
        proxy.cut();
        List<String> sent = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            sent.add("o" + i);
            server.sendTo(account, "o" + i);
        }
        proxy.target = server.xmpps;
        untilAllAreShown(sent);
        assertAllOnce(sent);
    }

    @Test
    public void topicsAreSubscribedAndLeft() throws Exception {
        connect();
        ActivityController<? extends Activity> topics = phone.open(phone.screen("TopicsActivity"));
        ((TextView) phone.view(topics, "topic")).setText("news");
        phone.view(topics, "subscribe").performClick();
        ListView list = (ListView) phone.view(topics, "list");
        phone.until("the topic in the list", () -> list.getCount() == 1);
        server.send("{\"topic\":\"news\"}", "headline");
        phone.until("what was sent to the topic", () -> phone.shows("headline"));
        View row = list.getAdapter().getView(0, null, list);
        row.findViewById(phone.app().getResources().getIdentifier("topic_remove", "id", "org.tidings.demo")).performClick();
        phone.until("an empty list", () -> list.getCount() == 0);
        phone.close(topics);
        assertTrue(server.call("GET", "/v1/topics", null, 200).matches("(?s).*\"topics\":\\[\\].*|.*\"subscribers\":0.*"));
    }

    @Test
    public void twoDevicesOfOneAccountBothGetIt() throws Exception {
        server.call("POST", "/v1/users", "{\"username\":\"anna\",\"password\":\"a long password\"}", 201);
        phone.addByFile("host=127.0.0.1\ndomain=localhost\nxmpps=" + proxy.port() + "\nusername=anna\npassword=a long password\n");
        phone.until("the phone is there", () -> online() == 1);
        assertEquals("anna", phone.account());
        try (OtherDevice other = new OtherDevice(server, "anna", "a long password")) {
            phone.until("both are there", () -> sessions() == 2);
            server.sendTo("anna", "to both");
            phone.until("the phone's", () -> phone.shows("to both"));
            phone.until("the other's", () -> other.received().contains("to both"));
        }
    }

    private int sessions() throws IOException {
        return server.call("GET", "/v1/sessions", null, 200).split("\"jid\"", -1).length - 1;
    }
}
