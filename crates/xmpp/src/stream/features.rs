//! Stream features (RFC 6120 section 4.3.2), as written by the server and read by the client.

use crate::ext::limits::StreamLimits;
use crate::ext::{auth0078, bind, caps, csi, preauth, register, sasl2, session, sm};
use crate::ns;
use crate::sasl::BindingType;
use crate::xml::Element;

/// What the receiving side offers (RFC 6120 section 4.3.2). The server writes it and
/// the client reads it. What is not known here is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Features {
    /// STARTTLS.
    pub starttls: Option<StartTls>,
    /// SASL mechanisms, strongest first.
    pub mechanisms: Vec<String>,
    /// XEP-0388: a login that takes along what comes after it.
    pub authentication: Option<sasl2::Offered>,
    /// XEP-0440: what the `-PLUS` mechanisms can be bound by.
    pub channel_bindings: Vec<BindingType>,
    /// XEP-0077.
    pub register: bool,
    /// XEP-0445: registration with a token.
    pub register_token: bool,
    /// XEP-0078.
    pub iq_auth: bool,
    /// Resource binding.
    pub bind: bool,
    /// The session of RFC 3921; optional where it is offered here.
    pub session: bool,
    /// XEP-0198.
    pub stream_management: bool,
    /// XEP-0352.
    pub client_state: bool,
    /// XEP-0305: what usually waits for an answer may be sent ahead of it.
    pub pipelining: bool,
    /// XEP-0115: what the server's disco#info would say.
    pub caps: Option<Caps>,
    /// XEP-0478.
    pub limits: Option<StreamLimits>,
}

/// Whether TLS is a must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// Offered.
    Optional,
    /// Nothing else goes without it.
    Required,
}

/// Entity capabilities (XEP-0115); the hash is always SHA-1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// Which software.
    pub node: String,
    /// The verification string.
    pub ver: String,
}

impl Features {
    /// The `<stream:features/>` to send.
    pub fn to_element(&self) -> Element {
        let mut features = Element::new("features", ns::STREAM);
        if let Some(starttls) = self.starttls {
            let mut element = Element::new("starttls", ns::TLS);
            if starttls == StartTls::Required {
                element.push_child(Element::new("required", ns::TLS));
            }
            features.push_child(element);
        }
        if !self.mechanisms.is_empty() {
            let mechanisms = Element::new("mechanisms", ns::SASL);
            features.push_child(
                self.mechanisms
                    .iter()
                    .fold(mechanisms, |all, name| all.with_field("mechanism", name.as_str())),
            );
        }
        if let Some(offered) = &self.authentication {
            features.push_child(offered.to_element());
        }
        if !self.channel_bindings.is_empty() {
            let mut bindings = Element::new("sasl-channel-binding", ns::CHANNEL_BINDING);
            for kind in &self.channel_bindings {
                let binding = Element::new("channel-binding", ns::CHANNEL_BINDING);
                bindings.push_child(binding.with_attribute("type", kind.name()));
            }
            features.push_child(bindings);
        }
        for (offered, feature) in [
            (self.register, register::feature as fn() -> Element),
            (self.register_token, preauth::feature),
            (self.iq_auth, auth0078::feature),
            (self.bind, bind::feature),
            (self.session, session::feature),
            (self.stream_management, sm::feature),
            (self.client_state, csi::feature),
            (self.pipelining, || Element::new("pipelining", ns::PIPELINING)),
        ] {
            if offered {
                features.push_child(feature());
            }
        }
        if let Some(Caps { node, ver }) = &self.caps {
            features.push_child(caps::element(node, ver));
        }
        if let Some(limits) = self.limits {
            features.push_child(limits.to_element());
        }
        features
    }

    /// Reads a `<stream:features/>`; `None` for any other element.
    pub fn from_element(element: &Element) -> Option<Self> {
        if !element.is("features", ns::STREAM) {
            return None;
        }
        let mut features = Self::default();
        for child in element.children() {
            match (child.name(), child.ns()) {
                ("starttls", ns::TLS) => {
                    let required = child.child("required", ns::TLS).is_some();
                    features.starttls = Some(if required { StartTls::Required } else { StartTls::Optional });
                }
                ("mechanisms", ns::SASL) => {
                    let mechanisms = child.children().filter(|child| child.is("mechanism", ns::SASL));
                    features.mechanisms.extend(mechanisms.map(Element::text));
                }
                ("authentication", ns::SASL2) => {
                    features.authentication = sasl2::Offered::from_element(child);
                }
                ("sasl-channel-binding", ns::CHANNEL_BINDING) => {
                    let types = child.children().filter_map(|binding| binding.attribute("type"));
                    features.channel_bindings.extend(types.filter_map(BindingType::from_name));
                }
                ("register", ns::REGISTER_FEATURE) => features.register = true,
                ("register", ns::PRE_AUTH_FEATURE) => features.register_token = true,
                ("auth", ns::IQ_AUTH_FEATURE) => features.iq_auth = true,
                ("bind", ns::BIND) => features.bind = true,
                ("session", ns::SESSION) => features.session = true,
                ("sm", ns::SM) => features.stream_management = true,
                ("csi", ns::CSI) => features.client_state = true,
                ("pipelining", ns::PIPELINING) => features.pipelining = true,
                ("c", ns::CAPS) => features.caps = read_caps(child),
                ("limits", ns::STREAM_LIMITS) => features.limits = StreamLimits::from_element(child),
                _ => {}
            }
        }
        Some(features)
    }
}

fn read_caps(element: &Element) -> Option<Caps> {
    let attribute = |name| element.attribute(name).map(str::to_owned);
    Some(Caps { node: attribute("node")?, ver: attribute("ver")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse_stanza;

    fn all() -> Features {
        Features {
            starttls: Some(StartTls::Required),
            mechanisms: vec!["SCRAM-SHA-256".into(), "PLAIN".into()],
            authentication: Some(sasl2::Offered {
                mechanisms: vec!["SCRAM-SHA-256".into()],
                resume: true,
                bind: true,
                manage: true,
            }),
            channel_bindings: BindingType::ALL.to_vec(),
            register: true,
            register_token: true,
            iq_auth: true,
            bind: true,
            session: true,
            stream_management: true,
            client_state: true,
            pipelining: true,
            caps: Some(Caps { node: "urn:x".into(), ver: "abc=".into() }),
            limits: Some(StreamLimits { max_bytes: Some(65536), idle_seconds: Some(1200) }),
        }
    }

    #[test]
    fn every_feature_survives_the_wire() {
        for features in [all(), Features::default(), Features { bind: true, ..Features::default() }] {
            let bytes = features.to_element().to_bytes();
            assert_eq!(Features::from_element(&parse_stanza(&bytes).unwrap()), Some(features));
        }
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let bytes = b"<stream:features><new xmlns='urn:new'/><sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>\
            <channel-binding type='tls-unique'/></sasl-channel-binding><c xmlns='http://jabber.org/protocol/caps'/></stream:features>";
        assert_eq!(Features::from_element(&parse_stanza(bytes).unwrap()), Some(Features::default()));
        assert_eq!(Features::from_element(&Element::new("features", ns::CLIENT)), None);
    }
}
