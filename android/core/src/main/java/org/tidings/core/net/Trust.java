package org.tidings.core.net;

import java.util.Locale;
import org.tidings.core.device.Channel;

/** Whom to take for the server. */
public final class Trust {
    /** Whether an unknown key is taken at the first meeting. */
    final boolean firstUse;
    /** The only identity that is taken, or null. */
    final String pin;

    private Trust(boolean firstUse, String pin) {
        this.firstUse = firstUse;
        this.pin = pin;
    }

    /** Whom an authority vouches for that the device trusts. */
    public static Trust system() {
        return new Trust(false, null);
    }

    /**
     * Whom an authority vouches for; where none does at the first meeting, the key is remembered and
     * is the only one from then on.
     */
    public static Trust firstUse() {
        return new Trust(true, null);
    }

    /** The one with this key: {@link Channel#PIN} and the SHA-256 of its SubjectPublicKeyInfo. */
    public static Trust pinned(String fingerprint) {
        String pin = fingerprint.toLowerCase(Locale.ROOT);
        if (!pin.matches(Channel.PIN + "[0-9a-f]{64}")) {
            throw new IllegalArgumentException("a fingerprint is sha256: and 64 hexadecimal digits");
        }
        return new Trust(false, pin);
    }
}
