package org.tidings.demo;

import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.app.Application;
import android.app.Dialog;
import android.app.Notification;
import android.app.NotificationManager;
import android.content.Intent;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.net.Uri;
import android.os.Looper;
import android.os.SystemClock;
import android.view.MenuItem;
import android.view.View;
import android.view.ViewGroup;
import android.widget.EditText;
import android.widget.FrameLayout;
import android.widget.LinearLayout;
import android.widget.ListView;
import android.widget.RemoteViews;
import android.widget.SearchView;
import android.widget.TextView;
import android.widget.Toolbar;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.Callable;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;
import org.robolectric.shadows.ShadowDialog;
import org.tidings.client.Given;
import org.tidings.client.Tidings;
import org.tidings.core.device.Status;
import org.tidings.core.stream.Trouble;

/** Takes a picture of every screen, as it is on phones of all kinds; a person looks at them. */
@RunWith(RobolectricTestRunner.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = 35, qualifiers = "en-rUS-w411dp-h731dp-xhdpi")
public final class ShotsTest {
    private final Application app = RuntimeEnvironment.getApplication();
    private final Given given = new Given(app);
    private final long now = System.currentTimeMillis();

    @Before
    public void setUp() throws Exception {
        SystemClock.setCurrentTimeMillis(now);
        given.server(Samples.SERVER).account("3c0f9b1e5ad24b7c", Samples.KEY);
        given.status(Status.State.ONLINE, now - 3 * 3_600_000, 0, null, null);
        Samples.fill(app, now);
        Images.keep(Samples.IMAGE, Samples.soup());
    }

    @After
    public void tearDown() throws Exception {
        given.endProcess();
    }

    private <T extends Activity> ActivityController<T> open(Class<T> screen, Intent intent) {
        ActivityController<T> controller = Robolectric.buildActivity(screen, intent).setup();
        shadowOf(Looper.getMainLooper()).idle();
        return controller;
    }

