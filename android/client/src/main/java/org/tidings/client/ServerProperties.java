package org.tidings.client;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** Reads a {@code tidings.properties}, androidpn's keys included, and knows in which line what stands. */
final class ServerProperties {
    /** A file of settings is small; what is longer is another file. */
    private static final int MAX_LENGTH = 64 * 1024;
    private static final String[] KEYS = {"xmppHost", "xmppPort", "apiKey", "host", "domain", "xmpp", "xmpps", "token",
            "fingerprint", "trust", "username", "password", "invitation"};

    private final Map<String, String> values = new HashMap<>();
    private final Map<String, Integer> lines = new HashMap<>();

    ServerProperties(String text) {
        if (text.length() > MAX_LENGTH) {
            throw new ConfigurationException("this is no file of settings: it is longer than 64 KiB", 0);
        }
        String[] all = (text.startsWith("\uFEFF") ? text.substring(1) : text).split("\r\n|\n|\r", -1);
        for (int i = 0; i < all.length; i++) {
            line(all[i].trim(), i + 1);
        }
    }

    private void line(String line, int number) {
        if (line.isEmpty() || line.charAt(0) == '#' || line.charAt(0) == '!') {
            return;
        }
        int separator = separator(line);
        if (separator < 0) {
            throw new ConfigurationException("\"" + shorten(line) + "\" is not KEY=VALUE", number);
        }
        String key = known(line.substring(0, separator).trim(), number);
        String value = unescape(line.substring(separator + 1).trim(), number);
        if (values.containsKey(key)) {
            throw new ConfigurationException(key + " stands in line " + lines.get(key) + " already", number);
        }
        values.put(key, value);
        lines.put(key, number);
    }

    private static int separator(String line) {
        int equals = line.indexOf('=');
        int colon = line.indexOf(':');
        return equals < 0 || colon >= 0 && colon < equals ? colon : equals;
    }

    private static String known(String key, int number) {
        for (String known : KEYS) {
            if (known.equalsIgnoreCase(key)) {
                return known;
            }
        }
        throw new ConfigurationException("\"" + shorten(key) + "\" is no setting; there are " + String.join(", ", KEYS), number);
    }

    private static String unescape(String value, int number) {
        if (value.indexOf('\\') < 0) {
            return value;
        }
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c != '\\') {
                out.append(c);
                continue;
            }
            char next = ++i < value.length() ? value.charAt(i) : 0;
            if (next == 'u') {
                try {
                    out.append((char) Integer.parseInt(value.substring(i + 1, i + 5), 16));
                } catch (IndexOutOfBoundsException | NumberFormatException e) {
                    throw new ConfigurationException("\\u is not followed by four hexadecimal digits", number);
                }
                i += 4;
            } else if (next == 0) {
                throw new ConfigurationException("a value cannot go on in the next line", number);
            } else {
                out.append(next == 'n' ? '\n' : next == 'r' ? '\r' : next == 't' ? '\t' : next);
            }
        }
        return out.toString();
    }

    /** The server that the file names. {@code apiKey} is read and not used: androidpn's was the same for everybody. */
    ServerConfig config() {
        ServerConfig config = has("invitation") ? invitation() : address();
        if (has("username") != has("password")) {
            String there = has("username") ? "username" : "password";
            throw new ConfigurationException("username and password go together", lines.get(there));
        }
        String fingerprint = has("fingerprint") ? fingerprint() : config.fingerprint();
        String token = has("token") ? values.get("token") : config.token();
        return new ServerConfig(config.address(), token, fingerprint, systemTrustOnly(), values.get("username"), values.get("password"));
    }

    private ServerConfig invitation() {
        for (String other : new String[] {"xmppHost", "xmppPort", "host", "domain", "xmpp", "xmpps"}) {
            if (has(other)) {
                throw new ConfigurationException("the invitation says where the server is, " + other + " must not", lines.get(other));
            }
        }
        try {
            return ServerConfig.ofInvitation(values.get("invitation"));
        } catch (ConfigurationException e) {
            throw new ConfigurationException(String.valueOf(e.getMessage()), lines.get("invitation"));
        }
    }

    private ServerConfig address() {
        String hostKey = either("host", "xmppHost");
        String key = hostKey == null ? "domain" : hostKey;
        if (!has(key)) {
            throw new ConfigurationException("nothing says where the server is: xmppHost, host, domain or invitation is missing", 0);
        }
        String portKey = either("xmpp", "xmppPort");
        int xmpp = portKey == null ? 0 : port(portKey);
        int xmpps = has("xmpps") ? port("xmpps") : 0;
        try {
            // The domain first, so that the line that is named is the one that is wrong.
            if (has("domain")) {
                ServerConfig.ofDomain(values.get("domain"));
            }
        } catch (ConfigurationException e) {
            throw new ConfigurationException(String.valueOf(e.getMessage()), lines.get("domain"));
        }
        try {
            return ServerConfig.of(values.get(key), values.get("domain"), xmpps, xmpp);
        } catch (ConfigurationException e) {
            throw new ConfigurationException(String.valueOf(e.getMessage()), lines.get(key));
        }
    }

    @Nullable
    private String either(String ours, String androidpns) {
        if (has(ours) && has(androidpns)) {
            throw new ConfigurationException(ours + " and " + androidpns + " say the same", Math.max(lines.get(ours), lines.get(androidpns)));
        }
        return has(ours) ? ours : has(androidpns) ? androidpns : null;
    }

    private boolean has(String key) {
        String value = values.get(key);
        return value != null && !value.isEmpty();
    }

    private int port(String key) {
        try {
            int port = Integer.parseInt(values.get(key));
            if (port > 0 && port < 65536) {
                return port;
            }
        } catch (NumberFormatException e) {
            // Said below.
        }
        throw new ConfigurationException(key + " is no port: a number from 1 to 65535", lines.get(key));
    }

    private String fingerprint() {
        String fingerprint = values.get("fingerprint").toLowerCase(Locale.ROOT);
        if (!fingerprint.matches("sha256:[0-9a-f]{64}")) {
            throw new ConfigurationException("a fingerprint is sha256: and 64 hexadecimal digits", lines.get("fingerprint"));
        }
        return fingerprint;
    }

    private boolean systemTrustOnly() {
        String trust = has("trust") ? values.get("trust") : "first-use";
        if (!trust.equals("system") && !trust.equals("first-use")) {
            throw new ConfigurationException("trust is system or first-use", lines.get("trust"));
        }
        return trust.equals("system");
    }

    private static String shorten(String text) {
        return text.length() > 40 ? text.substring(0, 40) + "…" : text;
    }
}
