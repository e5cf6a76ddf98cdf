//! Device passwords: what one may be, SCRAM keys and their derivation, and decoys
//! for users who do not exist.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tidings_xmpp::sasl;

use super::ScramHash;
use crate::clock::Random;
use crate::model::ScramKeys;

/// PBKDF2 iterations of new keys: the least that RFC 7677 section 4 allows.
/// Devices register with random passwords, which need no more; more would be
/// paid at every registration and at the first login with a clear password.
pub const ITERATIONS: u32 = 4096;

/// The longest password, in bytes.
pub const MAX_PASSWORD: usize = 1024;

/// Salt bytes of new keys.
const SALT: usize = 16;

/// Whether a device may have this password, and if not, why.
pub(super) fn check(password: &str) -> Result<(), &'static str> {
    if password.is_empty() {
        Err("a password is needed")
    } else if password.len() > MAX_PASSWORD {
        Err("the password is longer than 1024 bytes")
    } else if password.chars().any(char::is_control) {
        Err("the password has control characters")
    } else if sasl::prepare_password(password).is_err() {
        Err("the password has characters that no password may have")
    } else {
        Ok(())
    }
}

/// A fresh salt for each hash.
pub(super) fn salts(random: &dyn Random) -> [[u8; SALT]; 2] {
    let mut salts = [[0; SALT]; 2];
    salts.iter_mut().for_each(|salt| random.fill(salt));
    salts
}

/// Derives an account's keys. Takes milliseconds.
pub(super) fn derive(hash: ScramHash, password: &str, salt: &[u8], iterations: u32) -> ScramKeys {
    let (stored_key, server_key) = sasl::derive_keys(hash, password, salt, iterations);
    ScramKeys { salt: salt.to_vec(), iterations, stored_key, server_key }
}

/// Keys for a user who does not exist: the same at each attempt, as real ones
/// would be, and no proof fits them.
pub(super) fn decoy_keys(secret: &[u8], hash: ScramHash, username: &str) -> ScramKeys {
    let (label, length): (&[u8], usize) = match hash {
        ScramHash::Sha1 => (b"sha1", 20),
        ScramHash::Sha256 => (b"sha256", 32),
    };
    let part = |what: &[u8], length: usize| {
        let mut bytes = hmac(secret, &[label, b"\0", what, b"\0", username.as_bytes()]);
        bytes.truncate(length);
        bytes
    };
    ScramKeys {
        salt: part(b"salt", SALT),
        iterations: ITERATIONS,
        stored_key: part(b"stored", length),
        server_key: part(b"server", length),
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_gets_the_same_keys_each_time() {
        let first = decoy_keys(b"secret", ScramHash::Sha1, "nobody");
        assert_eq!(first, decoy_keys(b"secret", ScramHash::Sha1, "nobody"));
        assert_ne!(first.salt, decoy_keys(b"secret", ScramHash::Sha1, "noone").salt);
        assert_ne!(first.salt, decoy_keys(b"other", ScramHash::Sha1, "nobody").salt);
        assert_ne!(first.salt, decoy_keys(b"secret", ScramHash::Sha256, "nobody").salt);
        assert_eq!((first.salt.len(), first.stored_key.len()), (SALT, 20));
    }

    #[test]
    fn unfit_passwords_are_named() {
        assert!(check("x").is_ok());
        assert!(check("пароль с пробелом").is_ok());
        assert!(check("").is_err());
        assert!(check("a\nb").is_err());
        assert!(check(&"x".repeat(1024)).is_ok());
        assert!(check(&"x".repeat(1025)).is_err());
    }
}
