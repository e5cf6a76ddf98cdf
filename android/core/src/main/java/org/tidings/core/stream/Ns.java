package org.tidings.core.stream;

/** Names the namespaces of the documents that this client reads and writes. */
public final class Ns {
    public static final String CLIENT = "jabber:client";
    public static final String STREAM = "http://etherx.jabber.org/streams";
    public static final String STREAMS = "urn:ietf:params:xml:ns:xmpp-streams";
    public static final String STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas";
    public static final String TLS = "urn:ietf:params:xml:ns:xmpp-tls";
    public static final String SASL = "urn:ietf:params:xml:ns:xmpp-sasl";
    public static final String SASL2 = "urn:xmpp:sasl:2";
    public static final String BIND = "urn:ietf:params:xml:ns:xmpp-bind";
    public static final String BIND2 = "urn:xmpp:bind:0";
    public static final String CHANNEL_BINDING = "urn:xmpp:sasl-cb:0";
    public static final String REGISTER = "jabber:iq:register";
    public static final String REGISTER_FEATURE = "http://jabber.org/features/iq-register";
    public static final String PRE_AUTH = "urn:xmpp:pars:0";
    public static final String PRE_AUTH_FEATURE = "urn:xmpp:ibr-token:0";
    public static final String SM = "urn:xmpp:sm:3";
    public static final String CSI = "urn:xmpp:csi:0";
    public static final String PING = "urn:xmpp:ping";
    public static final String DISCO_INFO = "http://jabber.org/protocol/disco#info";
    public static final String RECEIPTS = "urn:xmpp:receipts";
    public static final String MARKERS = "urn:xmpp:chat-markers:0";
    public static final String PUSH = "urn:tidings:push:1";

    private Ns() {}
}
