package org.tidings.core.device;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** An invitation: {@code tidings:HOST?domain=D[&xmpp=P][&xmpps=P][&token=T][&fp=sha256:HEX]}, as a QR code carries it. */
public final class Invitation {
    private static final int MAX_URI = 2048;

    private final ServerAddress server;
    private final String token;
    private final String fingerprint;

    private Invitation(ServerAddress server, String token, String fingerprint) {
        this.server = server;
        this.token = token;
        this.fingerprint = fingerprint;
    }

    /**
     * Reads an invitation; what it has beside that is passed over.
     *
     * @throws IllegalArgumentException with a sentence for the person who typed it
     */
    public static Invitation parse(String uri) {
        String text = uri.trim();
        if (!text.toLowerCase(Locale.ROOT).startsWith("tidings:") || text.length() > MAX_URI) {
            throw new IllegalArgumentException("an invitation begins with tidings:");
        }
        int question = text.indexOf('?');
        String host = decode(text.substring("tidings:".length(), question < 0 ? text.length() : question));
        while (host.startsWith("/")) {
            host = host.substring(1);
        }
        Map<String, String> fields = new LinkedHashMap<>();
        for (String pair : question < 0 ? new String[0] : text.substring(question + 1).split("&")) {
            int equals = pair.indexOf('=');
            String name = decode(equals < 0 ? pair : pair.substring(0, equals));
            if (fields.put(name, equals < 0 ? "" : decode(pair.substring(equals + 1))) != null) {
                throw new IllegalArgumentException("the invitation says " + name + " twice");
            }
        }
        // As an older console wrote it.
        if (host.equals("connect") && fields.containsKey("host")) {
            host = fields.get("host");
        }
        String domain = fields.containsKey("domain") ? fields.get("domain") : host;
        ServerAddress server = ServerAddress.of(host, domain, port(fields, "xmpps"), port(fields, "xmpp"));
        String token = fields.get("token");
        return new Invitation(server, token == null || token.isEmpty() ? null : token, fingerprint(fields.get("fp")));
    }

    private static int port(Map<String, String> fields, String name) {
        String text = fields.get(name);
        try {
            int port = text == null ? 0 : Integer.parseInt(text);
            if (text == null || port > 0 && port < 65536) {
                return port;
            }
        } catch (NumberFormatException e) {
            // Said below.
        }
        throw new IllegalArgumentException("the invitation's " + name + " is no port");
    }

    private static String fingerprint(String text) {
        if (text == null) {
            return null;
        }
        String fingerprint = text.toLowerCase(Locale.ROOT);
        if (!fingerprint.matches(Channel.PIN + "[0-9a-f]{64}")) {
            throw new IllegalArgumentException("the invitation's fingerprint is not sha256: and 64 hexadecimal digits");
        }
        return fingerprint;
    }

    private static String decode(String text) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        byte[] raw = text.getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < raw.length; i++) {
            int high = i + 2 < raw.length ? Character.digit((char) raw[i + 1], 16) : -1;
            int low = i + 2 < raw.length ? Character.digit((char) raw[i + 2], 16) : -1;
            if (raw[i] != '%') {
                bytes.write(raw[i]);
            } else if (high >= 0 && low >= 0) {
                bytes.write(high << 4 | low);
                i += 2;
            } else {
                throw new IllegalArgumentException("the invitation has a % that is followed by no two digits");
            }
        }
        return new String(bytes.toByteArray(), StandardCharsets.UTF_8);
    }

    public ServerAddress server() {
        return server;
    }

    /** With what to register, or null. */
    public String token() {
        return token;
    }

    /** What the server's identity must be ({@link Channel}), or null. */
    public String fingerprint() {
        return fingerprint;
    }
}
