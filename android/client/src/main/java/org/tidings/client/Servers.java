package org.tidings.client;

import android.content.Context;
import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/** Knows which server it is: the one that a person has chosen, or that of the app's {@code assets/tidings.properties}. */
final class Servers {
    static final String ASSET = "tidings.properties";
    private static final int MOST_BYTES = 64 * 1024;

    private final Context context;
    private final Secrets secrets;
    private final EventLog log;
    private boolean loaded;
    private ServerConfig server;
    private ConfigurationException error;

    Servers(Context context, Secrets secrets, EventLog log) {
        this.context = context;
        this.secrets = secrets;
        this.log = log;
    }

    @Nullable
    synchronized ServerConfig get() {
        load();
        return server;
    }

    @Nullable
    synchronized ConfigurationException error() {
        load();
        return error;
    }

    /** @param chosen null: none, whatever the assets say */
    synchronized void set(@Nullable ServerConfig chosen) {
        loaded = true;
        server = chosen;
        error = null;
        hideNames(chosen);
    }

    /** Keeps what was set. */
    synchronized void save() {
        try {
            secrets.write("server", server == null ? "" : server.toProperties());
        } catch (IOException e) {
            log.add("the server cannot be kept: " + e.getMessage());
        }
    }

    /** What names the server or this device stays out of the log. */
    void hideNames(@Nullable ServerConfig named) {
        if (named != null) {
            log.hide(named.address().host());
            log.hide(named.address().domain());
            log.hide(named.username());
        }
    }

    private void load() {
        if (loaded) {
            return;
        }
        try {
            String chosen = secrets.read("server");
            String text = chosen != null ? chosen : asset();
            server = text == null || text.isEmpty() ? null : ServerConfig.ofProperties(text);
            loaded = true;
        } catch (ConfigurationException e) {
            error = e;
            loaded = true;
            log.add(ASSET + ", " + e.getMessage());
        } catch (IOException e) {
            log.add("the server cannot be read: " + e.getMessage());
        }
    }

    @Nullable
    private String asset() throws IOException {
        try (InputStream in = context.getAssets().open(ASSET)) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            byte[] buffer = new byte[4096];
            for (int read = in.read(buffer); read >= 0 && out.size() <= MOST_BYTES; read = in.read(buffer)) {
                out.write(buffer, 0, read);
            }
            return out.toString(StandardCharsets.UTF_8.name());
        } catch (FileNotFoundException e) {
            return null;
        }
    }
}
