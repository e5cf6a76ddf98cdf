package org.tidings.client;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.app.NotificationManager;
import android.app.PendingIntent;
import android.content.Intent;
import android.graphics.Bitmap;
import android.os.Looper;
import android.service.notification.StatusBarNotification;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.android.controller.ActivityController;
import org.tidings.core.Notification;
import org.tidings.core.stream.Ns;
import org.tidings.core.xml.Element;

/** What stands on the screen, and what a tap on it does. */
@RunWith(RobolectricTestRunner.class)
public final class PosterTest extends ClientTest {
    private Tidings tidings;
    private Poster poster;
    private NotificationManager manager;

    @Before
    public void setUp() {
        tidings = Tidings.of(app);
        poster = tidings.runner().poster();
        manager = app.getSystemService(NotificationManager.class);
        Channels.create(app, tidings.settings());
    }

    private static Notification notification(String id, String... fields) {
        Element element = new Element("notification", Ns.PUSH).with("id", id);
        for (int i = 0; i < fields.length; i += 2) {
            if (fields[i].startsWith("@")) {
                element.with(fields[i].substring(1), fields[i + 1]);
            } else {
                element.with(new Element(fields[i], Ns.PUSH).withText(fields[i + 1]));
            }
        }
        return Notification.of(element);
    }

    private android.app.Notification shown(String id) {
        for (StatusBarNotification active : manager.getActiveNotifications()) {
            if (id.equals(active.getTag()) && active.getId() == Poster.ID) {
                return active.getNotification();
            }
        }
        return null;
    }

    private static String extra(android.app.Notification notification, String name) {
        return String.valueOf(notification.extras.getCharSequence(name));
    }

    private void screen() {
        shadowOf(Looper.getMainLooper()).idleFor(Duration.ofSeconds(1));
    }

    @Test
    public void aNotification() {
        poster.post(notification("a", "title", "Storm", "message", "Stay\ninside", "@priority", "high", "@sent", "2026-01-02T03:04:05Z"), null);
        android.app.Notification shown = shown("a");
        assertEquals("Storm", extra(shown, android.app.Notification.EXTRA_TITLE));
        assertEquals("Stay\ninside", extra(shown, android.app.Notification.EXTRA_TEXT));
        assertEquals("Stay\ninside", extra(shown, android.app.Notification.EXTRA_BIG_TEXT));
        assertEquals(tidings.settings().channelId(Notification.Priority.HIGH), shown.getChannelId());
        assertEquals(Poster.GROUP, shown.getGroup());
        assertEquals(Instant.parse("2026-01-02T03:04:05Z").toEpochMilli(), shown.when);
        assertTrue((shown.flags & android.app.Notification.FLAG_AUTO_CANCEL) != 0);
        assertEquals("its contents are not for a locked screen", android.app.Notification.VISIBILITY_PRIVATE, shown.visibility);
    }

    @Test
    public void theSameOneTakesItsOwnPlaceAndMakesNoSoundAgain() {
        poster.post(notification("a", "title", "Storm"), null);
        poster.post(notification("a", "title", "Storm"), null);
        screen();
        assertEquals("and the group's line", 2, manager.getActiveNotifications().length);
        assertTrue((shown("a").flags & android.app.Notification.FLAG_ONLY_ALERT_ONCE) != 0);
    }

    @Test
    public void hostileTextsAreHarmless() {
        String large = "x".repeat(60_000);
        poster.post(notification("a", "title", "\u202Eexe.\nfdp\u0007", "message", large), null);
        assertEquals("exe. fdp", extra(shown("a"), android.app.Notification.EXTRA_TITLE));
        assertEquals(SafeText.SHOWN + 1, extra(shown("a"), android.app.Notification.EXTRA_TEXT).length());
        poster.post(notification("b", "title", large), null);
        assertEquals(SafeText.TITLE + 1, extra(shown("b"), android.app.Notification.EXTRA_TITLE).length());
    }

