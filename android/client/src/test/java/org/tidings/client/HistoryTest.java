package org.tidings.client;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.tidings.core.Notification;
import org.tidings.core.device.Account;
import org.tidings.core.device.SeenRing;
import org.tidings.core.stream.Ns;
import org.tidings.core.xml.Element;

/** The database as the history of a person and as the core's store. */
@RunWith(RobolectricTestRunner.class)
public final class HistoryTest extends ClientTest {
    private Database database;
    private SqliteStore store;
    private History history;
    private Secrets secrets;
    private final List<String> fromScreen = new ArrayList<>();

    @Before
    public void setUp() {
        database = new Database(app);
        secrets = new Secrets(app, new SecretCipher(), new EventLog(app.getNoBackupFilesDir()));
        history = new History(database, new History.Screen() {
            @Override
            public void read(String id) {
                fromScreen.add(id);
            }

            @Override
            public void allRead() {
                fromScreen.add("all");
            }
        });
        store = new SqliteStore(database, secrets, history::changed);
    }

    static Notification notification(String id, String title, String message) {
        Element element = new Element("notification", Ns.PUSH).with("id", id).with("priority", "high").with("topic", "news");
        element.with(new Element("title", Ns.PUSH).withText(title)).with(new Element("message", Ns.PUSH).withText(message));
        return Notification.of(element);
    }

    private void receive(String id, String title) throws IOException {
        store.save(Arrays.asList(notification(id, title, "text of " + id)));
        store.shown(id);
    }

    private static String ids(List<HistoryEntry> entries) {
        StringBuilder ids = new StringBuilder();
        for (HistoryEntry entry : entries) {
            ids.append(entry.id()).append(' ');
        }
        return ids.toString().trim();
    }

    @Test
    public void theNewestFirst() throws IOException {
        for (int i = 0; i < 5; i++) {
            receive("n" + i, "t" + i);
        }
        assertEquals("n4 n3 n2 n1 n0", ids(history.list(null, 0, 10)));
        assertEquals("n2 n1", ids(history.list("", 2, 2)));
        HistoryEntry entry = history.get("n3");
        assertEquals("t3", entry.title());
        assertEquals("text of n3", entry.message());
        assertEquals(Notification.Priority.HIGH, entry.priority());
        assertEquals("news", entry.topic());
        assertNull(history.get("nothing"));
    }

    @Test
    public void searching() throws IOException {
        receive("a", "Sturm über Köln");
        receive("b", "100% sure_thing");
        receive("c", "1000 sureXthing");
        assertEquals("a", ids(history.list("KÖLN sturm", 0, 10)));
        assertEquals("", ids(history.list("köln regen", 0, 10)));
        assertEquals("b", ids(history.list("100%", 0, 10)));
        assertEquals("b", ids(history.list("sure_", 0, 10)));
        assertEquals("c b a", ids(history.list("news", 0, 10)));
        assertEquals("", ids(history.list("!' OR 1=1 --", 0, 10)));
    }

    @Test
    public void readAndUnread() throws IOException {
        receive("a", "A");
        receive("b", "B");
        assertEquals(2, history.unread());
        history.markRead("a");
        assertEquals(1, history.unread());
        assertTrue(history.get("a").isRead());
        history.markOpened("b");
        assertTrue(history.get("b").isOpened());
        assertEquals(0, history.unread());
        assertEquals("[a, b]", fromScreen.toString());
    }

    @Test
    public void whatWasRemovedCanBePutBackInItsPlace() throws IOException {
        receive("a", "A");
        receive("b", "B");
        receive("c", "C");
        history.markOpened("b");
        HistoryEntry entry = history.get("b");
        history.remove("b");
        assertEquals(2, history.count());
        history.putBack(entry);
        assertTrue(history.get("b").isOpened());
        assertTrue(history.get("b").isRead());
        assertEquals(entry.receivedAt(), history.get("b").receivedAt());
        history.clear();
        assertEquals(0, history.count());
        assertTrue("what was removed does not come again", store.recentIds().containsAll(Arrays.asList("a", "b", "c")));
    }

