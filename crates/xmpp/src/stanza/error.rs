//! Stanza errors (RFC 6120 section 8.3).

use std::fmt;

use thiserror::Error;

use crate::ns;
use crate::xml::Element;

/// What the sender may do about an error (RFC 6120 section 8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Nothing: do not retry.
    Cancel,
    /// Change the data and retry.
    Modify,
    /// Provide credentials and retry.
    Auth,
    /// Retry later.
    Wait,
    /// Proceed: this was only a warning.
    Continue,
}

impl ErrorKind {
    const ALL: [Self; 5] = [Self::Cancel, Self::Modify, Self::Auth, Self::Wait, Self::Continue];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Modify => "modify",
            Self::Auth => "auth",
            Self::Wait => "wait",
            Self::Continue => "continue",
        }
    }

    /// Reads the name on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

macro_rules! conditions {
    ($($(#[$doc:meta])* $name:ident $wire:literal $kind:ident $code:expr;)*) => {
        /// What went wrong (RFC 6120 section 8.3.3).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Condition {
            $($(#[$doc])* $name,)*
        }

        impl Condition {
            /// Every condition, in the order of the RFC.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The element's name on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// The type that the RFC gives it, or the first of them.
            pub fn default_kind(self) -> ErrorKind {
                match self { $(Self::$name => ErrorKind::$kind,)* }
            }

            /// The number that clients from before RFC 3920 read (XEP-0086).
            pub fn legacy_code(self) -> Option<u16> {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

conditions! {
    /// Malformed, or not what the schema allows.
    BadRequest "bad-request" Modify Some(400);
    /// Something of that name exists.
    Conflict "conflict" Cancel Some(409);
    /// Not implemented.
    FeatureNotImplemented "feature-not-implemented" Cancel Some(501);
    /// Not permitted to this sender.
    Forbidden "forbidden" Auth Some(403);
    /// No longer at this address.
    Gone "gone" Cancel Some(302);
    /// A fault of the server.
    InternalServerError "internal-server-error" Cancel Some(500);
    /// No such thing.
    ItemNotFound "item-not-found" Cancel Some(404);
    /// An address that is none.
    JidMalformed "jid-malformed" Modify Some(400);
    /// Understood, but does not meet the criteria.
    NotAcceptable "not-acceptable" Modify Some(406);
    /// No entity may do this.
    NotAllowed "not-allowed" Cancel Some(405);
    /// Credentials are missing or wrong.
    NotAuthorized "not-authorized" Auth Some(401);
    /// Against local policy.
    PolicyViolation "policy-violation" Modify None;
    /// The recipient is away for now.
    RecipientUnavailable "recipient-unavailable" Wait Some(404);
    /// Elsewhere for now.
    Redirect "redirect" Modify Some(302);
    /// An account is needed first.
    RegistrationRequired "registration-required" Auth Some(407);
    /// No such server.
    RemoteServerNotFound "remote-server-not-found" Cancel Some(404);
    /// A server did not answer in time.
    RemoteServerTimeout "remote-server-timeout" Wait Some(504);
    /// Out of resources, or over a quota.
    ResourceConstraint "resource-constraint" Wait Some(500);
    /// Not provided here.
    ServiceUnavailable "service-unavailable" Cancel Some(503);
    /// A subscription is needed first.
    SubscriptionRequired "subscription-required" Auth Some(407);
    /// Any condition that RFC 6120 does not define.
    UndefinedCondition "undefined-condition" Cancel Some(500);
    /// Understood, but not at this moment.
    UnexpectedRequest "unexpected-request" Wait Some(400);
}

impl Condition {
    /// Reads the element's name on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|condition| condition.as_str() == text)
    }
}

/// The error that a stanza is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StanzaError {
    /// What the sender may do.
    pub kind: ErrorKind,
    /// What went wrong.
    pub condition: Condition,
    /// For people, in English.
    pub text: Option<String>,
}

impl StanzaError {
    /// An error with the type that the RFC gives its condition.
    pub fn new(condition: Condition) -> Self {
        Self { kind: condition.default_kind(), condition, text: None }
    }

    /// Says more, for people.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Another type than the condition's own.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// `bad-request`.
    pub fn bad_request(text: impl Into<String>) -> Self {
        Self::new(Condition::BadRequest).with_text(text)
    }

    /// `conflict`.
    pub fn conflict() -> Self {
        Self::new(Condition::Conflict)
    }

    /// `feature-not-implemented`.
    pub fn feature_not_implemented() -> Self {
        Self::new(Condition::FeatureNotImplemented)
    }

    /// `forbidden`.
    pub fn forbidden(text: impl Into<String>) -> Self {
        Self::new(Condition::Forbidden).with_text(text)
    }

    /// `internal-server-error`.
    pub fn internal_server_error() -> Self {
        Self::new(Condition::InternalServerError)
    }

    /// `item-not-found`.
    pub fn item_not_found() -> Self {
        Self::new(Condition::ItemNotFound)
    }

    /// `jid-malformed`.
    pub fn jid_malformed() -> Self {
        Self::new(Condition::JidMalformed)
    }

    /// `not-acceptable`.
    pub fn not_acceptable(text: impl Into<String>) -> Self {
        Self::new(Condition::NotAcceptable).with_text(text)
    }

    /// `not-allowed`.
    pub fn not_allowed() -> Self {
        Self::new(Condition::NotAllowed)
    }

    /// `not-authorized`.
    pub fn not_authorized() -> Self {
        Self::new(Condition::NotAuthorized)
    }

    /// `resource-constraint`.
    pub fn resource_constraint(text: impl Into<String>) -> Self {
        Self::new(Condition::ResourceConstraint).with_text(text)
    }

    /// `service-unavailable`.
    pub fn service_unavailable() -> Self {
        Self::new(Condition::ServiceUnavailable)
    }

    /// The `<error/>` child.
    pub fn to_element(&self) -> Element {
        let mut error = Element::new("error", ns::CLIENT).with_attribute("type", self.kind.as_str());
        if let Some(code) = self.condition.legacy_code() {
            error.set_attribute("code", code.to_string());
        }
        error.push_child(Element::new(self.condition.as_str(), ns::STANZAS));
        if let Some(text) = &self.text {
            error.push_child(Element::new("text", ns::STANZAS).with_text(text.as_str()));
        }
        error
    }

    /// Reads an `<error/>` child. What it does not know is `undefined-condition`.
    pub fn from_element(error: &Element) -> Self {
        let condition = error
            .children()
            .filter(|child| child.ns() == ns::STANZAS)
            .find_map(|child| Condition::parse(child.name()))
            .unwrap_or(Condition::UndefinedCondition);
        let kind = error.attribute("type").and_then(ErrorKind::parse).unwrap_or(condition.default_kind());
        Self { kind, condition, text: error.child_text("text", ns::STANZAS) }
    }

    /// The error that a stanza of type `error` carries.
    pub fn of(stanza: &Element) -> Option<Self> {
        stanza.child("error", ns::CLIENT).map(Self::from_element)
    }
}

impl fmt::Display for StanzaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.condition.as_str())?;
        match &self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for StanzaError {}

/// A stanza that is not what it must be, and what to answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid stanza: {error}")]
pub struct InvalidStanza {
    /// As it came.
    pub stanza: Element,
    /// What is wrong with it.
    pub error: StanzaError,
}

impl InvalidStanza {
    /// The answer, unless the stanza is one that is never answered.
    pub fn reply(self) -> Option<Element> {
        may_be_answered(&self.stanza).then(|| error_reply(&self.stanza, self.error))
    }
}

/// Whether a stanza may be answered with an error: not where it is an error or a
/// result itself (RFC 6120 sections 8.2.3 and 8.3.1).
pub fn may_be_answered(stanza: &Element) -> bool {
    match stanza.attribute("type") {
        Some("error") => false,
        Some("result") => stanza.name() != "iq",
        _ => true,
    }
}

/// The error answer to a message, presence or iq: back to the sender, from where it was sent to.
pub fn error_reply(stanza: &Element, error: StanzaError) -> Element {
    let mut reply = Element::new(stanza.name().to_owned(), ns::CLIENT).with_attribute("type", "error");
    for (name, value) in
        [("id", stanza.attribute("id")), ("from", stanza.attribute("to")), ("to", stanza.attribute("from"))]
    {
        if let Some(value) = value {
            reply.set_attribute(name, value);
        }
    }
    reply.with_child(error.to_element())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse_stanza;

    #[test]
    fn every_condition_survives_the_wire() {
        for condition in Condition::ALL {
            let error = StanzaError::new(*condition).with_text("why <not>?");
            let bytes = error.to_element().to_bytes();
            assert_eq!(StanzaError::from_element(&parse_stanza(&bytes).unwrap()), error);
        }
    }

    #[test]
    fn old_clients_find_the_number() {
        for (error, code) in [
            (StanzaError::conflict(), "409"),
            (StanzaError::not_authorized(), "401"),
            (StanzaError::service_unavailable(), "503"),
            (StanzaError::not_acceptable("x"), "406"),
        ] {
            assert_eq!(error.to_element().attribute("code"), Some(code));
        }
    }

    #[test]
    fn a_reply_goes_back_where_the_stanza_came_from() {
        let stanza =
            parse_stanza(b"<message id='1' from='a@x/r' to='x' type='chat'><body>hi</body></message>")
                .unwrap();
        assert_eq!(
            error_reply(&stanza, StanzaError::service_unavailable()).to_string(),
            "<message type='error' id='1' from='x' to='a@x/r'><error type='cancel' code='503'>\
             <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        );
    }

    #[test]
    fn errors_and_results_are_never_answered() {
        let answered = |stanza: &str| may_be_answered(&parse_stanza(stanza.as_bytes()).unwrap());
        assert!(!answered("<iq type='error' id='1'/>"));
        assert!(!answered("<iq type='result' id='1'/>"));
        assert!(!answered("<message type='error'/>"));
        assert!(answered("<message/>"));
        assert!(answered("<iq type='get' id='1'/>"));
        assert!(answered("<iq/>"));
    }

    #[test]
    fn foreign_errors_are_read_leniently() {
        let error = parse_stanza(b"<error code='404'><app xmlns='urn:other'/></error>").unwrap();
        assert_eq!(StanzaError::from_element(&error), StanzaError::new(Condition::UndefinedCondition));
    }
}