    private static void until(Callable<Boolean> condition) throws Exception {
        for (long end = System.nanoTime() + 10_000_000_000L; !condition.call(); Thread.sleep(5)) {
            assertTrue("in time", System.nanoTime() < end);
            shadowOf(Looper.getMainLooper()).idle();
        }
        shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMillis(500));
    }

    private static void shot(View view, String name) throws IOException {
        Bitmap image = Bitmap.createBitmap(view.getWidth(), view.getHeight(), Bitmap.Config.ARGB_8888);
        view.draw(new Canvas(image));
        save(image, name);
    }

    private static void save(Bitmap image, String name) throws IOException {
        File file = new File(System.getProperty("tidings.shots"), name + ".png");
        file.getParentFile().mkdirs();
        try (OutputStream out = new FileOutputStream(file)) {
            image.compress(Bitmap.CompressFormat.PNG, 100, out);
        }
        assertTrue(name, file.length() > 3_000);
    }

    private static void shot(Activity activity, String name) throws IOException {
        shot(activity.getWindow().getDecorView(), name);
    }

    /** A dialog, dimmed behind it as a phone does. */
    private static void shotOfDialog(Activity activity, String name) throws IOException {
        shadowOf(Looper.getMainLooper()).idle();
        Dialog dialog = ShadowDialog.getLatestDialog();
        View below = activity.getWindow().getDecorView();
        View above = dialog.getWindow().getDecorView();
        Bitmap image = Bitmap.createBitmap(below.getWidth(), below.getHeight(), Bitmap.Config.ARGB_8888);
        Canvas canvas = new Canvas(image);
        below.draw(canvas);
        canvas.drawColor(0x99000000);
        canvas.translate((below.getWidth() - above.getWidth()) / 2f, (below.getHeight() - above.getHeight()) / 2f);
        above.draw(canvas);
        save(image, name);
    }

    private void history(String name) throws Exception {
        HistoryActivity screen = open(HistoryActivity.class, null).get();
        ListView list = screen.findViewById(R.id.list);
        until(() -> list.getCount() > 4);
        shot(screen, name);
    }

    private void details(String id, String name) throws Exception {
        DetailsActivity screen = open(DetailsActivity.class, DetailsActivity.intent(app, id)).get();
        until(() -> screen.<TextView>findViewById(R.id.title).length() > 0);
        shot(screen, name);
    }

    private void status(String name) throws Exception {
        shot(open(StatusActivity.class, null).get(), name);
    }

    private void settings(String name) throws Exception {
        shot(open(SettingsActivity.class, null).get(), name);
    }

    private void all(String variant) throws Exception {
        history("history-" + variant);
        details("n0", "details-" + variant);
        given.status(Status.State.WAITING, now - 40_000, System.currentTimeMillis() + 23_000, Trouble.UNREACHABLE, null);
        status("status-" + variant);
        settings("settings-" + variant);
        server("server-" + variant);
        topics("topics-" + variant);
    }

    @Test
    public void phone() throws Exception {
        all("phone");
    }

    @Test
    @Config(qualifiers = "+night")
    public void dark() throws Exception {
        all("dark");
    }

    @Test
    @Config(qualifiers = "de-rDE-w411dp-h731dp-xhdpi")
    public void german() throws Exception {
        all("german");
    }

    @Test
    @Config(qualifiers = "zh-rCN-w411dp-h731dp-xhdpi")
    public void chinese() throws Exception {
        all("chinese");
    }

    @Test
    @Config(qualifiers = "ar-rEG-ldrtl-w411dp-h731dp-xhdpi")
    public void rightToLeft() throws Exception {
        all("right-to-left");
    }

    @Test
    @Config(fontScale = 1.8f)
    public void largeType() throws Exception {
        all("large-type");
    }

    @Test
    @Config(qualifiers = "en-rUS-w1280dp-h800dp-mdpi")
    public void tablet() throws Exception {
        all("tablet");
    }

    @Test
    @Config(qualifiers = "en-rUS-w731dp-h411dp-land-xhdpi")
    public void landscape() throws Exception {
        all("landscape");
    }

    @Test
    @Config(sdk = 26)
    public void oldAndroid() throws Exception {
        history("history-android8");
        settings("settings-android8");
    }

    @Test
    public void detailsWithImage() throws Exception {
        details("n1", "details-image");
    }

    @Test
    public void hostile() throws Exception {
        given.received("<notification xmlns='urn:tidings:push:1' id='bad' sent='2026-01-02T03:04:05Z'><title>Y\u202eour bank\u0301\u0301\u0301\u0301\u0301\u0301\u0301"
                + "\u0301\u0301\u0301\u0301\u0301\u0301\u0301 " + "wins ".repeat(300) + "</title><message>" + "Click &lt;b&gt;now&lt;/b&gt;!\n".repeat(30)
                + "</message><uri>javascript:alert(document.cookie)</uri><data key='k'>v\u202ev</data></notification>", now, false);
        details("bad", "details-hostile");
        history("history-hostile");
    }

    @Test
    public void noServer() throws Exception {
        Tidings.of(app).removeServer();
        Tidings.of(app).history().clear();
        HistoryActivity screen = open(HistoryActivity.class, null).get();
        until(() -> screen.findViewById(R.id.add_server).isShown());
        shot(screen, "history-no-server");
    }

    @Test
    public void nothingYet() throws Exception {
        Tidings.of(app).history().clear();
        HistoryActivity screen = open(HistoryActivity.class, null).get();
        until(() -> screen.findViewById(R.id.empty_title).isShown());
        shot(screen, "history-empty");
    }

    @Test
    public void search() throws Exception {
        HistoryActivity screen = open(HistoryActivity.class, null).get();
        ListView list = screen.findViewById(R.id.list);
        until(() -> list.getCount() > 4);
        MenuItem search = screen.<Toolbar>findViewById(R.id.bar).getMenu().findItem(R.id.search);
        search.expandActionView();
        ((SearchView) search.getActionView()).setQuery("full", false);
        until(() -> list.getCount() == 1);
        shot(screen, "history-search");
    }

    @Test
    public void deleted() throws Exception {
        HistoryActivity screen = open(HistoryActivity.class, null).get();
        ListView list = screen.findViewById(R.id.list);
        until(() -> list.getCount() > 4);
        int before = list.getCount();
        list.getOnItemLongClickListener().onItemLongClick(list, list.getChildAt(2), 2, 0);
        until(() -> list.getCount() == before - 1);
        list.getChildAt(1).findViewById(R.id.row_content).setTranslationX(-260);
        shot(screen, "history-deleted");
    }

    private void server(String name) throws Exception {
        ServerActivity screen = open(ServerActivity.class, null).get();
        screen.<EditText>findViewById(R.id.host).setText("push.example.org");
        shot(screen, name);
    }

    @Test
    public void invitation() throws Exception {
        Intent link = new Intent(Intent.ACTION_VIEW, Uri.parse("tidings:push.example.net?domain=example.net&xmpps=5223&token=q7Xw&fp=" + Samples.KEY));
        ServerActivity screen = open(ServerActivity.class, link).get();
        shotOfDialog(screen, "server-invitation");
    }

    @Test
    @Config(qualifiers = "+night")
    public void invitationInTheDark() throws Exception {
        Intent link = new Intent(Intent.ACTION_VIEW, Uri.parse("tidings:push.example.net?xmpps=5223"));
        ServerActivity screen = open(ServerActivity.class, link).get();
        shotOfDialog(screen, "server-invitation-dark");
    }

    @Test
    public void wrongLink() throws Exception {
        ServerActivity screen = open(ServerActivity.class, null).get();
        screen.<EditText>findViewById(R.id.link).setText("tidings:push.example.net?xmpps=banana");
        screen.findViewById(R.id.next).performClick();
        shadowOf(Looper.getMainLooper()).idle();
        shot(screen, "server-wrong-link");
    }

    @Test
    public void online() throws Exception {
        StatusActivity screen = open(StatusActivity.class, null).get();
        screen.<TextView>findViewById(R.id.ping_result).setText(screen.getString(R.string.ping_answer, 23));
        shadowOf(Looper.getMainLooper()).idle();
        shot(screen, "status-online");
    }

    @Test
    public void certificate() throws Exception {
        given.status(Status.State.WAITING, now - 40_000, now + 1_500_000, Trouble.CERTIFICATE_CHANGED,
                "sha256:b8a6c2d47f314f1c9a0e7d52b38861ce03ab94f27d15a8be6092f3d47c5510e9");
        status("status-certificate");
        history("history-certificate");
    }

    private void topics(String name) throws Exception {
        TopicsActivity screen = open(TopicsActivity.class, null).get();
        screen.show(Arrays.asList("alerts", "builds", "canteen", "home"));
        shadowOf(Looper.getMainLooper()).idle();
        shot(screen, name);
    }

    @Test
    public void theme() throws Exception {
        SettingsActivity screen = open(SettingsActivity.class, null).get();
        ViewGroup rows = screen.findViewById(R.id.rows);
        for (int i = 0; i < rows.getChildCount(); i++) {
            TextView title = rows.getChildAt(i).findViewById(R.id.setting_title);
            if (title != null && title.getText().toString().equals(screen.getString(R.string.theme))) {
                rows.getChildAt(i).performClick();
            }
        }
        shotOfDialog(screen, "settings-theme");
    }

    /** As the system draws it: what the library posted, as a small and as a large notification. */
    @Test
    public void notification() throws Exception {
        given.post(Samples.first(app, now), null);
        Notification posted = app.getSystemService(NotificationManager.class).getActiveNotifications()[0].getNotification();
        Activity screen = Robolectric.buildActivity(Activity.class).setup().get();
        LinearLayout both = new LinearLayout(screen);
        both.setOrientation(LinearLayout.VERTICAL);
        both.setBackgroundColor(0xffffffff);
        Notification.Builder builder = Notification.Builder.recoverBuilder(screen, posted);
        for (RemoteViews views : new RemoteViews[] {builder.createContentView(), builder.createBigContentView()}) {
            if (views != null) {
                FrameLayout frame = new FrameLayout(screen);
                frame.addView(views.apply(screen, frame));
                both.addView(frame);
            }
        }
        screen.setContentView(both);
        shadowOf(Looper.getMainLooper()).idle();
        shot(both, "notification");
    }
}