    @Test
    public void listenersHearOfEachChangeOnTheMainThread() throws IOException {
        int[] heard = new int[1];
        HistoryListener listener = () -> heard[0]++;
        history.addListener(listener);
        receive("a", "A");
        await("the listener", () -> heard[0] == 1);
        history.markRead("a");
        await("the listener", () -> heard[0] == 2);
        history.removeListener(listener);
        history.remove("a");
        org.robolectric.shadows.ShadowLooper.idleMainLooper();
        assertEquals(2, heard[0]);
    }

    @Test
    public void theOldestGiveWay() throws IOException {
        List<Notification> batch = new ArrayList<>();
        for (int i = 0; i < SqliteStore.MOST_KEPT + 200; i++) {
            batch.add(notification("n" + i, "t", "m"));
        }
        store.save(batch);
        assertEquals("what was not shown stays", SqliteStore.MOST_KEPT + 200, store.unshown().size());
        for (Notification notification : batch) {
            store.shown(notification.id());
        }
        store.save(Arrays.asList(notification("last", "t", "m")));
        assertEquals(SqliteStore.MOST_KEPT, history.count());
        assertEquals(SeenRing.SIZE, store.recentIds().size());
        assertEquals("last", store.recentIds().get(SeenRing.SIZE - 1));
    }

    @Test
    public void largeOnesGiveWayByTheirSize() throws IOException {
        String large = "x".repeat(60_000);
        for (int i = 0; i < 300; i++) {
            store.save(Arrays.asList(notification("n" + i, large, "m")));
            store.shown("n" + i);
        }
        assertTrue(history.count() < 290 && history.count() > 200);
        assertNull(history.get("n0"));
        assertEquals("a title of 60 KB is a line", SafeText.TITLE + 1, history.get("n299").title().length());
    }

    @Test
    public void allOrNone() throws IOException {
        database.getWritableDatabase().execSQL("CREATE TRIGGER full BEFORE INSERT ON seen WHEN NEW.id = 'b' BEGIN SELECT RAISE(ABORT, 'full'); END");
        try {
            store.save(Arrays.asList(notification("a", "t", "m"), notification("b", "t", "m")));
            throw new AssertionError("a full disk was not noticed");
        } catch (IOException e) {
            assertEquals(0, history.count());
            assertTrue(store.recentIds().isEmpty());
        }
    }

    @Test
    public void theStoreOutlivesTheProcess() throws IOException {
        store.use("example.org");
        Account account = new Account("user", "pass\nword\\", "agent", true, true, "sha256:ab");
        store.saveAccount(account);
        store.saveTopics(Arrays.asList("news", "a\\b\nc"));
        store.saveKeepalive("300000 0 1 wifi\n");
        store.save(Arrays.asList(notification("a", "A", "m"), notification("b", "B", "m")));
        store.shown("a");
        database.close();
        SqliteStore again = new SqliteStore(new Database(app), secrets, () -> {});
        again.use("example.org");
        assertEquals("pass\nword\\", again.account().password());
        assertEquals("sha256:ab", again.account().identity());
        assertTrue(again.account().registered() && again.account().own());
        assertEquals(Arrays.asList("news", "a\\b\nc"), again.topics());
        assertEquals("300000 0 1 wifi\n", again.keepalive());
        assertEquals(Arrays.asList("a", "b"), again.recentIds());
        assertEquals(1, again.unshown().size());
        assertEquals("B", again.unshown().get(0).title());
        again.use("another.example");
        assertNull("another server has another account", again.account());
        assertTrue(again.topics().isEmpty() && again.recentIds().isEmpty());
        assertEquals(2, new History(new Database(app), null).count());
    }

    @Test
    public void aCopyLeavesTheFirstAlone() throws IOException {
        receive("a", "A");
        history.markRead("a");
        store.save(Arrays.asList(notification("a", "another", "m")));
        assertEquals("A", history.get("a").title());
        assertTrue(history.isShown("a") && history.isRead("a"));
        assertFalse(history.isShown("b"));
    }

    @Test
    public void itIsNotInABackup() throws IOException {
        receive("a", "A");
        assertTrue(new File(app.getNoBackupFilesDir(), "tidings.db").exists());
        assertNotNull(history.get("a"));
    }
}
