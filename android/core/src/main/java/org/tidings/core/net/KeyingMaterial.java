package org.tidings.core.net;

import java.lang.reflect.Method;
import javax.net.ssl.SSLSession;
import javax.net.ssl.SSLSocket;

/** Gets keying material of a TLS connection (RFC 5705), where the platform gives it. */
public interface KeyingMaterial {
    /** That many bytes for an empty context, or null. */
    byte[] export(SSLSocket socket, String label, int length);

    /**
     * What Java itself offers: nothing before version 25, whose method is asked for by name. An
     * Android library puts its own in this place where the platform has one.
     */
    KeyingMaterial PLATFORM = (socket, label, length) -> {
        SSLSession session = socket.getSession();
        try {
            Class<?> extended = Class.forName("javax.net.ssl.ExtendedSSLSession");
            Method method = extended.getMethod("exportKeyingMaterialData", String.class, byte[].class, int.class);
            return extended.isInstance(session) ? (byte[]) method.invoke(session, label, new byte[0], length) : null;
        } catch (ReflectiveOperationException | RuntimeException e) {
            return null;
        }
    };
}
