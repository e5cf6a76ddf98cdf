//! Passwords that were right before, so that the next login with one is cheap.

use std::collections::HashMap;

use parking_lot::Mutex;
use subtle::ConstantTimeEq;

use super::password::hmac;
use crate::clock::Random;
use crate::model::AccountId;

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
/// - An attacker who reads the process's memory has the key too and can try passwords
///   at one HMAC each instead of 4096 pairs. The same attacker sees clear passwords
///   arrive; random device passwords stay out of reach either way.
/// - A change of password changes the stored key and with it the tag: what was
///   remembered fits no more, without the caller having to remove it.
pub(super) struct PasswordCache {
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

impl PasswordCache {
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
    fn a_password_is_remembered_only_with_its_key() {
        let cache = PasswordCache::new(&SystemRandom, 100);
        let tag = cache.tag(AccountId(1), b"key", "secret");
        assert!(!cache.contains(AccountId(1), &tag));
        cache.remember(AccountId(1), tag);
        assert!(cache.contains(AccountId(1), &tag));
        assert!(!cache.contains(AccountId(1), &cache.tag(AccountId(1), b"key", "wrong")));
        assert!(!cache.contains(AccountId(1), &cache.tag(AccountId(1), b"new", "secret")));
        assert!(!cache.contains(AccountId(2), &tag));
    }

    #[test]
    fn what_is_used_stays_and_the_rest_is_bounded() {
        let cache = PasswordCache::new(&SystemRandom, 100);
        let tag = [7; 16];
        for n in 0..1000 {
            cache.remember(AccountId(n), tag);
            assert!(cache.contains(AccountId(0), &tag), "still used at {n}");
        }
        let generations = cache.generations.lock();
        assert!(generations.young.len() + generations.old.len() <= 100);
        assert!(!generations.young.contains_key(&AccountId(1)));
    }
}
