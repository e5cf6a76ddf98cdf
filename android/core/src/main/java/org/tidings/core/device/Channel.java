package org.tidings.core.device;

import org.tidings.core.sasl.ChannelBinding;

/** A connection whose handshake is over: what a login may be bound to, and who the server is. */
public final class Channel {
    /** The identity of a server that an authority vouches for. */
    public static final String SYSTEM = "system";
    /** What the identity of a server that is known by its key begins with; 64 hexadecimal digits follow. */
    public static final String PIN = "sha256:";

    final ChannelBinding binding;
    final String identity;

    /** @param identity {@link #SYSTEM}, or {@link #PIN} and the SHA-256 of its public key */
    public Channel(ChannelBinding binding, String identity) {
        this.binding = binding;
        this.identity = identity;
    }
}
