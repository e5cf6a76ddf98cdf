package org.tidings.client;

import org.tidings.core.device.Invitation;
import org.tidings.core.device.ServerAddress;

/** Where the server is, and how this device proves itself to it at the first meeting. */
public final class ServerConfig {
    private final ServerAddress address;
    private final String token;
    private final String fingerprint;
    private final boolean systemTrustOnly;
    private final String username;
    private final String password;

    ServerConfig(ServerAddress address, @Nullable String token, @Nullable String fingerprint, boolean systemTrustOnly,
            @Nullable String username, @Nullable String password) {
        this.address = address;
        this.token = token;
        this.fingerprint = fingerprint;
        this.systemTrustOnly = systemTrustOnly;
        this.username = username;
        this.password = password;
    }

    /**
     * A server by its domain; DNS says the rest, or the usual ports are tried.
     *
     * @throws ConfigurationException when it is no server's name
     */
    public static ServerConfig ofDomain(String domain) {
        return of(domain, domain, 0, 0);
    }

    /**
     * A server by its address.
     *
     * @param domain what it serves; the host where null
     * @param directTlsPort 0 where it is not said
     * @param startTlsPort 0 where it is not said
     * @throws ConfigurationException when something of it cannot be
     */
    public static ServerConfig of(String host, @Nullable String domain, int directTlsPort, int startTlsPort) {
        if (directTlsPort < 0 || directTlsPort > 65535 || startTlsPort < 0 || startTlsPort > 65535) {
            throw new ConfigurationException("a port is a number from 1 to 65535", 0);
        }
        try {
            return new ServerConfig(ServerAddress.of(host, domain == null ? host : domain, directTlsPort, startTlsPort), null, null,
                    false, null, null);
        } catch (IllegalArgumentException e) {
            throw new ConfigurationException(String.valueOf(e.getMessage()), 0);
        }
    }

    /**
     * A server by an invitation, a {@code tidings:} link as the console's QR code has it.
     *
     * @throws ConfigurationException with a sentence for the person who typed it
     */
    public static ServerConfig ofInvitation(String uri) {
        try {
            Invitation invitation = Invitation.parse(uri);
            return new ServerConfig(invitation.server(), invitation.token(), invitation.fingerprint(), false, null, null);
        } catch (IllegalArgumentException e) {
            throw new ConfigurationException(String.valueOf(e.getMessage()), 0);
        }
    }

    /**
     * A server by the text of a {@code tidings.properties}.
     *
     * @throws ConfigurationException naming the line that is wrong
     */
    public static ServerConfig ofProperties(String text) {
        return new ServerProperties(text).config();
    }

    /** With what to register where the server asks for a token. */
    public ServerConfig withToken(@Nullable String token) {
        return new ServerConfig(address, token, fingerprint, systemTrustOnly, username, password);
    }

    /** An account that an operator made, in the place of a random one. */
    public ServerConfig withAccount(String username, String password) {
        return new ServerConfig(address, token, fingerprint, systemTrustOnly, username, password);
    }

    ServerConfig withFingerprint(@Nullable String fingerprint) {
        return new ServerConfig(address, token, fingerprint, systemTrustOnly, username, password);
    }

    public ServerAddress address() {
        return address;
    }

    @Nullable
    public String token() {
        return token;
    }

    /** The only key that the server may have: {@code sha256:} and 64 hexadecimal digits, or null. */
    @Nullable
    public String fingerprint() {
        return fingerprint;
    }

    /** Whether only an authority may vouch for the server, also at the first meeting. */
    public boolean systemTrustOnly() {
        return systemTrustOnly;
    }

    @Nullable
    public String username() {
        return username;
    }

    @Nullable
    String password() {
        return password;
    }

    /** As {@link #ofProperties} reads it. */
    String toProperties() {
        StringBuilder text = new StringBuilder();
        line(text, "host", address.host());
        line(text, "domain", address.domain());
        if (!address.byRecords()) {
            line(text, "xmpps", address.directTlsPort() == 0 ? null : String.valueOf(address.directTlsPort()));
            line(text, "xmpp", address.startTlsPort() == 0 ? null : String.valueOf(address.startTlsPort()));
        }
        line(text, "token", token);
        line(text, "fingerprint", fingerprint);
        line(text, "trust", systemTrustOnly ? "system" : null);
        line(text, "username", username);
        line(text, "password", password);
        return text.toString();
    }

    private static void line(StringBuilder text, String key, @Nullable String value) {
        if (value == null) {
            return;
        }
        text.append(key).append('=');
        for (char c : value.toCharArray()) {
            if (c <= ' ') {
                // Blanks at the ends would not be read again.
                text.append("\\u00").append(Character.forDigit(c >> 4, 16)).append(Character.forDigit(c & 15, 16));
            } else {
                text.append(c == '\\' ? "\\\\" : String.valueOf(c));
            }
        }
        text.append('\n');
    }

    /** Without token and password. */
    @Override
    public String toString() {
        return address.toString();
    }
}
