//! Requests and their answers (RFC 6120 section 8.2.3).

use super::error::{InvalidStanza, StanzaError};
use crate::ns;
use crate::xml::Element;

/// What an iq is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IqKind {
    /// Asks.
    Get,
    /// Demands a change.
    Set,
    /// Answers.
    Result,
    /// Refuses.
    Error,
}

impl IqKind {
    const ALL: [Self; 4] = [Self::Get, Self::Set, Self::Result, Self::Error];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Result => "result",
            Self::Error => "error",
        }
    }

    /// Reads the name on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether this is a request, which must be answered.
    pub fn is_request(self) -> bool {
        matches!(self, Self::Get | Self::Set)
    }
}

/// An iq stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iq {
    /// What it is.
    pub kind: IqKind,
    /// What the answer refers to.
    pub id: String,
    /// The sender, where it is written.
    pub from: Option<String>,
    /// The recipient; none is the sender's own account.
    pub to: Option<String>,
    /// The child: always there in a request.
    pub payload: Option<Element>,
    /// In an [`IqKind::Error`]: what went wrong.
    pub error: Option<StanzaError>,
}

impl Iq {
    /// A request `get`.
    pub fn get(id: impl Into<String>, payload: Element) -> Self {
        Self::request(IqKind::Get, id.into(), payload)
    }

    /// A request `set`.
    pub fn set(id: impl Into<String>, payload: Element) -> Self {
        Self::request(IqKind::Set, id.into(), payload)
    }

    fn request(kind: IqKind, id: String, payload: Element) -> Self {
        Self { kind, id, from: None, to: None, payload: Some(payload), error: None }
    }

    /// Addresses it.
    #[must_use]
    pub fn with_to(mut self, to: impl Into<String>) -> Self {
        self.to = Some(to.into());
        self
    }

    /// Reads an iq.
    ///
    /// # Errors
    /// [`InvalidStanza`] with `bad-request` where the id or a known type is missing, or a
    /// request has not exactly one child; the stanza comes back with it.
    pub fn from_element(stanza: Element) -> Result<Self, Box<InvalidStanza>> {
        let refuse =
            |stanza, why: &str| Err(Box::new(InvalidStanza { stanza, error: StanzaError::bad_request(why) }));
        if !stanza.is("iq", ns::CLIENT) {
            return refuse(stanza, "not an iq");
        }
        let Some(kind) = stanza.attribute("type").and_then(IqKind::parse) else {
            return refuse(stanza, "an iq's type is get, set, result or error");
        };
        let Some(id) = stanza.attribute("id").filter(|id| !id.is_empty()).map(str::to_owned) else {
            return refuse(stanza, "an iq has an id");
        };
        if kind.is_request() && stanza.children().count() != 1 {
            return refuse(stanza, "a request has exactly one child");
        }
        let from = stanza.attribute("from").map(str::to_owned);
        let to = stanza.attribute("to").map(str::to_owned);
        let error = (kind == IqKind::Error).then(|| {
            StanzaError::of(&stanza).unwrap_or(StanzaError::new(super::Condition::UndefinedCondition))
        });
        let payload =
            stanza.into_children().find(|child| !child.is("error", ns::CLIENT) || kind.is_request());
        Ok(Self { kind, id, from, to, payload, error })
    }

    /// The element as it is written.
    pub fn into_element(self) -> Element {
        let mut stanza = Element::new("iq", ns::CLIENT)
            .with_attribute("type", self.kind.as_str())
            .with_attribute("id", self.id);
        for (name, value) in [("from", self.from), ("to", self.to)] {
            if let Some(value) = value {
                stanza.set_attribute(name, value);
            }
        }
        if let Some(payload) = self.payload {
            stanza.push_child(payload);
        }
        if let Some(error) = self.error {
            stanza.push_child(error.to_element());
        }
        stanza
    }

    /// The answer that grants this request.
    pub fn result(&self, payload: Option<Element>) -> Element {
        self.answer(IqKind::Result, payload, None)
    }

    /// The answer that refuses this request.
    pub fn error(&self, error: StanzaError) -> Element {
        self.answer(IqKind::Error, None, Some(error))
    }

    fn answer(&self, kind: IqKind, payload: Option<Element>, error: Option<StanzaError>) -> Element {
        Self { kind, id: self.id.clone(), from: self.to.clone(), to: self.from.clone(), payload, error }
            .into_element()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::Condition;
    use crate::xml::parse_stanza;

    fn iq(text: &str) -> Result<Iq, Box<InvalidStanza>> {
        Iq::from_element(parse_stanza(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_request_is_read_and_answered() {
        let request = iq("<iq type='get' id='p&apos;1' to='example.org' from='a@example.org/r'><ping xmlns='urn:xmpp:ping'/></iq>").unwrap();
        assert_eq!(request.kind, IqKind::Get);
        assert!(request.payload.as_ref().unwrap().is("ping", ns::PING));
        assert_eq!(
            request.result(None).to_string(),
            "<iq type='result' id='p&apos;1' from='example.org' to='a@example.org/r'/>"
        );
        let refusal = Iq::from_element(request.error(StanzaError::forbidden("no"))).unwrap();
        assert_eq!(refusal.error, Some(StanzaError::forbidden("no")));
        assert_eq!((refusal.kind, refusal.payload), (IqKind::Error, None));
    }

    #[test]
    fn malformed_requests_are_answered_where_that_is_allowed() {
        for bad in [
            "<iq type='get'><a xmlns='u'/></iq>",
            "<iq id='1'><a xmlns='u'/></iq>",
            "<iq id='1' type='other'><a xmlns='u'/></iq>",
            "<iq id='1' type='get'/>",
            "<iq id='' type='get'><a xmlns='u'/></iq>",
            "<iq id='1' type='set'><a xmlns='u'/><b xmlns='u'/></iq>",
        ] {
            let invalid = iq(bad).unwrap_err();
            assert_eq!(invalid.error.condition, Condition::BadRequest, "{bad}");
            assert!(invalid.reply().is_some());
        }
        assert_eq!(iq("<iq type='result'/>").unwrap_err().reply(), None);
    }

    #[test]
    fn an_error_may_repeat_the_request() {
        let error = iq("<iq type='error' id='1'><a xmlns='u'/><error type='wait'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>").unwrap();
        assert!(error.payload.unwrap().is("a", "u"));
        assert_eq!(error.error.unwrap().condition, Condition::Gone);
    }
}
