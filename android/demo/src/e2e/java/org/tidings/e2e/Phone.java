package org.tidings.e2e;

import static org.junit.Assert.assertNotNull;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.app.AlertDialog;
import android.app.Application;
import android.app.Dialog;
import android.app.Service;
import android.content.Intent;
import android.net.ConnectivityManager;
import android.net.LinkProperties;
import android.net.Network;
import android.net.NetworkCapabilities;
import android.net.Uri;
import android.os.Bundle;
import android.os.Looper;
import android.view.View;
import android.widget.ListView;
import android.widget.TextView;
import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.robolectric.Robolectric;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.android.controller.ServiceController;
import org.robolectric.shadows.ShadowDialog;
import org.robolectric.shadows.ShadowNetworkCapabilities;

/**
 * A phone and the person who holds it. They know of the app what a person knows: its screens, by the ids in their layouts,
 * and what its manifest names; the classes behind that have lost their names.
 */
final class Phone {
    private static final String APP = "org.tidings.demo";
    /** The phone's clock runs faster than ours, so that nobody waits for the app's waits. */
    private static final long HASTE = 5;
    private static final long PATIENCE_MS = 30_000;

    private final Application app = RuntimeEnvironment.getApplication();
    private final Set<ConnectivityManager.NetworkCallback> told = new HashSet<>();
    private final List<ServiceController<? extends Service>> services = new ArrayList<>();
    private long last = System.nanoTime();

    Application app() {
        return app;
    }

