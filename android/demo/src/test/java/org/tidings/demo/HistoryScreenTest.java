package org.tidings.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.content.Intent;
import android.os.Looper;
import android.view.MenuItem;
import android.view.MotionEvent;
import android.view.View;
import android.view.accessibility.AccessibilityNodeInfo;
import android.widget.ListView;
import android.widget.SearchView;
import android.widget.Toolbar;
import java.time.Duration;
import org.junit.Test;
import org.robolectric.annotation.Config;
import org.tidings.client.HistoryEntry;
import org.tidings.client.Tidings;
import org.tidings.core.device.Status;
import org.tidings.core.stream.Trouble;

/** The list of what came. */
public final class HistoryScreenTest extends AppTest {
    private static MenuItem menu(HistoryActivity screen, int id) {
        return screen.<Toolbar>findViewById(R.id.bar).getMenu().findItem(id);
    }

    @Test
    public void newestFirstAndATapOpensIt() throws Exception {
        HistoryActivity screen = history(8);
        HistoryEntry first = (HistoryEntry) list(screen).getItemAtPosition(0);
        assertEquals("Storm warning", first.title());
        list(screen).performItemClick(row(list(screen), 0), 0, 0);
        Intent next = shadowOf(screen).getNextStartedActivity();
        assertEquals(DetailsActivity.class.getName(), next.getComponent().getClassName());
        assertEquals("n0", next.getStringExtra(Tidings.EXTRA_ID));
    }

    @Test
    public void whatArrivesAppears() throws Exception {
        HistoryActivity screen = history(8);
        given.received(Samples.xml("new", "Just now", "m", null, null, "", "normal", now), now + 1, false);
        until("the new one", () -> ((HistoryEntry) list(screen).getItemAtPosition(0)).title().equals("Just now"));
    }

    @Test
    public void searchFindsWordsAndSaysWhenThereAreNone() throws Exception {
        HistoryActivity screen = history(8);
        menu(screen, R.id.search).expandActionView();
        SearchView search = (SearchView) menu(screen, R.id.search).getActionView();
        search.setQuery("disk", false);
        until("one", () -> list(screen).getCount() == 1);
        search.setQuery("100 % of nothing", false);
        until("none", () -> isShown(screen, R.id.empty_title));
        assertEquals("Nothing found", text(screen, R.id.empty_title));
        assertFalse(isShown(screen, R.id.add_server));
        search.setQuery("", false);
        until("all", () -> list(screen).getCount() == 8);
    }

    @Test
    public void unreadOnlyAndAllRead() throws Exception {
        HistoryActivity screen = history(8);
        screen.onOptionsItemSelected(menu(screen, R.id.unread_only));
        until("the unread ones", () -> list(screen).getCount() == 3);
        screen.onOptionsItemSelected(menu(screen, R.id.read_all));
        until("none", () -> isShown(screen, R.id.empty_title));
        assertEquals("Everything is read", text(screen, R.id.empty_title));
        assertEquals(0, tidings.history().unread());
    }

    @Test
    public void aSwipeDeletesAndUndoPutsBack() throws Exception {
        HistoryActivity screen = history(8);
        ListView list = list(screen);
        list.measure(View.MeasureSpec.makeMeasureSpec(800, View.MeasureSpec.EXACTLY), View.MeasureSpec.makeMeasureSpec(1200, View.MeasureSpec.EXACTLY));
        list.layout(0, 0, 800, 1200);
        View row = list.getChildAt(1);
        swipe(list, 600, 50, row.getTop() + row.getHeight() / 2f);
        until("one less", () -> list.getCount() == 7);
        assertEquals(null, tidings.history().get("n1"));
        assertTrue(isShown(screen, R.id.undo_bar));
        screen.findViewById(R.id.undo).performClick();
        until("all again", () -> list.getCount() == 8);
        assertEquals("Lunch?", ((HistoryEntry) list.getItemAtPosition(1)).title());
        assertFalse(isShown(screen, R.id.undo_bar));
    }

    @Test
    public void aShortSwipeDeletesNothing() throws Exception {
        HistoryActivity screen = history(8);
        ListView list = list(screen);
        View row = list.getChildAt(1);
        assertNotNull(row);
        swipe(list, 200, 140, row.getTop() + row.getHeight() / 2f);
        shadowOf(Looper.getMainLooper()).idleFor(Duration.ofSeconds(1));
        assertEquals(8, tidings.history().count());
        assertEquals(0, row.findViewById(R.id.row_content).getTranslationX(), 0.1);
    }

    private static void swipe(ListView list, float from, float to, float y) {
        long start = 1_000;
        touch(list, start, start, MotionEvent.ACTION_DOWN, from, y);
        for (int i = 1; i <= 10; i++) {
            touch(list, start, start + 60 * i, MotionEvent.ACTION_MOVE, from + (to - from) * i / 10, y);
        }
        touch(list, start, start + 1_500, MotionEvent.ACTION_UP, to, y);
        shadowOf(Looper.getMainLooper()).idleFor(Duration.ofSeconds(1));
    }

    private static void touch(ListView list, long down, long when, int action, float x, float y) {
        MotionEvent event = MotionEvent.obtain(down, when, action, x, y, 0);
        list.dispatchTouchEvent(event);
        event.recycle();
    }

    @Test
    public void aScreenReaderHearsOneSentenceAndDeletesWithoutASwipe() throws Exception {
        HistoryActivity screen = history(8);
        View row = row(list(screen), 0);
        String words = row.getContentDescription().toString();
        assertTrue(words, words.startsWith("Unread. Storm warning. Level 3"));
        assertTrue(words, words.contains("Topic alerts"));
        assertFalse(row(list(screen), 5).getContentDescription().toString().startsWith("Unread"));
        AccessibilityNodeInfo info = row.createAccessibilityNodeInfo();
        assertTrue(info.getActionList().stream().anyMatch(action -> action.getId() == R.id.delete && "Delete".contentEquals(action.getLabel())));
        assertTrue(row.performAccessibilityAction(R.id.delete, null));
        until("one less", () -> list(screen).getCount() == 7);
    }

    @Test
    public void saysHowTheConnectionIs() throws Exception {
        given.status(Status.State.WAITING, now, now + 60_000, Trouble.CERTIFICATE_CHANGED, Samples.KEY);
        HistoryActivity screen = history(8);
        assertTrue(text(screen, R.id.state_text).contains("certificate"));
        screen.findViewById(R.id.state).performClick();
        assertEquals(StatusActivity.class.getName(), shadowOf(screen).getNextStartedActivity().getComponent().getClassName());
    }

    @Test
    public void withoutAServerItOffersToAddOne() throws Exception {
        tidings.removeServer();
        tidings.history().clear();
        HistoryActivity screen = open(HistoryActivity.class, null);
        until("the offer", () -> isShown(screen, R.id.add_server));
        assertFalse(isShown(screen, R.id.state));
        screen.findViewById(R.id.add_server).performClick();
        assertEquals(ServerActivity.class.getName(), shadowOf(screen).getNextStartedActivity().getComponent().getClassName());
    }

    @Test
    @Config(sdk = 35)
    public void aThousandAreLoadedAsOneScrolls() throws Exception {
        for (int i = 0; i < 250; i++) {
            given.received(Samples.xml("m" + i, "t" + i, "m", null, null, "", "low", now), now + i, true);
        }
        HistoryActivity screen = history(100);
        until("all", () -> {
            list(screen).setSelection(list(screen).getCount() - 1);
            return list(screen).getCount() == 258;
        });
    }
}
