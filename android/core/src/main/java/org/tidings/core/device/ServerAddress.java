package org.tidings.core.device;

/** Where a server is: its domain, and a host and ports where those are not for DNS to say. */
public final class ServerAddress {
    public static final int DIRECT_TLS = 5223;
    public static final int START_TLS = 5222;

    private final String domain;
    private final String host;
    private final int directTlsPort;
    private final int startTlsPort;

    private ServerAddress(String domain, String host, int directTlsPort, int startTlsPort) {
        this.domain = domain;
        this.host = host;
        this.directTlsPort = directTlsPort;
        this.startTlsPort = startTlsPort;
    }

    /** A domain whose DNS records say the rest (RFC 6120 section 3.2, XEP-0368). */
    public static ServerAddress ofDomain(String domain) {
        return of(domain, domain, 0, 0);
    }

    /**
     * A host, by name or address.
     *
     * @param domain what it serves, for which its certificate is
     * @param directTlsPort 0 where it is not said
     * @param startTlsPort 0 where it is not said
     */
    public static ServerAddress of(String host, String domain, int directTlsPort, int startTlsPort) {
        String name = host.startsWith("[") && host.endsWith("]") ? host.substring(1, host.length() - 1) : host;
        if (!isHost(name) || !isHost(domain)) {
            throw new IllegalArgumentException("\"" + (isHost(name) ? domain : host) + "\" is no server's name");
        }
        return new ServerAddress(domain, name, directTlsPort, startTlsPort);
    }

    private static boolean isHost(String text) {
        if (text.isEmpty() || text.length() > 253) {
            return false;
        }
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean fits = c > 0x7f ? Character.isLetterOrDigit(c)
                    : c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || "-._:%".indexOf(c) >= 0;
            if (!fits) {
                return false;
            }
        }
        return true;
    }

    public String domain() {
        return domain;
    }

    public String host() {
        return host;
    }

    /** Whether DNS is to be asked for the domain's records. */
    public boolean byRecords() {
        return host.equals(domain) && directTlsPort == 0 && startTlsPort == 0;
    }

    /** 0 where only the other way leads there. */
    public int directTlsPort() {
        return directTlsPort != 0 || startTlsPort != 0 ? directTlsPort : DIRECT_TLS;
    }

    /** 0 where only the other way leads there. */
    public int startTlsPort() {
        return directTlsPort != 0 || startTlsPort != 0 ? startTlsPort : START_TLS;
    }

    @Override
    public String toString() {
        return host.equals(domain) ? domain : host + " (" + domain + ")";
    }
}
