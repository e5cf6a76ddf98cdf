package org.tidings.client;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.AlarmManager;
import android.app.NotificationChannel;
import android.app.NotificationManager;
import android.app.job.JobInfo;
import android.app.job.JobScheduler;
import android.content.Intent;
import android.content.pm.ServiceInfo;
import android.net.ConnectivityManager;
import android.net.Network;
import android.net.NetworkCapabilities;
import android.os.Build;
import android.os.Looper;
import android.os.PowerManager;
import java.io.IOException;
import java.net.ServerSocket;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.android.controller.ServiceController;
import org.robolectric.shadows.ShadowAlarmManager;
import org.robolectric.shadows.ShadowNetwork;
import org.robolectric.shadows.ShadowNetworkCapabilities;
import org.robolectric.shadows.ShadowPowerManager;
import org.tidings.core.Notification;
import org.tidings.core.device.Status;
import org.tidings.core.stream.Trouble;

/** What the library asks of the phone while it runs, with a server that cannot be reached. */
@RunWith(RobolectricTestRunner.class)
public final class RunningTest extends ClientTest {
    private static ServerConfig nobody() {
        try (ServerSocket socket = new ServerSocket(0)) {
            return ServerConfig.of("127.0.0.1", "localhost", socket.getLocalPort(), 0);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private Tidings start() {
        Tidings.of(app).setServer(nobody());
        Tidings tidings = Tidings.start(app);
        await("an attempt", () -> tidings.status().trouble() == Trouble.UNREACHABLE);
        await("the service", () -> shadowOf(app).peekNextStartedService() != null);
        await("the job", () -> app.getSystemService(JobScheduler.class).getPendingJob(Watchdog.JOB) != null);
        return tidings;
    }

    private NotificationManager notifications() {
        return app.getSystemService(NotificationManager.class);
    }

    @Test
    public void withoutAServerNothingRuns() {
        Tidings.of(app).removeServer();
        Tidings tidings = Tidings.start(app);
        await("the channels", () -> !notifications().getNotificationChannels().isEmpty());
        assertEquals(Status.State.STOPPED, tidings.status().state());
        assertNull(shadowOf(app).peekNextStartedService());
        assertNull(tidings.server());
    }

    @Test
    public void theServiceComesToTheForeground() {
        Tidings tidings = start();
        Intent intent = shadowOf(app).getNextStartedService();
        assertEquals(PushService.class.getName(), intent.getComponent().getClassName());
        ServiceController<PushService> service = Robolectric.buildService(PushService.class, intent).create().startCommand(0, 1);
        android.app.Notification line = shadowOf(service.get()).getLastForegroundNotification();
        assertEquals(Channels.CONNECTION, line.getChannelId());
        assertEquals(tidings.status().text(app), line.extras.getString(android.app.Notification.EXTRA_TITLE));
        if (Build.VERSION.SDK_INT >= 29) {
            assertEquals(ServiceInfo.FOREGROUND_SERVICE_TYPE_SPECIAL_USE, service.get().getForegroundServiceType());
        }
        Tidings.stop(app);
        await("the end", () -> shadowOf(app).getNextStoppedService() != null);
        service.destroy();
        assertTrue(shadowOf(service.get()).isForegroundStopped());
    }

    @Test
    public void theTypeIsOneThatTheVersionKnows() {
        assertEquals(0, PushService.type(26));
        assertEquals(ServiceInfo.FOREGROUND_SERVICE_TYPE_DATA_SYNC, PushService.type(29));
        assertEquals(ServiceInfo.FOREGROUND_SERVICE_TYPE_DATA_SYNC, PushService.type(33));
        assertEquals(ServiceInfo.FOREGROUND_SERVICE_TYPE_SPECIAL_USE, PushService.type(34));
        assertEquals(ServiceInfo.FOREGROUND_SERVICE_TYPE_SPECIAL_USE, PushService.type(37));
    }

    @Test
    public void aServiceThatIsNotWantedAnyMoreEndsItself() {
        start();
        Tidings.stop(app);
        ServiceController<PushService> service = Robolectric.buildService(PushService.class).create().startCommand(0, 1);
        assertTrue(shadowOf(service.get()).isStoppedBySelf());
        assertNotNull("the system wants it in the foreground first", shadowOf(service.get()).getLastForegroundNotification());
        service.destroy();
    }

    @Test
    public void aChannelForEachPriority() {
        Tidings tidings = start();
        NotificationChannel high = notifications().getNotificationChannel(tidings.settings().channelId(Notification.Priority.HIGH));
        assertEquals(NotificationManager.IMPORTANCE_HIGH, high.getImportance());
        assertNotNull(high.getSound());
        assertTrue(high.shouldVibrate());
        NotificationChannel low = notifications().getNotificationChannel(tidings.settings().channelId(Notification.Priority.LOW));
        assertEquals(NotificationManager.IMPORTANCE_LOW, low.getImportance());
        assertFalse(low.shouldVibrate());
        assertEquals(NotificationManager.IMPORTANCE_MIN, notifications().getNotificationChannel(Channels.CONNECTION).getImportance());
        assertEquals(4, notifications().getNotificationChannels().size());
        tidings.settings().setSound(false);
        tidings.settings().setVibration(false);
        String silent = tidings.settings().channelId(Notification.Priority.HIGH);
        await("the silent channels", () -> notifications().getNotificationChannel(silent) != null
                && notifications().getNotificationChannels().size() == 4);
        assertNull(notifications().getNotificationChannel(silent).getSound());
        assertFalse(notifications().getNotificationChannel(silent).shouldVibrate());
    }

    @Test
    public void theNextAttemptHasAnAlarmThatAnIdlePhoneLetsThrough() {
        Tidings tidings = start();
        ShadowAlarmManager alarms = shadowOf(app.getSystemService(AlarmManager.class));
        await("an alarm", () -> alarms.peekNextScheduledAlarm() != null);
        ShadowAlarmManager.ScheduledAlarm alarm = alarms.peekNextScheduledAlarm();
        assertEquals(AlarmManager.ELAPSED_REALTIME_WAKEUP, alarm.getType());
        assertTrue(alarm.isAllowWhileIdle());
        assertEquals(AlarmReceiver.class.getName(), receiver(alarm));
        Tidings.stop(app);
        await("no alarm", () -> tidings.status().state() == Status.State.STOPPED && alarms.peekNextScheduledAlarm() == null);
    }

    @SuppressWarnings("deprecation") // There is nothing in its place.
    private static String receiver(ShadowAlarmManager.ScheduledAlarm alarm) {
        return shadowOf(alarm.operation).getSavedIntent().getComponent().getClassName();
    }

    @Test
    public void anAlarmStartsAProcessThatWasGone() throws Exception {
        start();
        Tidings gone = Tidings.of(app);
        forgetProcess();
        new AlarmReceiver().onReceive(app, new Intent());
        await("an attempt", () -> Tidings.of(app).status().trouble() == Trouble.UNREACHABLE);
        gone.runner().adapt();
        Tidings.stop(app);
        gone.runner().adapt();
        await("the end", () -> gone.status().state() == Status.State.STOPPED);
    }

    @Test
    public void theProcessorSleepsWhenNothingIsUnderWay() {
        start();
        PowerManager.WakeLock lock = ShadowPowerManager.getLatestWakeLock();
        assertNotNull(lock);
        await("rest", () -> !lock.isHeld());
        assertTrue(shadowOf(lock).getTimesHeld() > 0);
    }

    @Test
    public void aRestartOfThePhoneConnectsAgainWhereItWasWanted() throws Exception {
        start();
        Tidings.stop(app);
        await("the end", () -> Tidings.of(app).status().state() == Status.State.STOPPED);
        shadowOf(app).clearStartedServices();
        new BootReceiver().onReceive(app, new Intent(Intent.ACTION_BOOT_COMPLETED));
        settle();
        assertNull(app.getSystemService(JobScheduler.class).getPendingJob(Watchdog.JOB));
        assertNull(shadowOf(app).peekNextStartedService());
        Tidings.of(app).settings().setStarted(true);
        new BootReceiver().onReceive(app, new Intent("org.example.ANOTHER"));
        assertNull(shadowOf(app).peekNextStartedService());
        for (String action : new String[] {Intent.ACTION_BOOT_COMPLETED, Intent.ACTION_MY_PACKAGE_REPLACED}) {
            shadowOf(app).clearStartedServices();
            new BootReceiver().onReceive(app, new Intent(action));
            await("the service", () -> shadowOf(app).peekNextStartedService() != null);
        }
    }

    @Test
    public void theWatchdogComesBackEveryQuarterOfAnHour() {
        start();
        JobInfo job = app.getSystemService(JobScheduler.class).getPendingJob(Watchdog.JOB);
        assertTrue(job.isPeriodic() && job.isPersisted());
        assertEquals(15 * 60_000, job.getIntervalMillis());
        shadowOf(app).clearStartedServices();
        Watchdog watchdog = Robolectric.setupService(Watchdog.class);
        assertTrue(watchdog.onStartJob(null));
        await("the service", () -> shadowOf(app).peekNextStartedService() != null);
        await("the job's end", () -> shadowOf(watchdog).getIsJobFinished());
    }

    @Test
    public void switchedOffByThePersonItIsOff() {
        Tidings tidings = start();
        tidings.settings().setEnabled(false);
        await("the end", () -> tidings.status().state() == Status.State.STOPPED);
        await("no job", () -> app.getSystemService(JobScheduler.class).getPendingJob(Watchdog.JOB) == null);
        tidings.settings().setEnabled(true);
        await("an attempt", () -> tidings.status().trouble() == Trouble.UNREACHABLE);
    }

    @Test
    public void itFollowsTheDefaultNetwork() {
        Tidings tidings = start();
        List<Status.State> heard = new ArrayList<>();
        tidings.addStatusListener(status -> heard.add(status.state()));
        ConnectivityManager manager = app.getSystemService(ConnectivityManager.class);
        Set<ConnectivityManager.NetworkCallback> callbacks = shadowOf(manager).getNetworkCallbacks();
        assertEquals(1, callbacks.size());
        ConnectivityManager.NetworkCallback callback = callbacks.iterator().next();
        Network network = ShadowNetwork.newInstance(77);
        NetworkCapabilities wifi = ShadowNetworkCapabilities.newInstance();
        shadowOf(wifi).addTransportType(NetworkCapabilities.TRANSPORT_WIFI);
        callback.onAvailable(network);
        callback.onCapabilitiesChanged(network, wifi);
        callback.onLost(network);
        await("offline", () -> tidings.status().state() == Status.State.OFFLINE);
        assertEquals(app.getString(R.string.tidings_state_offline), tidings.status().text(app));
        assertEquals(app.getString(R.string.tidings_trouble_no_network), tidings.status().troubleText(app));
        callback.onAvailable(network);
        callback.onCapabilitiesChanged(network, wifi);
        callback.onLinkPropertiesChanged(network, new android.net.LinkProperties());
        await("an attempt", () -> tidings.status().trouble() == Trouble.UNREACHABLE);
        assertTrue("on the main thread", heard.contains(Status.State.OFFLINE));
        if (Build.VERSION.SDK_INT >= 29) {
            callback.onBlockedStatusChanged(network, true);
            await("offline in Doze", () -> tidings.status().state() == Status.State.OFFLINE);
            callback.onBlockedStatusChanged(network, false);
            await("an attempt", () -> tidings.status().trouble() == Trouble.UNREACHABLE);
        }
        Tidings.stop(app);
        await("no callback", () -> shadowOf(manager).getNetworkCallbacks().isEmpty());
    }

    @Test
    public void whatIsAskedWithoutAConnectionIsRefused() {
        Tidings tidings = start();
        List<String> said = new ArrayList<>();
        tidings.ping(new PingCallback() {
            @Override
            public void onAnswer(long milliseconds) {
                said.add("answer");
            }

            @Override
            public void onRefused(String condition) {
                assertTrue(Looper.getMainLooper().isCurrentThread());
                said.add(condition);
            }
        });
        await("an answer", () -> !said.isEmpty());
        assertEquals("[offline]", said.toString());
    }

    @Test
    public void theServerIsKeptAcrossProcesses() throws Exception {
        Tidings tidings = start();
        int port = tidings.server().address().directTlsPort();
        Tidings.stop(app);
        await("the end", () -> tidings.status().state() == Status.State.STOPPED);
        forgetProcess();
        assertEquals(port, Tidings.of(app).server().address().directTlsPort());
        assertEquals(tidings.username(), Tidings.of(app).username());
    }

    @Test
    public void theLogNamesNobody() {
        Tidings tidings = Tidings.of(app);
        tidings.setServer(ServerConfig.of("127.0.0.1", "secret-domain.example", 1, 0).withAccount("alice-name", "wonder-land"));
        Tidings.start(app);
        await("an attempt", () -> tidings.status().trouble() == Trouble.UNREACHABLE);
        tidings.log().add("fe80::1 and [2001:db8::7]:5222 and host.example.com:5222 and 0123456789abcdef0123456789abcdef");
        String log = tidings.exportLog();
        for (String secret : new String[] {"127.0.0.1", "secret-domain", "alice", "wonder", "fe80", "2001", "host.example", "89abcdef"}) {
            assertFalse(secret + " in " + log, log.contains(secret));
        }
        assertTrue(log, log.contains("UNREACHABLE") && log.contains("API " + Build.VERSION.SDK_INT));
    }

    @Test
    public void noMorePermissionsThanNeeded() throws Exception {
        Set<String> library = new TreeSet<>();
        for (String permission : app.getPackageManager().getPackageInfo(app.getPackageName(),
                android.content.pm.PackageManager.GET_PERMISSIONS).requestedPermissions) {
            library.add(permission.substring(permission.lastIndexOf('.') + 1));
        }
        for (String forbidden : new String[] {"SCHEDULE_EXACT_ALARM", "READ_PHONE_STATE", "ACCESS_FINE_LOCATION", "WRITE_EXTERNAL_STORAGE",
            "QUERY_ALL_PACKAGES", "GET_ACCOUNTS"}) {
            assertFalse(forbidden, library.contains(forbidden));
        }
        assertTrue(library.contains("POST_NOTIFICATIONS") && library.contains("FOREGROUND_SERVICE_SPECIAL_USE"));
    }
}