    /** Lets what is due happen: the main thread's tasks, alarms, services that want to start, news of the network. */
    void live() {
        long now = System.nanoTime();
        long passed = Math.min(100, Math.max(1, (now - last) / 1_000_000));
        last = now;
        shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMillis(passed * HASTE));
        for (Intent wanted = shadowOf(app).getNextStartedService(); wanted != null; wanted = shadowOf(app).getNextStartedService()) {
            start(wanted);
        }
        network();
    }

    private void start(Intent wanted) {
        try {
            Class<? extends Service> service = Class.forName(wanted.getComponent().getClassName()).asSubclass(Service.class);
            services.add(Robolectric.buildService(service, wanted).create().startCommand(0, 1));
        } catch (ClassNotFoundException e) {
            throw new AssertionError(e);
        }
    }

    /** A real phone tells those who ask for the network about the one that there is. */
    private void network() {
        ConnectivityManager manager = app.getSystemService(ConnectivityManager.class);
        for (ConnectivityManager.NetworkCallback callback : new ArrayList<>(shadowOf(manager).getNetworkCallbacks())) {
            if (told.add(callback)) {
                Network network = manager.getActiveNetwork();
                NetworkCapabilities capabilities = ShadowNetworkCapabilities.newInstance();
                shadowOf(capabilities).addTransportType(NetworkCapabilities.TRANSPORT_WIFI);
                shadowOf(capabilities).addCapability(NetworkCapabilities.NET_CAPABILITY_INTERNET);
                shadowOf(capabilities).addCapability(NetworkCapabilities.NET_CAPABILITY_VALIDATED);
                shadowOf(manager).setNetworkCapabilities(network, capabilities);
                LinkProperties link = new LinkProperties();
                shadowOf(manager).setLinkProperties(network, link);
                callback.onAvailable(network);
                callback.onCapabilitiesChanged(network, capabilities);
                callback.onLinkPropertiesChanged(network, link);
            }
        }
    }

    void until(String what, Callable<Boolean> condition) throws Exception {
        until(what, PATIENCE_MS, condition);
    }

    void until(String what, long patience, Callable<Boolean> condition) throws Exception {
        long end = System.nanoTime() + patience * 1_000_000;
        live();
        while (!condition.call()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("not within " + patience + " ms: " + what);
            }
            Thread.sleep(5);
            live();
        }
    }

    /** Follows a link from another app, and agrees to connect. */
    void add(String link) throws Exception {
        Intent intent = new Intent(Intent.ACTION_VIEW, Uri.parse(link)).setClassName(app, APP + ".ServerActivity");
        ActivityController<? extends Activity> screen = open(intent);
        agree();
        close(screen);
    }

    private void agree() throws Exception {
        until("the question whether to connect", () -> ShadowDialog.getLatestDialog() != null && ShadowDialog.getLatestDialog().isShowing());
        Dialog question = ShadowDialog.getLatestDialog();
        ((AlertDialog) question).getButton(AlertDialog.BUTTON_POSITIVE).performClick();
        live();
    }

    /** Chooses a file with a server's settings, and agrees to connect. */
    void addByFile(String content) throws Exception {
        Uri file = Uri.parse("content://files/tidings.properties");
        shadowOf(app.getContentResolver()).registerInputStreamSupplier(file,
                () -> new java.io.ByteArrayInputStream(content.getBytes(java.nio.charset.StandardCharsets.UTF_8)));
        ActivityController<? extends Activity> screen = open(screen("ServerActivity"));
        view(screen, "file").performClick();
        Intent asked = shadowOf(screen.get()).peekNextStartedActivityForResult().intent;
        shadowOf(screen.get()).receiveResult(asked, Activity.RESULT_OK, new Intent().setData(file));
        agree();
        close(screen);
    }

    Intent screen(String name) {
        return new Intent().setClassName(app, APP + "." + name);
    }

    ActivityController<? extends Activity> open(Intent intent) throws Exception {
        Class<? extends Activity> activity = Class.forName(intent.getComponent().getClassName()).asSubclass(Activity.class);
        ActivityController<? extends Activity> screen = Robolectric.buildActivity(activity, intent, (Bundle) null).setup();
        live();
        return screen;
    }

    void close(ActivityController<? extends Activity> screen) {
        screen.pause().stop().destroy();
        live();
    }

    View view(ActivityController<? extends Activity> screen, String id) {
        return view(screen.get().getWindow().getDecorView(), id);
    }

    private View view(View in, String id) {
        View found = in.findViewById(app.getResources().getIdentifier(id, "id", APP));
        assertNotNull(id, found);
        return found;
    }

    String text(ActivityController<? extends Activity> screen, String id) {
        return ((TextView) view(screen, id)).getText().toString();
    }

    /** The titles in the list of the first screen, the newest first. */
    List<String> history() throws Exception {
        ActivityController<? extends Activity> screen = open(screen("HistoryActivity"));
        ListView list = (ListView) view(screen, "list");
        int[] before = {-1, 0};
        until("the list", () -> {
            int now = list.getAdapter().getCount();
            // It is read in the background, page by page as one scrolls; it is at its end when it grows no more.
            list.setSelection(now - 1);
            before[1] = now == before[0] && now > 0 ? before[1] + 1 : 0;
            before[0] = now;
            Thread.sleep(50);
            return before[1] == 10;
        });
        List<String> titles = new ArrayList<>();
        for (int i = 0; i < list.getAdapter().getCount(); i++) {
            titles.add(((TextView) view(list.getAdapter().getView(i, null, list), "row_title")).getText().toString());
        }
        close(screen);
        return titles;
    }

    /** What the connection's screen says. */
    String state() throws Exception {
        ActivityController<? extends Activity> screen = open(screen("StatusActivity"));
        String state = text(screen, "state") + "; " + text(screen, "trouble");
        close(screen);
        return state;
    }

    /** The person does not wait until the app tries again. */
    void tryNow() throws Exception {
        ActivityController<? extends Activity> screen = open(screen("StatusActivity"));
        if (view(screen, "retry").getVisibility() == View.VISIBLE) {
            view(screen, "retry").performClick();
        }
        close(screen);
    }

    String account() throws Exception {
        ActivityController<? extends Activity> screen = open(screen("StatusActivity"));
        String[] account = {""};
        until("the account's name", () -> !(account[0] = text(screen, "account")).isEmpty());
        close(screen);
        return account[0];
    }

    boolean shows(String title) {
        return PostedNotifications.titles().contains(title);
    }

    /** Stops what runs, so that the next phone starts anew. */
    void off() {
        try {
            ActivityController<? extends Activity> screen = open(screen("StatusActivity"));
            if (view(screen, "remove").getVisibility() == View.VISIBLE) {
                view(screen, "remove").performClick();
                ((AlertDialog) ShadowDialog.getLatestDialog()).getButton(AlertDialog.BUTTON_POSITIVE).performClick();
            }
            live();
            close(screen);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
        for (ServiceController<? extends Service> service : services) {
            service.destroy();
        }
        for (int i = 0; i < 20; i++) {
            live();
        }
        endProcess();
    }

    /** A new process finds every variable of a class as it was at first. The classes themselves stay loaded here. */
    private static void endProcess() {
        try (ZipFile jar = new ZipFile(System.getProperty("tidings.app"))) {
            for (ZipEntry entry : Collections.list(jar.entries())) {
                String name = entry.getName();
                if (name.endsWith(".class")) {
                    reset(Class.forName(name.substring(0, name.length() - 6).replace('/', '.'), false, Phone.class.getClassLoader()));
                }
            }
        } catch (IOException | ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    private static void reset(Class<?> type) throws IllegalAccessException {
        for (Field field : type.getDeclaredFields()) {
            if (Modifier.isStatic(field.getModifiers()) && !Modifier.isFinal(field.getModifiers()) && !field.getName().startsWith("$$")) {
                field.setAccessible(true);
                field.set(null, field.getType() == boolean.class ? Boolean.FALSE : null);
            }
        }
    }
}
