//! SASL (RFC 6120 section 6): SCRAM (RFC 5802, RFC 7677) on both sides, PLAIN
//! (RFC 4616), channel bindings (RFC 5929, RFC 9266).
//!
//! Nothing here knows a stream: payloads go in and come out as bytes, and
//! [`encode_payload`] / [`decode_payload`] are how the stream wraps them.

mod binding;
mod exporter;
mod failure;
mod keys;
mod mechanism;
mod payload;
mod plain;
mod scram;

pub use self::binding::{BindingType, TlsBinding};
pub use self::exporter::Exporter;
pub use self::failure::{SaslCondition, SaslFailure};
pub use self::keys::{ScramHash, ScramKeys, UnfitPassword, derive_keys, prepare_password, verify_password};
pub use self::mechanism::Mechanism;
pub use self::payload::{IncorrectEncoding, decode_payload, encode_payload};
pub use self::plain::{MAX_PASSWORD, MAX_USERNAME, Plain};
pub use self::scram::{
    ClientBinding, SaltedPassword, ScramChallenge, ScramClient, ScramError, ScramSecret, ScramServer,
    ScramVerifier,
};

/// Whether `authzid` names the account that `username` logs in to on `domain`:
/// nothing given, the username itself, or its bare JID (RFC 6120 section 6.3.8).
pub fn authorizes(authzid: Option<&str>, username: &str, domain: &str) -> bool {
    let Some(authzid) = authzid else { return true };
    if authzid == username {
        return true;
    }
    let (Ok(wanted), Ok(node)) = (jid::BareJid::new(authzid), jid::NodePart::new(username)) else {
        return false;
    };
    wanted.node().is_some_and(|n| n.as_str() == node.as_str())
        && wanted.domain().as_str().eq_ignore_ascii_case(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authzid_may_only_be_the_user() {
        assert!(authorizes(None, "ann", "example.org"));
        assert!(authorizes(Some("ann"), "ann", "example.org"));
        assert!(authorizes(Some("ann@example.org"), "Ann", "Example.org"));
        assert!(!authorizes(Some("bob@example.org"), "ann", "example.org"));
        assert!(!authorizes(Some("ann@elsewhere.org"), "ann", "example.org"));
        assert!(!authorizes(Some("example.org"), "ann", "example.org"));
        assert!(!authorizes(Some("@@"), "ann", "example.org"));
    }
}
