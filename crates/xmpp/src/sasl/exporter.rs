//! The `tls-exporter` channel binding (RFC 9266).

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha384};
use zeroize::Zeroizing;

/// The label that RFC 9266 section 2 gives to the exporter.
const LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// The `tls-exporter` data of one TLS connection, or what it is derived from: deriving
/// it costs as much as SCRAM itself, and most clients do not bind to it.
///
/// The secret gives exported keying material only, nothing that the connection is
/// encrypted with. It is wiped when this is dropped.
#[derive(Clone)]
pub struct Exporter(Source);

#[derive(Clone)]
enum Source {
    Data([u8; 32]),
    Sha256(Zeroizing<[u8; 32]>),
    Sha384(Zeroizing<[u8; 48]>),
}

impl Exporter {
    /// From the `exporter_secret` of a TLS 1.3 connection (RFC 8446 section 7.5). It is as
    /// long as the hash of the cipher suite, which tells them apart; `None` for a length
    /// that no suite has.
    pub fn from_secret(secret: &[u8]) -> Option<Self> {
        let source = match secret.len() {
            32 => Source::Sha256(Zeroizing::new(secret.try_into().ok()?)),
            48 => Source::Sha384(Zeroizing::new(secret.try_into().ok()?)),
            _ => return None,
        };
        Some(Self(source))
    }

    /// The binding's 32 bytes.
    pub fn data(&self) -> [u8; 32] {
        match &self.0 {
            Source::Data(data) => *data,
            Source::Sha256(secret) => derive::<Hmac<Sha256>, Sha256>(secret.as_slice(), 32),
            Source::Sha384(secret) => derive::<Hmac<Sha384>, Sha384>(secret.as_slice(), 48),
        }
    }
}

/// For a TLS layer that exports keying material by itself.
impl From<[u8; 32]> for Exporter {
    fn from(data: [u8; 32]) -> Self {
        Self(Source::Data(data))
    }
}

impl PartialEq for Exporter {
    fn eq(&self, other: &Self) -> bool {
        self.data() == other.data()
    }
}

impl Eq for Exporter {}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exporter(…)")
    }
}

fn derive<M: Mac + KeyInit, D: Digest>(secret: &[u8], length: u8) -> [u8; 32] {
    let empty = D::digest(b"");
    let derived = Zeroizing::new(expand::<M>(secret, LABEL, &empty, length));
    let data = expand::<M>(&derived, b"exporter", &empty, 32);
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(data) {
        *to = from;
    }
    out
}

/// HKDF-Expand-Label (RFC 8446 section 7.1) for at most one block of output.
fn expand<M: Mac + KeyInit>(secret: &[u8], label: &[u8], context: &[u8], length: u8) -> Vec<u8> {
    const PREFIX: &[u8] = b"tls13 ";
    let length_of = |bytes: usize| [u8::try_from(bytes).unwrap_or(u8::MAX)];
    // HMAC takes keys of any length.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(secret) else { return Vec::new() };
    mac.update(&[0, length]);
    mac.update(&length_of(PREFIX.len() + label.len()));
    mac.update(PREFIX);
    mac.update(label);
    mac.update(&length_of(context.len()));
    mac.update(context);
    mac.update(&[1]);
    let mut block = mac.finalize().into_bytes().to_vec();
    block.truncate(usize::from(length));
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_no_cipher_suite_has_gives_nothing() {
        for length in [0, 31, 33, 47, 49, 64] {
            assert_eq!(Exporter::from_secret(&vec![1; length]), None, "{length}");
        }
    }

    #[test]
    fn the_data_depends_on_the_secret_and_its_hash() {
        let all = [[1; 48].as_slice(), &[2; 48], &[1; 32], &[2; 32]]
            .map(|secret| Exporter::from_secret(secret).unwrap().data());
        for (index, data) in all.iter().enumerate() {
            assert!(!all[index + 1..].contains(data));
            assert_ne!(*data, [0; 32]);
        }
        assert_eq!(Exporter::from([5; 32]).data(), [5; 32]);
    }

    #[test]
    fn a_log_does_not_show_it() {
        let shown = format!("{:?}", Exporter::from([0xab; 32]));
        assert!(!shown.contains("171") && !shown.contains("ab,"), "{shown}");
    }
}
