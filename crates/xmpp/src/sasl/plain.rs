//! The SASL mechanism PLAIN (RFC 4616).

use std::fmt;

/// The longest username, in bytes: what a JID's local part may be (RFC 7622).
pub const MAX_USERNAME: usize = 1023;
/// The longest password, in bytes.
pub const MAX_PASSWORD: usize = 1024;

/// A PLAIN message (RFC 4616): `authzid NUL authcid NUL passwd`.
#[derive(Clone, PartialEq, Eq)]
pub struct Plain {
    /// Whom to act as; `None` where it was empty.
    pub authzid: Option<String>,
    /// The account that logs in.
    pub username: String,
    /// The password as it was typed.
    pub password: String,
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Plain {
    /// Reads a message; `None` for one that is not UTF-8, has not just two NULs, or
    /// has an empty or overlong field.
    pub fn decode(message: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(message).ok()?;
        let mut fields = text.split('\0');
        let (authzid, username, password) = (fields.next()?, fields.next()?, fields.next()?);
        let fits = |field: &str, max| !field.is_empty() && field.len() <= max;
        if fields.next().is_some()
            || authzid.len() > 2 * MAX_USERNAME + 1
            || !fits(username, MAX_USERNAME)
            || !fits(password, MAX_PASSWORD)
        {
            return None;
        }
        Some(Self {
            authzid: (!authzid.is_empty()).then(|| authzid.to_owned()),
            username: username.to_owned(),
            password: password.to_owned(),
        })
    }

    /// The message that logs `username` in as itself.
    pub fn encode(username: &str, password: &str) -> Vec<u8> {
        let mut message = Vec::with_capacity(username.len() + password.len() + 2);
        message.push(0);
        message.extend_from_slice(username.as_bytes());
        message.push(0);
        message.extend_from_slice(password.as_bytes());
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        let plain = Plain::decode(&Plain::encode("ann", "sécret")).unwrap();
        assert_eq!(
            (plain.authzid, plain.username.as_str(), plain.password.as_str()),
            (None, "ann", "sécret")
        );
        assert_eq!(Plain::decode(b"a@b\0ann\0x").unwrap().authzid.as_deref(), Some("a@b"));
    }

    #[test]
    fn refused() {
        for wrong in
            [&b""[..], b"\0", b"\0ann", b"\0ann\0", b"\0\0x", b"\0ann\0x\0", b"\0ann\0x\0y", b"\0\xff\0x"]
        {
            assert_eq!(Plain::decode(wrong), None, "{wrong:?}");
        }
        let long = "x".repeat(MAX_PASSWORD + 1);
        assert_eq!(Plain::decode(&Plain::encode("ann", &long)), None);
        assert_eq!(Plain::decode(&Plain::encode(&long, "x")), None);
        assert!(Plain::decode(&Plain::encode("ann", &long[1..])).is_some());
    }

    #[test]
    fn a_password_is_not_shown() {
        let plain = Plain::decode(b"\0ann\0hush").unwrap();
        assert!(!format!("{plain:?}").contains("hush"));
    }
}
