//! SASL failures: their conditions and their element (RFC 6120 section 6.5).

use crate::ns;
use crate::xml::Element;

/// Why a login attempt failed (RFC 6120 section 6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SaslCondition {
    /// The client gave up.
    Aborted,
    /// The account exists and is locked.
    AccountDisabled,
    /// The credentials are too old.
    CredentialsExpired,
    /// The mechanism is not to be had without TLS.
    EncryptionRequired,
    /// The payload is not base64.
    IncorrectEncoding,
    /// The authorization identity is not one that this login may use.
    InvalidAuthzid,
    /// No such mechanism is offered.
    InvalidMechanism,
    /// The payload does not follow the mechanism's grammar, or came out of turn.
    MalformedRequest,
    /// Policy wants a stronger mechanism.
    MechanismTooWeak,
    /// Wrong user or wrong password; which of them is not said.
    NotAuthorized,
    /// Try again later.
    TemporaryAuthFailure,
}

impl SaslCondition {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Aborted,
        Self::AccountDisabled,
        Self::CredentialsExpired,
        Self::EncryptionRequired,
        Self::IncorrectEncoding,
        Self::InvalidAuthzid,
        Self::InvalidMechanism,
        Self::MalformedRequest,
        Self::MechanismTooWeak,
        Self::NotAuthorized,
        Self::TemporaryAuthFailure,
    ];

    /// The element's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::AccountDisabled => "account-disabled",
            Self::CredentialsExpired => "credentials-expired",
            Self::EncryptionRequired => "encryption-required",
            Self::IncorrectEncoding => "incorrect-encoding",
            Self::InvalidAuthzid => "invalid-authzid",
            Self::InvalidMechanism => "invalid-mechanism",
            Self::MalformedRequest => "malformed-request",
            Self::MechanismTooWeak => "mechanism-too-weak",
            Self::NotAuthorized => "not-authorized",
            Self::TemporaryAuthFailure => "temporary-auth-failure",
        }
    }

    /// The condition of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.name() == name)
    }
}

/// `<failure/>`: a condition and, perhaps, words for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaslFailure {
    /// Why.
    pub condition: SaslCondition,
    /// In words.
    pub text: Option<String>,
}

impl SaslFailure {
    /// A failure that says why in words.
    pub fn with_text(condition: SaslCondition, text: impl Into<String>) -> Self {
        Self { condition, text: Some(text.into()) }
    }

    /// The element to send.
    pub fn to_element(&self) -> Element {
        let mut failure =
            Element::new("failure", ns::SASL).with_child(Element::new(self.condition.name(), ns::SASL));
        if let Some(text) = &self.text {
            failure.push_child(
                Element::new("text", ns::SASL).with_attribute("xml:lang", "en").with_text(text.as_str()),
            );
        }
        failure
    }

    /// Reads a `<failure/>` of RFC 6120 or XEP-0388. An unknown condition counts as
    /// [`NotAuthorized`](SaslCondition::NotAuthorized), as RFC 6120 has it for old peers.
    pub fn from_element(element: &Element) -> Option<Self> {
        if element.name() != "failure" || !matches!(element.ns(), ns::SASL | ns::SASL2) {
            return None;
        }
        let condition = element
            .children()
            .filter(|child| child.ns() == ns::SASL)
            .find_map(|child| SaslCondition::from_name(child.name()))
            .unwrap_or(SaslCondition::NotAuthorized);
        let text = element.child("text", element.ns()).map(Element::text).filter(|text| !text.is_empty());
        Some(Self { condition, text })
    }
}

impl From<SaslCondition> for SaslFailure {
    fn from(condition: SaslCondition) -> Self {
        Self { condition, text: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_survives_the_wire() {
        for condition in SaslCondition::ALL {
            let failure = SaslFailure::with_text(condition, "so it is");
            assert_eq!(SaslFailure::from_element(&failure.to_element()), Some(failure.clone()));
            assert_eq!(SaslFailure::from_element(&crate::ext::sasl2::failure(&failure)), Some(failure));
        }
    }

    #[test]
    fn an_unknown_condition_is_a_refusal_all_the_same() {
        let element = Element::new("failure", ns::SASL).with_child(Element::new("bad-auth", ns::SASL));
        assert_eq!(SaslFailure::from_element(&element), Some(SaslCondition::NotAuthorized.into()));
        assert_eq!(SaslFailure::from_element(&Element::new("success", ns::SASL)), None);
    }
}
