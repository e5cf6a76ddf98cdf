//! XML namespaces, one constant each, named after the document that defines them.
#![expect(missing_docs, reason = "each constant is named after what it is")]

/// What the prefix `xml` is bound to, always.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
pub const CLIENT: &str = "jabber:client";
pub const STREAM: &str = "http://etherx.jabber.org/streams";
pub const STREAMS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
pub const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
pub const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
pub const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
pub const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
pub const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";
pub const ROSTER: &str = "jabber:iq:roster";
/// XEP-0388.
pub const SASL2: &str = "urn:xmpp:sasl:2";
/// XEP-0386.
pub const BIND2: &str = "urn:xmpp:bind:0";
/// XEP-0440.
pub const CHANNEL_BINDING: &str = "urn:xmpp:sasl-cb:0";
/// XEP-0078.
pub const IQ_AUTH: &str = "jabber:iq:auth";
pub const IQ_AUTH_FEATURE: &str = "http://jabber.org/features/iq-auth";
/// XEP-0077.
pub const REGISTER: &str = "jabber:iq:register";
pub const REGISTER_FEATURE: &str = "http://jabber.org/features/iq-register";
/// XEP-0445.
pub const PRE_AUTH: &str = "urn:xmpp:pars:0";
pub const PRE_AUTH_FEATURE: &str = "urn:xmpp:ibr-token:0";
/// XEP-0030.
pub const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
pub const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// XEP-0115.
pub const CAPS: &str = "http://jabber.org/protocol/caps";
/// XEP-0199.
pub const PING: &str = "urn:xmpp:ping";
/// XEP-0092.
pub const VERSION: &str = "jabber:iq:version";
/// XEP-0202.
pub const TIME: &str = "urn:xmpp:time";
/// XEP-0049.
pub const PRIVATE: &str = "jabber:iq:private";
/// XEP-0191.
pub const BLOCKING: &str = "urn:xmpp:blocking";
/// XEP-0198.
pub const SM: &str = "urn:xmpp:sm:3";
/// XEP-0352.
pub const CSI: &str = "urn:xmpp:csi:0";
/// XEP-0184.
pub const RECEIPTS: &str = "urn:xmpp:receipts";
/// XEP-0333.
pub const MARKERS: &str = "urn:xmpp:chat-markers:0";
/// XEP-0066.
pub const OOB: &str = "jabber:x:oob";
/// Tidings' own notification form and its requests.
pub const PUSH: &str = "urn:tidings:push:1";
/// androidpn's notification.
pub const ANDROIDPN: &str = "androidpn:iq:notification";
pub const ANDROIDPN_CONFIRM: &str = "androidpn:iq:deliverconfirm";
pub const ANDROIDPN_SETALIAS: &str = "androidpn:iq:setalias";
pub const ANDROIDPN_ALIAS: &str = "androidpn:iq:alias";
pub const ANDROIDPN_SETTAGS: &str = "androidpn:iq:settags";

/// XEP-0004.
pub const DATA_FORMS: &str = "jabber:x:data";
/// XEP-0305.
pub const PIPELINING: &str = "urn:xmpp:features:pipelining";
/// XEP-0478.
pub const STREAM_LIMITS: &str = "urn:xmpp:stream-limits:0";

/// The constant that equals `ns`, so that reading a stanza need not copy it.
pub(crate) fn known(ns: &str) -> Option<&'static str> {
    KNOWN.iter().copied().find(|known| *known == ns)
}

/// What clients send, the most frequent first.
const KNOWN: [&str; 22] = [
    CLIENT,
    SM,
    PING,
    RECEIPTS,
    PUSH,
    SASL,
    TLS,
    BIND,
    SESSION,
    CSI,
    MARKERS,
    ROSTER,
    DISCO_INFO,
    DISCO_ITEMS,
    CAPS,
    IQ_AUTH,
    REGISTER,
    STANZAS,
    STREAM,
    OOB,
    ANDROIDPN,
    ANDROIDPN_CONFIRM,
];
