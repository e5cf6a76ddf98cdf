//! The SDK's error types.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tidings_xmpp::stanza::{ErrorKind, StanzaError};
use tidings_xmpp::stream::client::NegotiationError;
use tidings_xmpp::stream::{StreamCondition, StreamError};

use crate::account::AccountError;
use crate::io_text::in_words;
use crate::tls::CertificateChanged;

/// What can keep a device from its server, in words for the person who runs it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The account file cannot be used.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The ids of acknowledged notifications cannot be read.
    #[error("cannot use {}: {}", path.display(), in_words(source))]
    Seen {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The certificates of [`Trust::Ca`](crate::Trust::Ca) cannot be used.
    #[error("cannot use the certificates to trust: {0}")]
    Ca(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Configuration(String),
    /// There is no TCP connection to be had.
    #[error("cannot connect to {address}: {}", in_words(source))]
    Connect {
        /// The server's host and port.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The server's certificate is not trusted.
    #[error("the server's certificate is not trusted: {0}")]
    Untrusted(String),
    /// The server's certificate is not the one it was known by.
    #[error(transparent)]
    CertificateChanged(#[from] CertificateChanged),
    /// TLS failed.
    #[error("TLS with the server failed: {}", in_words(.0))]
    Tls(io::Error),
    /// The login, or the registration before it, failed.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The connection broke.
    #[error("the connection was lost: {}", in_words(.0))]
    Lost(io::Error),
    /// The server ended the session and said why.
    #[error("the server ended the session ({0})")]
    Ended(Refusal),
    /// The server closed the stream.
    #[error("the server closed the connection")]
    Hangup,
    /// The server sent what makes no sense.
    #[error("the server broke the protocol: {0}")]
    Protocol(String),
    /// The server did not answer in time.
    #[error("the server did not answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The server refuses the subscription.
    #[error("the server refuses the topic {topic:?}: {refusal}")]
    Topic {
        /// Which topic.
        topic: String,
        /// Why.
        refusal: Refusal,
    },
    /// The device was closed.
    #[error("the device is closed")]
    Closed,
}

/// Why a server refused something, as it said it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The condition by its name in RFC 6120: `forbidden`, `system-shutdown` …
    pub condition: String,
    /// The server's own words, where it had any.
    pub text: Option<String>,
    /// Whether the same may go well later.
    pub temporary: bool,
}

/// Why a login, or the registration before it, failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{words}")]
pub struct LoginError {
    kind: LoginErrorKind,
    permanent: bool,
    words: String,
}

/// What kind of failure a [`LoginError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoginErrorKind {
    /// Wrong username or password.
    WrongPassword,
    /// The server refused the login for another reason: the account is disabled, or the
    /// server cannot check passwords now.
    Refused,
    /// The username to be registered belongs to another account.
    UsernameTaken,
    /// The server registers no account, or not this one, or not now.
    RegistrationRefused,
    /// The server does not serve the domain.
    UnknownDomain,
    /// The server offers nothing that is safe enough: no TLS, or no mechanism that is
    /// allowed here.
    Insecure,
    /// The server did not prove that it knows the account.
    ServerNotProved,
    /// Anything else: the server ended the stream, or does not speak XMPP.
    Other,
}

impl LoginError {
    /// What kind of failure it is.
    pub fn kind(&self) -> LoginErrorKind {
        self.kind
    }

    /// Whether trying again, with nothing changed, cannot help.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }
}

impl ClientError {
    /// Whether trying again, with nothing changed, cannot help.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Account(_)
            | Self::Seen { .. }
            | Self::Ca(_)
            | Self::Configuration(_)
            | Self::Untrusted(_)
            | Self::CertificateChanged(_)
            | Self::Closed => true,
            Self::Login(error) => error.is_permanent(),
            Self::Topic { refusal, .. } => !refusal.temporary,
            Self::Connect { .. }
            | Self::Tls(_)
            | Self::Lost(_)
            | Self::Ended(_)
            | Self::Hangup
            | Self::Protocol(_)
            | Self::Timeout(_) => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.condition)?;
        match &self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

impl From<StanzaError> for Refusal {
    fn from(error: StanzaError) -> Self {
        let temporary = error.kind == ErrorKind::Wait;
        Self { condition: error.condition.as_str().to_owned(), text: error.text, temporary }
    }
}

impl From<StreamError> for Refusal {
    fn from(error: StreamError) -> Self {
        Self { condition: error.condition.name().to_owned(), text: error.text, temporary: true }
    }
}

impl From<NegotiationError> for LoginError {
    fn from(error: NegotiationError) -> Self {
        let kind = match &error {
            error if error.is_wrong_password() => LoginErrorKind::WrongPassword,
            error if error.is_username_taken() => LoginErrorKind::UsernameTaken,
            NegotiationError::Login(_) => LoginErrorKind::Refused,
            NegotiationError::Registration(_) => LoginErrorKind::RegistrationRefused,
            NegotiationError::Stream(error)
                if matches!(error.condition, StreamCondition::HostUnknown | StreamCondition::HostGone) =>
            {
                LoginErrorKind::UnknownDomain
            }
            NegotiationError::TlsNotOffered
            | NegotiationError::TlsRefused
            | NegotiationError::NoMechanism(_) => LoginErrorKind::Insecure,
            NegotiationError::Scram(_) | NegotiationError::NotProved => LoginErrorKind::ServerNotProved,
            _ => LoginErrorKind::Other,
        };
        Self { kind, permanent: error.is_permanent(), words: error.to_string() }
    }
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // A server that was killed has no time for TLS' own farewell.
            io::ErrorKind::UnexpectedEof => Self::Hangup,
            _ => Self::Lost(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_for_people() {
        let refused = io::Error::other("Connection refused (os error 111)");
        let error = ClientError::Connect { address: "a:1".to_owned(), source: refused };
        assert_eq!(error.to_string(), "cannot connect to a:1: connection refused");
        assert!(!error.is_permanent());
        let killed = ClientError::from(io::Error::from(io::ErrorKind::UnexpectedEof));
        assert_eq!(killed.to_string(), "the server closed the connection");
    }

    #[test]
    fn what_a_server_says_is_told_as_it_said_it() {
        for (error, words) in [
            (StanzaError::forbidden("not for you"), "forbidden: not for you"),
            (StanzaError::service_unavailable(), "service-unavailable"),
        ] {
            assert_eq!(error.to_string(), words);
            assert_eq!(Refusal::from(error).to_string(), words);
        }
        let shutdown = StreamError::with_text(StreamCondition::SystemShutdown, "back soon");
        assert_eq!(Refusal::from(shutdown.clone()).to_string(), shutdown.to_string());
    }

    #[test]
    fn a_login_error_has_a_kind() {
        let kind = |error: NegotiationError| LoginError::from(error).kind();
        assert_eq!(kind(NegotiationError::TlsNotOffered), LoginErrorKind::Insecure);
        let unknown = StreamError::from(StreamCondition::HostUnknown);
        assert_eq!(kind(NegotiationError::Stream(unknown)), LoginErrorKind::UnknownDomain);
        assert_eq!(
            kind(NegotiationError::Registration(StanzaError::conflict())),
            LoginErrorKind::UsernameTaken
        );
        assert_eq!(kind(NegotiationError::Closed), LoginErrorKind::Other);
    }
}
