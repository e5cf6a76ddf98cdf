package org.tidings.client;

import android.content.Context;
import android.content.SharedPreferences;
import org.tidings.core.Notification;

/** What the phone's owner decides; kept across restarts. */
public final class ClientSettings {
    /** What a tap on a notification does. */
    public enum TapAction {
        /** Shows the whole notification, with a button that opens its URI. */
        SHOW_DETAILS,
        /** Opens the URI at once, where there is one that may be opened. */
        OPEN_URI
    }

    private static final String FILE = "org.tidings.client";

    private final SharedPreferences values;
    private final Runnable changed;

    ClientSettings(Context context, Runnable changed) {
        values = context.getSharedPreferences(FILE, Context.MODE_PRIVATE);
        this.changed = changed;
    }

    /** Whether the device is connected at all; while it is not, the server keeps what comes. */
    public boolean isEnabled() {
        return values.getBoolean("enabled", true);
    }

    public void setEnabled(boolean enabled) {
        set("enabled", enabled);
    }

    public boolean hasSound() {
        return values.getBoolean("sound", true);
    }

    public void setSound(boolean sound) {
        set("sound", sound);
    }

    public boolean hasVibration() {
        return values.getBoolean("vibration", true);
    }

    public void setVibration(boolean vibration) {
        set("vibration", vibration);
    }

    /** Whether pictures are fetched: whoever serves them learns this device's address. */
    public boolean hasImages() {
        return values.getBoolean("images", true);
    }

    public void setImages(boolean images) {
        set("images", images);
    }

    public TapAction tapAction() {
        return values.getBoolean("open-uri", false) ? TapAction.OPEN_URI : TapAction.SHOW_DETAILS;
    }

    public void setTapAction(TapAction action) {
        set("open-uri", action == TapAction.OPEN_URI);
    }

    /** The notification channel for a priority at present, for the system's screen of it; sound and vibration make another. */
    public String channelId(Notification.Priority priority) {
        return Channels.id(priority, hasSound(), hasVibration());
    }

    /** The channel of the line that says that the connection is kept. */
    public String connectionChannelId() {
        return Channels.CONNECTION;
    }

    /** Whether the app has started the library and not stopped it: then it comes back after a restart of the phone. */
    boolean isStarted() {
        return values.getBoolean("started", false);
    }

    void setStarted(boolean started) {
        values.edit().putBoolean("started", started).apply();
    }

    private void set(String key, boolean value) {
        values.edit().putBoolean(key, value).apply();
        changed.run();
    }
}
