package org.tidings.core.sasl;

import java.security.GeneralSecurityException;
import java.util.Arrays;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** A password after its costly derivation (RFC 5802's {@code Hi}), kept so that a reconnect need not repeat it. */
public final class SaltedPassword {
    final byte[] key;
    private final byte[] salt;
    private final int iterations;

    private SaltedPassword(byte[] key, byte[] salt, int iterations) {
        this.key = key;
        this.salt = salt;
        this.iterations = iterations;
    }

    boolean fits(byte[] salt, int iterations) {
        return this.iterations == iterations && Arrays.equals(this.salt, salt);
    }

    static SaltedPassword derive(byte[] password, byte[] salt, int iterations) {
        Mac mac = mac(password);
        mac.update(salt);
        byte[] last = mac.doFinal(new byte[] {0, 0, 0, 1});
        byte[] key = last.clone();
        for (int i = 1; i < iterations; i++) {
            last = mac.doFinal(last);
            for (int k = 0; k < key.length; k++) {
                key[k] ^= last[k];
            }
        }
        return new SaltedPassword(key, salt.clone(), iterations);
    }

    static Mac mac(byte[] key) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            return mac;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }
}
