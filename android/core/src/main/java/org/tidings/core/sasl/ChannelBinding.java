package org.tidings.core.sasl;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * What a TLS connection gives a login to be bound to (RFC 5929, RFC 9266), strongest first.
 *
 * <p>An instance exists only for a connection whose handshake is over, and the negotiation asks
 * for one: before TLS there is no way to name a password.
 */
public final class ChannelBinding {
    public static final String EXPORTER = "tls-exporter";
    public static final String END_POINT = "tls-server-end-point";

    private final Map<String, byte[]> data = new LinkedHashMap<>();

    /**
     * @param certificate the server's certificate in DER
     * @param signatureAlgorithm how it is signed, by the platform's name for that, or null
     * @param exporter 32 bytes of keying material for RFC 9266, or null where TLS gives none
     */
    public ChannelBinding(byte[] certificate, String signatureAlgorithm, byte[] exporter) {
        if (exporter != null) {
            data.put(EXPORTER, exporter.clone());
        }
        String hash = endPointHash(signatureAlgorithm);
        if (certificate != null && hash != null) {
            try {
                data.put(END_POINT, MessageDigest.getInstance(hash).digest(certificate));
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    /** RFC 5929 section 4.1: the hash of the signature, but never one weaker than SHA-256. */
    private static String endPointHash(String algorithm) {
        String name = algorithm == null ? "" : algorithm.toUpperCase(Locale.ROOT);
        int with = name.indexOf("WITH");
        if (with < 0) {
            // RSASSA-PSS names its hash in a parameter, Ed25519 has no hash of its own: undefined.
            return null;
        }
        String hash = name.substring(0, with).replace("-", "");
        switch (hash) {
            case "MD5":
            case "SHA1":
            case "SHA256": return "SHA-256";
            case "SHA384": return "SHA-384";
            case "SHA512": return "SHA-512";
            default: return null;
        }
    }

    /** The data of that type, or null where this connection has none. */
    byte[] data(String type) {
        return data.get(type);
    }

    /** The types that this connection can be bound by, strongest first. */
    Iterable<String> types() {
        return data.keySet();
    }

    boolean isAvailable() {
        return !data.isEmpty();
    }
}
