package org.tidings.core.stream;

import java.nio.charset.StandardCharsets;
import org.tidings.core.xml.Element;
import org.tidings.core.xml.XmlException;
import org.tidings.core.xml.XmlLimits;
import org.tidings.core.xml.XmlReader;

/** The stream before TLS (RFC 6120 section 5): it knows a domain and nothing else, so it can give nothing away. */
public final class StartTls implements XmlReader.Handler {
    private final XmlReader reader = new XmlReader(new XmlLimits(16 * 1024, 16, 32));
    private final String domain;
    private boolean asked;
    private boolean proceed;
    private StreamException failure;

    public StartTls(String domain) {
        this.domain = domain;
    }

    /** The first bytes to send: what asks for TLS goes along, for nothing else may be asked for. */
    public byte[] first() {
        return (Negotiation.header(domain) + "<starttls xmlns='" + Ns.TLS + "'/>").getBytes(StandardCharsets.UTF_8);
    }

    /**
     * Takes what the server sent; true once TLS is to begin. What came with that was not protected
     * by TLS and goes the way of this object.
     */
    public boolean receive(byte[] bytes, int from, int to) throws StreamException {
        try {
            for (int i = from; i < to && !proceed && failure == null; i++) {
                reader.read(bytes, i, i + 1, this);
            }
        } catch (XmlException e) {
            throw new StreamException(Trouble.PROTOCOL, "the other end does not speak XMPP here: " + e.getMessage());
        }
        if (failure != null) {
            throw failure;
        }
        return proceed;
    }

    @Override
    public void opened(Element header) {}

    @Override
    public void stanza(Element element) {
        if (element.is("error", Ns.STREAM)) {
            failure = Errors.stream(element);
        } else if (element.is("features", Ns.STREAM) && !asked) {
            asked = true;
            if (!new Features(element).startTls) {
                failure = new StreamException(Trouble.TLS, "the server does not offer TLS, and nothing is said without it");
            }
        } else if (element.is("proceed", Ns.TLS) && asked) {
            proceed = true;
        } else {
            failure = new StreamException(Trouble.TLS, "the server refused to start TLS");
        }
    }

    @Override
    public void ended() {
        failure = new StreamException(Trouble.CLOSED, "the server closed the stream before TLS");
    }
}
