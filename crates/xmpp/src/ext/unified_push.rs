//! UnifiedPush over XMPP, namespace `http://gultsch.de/xmpp/drafts/unified-push`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::ns;
use crate::stanza::StanzaError;
use crate::xml::Element;

/// What names a registration beside the bare JID: both are the base64 of 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Registration {
    /// Stands for the app.
    pub application: String,
    /// Stands for one registration of the app.
    pub instance: String,
}

impl Registration {
    /// Reads the payload `<register/>` of a distributor's iq `set`.
    ///
    /// # Errors
    /// `bad-request` where it is none or an attribute is not the base64 of 32 bytes.
    pub fn from_payload(payload: &Element) -> Result<Self, StanzaError> {
        if !payload.is("register", ns::UNIFIED_PUSH) {
            return Err(StanzaError::bad_request("not a registration"));
        }
        let hash = |name: &str| {
            let value = payload.attribute(name).filter(|value| is_hash(value));
            value
                .map(str::to_owned)
                .ok_or_else(|| StanzaError::bad_request(format!("{name} must be the base64 of 32 bytes")))
        };
        Ok(Self { application: hash("application")?, instance: hash("instance")? })
    }

    /// The payload `<register/>`.
    pub fn to_payload(&self) -> Element {
        self.element("register")
    }

    fn element(&self, name: &'static str) -> Element {
        Element::new(name, ns::UNIFIED_PUSH)
            .with_attribute("application", self.application.as_str())
            .with_attribute("instance", self.instance.as_str())
    }
}

/// The answer to a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Where the app server posts to.
    pub endpoint: String,
    /// Until when, UTC with `Z`: distributors read no other offset.
    pub expiration: String,
}

impl Registered {
    /// Reads the payload of the answer.
    pub fn from_element(payload: &Element) -> Option<Self> {
        if !payload.is("registered", ns::UNIFIED_PUSH) {
            return None;
        }
        let attribute = |name| payload.attribute(name).filter(|value| !value.is_empty()).map(str::to_owned);
        Some(Self { endpoint: attribute("endpoint")?, expiration: attribute("expiration")? })
    }

    /// The payload of the answer.
    pub fn to_element(&self) -> Element {
        Element::new("registered", ns::UNIFIED_PUSH)
            .with_attribute("endpoint", self.endpoint.as_str())
            .with_attribute("expiration", self.expiration.as_str())
    }
}

/// One push message: the payload of an iq `set` to the distributor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// For whom.
    pub registration: Registration,
    /// The body that was posted, byte for byte.
    pub body: Vec<u8>,
}

impl Push {
    /// Reads the payload; `None` where it is none or its text is not base64.
    pub fn from_element(payload: &Element) -> Option<Self> {
        if !payload.is("push", ns::UNIFIED_PUSH) {
            return None;
        }
        let attribute = |name| payload.attribute(name).map(str::to_owned);
        let registration =
            Registration { application: attribute("application")?, instance: attribute("instance")? };
        Some(Self { registration, body: STANDARD.decode(payload.text()).ok()? })
    }

    /// The payload.
    pub fn to_element(&self) -> Element {
        self.registration.element("push").with_text(STANDARD.encode(&self.body))
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 44 && STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse_stanza;

    fn registration() -> Registration {
        Registration { application: STANDARD.encode([1; 32]), instance: STANDARD.encode([0xfe; 32]) }
    }

    #[test]
    fn everything_survives_the_wire() {
        let read = |element: Element| parse_stanza(&element.to_bytes()).unwrap();
        assert_eq!(Registration::from_payload(&read(registration().to_payload())), Ok(registration()));
        let registered = Registered {
            endpoint: "https://example.org/push/x".to_owned(),
            expiration: "2026-12-22T10:00:00Z".to_owned(),
        };
        assert_eq!(Registered::from_element(&read(registered.to_element())), Some(registered));
        for body in [vec![], vec![0, 0xff, b'<']] {
            let push = Push { registration: registration(), body };
            assert_eq!(Push::from_element(&read(push.to_element())), Some(push));
        }
    }

    #[test]
    fn attributes_must_be_hashes() {
        for bad in ["", "abc", "AQEBAQ==", &STANDARD.encode([1; 33]), &"!".repeat(44)] {
            let payload = registration().to_payload().with_attribute("instance", bad);
            assert!(Registration::from_payload(&payload).is_err(), "{bad}");
        }
        assert!(Registration::from_payload(&Element::new("register", ns::UNIFIED_PUSH)).is_err());
    }
}
