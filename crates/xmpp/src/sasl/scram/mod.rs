//! SCRAM (RFC 5802, RFC 7677), both sides. Each step takes the state by value, so an
//! exchange cannot be stepped twice or out of order.

mod client;
mod message;
mod server;

pub use self::client::{ClientBinding, SaltedPassword, ScramClient, ScramSecret, ScramVerifier};
pub use self::server::{ScramChallenge, ScramServer};

use thiserror::Error;

use super::SaslCondition;

/// Why an exchange ended without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ScramError {
    /// A message does not follow RFC 5802 section 7, or is too long.
    #[error("a malformed SCRAM message")]
    Malformed,
    /// The peer demands an extension (`m=`) that is not known here.
    #[error("a mandatory SCRAM extension that is not supported")]
    Extension,
    /// The mechanism's name and the channel binding flag contradict each other.
    #[error("the channel binding flag does not fit the mechanism")]
    BindingFlag,
    /// The binding type is unknown, or the connection has no such data.
    #[error("the channel binding type is not supported")]
    BindingType,
    /// The client believes that no binding was offered, but one was: an attacker
    /// between the two removed it.
    #[error("the offer of channel binding was removed on the way")]
    Downgrade,
    /// The client's end of the TLS connection is not ours.
    #[error("the channel binding does not match this connection")]
    BindingMismatch,
    /// The nonce is not the one that was agreed on.
    #[error("the nonce does not match")]
    Nonce,
    /// The proof is wrong.
    #[error("the proof does not match")]
    Proof,
    /// The server refused (`e=`).
    #[error("the server refused the login")]
    Refused,
    /// The server's signature is wrong: it does not know the account.
    #[error("the server's signature does not match")]
    Signature,
    /// The iteration count is outside of what is sane.
    #[error("an iteration count that is not accepted")]
    Iterations,
    /// Only a cached salted password was given, and the salt has changed since.
    #[error("the cached password no longer fits; the password is needed")]
    PasswordNeeded,
}

impl ScramError {
    /// What a server tells the peer.
    pub fn condition(self) -> SaslCondition {
        match self {
            Self::Malformed | Self::Extension | Self::BindingFlag => SaslCondition::MalformedRequest,
            _ => SaslCondition::NotAuthorized,
        }
    }
}

#[cfg(test)]
mod tests;
