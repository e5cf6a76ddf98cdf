package org.tidings.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.content.Intent;
import android.widget.TextView;
import android.widget.Toolbar;
import org.junit.Test;

/** One notification in full, and what its OK does; hostile ones included. */
public final class DetailsScreenTest extends AppTest {
    @Test
    public void okOpensTheAddressAndCloses() throws Exception {
        DetailsActivity screen = details("n0");
        assertEquals("Storm warning", text(screen, R.id.title));
        assertTrue(text(screen, R.id.meta), text(screen, R.id.meta).endsWith("alerts \u00b7 High priority"));
        assertEquals("https://weather.example.org/warnings/4711", text(screen, R.id.uri));
        screen.findViewById(R.id.ok).performClick();
        Intent opened = shadowOf(screen).getNextStartedActivity();
        assertEquals(Intent.ACTION_VIEW, opened.getAction());
        assertEquals("https://weather.example.org/warnings/4711", opened.getDataString());
        assertTrue(screen.isFinishing());
        until("it counts as read", () -> tidings.history().get("n0").isOpened());
    }

    @Test
    public void withoutAnAddressOkOnlyCloses() throws Exception {
        DetailsActivity screen = details("n2");
        assertFalse(isShown(screen, R.id.uri_card));
        screen.findViewById(R.id.ok).performClick();
        assertNull(shadowOf(screen).getNextStartedActivity());
        assertTrue(screen.isFinishing());
    }

    @Test
    public void whatRunsCodeIsShownAndNeverOpened() throws Exception {
        String[] addresses = {"javascript:alert(1)", "intent:#Intent;component=org.tidings.demo/.SettingsActivity;end", "file:///data/data/x",
            "content://contacts", "data:text/html,x", "JaVaScRiPt:x", "java\u0000script:x", "https:", "https://exa\u202emple.org"};
        for (int i = 0; i < addresses.length; i++) {
            given.received(Samples.xml("x" + i, "t", "m", addresses[i].replace("\u0000", "&#x9;"), null, "", "normal", now), now, false);
            DetailsActivity screen = details("x" + i);
            assertEquals(addresses[i], "This address is not opened", text(screen, R.id.uri_label));
            assertFalse(text(screen, R.id.uri).contains("\u202e"));
            screen.findViewById(R.id.ok).performClick();
            assertNull(addresses[i], shadowOf(screen).getNextStartedActivity());
        }
    }

    @Test
    public void aTitleOf36KilobytesAndTextsThatTurnAround() throws Exception {
        given.received(Samples.xml("big", "\u202eA".repeat(9_000), "b\u2066\n".repeat(4_000), null, null, "\u202etopic", "normal", now), now, false);
        DetailsActivity screen = details("big");
        assertTrue(text(screen, R.id.title).length() < 600);
        assertFalse((text(screen, R.id.title) + text(screen, R.id.message) + text(screen, R.id.meta)).matches("(?s).*[\u202e\u2066].*"));
        HistoryActivity list = history(9);
        TextView title = row(list(list), 0).findViewById(R.id.row_title);
        assertEquals(1, title.getMaxLines());
    }

    @Test
    public void deletesAndShares() throws Exception {
        DetailsActivity screen = details("n1");
        Toolbar bar = screen.findViewById(R.id.bar);
        screen.onOptionsItemSelected(bar.getMenu().findItem(R.id.share));
        Intent chooser = shadowOf(screen).getNextStartedActivity();
        Intent shared = chooser.getParcelableExtra(Intent.EXTRA_INTENT);
        assertEquals("Lunch?\n\nThe soup is ready: pumpkin with ginger.", shared.getStringExtra(Intent.EXTRA_TEXT));
        screen.onOptionsItemSelected(bar.getMenu().findItem(R.id.delete));
        until("it is gone", () -> tidings.history().get("n1") == null);
        assertTrue(screen.isFinishing());
    }

    @Test
    public void oneThatIsGoneIsSaidToBe() throws Exception {
        Activity screen = details("no such id");
        assertEquals("This notification is no longer there.", text(screen, R.id.title));
        assertFalse(screen.<Toolbar>findViewById(R.id.bar).getMenu().hasVisibleItems());
        screen.findViewById(R.id.ok).performClick();
        assertTrue(screen.isFinishing());
    }
}
