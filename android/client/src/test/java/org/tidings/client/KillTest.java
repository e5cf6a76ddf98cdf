package org.tidings.client;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import android.content.Intent;
import java.io.IOException;
import java.util.Collections;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;

/** A process that dies between receive, store, show and acknowledge: nothing is lost, nothing is shown twice. */
@RunWith(RobolectricTestRunner.class)
@Config(shadows = CountingNotificationManager.class)
public final class KillTest extends ClientTest {
    private static final int NOTIFICATIONS = 3;
    /** Two around storing, two around showing, one in the app's listener, two around marking. */
    private static final int STEPS = 7;

    @Before
    public void setUp() {
        CountingNotificationManager.POSTED.clear();
    }

    private static Map<String, Integer> once(String prefix, int count) {
        Map<String, Integer> expected = new TreeMap<>();
        for (int i = 0; i < count; i++) {
            expected.put(prefix + i, 1);
        }
        return expected;
    }

    @Test
    public void whereverItDies() throws IOException {
        Phone phone = new Phone(app).start();
        for (int point = 0; point <= STEPS * NOTIFICATIONS; point++) {
            CountingNotificationManager.POSTED.clear();
            String prefix = "p" + point + "n";
            for (int i = 0; i < NOTIFICATIONS; i++) {
                phone.server.push(prefix + i, "t");
            }
            phone.stepsToLive = point;
            boolean died = false;
            try {
                phone.settle();
            } catch (Phone.Killed e) {
                died = true;
            }
            assertEquals("point " + point, point < STEPS * NOTIFICATIONS, died);
            phone.stepsToLive = -1;
            phone.start().pass(600_000);
            assertEquals("point " + point, once(prefix, NOTIFICATIONS), CountingNotificationManager.POSTED);
            assertTrue("acknowledged", phone.server.pending.isEmpty());
            for (int i = 0; i < NOTIFICATIONS; i++) {
                assertTrue(phone.history.isShown(prefix + i));
            }
        }
    }

    @Test
    public void oneThatWasSwipedAwayBeforeItWasMarkedStaysAway() throws IOException {
        Phone phone = new Phone(app).start();
        phone.server.push("a", "t");
        // The process dies behind showing and before marking.
        phone.stepsToLive = 5;
        try {
            phone.settle();
            throw new AssertionError("it lives");
        } catch (Phone.Killed e) {
            assertEquals(Collections.singletonMap("a", 1), CountingNotificationManager.POSTED);
        }
        new DismissReceiver().onReceive(app, new Intent().putExtra(Tidings.EXTRA_ID, "a"));
        phone.stepsToLive = -1;
        phone.start().pass(600_000);
        assertEquals(Collections.singletonMap("a", 1), CountingNotificationManager.POSTED);
        assertTrue(phone.server.pending.isEmpty());
    }

    @Test
    public void deathsAndCutsInAnyOrder() throws IOException {
        Phone phone = new Phone(app).start();
        Random random = new Random(11);
        int sent = 0;
        for (int i = 0; i < 150; i++) {
            try {
                switch (random.nextInt(6)) {
                    case 0: phone.cut(); break;
                    case 1: phone.server.forgetSessions(); break;
                    case 2: phone.stepsToLive = random.nextInt(8); break;
                    default: phone.server.push("n" + sent++, "t");
                }
                phone.settle().pass(random.nextInt(120_000));
            } catch (Phone.Killed e) {
                phone.stepsToLive = -1;
                phone.start();
            }
        }
        phone.stepsToLive = -1;
        phone.start().pass(3_600_000);
        assertEquals(once("n", sent), CountingNotificationManager.POSTED);
        assertTrue(phone.server.pending.isEmpty());
    }
}
