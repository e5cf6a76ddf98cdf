package org.tidings.demo;

import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.app.Application;
import android.content.Intent;
import android.os.Looper;
import android.os.SystemClock;
import android.view.View;
import android.widget.ListView;
import android.widget.TextView;
import java.util.concurrent.Callable;
import org.junit.After;
import org.junit.Before;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.tidings.client.Given;
import org.tidings.client.Tidings;

/** What tests of the app's screens share: a phone on which the app has a server and some notifications. */
@RunWith(RobolectricTestRunner.class)
abstract class AppTest {
    final Application app = RuntimeEnvironment.getApplication();
    final Tidings tidings = Tidings.of(app);
    final Given given = new Given(app);
    final long now = System.currentTimeMillis();

    @Before
    public final void phone() throws Exception {
        SystemClock.setCurrentTimeMillis(now);
        given.server(Samples.SERVER).account("3c0f9b1e5ad24b7c", Samples.KEY);
        Samples.fill(app, now);
    }

    @After
    public final void endProcess() throws Exception {
        given.endProcess();
    }

    static <T extends Activity> T open(Class<T> screen, Intent intent) {
        T activity = Robolectric.buildActivity(screen, intent).setup().get();
        shadowOf(Looper.getMainLooper()).idle();
        return activity;
    }

    static void until(String what, Callable<Boolean> condition) throws Exception {
        for (long end = System.nanoTime() + 20_000_000_000L; !condition.call(); Thread.sleep(2)) {
            assertTrue("in time: " + what, System.nanoTime() < end);
            shadowOf(Looper.getMainLooper()).idle();
        }
    }

    static String text(Activity screen, int id) {
        return screen.<TextView>findViewById(id).getText().toString();
    }

    static boolean isShown(Activity screen, int id) {
        return screen.findViewById(id).isShown();
    }

    static HistoryActivity history(int rows) throws Exception {
        HistoryActivity screen = open(HistoryActivity.class, null);
        until(rows + " rows", () -> list(screen).getCount() == rows);
        return screen;
    }

    static ListView list(Activity screen) {
        return screen.findViewById(R.id.list);
    }

    static View row(ListView list, int position) {
        return list.getAdapter().getView(position, null, list);
    }

    DetailsActivity details(String id) throws Exception {
        DetailsActivity screen = open(DetailsActivity.class, DetailsActivity.intent(app, id));
        until("the text", () -> !text(screen, R.id.title).isEmpty());
        return screen;
    }
}
