package org.tidings.core.net;

import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;
import org.tidings.core.device.Channel;
import org.tidings.core.stream.Trouble;

/** Decides in one handshake whether the other end is the server, and keeps by what it was recognised or why not. */
final class TrustCheck extends X509ExtendedTrustManager {
    private static X509ExtendedTrustManager system;

    private final Trust trust;
    private final String known;
    private String identity;
    private Trouble trouble;
    private String seen;

    /** @param known what the server is known by, or null where it was not met yet */
    TrustCheck(Trust trust, String known) {
        this.trust = trust;
        this.known = trust.pin != null ? trust.pin : known;
    }

    /** By what the server was recognised; null before that. */
    String identity() {
        return identity;
    }

    /** Why it was refused, or null. */
    Trouble trouble() {
        return trouble;
    }

    /** What a person would have to trust: {@link Channel#SYSTEM} or a key. */
    String seen() {
        return seen;
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, Socket socket) throws CertificateException {
        if (chain == null || chain.length == 0) {
            throw new CertificateException("there is no certificate");
        }
        String key = fingerprint(chain[0]);
        if (key.equals(known)) {
            identity = key;
            return;
        }
        // By a key that it is known by, no authority can change who it is.
        boolean byKey = known != null && known.startsWith(Channel.PIN) && (trust.firstUse || trust.pin != null);
        CertificateException why = vouched(chain, authType, socket);
        if (why == null && !byKey) {
            identity = Channel.SYSTEM;
            return;
        }
        if (known == null && trust.firstUse) {
            identity = key;
            return;
        }
        seen = why == null ? Channel.SYSTEM : key;
        trouble = known == null ? Trouble.CERTIFICATE_UNTRUSTED : Trouble.CERTIFICATE_CHANGED;
        throw why == null ? new CertificateException("the server has another key than it is known by") : why;
    }

    /** Null where an authority vouches for the certificate and its name. */
    private static CertificateException vouched(X509Certificate[] chain, String authType, Socket socket) {
        try {
            system().checkServerTrusted(chain, authType, socket);
            return null;
        } catch (CertificateException e) {
            return e;
        } catch (GeneralSecurityException | RuntimeException e) {
            return new CertificateException(e);
        }
    }

    private static synchronized X509ExtendedTrustManager system() throws GeneralSecurityException {
        if (system == null) {
            TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            factory.init((KeyStore) null);
            for (TrustManager manager : factory.getTrustManagers()) {
                if (manager instanceof X509ExtendedTrustManager) {
                    system = (X509ExtendedTrustManager) manager;
                }
            }
            if (system == null) {
                throw new GeneralSecurityException("the platform checks no certificates");
            }
        }
        return system;
    }

    /** The identity that a certificate's key makes. */
    static String fingerprint(X509Certificate certificate) {
        try {
            byte[] hash = MessageDigest.getInstance("SHA-256").digest(certificate.getPublicKey().getEncoded());
            StringBuilder text = new StringBuilder(Channel.PIN);
            for (byte b : hash) {
                text.append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
            }
            return text.toString();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType) throws CertificateException {
        throw new CertificateException("a name cannot be checked here");
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, SSLEngine engine) throws CertificateException {
        throw new CertificateException("there is no engine here");
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, Socket socket) throws CertificateException {
        throw new CertificateException("there are no clients here");
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, SSLEngine engine) throws CertificateException {
        throw new CertificateException("there are no clients here");
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType) throws CertificateException {
        throw new CertificateException("there are no clients here");
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
        return new X509Certificate[0];
    }
}
