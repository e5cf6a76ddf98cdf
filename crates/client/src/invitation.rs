//! An invitation as a link or a QR code carries it:
//! `tidings:HOST?domain=D[&xmpp=P][&xmpps=P][&token=T][&fp=sha256:HEX]`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::fingerprint::Fingerprint;

/// The longest address that is read, in bytes.
const MOST_BYTES: usize = 2048;

/// Where a server is, how it is known, and with what to register there.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invitation {
    /// A name or an address.
    pub host: String,
    /// The XMPP domain.
    pub domain: String,
    /// The port for STARTTLS.
    pub xmpp: Option<u16>,
    /// The port for TLS from the first byte.
    pub xmpps: Option<u16>,
    /// What the server wants for the registration. It is good once.
    pub token: Option<String>,
    /// SHA-256 of the server's public key (the SubjectPublicKeyInfo in DER).
    pub key: Option<Fingerprint>,
}

/// Text that is no invitation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidInvitation {
    /// It begins otherwise, or is longer than 2048 bytes.
    #[error("an invitation begins with tidings:")]
    Scheme,
    /// It names no server.
    #[error("the invitation names no server")]
    Host,
    /// A field comes twice.
    #[error("the invitation says {0} twice")]
    Twice(String),
    /// A field is not what it should be.
    #[error("the invitation's {0} cannot be read")]
    Field(&'static str),
    /// Its percent-encoding is broken.
    #[error("the invitation has a % that is followed by no two hexadecimal digits, or is not UTF-8")]
    Encoding,
}

impl FromStr for Invitation {
    type Err = InvalidInvitation;

    fn from_str(text: &str) -> Result<Self, InvalidInvitation> {
        let text = text.trim();
        let (scheme, rest) = text.split_once(':').ok_or(InvalidInvitation::Scheme)?;
        if !scheme.eq_ignore_ascii_case("tidings") || text.len() > MOST_BYTES {
            return Err(InvalidInvitation::Scheme);
        }
        let (host, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut host = decode(host.trim_start_matches('/'))?;
        let mut fields = Fields(Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name)?;
            if fields.0.iter().any(|(known, _)| *known == name) {
                return Err(InvalidInvitation::Twice(name));
            }
            fields.0.push((name, decode(value)?));
        }
        // As an older console wrote it.
        if host == "connect"
            && let Some(named) = fields.take("host")
        {
            host = named;
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned);
        let host = bare.unwrap_or(host);
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control() || "/@".contains(c))
        {
            return Err(InvalidInvitation::Host);
        }
        let domain = fields.take("domain").filter(|domain| !domain.is_empty());
        let key = fields.take("fp").map(|text| {
            let hex = text.get(..7).filter(|kind| kind.eq_ignore_ascii_case("sha256:"));
            hex.and_then(|_| text.get(7..)?.parse().ok()).ok_or(InvalidInvitation::Field("fp"))
        });
        Ok(Self {
            domain: domain.unwrap_or_else(|| host.clone()),
            xmpp: fields.port("xmpp")?,
            xmpps: fields.port("xmpps")?,
            token: fields.take("token").filter(|token| !token.is_empty()),
            key: key.transpose()?,
            host,
        })
    }
}

/// What an invitation says; names that are not known are passed over.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(index).1)
    }

    fn port(&mut self, name: &'static str) -> Result<Option<u16>, InvalidInvitation> {
        let port = self.take(name).map(|text| text.parse().ok().filter(|port| *port != 0));
        port.map(|port| port.ok_or(InvalidInvitation::Field(name))).transpose()
    }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String, InvalidInvitation> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let decoded = match byte {
            b'%' => {
                let mut digit = || {
                    let digit = rest.next().and_then(|byte| char::from(byte).to_digit(16));
                    digit.and_then(|digit| u8::try_from(digit).ok()).ok_or(InvalidInvitation::Encoding)
                };
                digit()? << 4 | digit()?
            }
            byte => byte,
        };
        bytes.push(decoded);
    }
    String::from_utf8(bytes).map_err(|_| InvalidInvitation::Encoding)
}

// The token must not reach a log by way of `{:?}`.
impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation")
            .field("host", &self.host)
            .field("domain", &self.domain)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn says_all_that_a_device_needs() {
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let text = format!(
            "tidings:push.example.org?domain=ex%61mple.org&xmpp=5222&xmpps=443&token=a-_%2B&fp=sha256:{hex}&x=y"
        );
        let read: Invitation = text.parse().unwrap();
        let expected = Invitation {
            host: "push.example.org".into(),
            domain: "example.org".into(),
            xmpp: Some(5222),
            xmpps: Some(443),
            token: Some("a-_+".into()),
            key: Some(Fingerprint::of(b"abc")),
        };
        assert_eq!(read, expected);
        assert!(!format!("{read:?}").contains("a-_+"));
        let bare: Invitation = "TIDINGS:[::1]".parse().unwrap();
        assert_eq!((bare.host.as_str(), bare.domain.as_str()), ("::1", "::1"));
        assert_eq!((bare.xmpp, bare.token, bare.key), (None, None, None));
        let older: Invitation = "tidings:connect?host=h.example&domain=d.example&xmpp=1".parse().unwrap();
        assert_eq!(
            (older.host.as_str(), older.domain.as_str(), older.xmpp),
            ("h.example", "d.example", Some(1))
        );
    }

    #[test]
    fn nonsense_is_named() {
        use InvalidInvitation::{Encoding, Field, Host, Scheme, Twice};
        for (text, why) in [
            ("", Scheme),
            ("https://push.example.org", Scheme),
            (&format!("tidings:h?x={}", "x".repeat(2048)), Scheme),
            ("tidings:", Host),
            ("tidings:a b", Host),
            ("tidings:a%2Fb", Host),
            ("tidings:h?xmpp=0", Field("xmpp")),
            ("tidings:h?xmpps=65536", Field("xmpps")),
            ("tidings:h?fp=sha256:00", Field("fp")),
            ("tidings:h?fp=md5:00", Field("fp")),
            ("tidings:h?token=a&token=b", Twice("token".into())),
            ("tidings:h?token=%4", Encoding),
            ("tidings:h?token=%ff", Encoding),
        ] {
            assert_eq!(text.parse::<Invitation>(), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_camera_reads_is_too_much(text in "(tidings:)?.{0,80}") {
            let _ = text.parse::<Invitation>();
        }
    }
}
