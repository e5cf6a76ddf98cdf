package org.tidings.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.AlertDialog;
import android.os.Looper;
import android.widget.TextView;
import java.util.Arrays;
import org.junit.Test;
import org.robolectric.shadows.ShadowDialog;
import org.tidings.core.device.Status;
import org.tidings.core.stream.Trouble;

/** The connection in words, and the screen of topics. */
public final class StatusScreenTest extends AppTest {
    @Test
    public void connected() throws Exception {
        given.status(Status.State.ONLINE, now - 60_000, 0, null, null);
        StatusActivity screen = open(StatusActivity.class, null);
        assertEquals("Connected", text(screen, R.id.state));
        assertTrue(text(screen, R.id.since), text(screen, R.id.since).startsWith("Since "));
        assertTrue(isShown(screen, R.id.ping));
        assertFalse(isShown(screen, R.id.retry) || isShown(screen, R.id.trouble) || isShown(screen, R.id.certificate));
        assertEquals("push.example.org", text(screen, R.id.server));
        assertEquals("3c0f9b1e5ad24b7c", text(screen, R.id.account));
        assertTrue(text(screen, R.id.identity).replaceAll("\\s", "").equals(Samples.KEY));
    }

    @Test
    public void everyTroubleHasWordsAndOnlyACertificateAsks() throws Exception {
        for (Trouble trouble : Trouble.values()) {
            given.status(Status.State.WAITING, now, System.currentTimeMillis() + 40_000, trouble, Samples.KEY);
            StatusActivity screen = open(StatusActivity.class, null);
            assertFalse(trouble.name(), text(screen, R.id.trouble).isEmpty());
            assertTrue(text(screen, R.id.next_attempt), text(screen, R.id.next_attempt).matches("Next attempt in \\d+ seconds"));
            assertTrue(isShown(screen, R.id.retry));
            boolean certificate = trouble == Trouble.CERTIFICATE_CHANGED || trouble == Trouble.CERTIFICATE_UNTRUSTED;
            assertEquals(trouble.name(), certificate, isShown(screen, R.id.certificate));
        }
    }

    @Test
    public void removesTheServerOnlyAfterAsking() throws Exception {
        StatusActivity screen = open(StatusActivity.class, null);
        screen.findViewById(R.id.remove).performClick();
        shadowOf(Looper.getMainLooper()).idle();
        assertFalse(tidings.server() == null);
        ((AlertDialog) ShadowDialog.getLatestDialog()).getButton(AlertDialog.BUTTON_POSITIVE).performClick();
        shadowOf(Looper.getMainLooper()).idle();
        assertNull(tidings.server());
        assertEquals(8, tidings.history().count());
    }

    @Test
    public void aTopicWithoutAConnectionIsKept() throws Exception {
        TopicsActivity screen = open(TopicsActivity.class, null);
        screen.<TextView>findViewById(R.id.topic).setText(" news ");
        screen.findViewById(R.id.subscribe).performClick();
        assertEquals(screen.getString(R.string.topic_offline), text(screen, R.id.problem));
        assertEquals("", text(screen, R.id.topic));
    }

    @Test
    public void aTopicsButtonSaysWhichTopic() {
        TopicsActivity screen = open(TopicsActivity.class, null);
        screen.show(Arrays.asList("alerts", "news"));
        assertEquals("Unsubscribe from news", row(list(screen), 1).findViewById(R.id.topic_remove).getContentDescription());
    }
}