    @Test
    public void aPicture() {
        Bitmap image = Bitmap.createBitmap(40, 20, Bitmap.Config.ARGB_8888);
        poster.post(notification("a", "title", "Storm", "message", "m"), null);
        poster.post(notification("a", "title", "Storm", "message", "m"), image);
        assertTrue(shown("a").extras.containsKey(android.app.Notification.EXTRA_PICTURE));
        assertNotNull(shown("a").getLargeIcon());
    }

    @Test
    public void whatIsOverLeavesTheScreenByItself() {
        String soon = Instant.ofEpochMilli(System.currentTimeMillis() + 60_000).toString();
        poster.post(notification("a", "title", "Storm", "@expires", soon), null);
        long left = shown("a").getTimeoutAfter();
        assertTrue(left > 0 && left <= 60_000);
        poster.post(notification("b", "title", "Storm", "@expires", "2020-01-01T00:00:00Z"), null);
        assertNull(shown("b"));
        poster.post(notification("c", "title", "Storm", "@expires", "whenever"), null);
        assertEquals(0, shown("c").getTimeoutAfter());
    }

    @Test
    public void aNewerOneTakesThePlaceOfWhatItCollapses() {
        poster.post(notification("a", "title", "1", "@collapse", "score"), null);
        poster.post(notification("b", "title", "1", "@collapse", "weather"), null);
        List<String> gone = poster.post(notification("c", "title", "2", "@collapse", "score"), null);
        assertEquals(Arrays.asList("a"), gone);
        assertNull(shown("a"));
        assertNotNull(shown("b"));
        assertNotNull(shown("c"));
    }

    @Test
    public void severalHaveALineOfTheirOwn() {
        for (int i = 0; i < 3; i++) {
            poster.post(notification("n" + i, "title", "title " + i, "@sent", "2026-01-02T03:04:0" + i + "Z"), null);
        }
        screen();
        android.app.Notification summary = shown(Poster.SUMMARY);
        assertTrue((summary.flags & android.app.Notification.FLAG_GROUP_SUMMARY) != 0);
        CharSequence[] lines = summary.extras.getCharSequenceArray(android.app.Notification.EXTRA_TEXT_LINES);
        assertEquals("[title 2, title 1, title 0]", Arrays.toString(lines));
        assertEquals(app.getResources().getQuantityString(R.plurals.tidings_summary, 3, 3),
                extra(summary, android.app.Notification.EXTRA_TEXT));
        for (int i = 0; i < 3; i++) {
            poster.cancel("n" + i);
        }
        screen();
        assertEquals(0, manager.getActiveNotifications().length);
    }

    @Test
    public void theSystemDropsNoneOfMany() {
        for (int i = 0; i < 200; i++) {
            poster.post(notification("n" + i, "title", "t", "@sent", Instant.ofEpochMilli(1_700_000_000_000L + i).toString()), null);
        }
        screen();
        assertTrue(manager.getActiveNotifications().length <= Poster.MOST_ACTIVE + 1);
        assertNotNull("the newest are there", shown("n199"));
        assertNull(shown("n0"));
    }

    // ---- the tap ----

    private void receive(Notification notification) throws IOException {
        SqliteStore store = new SqliteStore(new Database(app), null, () -> {});
        store.save(Arrays.asList(notification));
        store.shown(notification.id());
        poster.post(notification, null);
    }

    /** What the tap starts. */
    private Intent tap(String id) {
        PendingIntent pending = shown(id).contentIntent;
        assertTrue(shadowOf(pending).isActivity());
        if (android.os.Build.VERSION.SDK_INT >= 31) {
            assertTrue(pending.isImmutable());
        }
        ActivityController<TapActivity> controller = Robolectric.buildActivity(TapActivity.class, shadowOf(pending).getSavedIntent());
        Activity activity = controller.create().get();
        assertTrue("it shows nothing itself", activity.isFinishing());
        return shadowOf(activity).getNextStartedActivity();
    }

