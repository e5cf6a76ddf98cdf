package org.tidings.core.sasl;

import java.util.Collection;

/** The mechanism that an offer leads to, and what the login is bound to (RFC 5802 section 6, XEP-0440). */
public final class Mechanism {
    private static final String SCRAM = "SCRAM-SHA-256";
    private static final String SCRAM_PLUS = "SCRAM-SHA-256-PLUS";

    private final String name;
    /** The GS2 header's flag: {@code n}, {@code y} or {@code p=TYPE}. */
    private final String flag;
    private final byte[] data;

    private Mechanism(String name, String flag, byte[] data) {
        this.name = name;
        this.flag = flag;
        this.data = data;
    }

    /**
     * The strongest mechanism of an offer, or null where there is none that proves the server.
     *
     * @param types the channel bindings that the server names (XEP-0440)
     */
    public static Mechanism choose(Collection<String> offered, Collection<String> types, ChannelBinding tls) {
        boolean plusOffered = false;
        for (String name : offered) {
            plusOffered |= name.endsWith("-PLUS");
        }
        if (offered.contains(SCRAM_PLUS)) {
            for (String type : tls.types()) {
                // A server that names no types has this one, if any (XEP-0440 section 4).
                boolean shared = types.isEmpty() ? type.equals(ChannelBinding.END_POINT) : types.contains(type);
                if (shared) {
                    return new Mechanism(SCRAM_PLUS, "p=" + type, tls.data(type));
                }
            }
        }
        if (!offered.contains(SCRAM)) {
            return null;
        }
        // "y" tells the server that it seemed to offer no binding although we have one. Where it did
        // offer one, only of types that we lack, that would look to it like an attack.
        return new Mechanism(SCRAM, plusOffered || !tls.isAvailable() ? "n" : "y", new byte[0]);
    }

    public String name() {
        return name;
    }

    String flag() {
        return flag;
    }

    byte[] data() {
        return data;
    }
}
