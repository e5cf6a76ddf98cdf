package org.tidings.client;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.Manifest;
import android.app.Activity;
import android.app.ActivityManager;
import android.app.NotificationManager;
import android.content.ComponentName;
import android.content.Context;
import android.content.ContextWrapper;
import android.content.Intent;
import android.content.res.AssetManager;
import android.os.Build;
import android.os.PowerManager;
import android.provider.Settings;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.shadows.ShadowActivity;
import org.robolectric.shadows.ShadowBuild;
import org.robolectric.util.ReflectionHelpers;
import org.robolectric.util.ReflectionHelpers.ClassParameter;

/** What the system and the person allow, and the app's own file. */
@RunWith(RobolectricTestRunner.class)
public final class PermissionsTest extends ClientTest {
    @Test
    public void theQuestionForNotifications() {
        Activity activity = Robolectric.buildActivity(Activity.class).setup().get();
        boolean asked = NotificationPermission.request(activity, 7);
        ShadowActivity.PermissionsRequest request = shadowOf(activity).getLastRequestedPermission();
        if (Build.VERSION.SDK_INT < 33) {
            assertFalse("there is no such question", asked);
            assertNull(request);
        } else {
            assertTrue(asked);
            assertEquals(Manifest.permission.POST_NOTIFICATIONS, request.requestedPermissions[0]);
            assertEquals(7, request.requestCode);
        }
        shadowOf(app.getSystemService(NotificationManager.class)).setNotificationsEnabled(false);
        assertFalse(NotificationPermission.isGranted(app));
        assertEquals(app.getPackageName(), NotificationPermission.settings(app).getStringExtra(Settings.EXTRA_APP_PACKAGE));
        assertEquals("c", NotificationPermission.settings(app, "c").getStringExtra(Settings.EXTRA_CHANNEL_ID));
    }

    @Test
    public void theWayToTheBatteryExemption() {
        ShadowBuild.setManufacturer("Google");
        BatteryExemption battery = Tidings.of(app).battery();
        assertFalse(battery.isGranted());
        assertEquals(app.getString(R.string.tidings_battery_not_exempt), battery.advice());
        assertEquals("package:" + app.getPackageName(), battery.request().getDataString());
        shadowOf(app.getSystemService(PowerManager.class)).setIgnoringBatteryOptimizations(app.getPackageName(), true);
        assertTrue(battery.isGranted());
        assertNull("all is well", battery.advice());
        ShadowBuild.setManufacturer("samsung");
        assertTrue(battery.advice().contains("samsung"));
        assertNotNull(battery.vendorUri());
        if (Build.VERSION.SDK_INT >= 28) {
            shadowOf(app.getSystemService(ActivityManager.class)).setBackgroundRestricted(true);
            assertEquals(app.getString(R.string.tidings_battery_restricted), battery.advice());
        }
    }

    @Test
    public void aServiceThatMayNotStartNowEndsNothing() {
        EventLog log = new EventLog(app.getNoBackupFilesDir());
        PushService.start(new ContextWrapper(app) {
            @Override
            public ComponentName startForegroundService(Intent service) {
                throw new IllegalStateException("not from the background");
            }
        }, log);
        assertTrue(log.read(), log.read().contains("no service in the foreground now"));
    }

    private Servers servers(String properties) throws IOException {
        File archive = new File(app.getCacheDir(), "assets.zip");
        try (ZipOutputStream zip = new ZipOutputStream(new FileOutputStream(archive))) {
            zip.putNextEntry(new ZipEntry("assets/" + Servers.ASSET));
            zip.write(properties.getBytes(StandardCharsets.UTF_8));
        }
        AssetManager assets = ReflectionHelpers.callConstructor(AssetManager.class);
        int cookie = ReflectionHelpers.callInstanceMethod(assets, "addAssetPath", ClassParameter.from(String.class, archive.getPath()));
        assertTrue(cookie > 0);
        Context context = new ContextWrapper(app) {
            @Override
            public AssetManager getAssets() {
                return assets;
            }
        };
        EventLog log = new EventLog(app.getNoBackupFilesDir());
        return new Servers(context, new Secrets(app, new SecretCipher(), log), log);
    }

    @Test
    public void theAppsFileNamesTheServer() throws IOException {
        Servers servers = servers("apiKey=1234567890\nxmppHost=192.0.2.1\nxmppPort=5222\n");
        assertEquals("192.0.2.1", servers.get().address().host());
        assertNull(servers.error());
        servers.set(ServerConfig.ofDomain("example.org"));
        servers.save();
        assertEquals("what a person chose wins", "example.org", servers("xmppHost=192.0.2.1").get().address().domain());
        servers.set(null);
        servers.save();
        assertNull("none is none", servers("xmppHost=192.0.2.1").get());
    }

    @Test
    public void aWrongFileIsSaidWithItsLine() throws IOException {
        Servers servers = servers("xmppHost=192.0.2.1\nxmppPort=many\n");
        assertNull(servers.get());
        assertEquals(2, servers.error().line());
        assertTrue(new EventLog(app.getNoBackupFilesDir()).read().contains("line 2"));
        servers.set(ServerConfig.ofDomain("example.org"));
        assertNull("a person's choice mends that", servers.error());
        assertNotNull(servers.get());
    }
}
