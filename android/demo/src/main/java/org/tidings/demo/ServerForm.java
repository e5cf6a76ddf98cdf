package org.tidings.demo;

import android.content.ContentResolver;
import android.content.Context;
import android.net.Uri;
import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.tidings.client.ServerConfig;

/** Makes a server out of what was typed or chosen, and says in words what would be connected to. */
final class ServerForm {
    private static final int STARTTLS = 5222;
    /** A file of settings is small; the library refuses what is longer than 64 KiB. */
    private static final int MOST_BYTES = 128 * 1024;

    private ServerForm() {}

    /** @param port where it is that of STARTTLS, 5222, it is taken for that; any other is one for TLS from the start */
    static ServerConfig byAddress(String host, String domain, String port, String token) {
        String name = host;
        String number = port;
        int colon = host.lastIndexOf(':');
        boolean bringsPort = host.startsWith("[") ? host.indexOf("]:") == colon - 1 : host.indexOf(':') == colon;
        if (port.isEmpty() && colon > 0 && bringsPort) {
            name = host.substring(0, colon);
            number = host.substring(colon + 1);
        }
        if (name.startsWith("[") && name.endsWith("]")) {
            name = name.substring(1, name.length() - 1);
        }
        int parsed = number(number);
        ServerConfig server = ServerConfig.of(name, domain.isEmpty() ? null : domain, parsed == STARTTLS ? 0 : parsed,
                parsed == STARTTLS ? parsed : 0);
        return token.isEmpty() ? server : server.withToken(token);
    }

    /** What is no number is no port either, and the library says so. */
    private static int number(String text) {
        try {
            return text.isEmpty() ? 0 : Integer.parseInt(text);
        } catch (NumberFormatException e) {
            return -1;
        }
    }

    /** A tidings.properties, or a file with nothing but an invitation in it. */
    static ServerConfig ofFile(String text) {
        String trimmed = text.trim();
        return trimmed.regionMatches(true, 0, "tidings:", 0, 8) && trimmed.indexOf('\n') < 0 ? ServerConfig.ofInvitation(trimmed)
                : ServerConfig.ofProperties(text);
    }

    static String read(ContentResolver resolver, Uri file) throws IOException {
        try (InputStream in = resolver.openInputStream(file)) {
            if (in == null) {
                throw new FileNotFoundException(file.toString());
            }
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            byte[] buffer = new byte[8192];
            for (int read = in.read(buffer); read >= 0 && out.size() <= MOST_BYTES; read = in.read(buffer)) {
                out.write(buffer, 0, read);
            }
            return new String(out.toByteArray(), StandardCharsets.UTF_8);
        }
    }

    /** @param current what it would replace, or null */
    static String describe(Context context, ServerConfig server, ServerConfig current) {
        String host = Harmless.line(server.address().host());
        String domain = Harmless.line(server.address().domain());
        List<String> lines = new ArrayList<>();
        lines.add(context.getString(R.string.confirm_host, host));
        if (!domain.equals(host)) {
            lines.add(context.getString(R.string.confirm_domain, domain));
        }
        if (server.token() != null) {
            lines.add(context.getString(R.string.confirm_token));
        }
        if (server.fingerprint() != null) {
            lines.add("\n" + context.getString(R.string.confirm_pinned, server.fingerprint()));
        } else if (!server.systemTrustOnly()) {
            lines.add("\n" + context.getString(R.string.confirm_first_use));
        }
        if (current != null) {
            lines.add("\n" + context.getString(R.string.confirm_replaces, current.address()));
        }
        return String.join("\n", lines);
    }
}
