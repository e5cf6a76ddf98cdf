//! The SDK's error type.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tidings_xmpp::stanza::{ErrorKind, StanzaError};
use tidings_xmpp::stream::StreamError;
use tidings_xmpp::stream::client::NegotiationError;

use crate::account::AccountError;
use crate::io_text::in_words;
use crate::tls::CertificateChanged;

/// What can keep a device from its server, in words for the person who runs it.
#[derive(Debug, Error)]
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
    /// The certificates to believe in cannot be read.
    #[error("cannot use the certificates in {}: {}", path.display(), in_words(source))]
    Ca {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
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
    /// The login failed.
    #[error(transparent)]
    Negotiation(#[from] NegotiationError),
    /// The connection broke.
    #[error("the connection was lost: {}", in_words(.0))]
    Lost(io::Error),
    /// The server ended the session and said why.
    #[error("the server ended the session ({0})")]
    Ended(StreamError),
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
    #[error("the server refuses the topic {topic:?}: {error}")]
    Topic {
        /// Which topic.
        topic: String,
        /// Why.
        error: StanzaError,
    },
    /// The device was closed.
    #[error("the device is closed")]
    Closed,
}

impl ClientError {
    /// Whether trying again, with nothing changed, cannot help.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Account(_)
            | Self::Seen { .. }
            | Self::Ca { .. }
            | Self::Configuration(_)
            | Self::Untrusted(_)
            | Self::CertificateChanged(_)
            | Self::Closed => true,
            Self::Negotiation(error) => error.is_permanent(),
            Self::Topic { error, .. } => error.kind != ErrorKind::Wait,
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
}