    @Test
    public void aTapShowsTheDetails() throws IOException {
        receive(notification("a", "title", "Storm", "message", "Stay inside", "uri", "https://example.org/a"));
        Intent next = tap("a");
        assertEquals(DetailsActivity.class.getName(), next.getComponent().getClassName());
        assertEquals("a", next.getStringExtra(Tidings.EXTRA_ID));
        assertTrue(tidings.history().get("a").isOpened() && tidings.history().get("a").isRead());
        screen();
        assertNull("it has left the screen", shown("a"));
    }

    @Test
    public void aTapOpensTheUriAtOnceWhereThePersonWantsThat() throws IOException {
        tidings.settings().setTapAction(ClientSettings.TapAction.OPEN_URI);
        receive(notification("a", "title", "Storm", "uri", "https://example.org/a"));
        receive(notification("b", "title", "Storm", "uri", "javascript:alert(1)"));
        receive(notification("c", "title", "Storm"));
        Intent web = tap("a");
        assertEquals(Intent.ACTION_VIEW, web.getAction());
        assertEquals("https://example.org/a", web.getDataString());
        assertEquals(DetailsActivity.class.getName(), tap("b").getComponent().getClassName());
        assertEquals(DetailsActivity.class.getName(), tap("c").getComponent().getClassName());
    }

    /** An app's own screen. */
    public static final class OwnDetails extends Activity {}

    @Test
    public void anAppMayHaveItsOwnDetails() throws IOException {
        tidings.setDetailsActivity(OwnDetails.class);
        receive(notification("a", "title", "Storm"));
        assertEquals(OwnDetails.class.getName(), tap("a").getComponent().getClassName());
        tidings.setDetailsActivity(null);
    }

    @Test
    public void theDetailsOpenTheUri() throws IOException {
        receive(notification("a", "title", "Sto\u202Erm", "message", "Stay\ninside", "uri", "https://example.org/a"));
        DetailsActivity activity = Robolectric.buildActivity(DetailsActivity.class, poster.details("a")).setup().get();
        assertEquals("Storm", text(activity, R.id.tidings_details_title));
        assertEquals("Stay\ninside", text(activity, R.id.tidings_details_message));
        assertEquals("https://example.org/a", text(activity, R.id.tidings_details_uri));
        activity.findViewById(R.id.tidings_details_ok).performClick();
        assertEquals("https://example.org/a", shadowOf(activity).getNextStartedActivity().getDataString());
        assertTrue(activity.isFinishing());
    }

    @Test
    public void theDetailsOfWhatMayNotBeOpened() throws IOException {
        receive(notification("a", "title", "Storm", "uri", "intent://x#Intent;end"));
        DetailsActivity activity = Robolectric.buildActivity(DetailsActivity.class, poster.details("a")).setup().get();
        assertEquals("", text(activity, R.id.tidings_details_uri));
        activity.findViewById(R.id.tidings_details_ok).performClick();
        assertNull(shadowOf(activity).getNextStartedActivity());
        DetailsActivity gone = Robolectric.buildActivity(DetailsActivity.class, poster.details("no such id")).create().get();
        assertTrue(gone.isFinishing());
    }

    private static String text(Activity activity, int view) {
        return ((android.widget.TextView) activity.findViewById(view)).getText().toString();
    }

    @Test
    public void whatIsSwipedAwayIsRead() throws IOException {
        receive(notification("a", "title", "Storm"));
        PendingIntent dismissed = shown("a").deleteIntent;
        assertTrue(shadowOf(dismissed).isBroadcast());
        assertFalse(tidings.history().get("a").isRead());
        new DismissReceiver().onReceive(app, shadowOf(dismissed).getSavedIntent());
        assertTrue(tidings.history().get("a").isRead());
        assertFalse(tidings.history().get("a").isOpened());
    }
}
