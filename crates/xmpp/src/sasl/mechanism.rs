//! The SASL mechanisms that both sides know, and which of them a connection is offered.

use super::{ScramHash, TlsBinding};

/// A mechanism that is spoken here. Greater means stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// RFC 4616; under TLS only.
    Plain,
    /// RFC 5802.
    ScramSha1,
    /// RFC 7677.
    ScramSha256,
    /// RFC 5802 with a channel binding.
    ScramSha1Plus,
    /// RFC 7677 with a channel binding.
    ScramSha256Plus,
}

impl Mechanism {
    /// All of them, strongest first.
    pub const ALL: [Self; 5] =
        [Self::ScramSha256Plus, Self::ScramSha1Plus, Self::ScramSha256, Self::ScramSha1, Self::Plain];

    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
        }
    }

    /// The mechanism of that name; names are case-sensitive.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    /// Whether it binds the login to the TLS connection.
    pub fn is_plus(self) -> bool {
        matches!(self, Self::ScramSha1Plus | Self::ScramSha256Plus)
    }

    /// The hash of a SCRAM mechanism.
    pub fn hash(self) -> Option<ScramHash> {
        match self {
            Self::Plain => None,
            Self::ScramSha1 | Self::ScramSha1Plus => Some(ScramHash::Sha1),
            Self::ScramSha256 | Self::ScramSha256Plus => Some(ScramHash::Sha256),
        }
    }

    /// What a server offers on this connection, strongest first.
    pub fn offered(tls: &TlsBinding) -> impl Iterator<Item = Self> {
        let bindable = tls.available();
        Self::ALL.into_iter().filter(move |mechanism| bindable || !mechanism.is_plus())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strongest_first() {
        assert!(Mechanism::ALL.is_sorted_by(|a, b| a > b));
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::from_name(mechanism.name()), Some(mechanism));
        }
        assert_eq!(Mechanism::from_name("plain"), None);
    }

    #[test]
    fn plus_needs_a_binding() {
        let mut tls = TlsBinding { version: "TLSv1.3", server_end_point: None, exporter: None };
        assert!(Mechanism::offered(&tls).all(|m| !m.is_plus()));
        tls.exporter = Some([1; 32].into());
        assert_eq!(Mechanism::offered(&tls).next(), Some(Mechanism::ScramSha256Plus));
    }
}
