package org.tidings.core.net;

import java.io.IOException;
import java.net.IDN;
import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.cert.Certificate;
import java.security.cert.CertificateEncodingException;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import org.tidings.core.device.Channel;
import org.tidings.core.sasl.ChannelBinding;

/** Makes a TLS connection of a TCP connection, and tells what a login can be bound to. */
final class Tls {
    /** RFC 9266 section 2. */
    private static final String EXPORTER_LABEL = "EXPORTER-Channel-Binding";

    private final String domain;
    private final KeyingMaterial material;

    Tls(String domain, KeyingMaterial material) {
        this.domain = domain;
        this.material = material;
    }

    /** Does the handshake. The caller bounds its time by the socket's timeout. */
    SSLSocket handshake(Socket tcp, boolean directTls, TrustCheck check) throws IOException {
        SSLSocket socket;
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, new TrustManager[] {check}, null);
            socket = (SSLSocket) context.getSocketFactory().createSocket(tcp, asciiName(), tcp.getPort(), true);
        } catch (GeneralSecurityException e) {
            throw new IOException(e);
        }
        SSLParameters parameters = socket.getSSLParameters();
        // The name in the certificate is checked along with its authority.
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        if (directTls) {
            setProtocol(parameters);
        }
        socket.setSSLParameters(parameters);
        socket.startHandshake();
        return socket;
    }

    private String asciiName() {
        try {
            return IDN.toASCII(domain);
        } catch (IllegalArgumentException e) {
            return domain;
        }
    }

    /** ALPN, which came to Android with version 10 (API 29); before that it is left out. */
    private static void setProtocol(SSLParameters parameters) {
        try {
            SSLParameters.class.getMethod("setApplicationProtocols", String[].class)
                    .invoke(parameters, (Object) new String[] {"xmpp-client"});
        } catch (ReflectiveOperationException e) {
            // A port for nothing else does without.
        }
    }

    Channel channel(SSLSocket socket, TrustCheck check) throws IOException {
        Certificate certificate = socket.getSession().getPeerCertificates()[0];
        // Only from TLS 1.3 on is the exporter unique to the connection whatever was agreed on.
        boolean unique = socket.getSession().getProtocol().equals("TLSv1.3");
        byte[] exported = unique ? material.export(socket, EXPORTER_LABEL, 32) : null;
        try {
            String algorithm = certificate instanceof X509Certificate ? ((X509Certificate) certificate).getSigAlgName() : null;
            return new Channel(new ChannelBinding(certificate.getEncoded(), algorithm, exported), check.identity());
        } catch (CertificateEncodingException e) {
            throw new IOException(e);
        }
    }
}
