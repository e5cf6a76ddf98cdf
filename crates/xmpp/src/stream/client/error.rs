//! Why a client's negotiation failed, in words for the person who runs it.

use thiserror::Error;

use crate::sasl::{SaslCondition, SaslFailure, ScramError};
use crate::stanza::{Condition, ErrorKind, StanzaError};
use crate::stream::{StreamCondition, StreamError};
use crate::xml::{FrameError, XmlError};

/// Why a client did not get a session, in words for the person who runs it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NegotiationError {
    /// Bytes that cannot be a part of a stream; the other end is perhaps no XMPP server.
    #[error("the other end does not speak XMPP here: {0}")]
    Frame(#[from] FrameError),
    /// XML that cannot be a part of a stream.
    #[error("the other end does not speak XMPP here: {0}")]
    Xml(#[from] XmlError),
    /// The server ended the stream and said why.
    #[error("{}", stream_in_words(.0))]
    Stream(StreamError),
    /// The server ended the stream and did not say why.
    #[error("the server closed the stream during the login")]
    Closed,
    /// Something came that has no place here.
    #[error("the server sent <{0}/> where it has no place")]
    Unexpected(String),
    /// No TLS, and nothing is done without it.
    #[error("the server does not offer TLS, and no credential is sent without it")]
    TlsNotOffered,
    /// STARTTLS failed.
    #[error("the server refused to start TLS")]
    TlsRefused,
    /// None of the offered mechanisms is both known and allowed.
    #[error("the server offers no login mechanism that is allowed here (it offers: {})", list(.0))]
    NoMechanism(Vec<String>),
    /// The server refused the login.
    #[error("{}", sasl_in_words(.0))]
    Login(SaslFailure),
    /// The server did not prove that it knows the account, or the exchange was tampered with.
    #[error("the server could not prove that it knows this account: {0}")]
    Scram(#[from] ScramError),
    /// The server let us in without the proof that SCRAM owes.
    #[error("the server did not prove that it knows this account")]
    NotProved,
    /// What was said ahead is not what the server offers now. Without saying anything
    /// ahead it may go well.
    #[error("the server has changed what it offers since the last login")]
    Changed,
    /// The account was not created.
    #[error("{}", registration_in_words(.0))]
    Registration(StanzaError),
    /// No resource was bound.
    #[error("the server bound no resource: {0}")]
    Bind(StanzaError),
}

impl NegotiationError {
    /// Whether trying again, with nothing changed, cannot help.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Stream(error) => {
                matches!(error.condition, StreamCondition::HostUnknown | StreamCondition::HostGone)
            }
            Self::Login(failure) => {
                !matches!(failure.condition, SaslCondition::TemporaryAuthFailure | SaslCondition::Aborted)
            }
            Self::Registration(error) => {
                error.kind != ErrorKind::Wait && error.condition != Condition::InternalServerError
            }
            Self::TlsNotOffered | Self::NoMechanism(_) | Self::Scram(_) | Self::NotProved => true,
            Self::Frame(_)
            | Self::Xml(_)
            | Self::Closed
            | Self::Unexpected(_)
            | Self::Changed
            | Self::TlsRefused
            | Self::Bind(_) => false,
        }
    }

    /// Whether the server says that the password is wrong, or the account unknown.
    pub fn is_wrong_password(&self) -> bool {
        matches!(self, Self::Login(failure) if failure.condition == SaslCondition::NotAuthorized)
    }

    /// Whether the wanted username belongs to another account.
    pub fn is_username_taken(&self) -> bool {
        matches!(self, Self::Registration(error) if error.condition == Condition::Conflict)
    }
}

fn list(mechanisms: &[String]) -> String {
    if mechanisms.is_empty() { "none".to_owned() } else { mechanisms.join(", ") }
}

/// The sentence, and what the server said itself.
fn with_text(sentence: &str, text: Option<&str>) -> String {
    match text {
        Some(text) if !text.is_empty() => format!("{sentence}: {text}"),
        _ => sentence.to_owned(),
    }
}

fn stream_in_words(error: &StreamError) -> String {
    let sentence = match error.condition {
        StreamCondition::HostUnknown => "the server does not serve this domain (host-unknown)",
        StreamCondition::HostGone => "the server no longer serves this domain (host-gone)",
        StreamCondition::SystemShutdown => "the server is shutting down",
        StreamCondition::PolicyViolation => "the server's policy forbids this (policy-violation)",
        StreamCondition::ResourceConstraint => "the server is short of resources (resource-constraint)",
        StreamCondition::Conflict => "another connection took this one's place (conflict)",
        StreamCondition::NotAuthorized => "the session was ended (not-authorized)",
        _ => return format!("the server ended the stream: {error}"),
    };
    with_text(sentence, error.text.as_deref())
}

fn sasl_in_words(failure: &SaslFailure) -> String {
    let sentence = match failure.condition {
        SaslCondition::NotAuthorized => return "wrong username or password".to_owned(),
        SaslCondition::AccountDisabled => "the account is disabled",
        SaslCondition::CredentialsExpired => "the password has expired",
        SaslCondition::TemporaryAuthFailure => "the server cannot check the login right now",
        condition => {
            let sentence = format!("the server refused the login ({})", condition.name());
            return with_text(&sentence, failure.text.as_deref());
        }
    };
    with_text(sentence, failure.text.as_deref())
}

fn registration_in_words(error: &StanzaError) -> String {
    let sentence = match error.condition {
        _ if error.kind == ErrorKind::Wait => "the server takes no registration right now",
        Condition::Conflict => "the username is taken",
        Condition::NotAllowed
        | Condition::Forbidden
        | Condition::NotAuthorized
        | Condition::ServiceUnavailable
        | Condition::FeatureNotImplemented => "the server closed registration",
        Condition::ItemNotFound => "the server does not know this registration token",
        Condition::NotAcceptable | Condition::BadRequest => "the server refused the registration's fields",
        condition => {
            let sentence = format!("the server refused the registration ({})", condition.as_str());
            return with_text(&sentence, error.text.as_deref());
        }
    };
    with_text(sentence, error.text.as_deref())
}
