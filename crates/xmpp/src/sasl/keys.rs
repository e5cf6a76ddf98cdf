//! SCRAM keys: derived from a password, stored by the server instead of it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use hmac::digest::{Digest, KeyInit};
use hmac::{EagerHash, Hmac, Mac};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use thiserror::Error;

/// The hash of a SCRAM mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScramHash {
    /// SCRAM-SHA-1 (RFC 5802).
    Sha1,
    /// SCRAM-SHA-256 (RFC 7677).
    Sha256,
}

/// What RFC 5802 lets a server keep instead of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// Random salt.
    pub salt: Vec<u8>,
    /// PBKDF2 iterations.
    pub iterations: u32,
    /// `H(ClientKey)`.
    pub stored_key: Vec<u8>,
    /// `HMAC(SaltedPassword, "Server Key")`.
    pub server_key: Vec<u8>,
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramKeys({} iterations)", self.iterations)
    }
}

/// SASLprep (RFC 4013) forbids the password: a control character, mixed writing
/// directions, or nothing left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the password is empty or has characters that SASLprep forbids")]
pub struct UnfitPassword;

/// The password in the form that is hashed (RFC 4013).
///
/// # Errors
/// When the profile forbids it; refuse it where it is set.
pub fn prepare_password(password: &str) -> Result<Cow<'_, str>, UnfitPassword> {
    let prepared = match password.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        true => Cow::Borrowed(password),
        false => stringprep::saslprep(password).map_err(|_| UnfitPassword)?,
    };
    if prepared.is_empty() { Err(UnfitPassword) } else { Ok(prepared) }
}

/// `(StoredKey, ServerKey)` of RFC 5802 section 3 for this password.
///
/// The password is prepared first; one that [`prepare_password`] forbids is taken as
/// it came, so that the function is total and equal input gives equal keys.
pub fn derive_keys(hash: ScramHash, password: &str, salt: &[u8], iterations: u32) -> (Vec<u8>, Vec<u8>) {
    let salted = hash.salted_password(password, salt, iterations);
    let stored_key = hash.digest(&hash.client_key(&salted));
    (stored_key.to_vec(), hash.server_key(&salted).to_vec())
}

/// Whether these are the keys of this password. Costs one key derivation; the
/// comparison takes the same time whatever differs.
pub fn verify_password(hash: ScramHash, password: &str, keys: &ScramKeys) -> bool {
    let (stored_key, server_key) = derive_keys(hash, password, &keys.salt, keys.iterations);
    bool::from(stored_key.ct_eq(&keys.stored_key) & server_key.ct_eq(&keys.server_key))
}

/// A hash's or a MAC's output, without an allocation.
#[derive(Clone, Copy)]
pub(super) struct Output {
    bytes: [u8; 32],
    len: usize,
}

impl Output {
    fn new(value: &[u8]) -> Self {
        let len = value.len().min(32);
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
        Self { bytes, len }
    }

    /// `self XOR other`, of the shorter one's length.
    pub(super) fn xor(&self, other: &[u8]) -> Self {
        let mut out = *self;
        out.len = self.len.min(other.len());
        out.bytes.iter_mut().zip(other).for_each(|(to, with)| *to ^= with);
        out
    }
}

impl Deref for Output {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl ScramHash {
    /// Both, stronger last.
    pub const ALL: [Self; 2] = [Self::Sha1, Self::Sha256];

    /// How many bytes the hash gives, and so each key has.
    pub fn output_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    pub(super) fn digest(self, data: &[u8]) -> Output {
        match self {
            Self::Sha1 => Output::new(&Sha1::digest(data)),
            Self::Sha256 => Output::new(&Sha256::digest(data)),
        }
    }

    pub(super) fn mac(self, key: &[u8], parts: &[&[u8]]) -> Output {
        match self {
            Self::Sha1 => mac::<Hmac<Sha1>>(key, parts),
            Self::Sha256 => mac::<Hmac<Sha256>>(key, parts),
        }
    }

    /// `Hi(Normalize(password), salt, iterations)`: the costly step.
    pub(super) fn salted_password(self, password: &str, salt: &[u8], iterations: u32) -> Output {
        let prepared = prepare_password(password).unwrap_or(Cow::Borrowed(password));
        match self {
            Self::Sha1 => Output::new(&pbkdf2_array::<Sha1, 20>(&prepared, salt, iterations)),
            Self::Sha256 => Output::new(&pbkdf2_array::<Sha256, 32>(&prepared, salt, iterations)),
        }
    }

    pub(super) fn client_key(self, salted_password: &[u8]) -> Output {
        self.mac(salted_password, &[b"Client Key"])
    }

    pub(super) fn server_key(self, salted_password: &[u8]) -> Output {
        self.mac(salted_password, &[b"Server Key"])
    }
}

fn pbkdf2_array<D, const N: usize>(password: &str, salt: &[u8], iterations: u32) -> [u8; N]
where
    D: EagerHash<Core: Sync>,
{
    let mut out = [0; N];
    pbkdf2::pbkdf2_hmac::<D>(password.as_bytes(), salt, iterations, &mut out);
    out
}

fn mac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Output {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("a key of any length");
    for part in parts {
        mac.update(part);
    }
    Output::new(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn pbkdf2_by_rfc_6070() {
        let salted = |rounds| ScramHash::Sha1.salted_password("password", b"salt", rounds);
        assert_eq!(hex(&salted(1)), "0c60c80f961f0e71f3a9b524af6012062fe037a6");
        assert_eq!(hex(&salted(4096)), "4b007901b765489abead49d926f721d065a429c1");
    }

    #[test]
    fn a_password_is_prepared() {
        assert_eq!(prepare_password("pencil").unwrap(), "pencil");
        // RFC 4013 section 3: a soft hyphen goes, a wide letter is folded.
        assert_eq!(prepare_password("I\u{ad}X").unwrap(), "IX");
        assert_eq!(prepare_password("\u{2168}").unwrap(), "IX");
        for unfit in ["", "\u{7}", "a\tb", "\u{627}1", "\u{ad}"] {
            assert_eq!(prepare_password(unfit), Err(UnfitPassword), "{unfit:?}");
        }
        assert_eq!(
            derive_keys(ScramHash::Sha256, "I\u{ad}X", b"salt", 2),
            derive_keys(ScramHash::Sha256, "IX", b"salt", 2)
        );
    }

    #[test]
    fn only_the_password_fits_its_keys() {
        for hash in ScramHash::ALL {
            let (stored_key, server_key) = derive_keys(hash, "pencil", b"salt", 10);
            assert_eq!(stored_key.len(), hash.output_len());
            let mut keys = ScramKeys { salt: b"salt".to_vec(), iterations: 10, stored_key, server_key };
            assert!(verify_password(hash, "pencil", &keys));
            assert!(!verify_password(hash, "pencils", &keys));
            keys.stored_key.clear();
            assert!(!verify_password(hash, "pencil", &keys));
        }
    }
}
