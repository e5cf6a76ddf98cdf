package org.tidings.core.sasl;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Base64;

/** One SCRAM-SHA-256 exchange as the client sees it (RFC 5802, RFC 7677), up to the server's proof. */
public final class Scram {
    /** RFC 7677 section 4 asks for so many at least. */
    static final int LEAST_ITERATIONS = 4096;
    /** A server that asks for more wants to keep the device busy. */
    static final int MOST_ITERATIONS = 1_000_000;
    private static final int MAX_MESSAGE = 4096;

    private final Mechanism mechanism;
    private final String password;
    private final String clientNonce;
    private final String firstBare;
    private SaltedPassword salted;
    private byte[] serverSignature;
    private boolean proved;

    /**
     * @param salted from an earlier login of the same account, or null
     * @param nonce printable ASCII without a comma
     */
    public Scram(Mechanism mechanism, String username, String password, SaltedPassword salted, String nonce)
            throws SaslException {
        this.mechanism = mechanism;
        this.password = SaslPrep.prepare(password);
        this.salted = salted;
        this.clientNonce = nonce;
        String name = SaslPrep.prepare(username).replace("=", "=3D").replace(",", "=2C");
        this.firstBare = "n=" + name + ",r=" + nonce;
    }

    /** The first message. */
    public byte[] first() {
        return (mechanism.flag() + ",," + firstBare).getBytes(StandardCharsets.UTF_8);
    }

    /** Answers the server's challenge. */
    public byte[] respond(byte[] challenge) throws SaslException {
        if (serverSignature != null || challenge.length > MAX_MESSAGE) {
            throw new SaslException("a challenge that has no place in SCRAM");
        }
        String serverFirst = new String(challenge, StandardCharsets.UTF_8);
        String[] fields = serverFirst.split(",", -1);
        // Extensions that must be understood come first, and none is.
        String nonce = field(fields, 0, "r=");
        byte[] salt = decode(field(fields, 1, "s="));
        int iterations = number(field(fields, 2, "i="));
        if (!nonce.startsWith(clientNonce) || nonce.length() == clientNonce.length()) {
            throw new SaslException("the server did not take our nonce");
        }
        if (iterations < LEAST_ITERATIONS || iterations > MOST_ITERATIONS || salt.length == 0) {
            throw new SaslException("the server asks for " + iterations + " iterations");
        }
        if (salted == null || !salted.fits(salt, iterations)) {
            salted = SaltedPassword.derive(password.getBytes(StandardCharsets.UTF_8), salt, iterations);
        }
        byte[] header = (mechanism.flag() + ",,").getBytes(StandardCharsets.US_ASCII);
        byte[] bound = concat(header, mechanism.data());
        String lastBare = "c=" + Base64.getEncoder().encodeToString(bound) + ",r=" + nonce;
        byte[] message = (firstBare + "," + serverFirst + "," + lastBare).getBytes(StandardCharsets.UTF_8);

        byte[] clientKey = hmac(salted.key, "Client Key".getBytes(StandardCharsets.US_ASCII));
        byte[] proof = hmac(sha256(clientKey), message);
        for (int i = 0; i < proof.length; i++) {
            proof[i] ^= clientKey[i];
        }
        byte[] serverKey = hmac(salted.key, "Server Key".getBytes(StandardCharsets.US_ASCII));
        serverSignature = hmac(serverKey, message);
        return (lastBare + ",p=" + Base64.getEncoder().encodeToString(proof)).getBytes(StandardCharsets.UTF_8);
    }

    /** Checks the server's last message: that it knows the account, too. */
    public void verify(byte[] last) throws SaslException {
        String text = new String(last, StandardCharsets.UTF_8).split(",", 2)[0];
        boolean right = serverSignature != null && text.startsWith("v=")
                && MessageDigest.isEqual(serverSignature, decode(text.substring(2)));
        if (!right) {
            throw new SaslException("the server could not prove that it knows this account");
        }
        proved = true;
    }

    /** Whether the server has proved itself. */
    public boolean isProved() {
        return proved;
    }

    /** What the next login of this account may use again. */
    public SaltedPassword salted() {
        return salted;
    }

    private static String field(String[] fields, int at, String name) throws SaslException {
        if (at >= fields.length || !fields[at].startsWith(name)) {
            throw new SaslException("a challenge that is not SCRAM's");
        }
        return fields[at].substring(name.length());
    }

    private static int number(String digits) throws SaslException {
        int number = 0;
        for (int i = 0; i < digits.length(); i++) {
            char c = digits.charAt(i);
            number = c < '0' || c > '9' || number > MOST_ITERATIONS ? -1 : 10 * number + c - '0';
            if (number < 0) {
                throw new SaslException("a challenge that is not SCRAM's");
            }
        }
        return number;
    }

    private static byte[] decode(String base64) throws SaslException {
        try {
            return Base64.getDecoder().decode(base64);
        } catch (IllegalArgumentException e) {
            throw new SaslException("the server sent what is not base64");
        }
    }

    private static byte[] hmac(byte[] key, byte[] message) {
        return SaltedPassword.mac(key).doFinal(message);
    }

    private static byte[] sha256(byte[] bytes) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(bytes);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] concat(byte[] a, byte[] b) {
        byte[] all = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, all, a.length, b.length);
        return all;
    }
}
