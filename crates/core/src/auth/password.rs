//! Device passwords: SCRAM keys, their derivation, and the memory of passwords
//! that were right before.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tidings_xmpp::sasl;

use super::ScramHash;
use crate::clock::Random;
use crate::model::{AccountId, ScramKeys};

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
pub(super) fn made_up(secret: &[u8], hash: ScramHash, username: &str) -> ScramKeys {
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
fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// Half of what HMAC-SHA-256 gives: 128 bits are far beyond guessing.
type Tag = [u8; 16];

/// The memory of passwords that were right before, so that a login with the
/// password in the clear (PLAIN, XEP-0078) costs a key derivation once and not
/// every time.
///
/// For each account it holds `HMAC(key, account ‖ stored key ‖ password)`, cut
/// to 128 bits. Why that gives nothing away:
///
/// - It is never on disk, and `key` is random and dies with the process, so no
///   copy of the data directory, a backup or a log has anything of it.
/// - The peers learn nothing: it only ever says yes to a password that was
///   proven by derivation, it compares in constant time, and a wrong password
///   takes the derivation that it takes for a user who does not exist.
/// - Who reads the process's memory has the key too and can try passwords at one
///   HMAC each instead of 4096 pairs. The same reader sees clear passwords
///   arrive; random device passwords stay out of reach either way.
/// - A change of password changes the stored key and with it the tag: what was
///   remembered fits no more, without anyone having to remember to forget it.
pub(super) struct Verified {
    key: [u8; 32],
    generations: Mutex<Generations>,
    capacity: usize,
}

/// Two generations come close to "least recently used" without a list: when the
/// young one is full it becomes the old one, and what is used moves up.
#[derive(Default)]
struct Generations {
    young: HashMap<AccountId, Tag>,
    old: HashMap<AccountId, Tag>,
}

impl Verified {
    /// Remembers at most `capacity` accounts, of 24 bytes and the map's own.
    pub(super) fn new(random: &dyn Random, capacity: usize) -> Self {
        let mut key = [0; 32];
        random.fill(&mut key);
        Self { key, generations: Mutex::default(), capacity }
    }

    /// What this password would be remembered as.
    pub(super) fn tag(&self, account: AccountId, stored_key: &[u8], password: &str) -> Tag {
        // The stored key's length is fixed by the hash, so the parts cannot run into each other.
        let account = account.0.to_be_bytes();
        let mac = hmac(&self.key, &[&account, stored_key, password.as_bytes()]);
        let mut tag = Tag::default();
        tag.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
        tag
    }

    /// Whether this very password of this account was right before.
    pub(super) fn contains(&self, account: AccountId, tag: &Tag) -> bool {
        let mut generations = self.generations.lock();
        if let Some(known) = generations.young.get(&account) {
            return known.ct_eq(tag).into();
        }
        let Some(known) = generations.old.get(&account).copied() else { return false };
        let same = known.ct_eq(tag).into();
        if same {
            self.insert(&mut generations, account, known);
        }
        same
    }

    /// Remembers a password that was proven right.
    pub(super) fn remember(&self, account: AccountId, tag: Tag) {
        self.insert(&mut self.generations.lock(), account, tag);
    }

    fn insert(&self, generations: &mut Generations, account: AccountId, tag: Tag) {
        if generations.young.len() >= self.capacity / 2 && !generations.young.contains_key(&account) {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.old.remove(&account);
        generations.young.insert(account, tag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemRandom;

    #[test]
    fn a_stranger_gets_the_same_keys_each_time() {
        let first = made_up(b"secret", ScramHash::Sha1, "nobody");
        assert_eq!(first, made_up(b"secret", ScramHash::Sha1, "nobody"));
        assert_ne!(first.salt, made_up(b"secret", ScramHash::Sha1, "noone").salt);
        assert_ne!(first.salt, made_up(b"other", ScramHash::Sha1, "nobody").salt);
        assert_ne!(first.salt, made_up(b"secret", ScramHash::Sha256, "nobody").salt);
        assert_eq!((first.salt.len(), first.stored_key.len()), (SALT, 20));
    }

    #[test]
    fn a_password_is_remembered_only_with_its_key() {
        let verified = Verified::new(&SystemRandom, 100);
        let tag = verified.tag(AccountId(1), b"key", "secret");
        assert!(!verified.contains(AccountId(1), &tag));
        verified.remember(AccountId(1), tag);
        assert!(verified.contains(AccountId(1), &tag));
        assert!(!verified.contains(AccountId(1), &verified.tag(AccountId(1), b"key", "wrong")));
        assert!(!verified.contains(AccountId(1), &verified.tag(AccountId(1), b"new", "secret")));
        assert!(!verified.contains(AccountId(2), &tag));
    }

    #[test]
    fn what_is_used_stays_and_the_rest_is_bounded() {
        let verified = Verified::new(&SystemRandom, 100);
        let tag = [7; 16];
        for n in 0..1000 {
            verified.remember(AccountId(n), tag);
            assert!(verified.contains(AccountId(0), &tag), "still used at {n}");
        }
        let generations = verified.generations.lock();
        assert!(generations.young.len() + generations.old.len() <= 100);
        assert!(!generations.young.contains_key(&AccountId(1)));
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
