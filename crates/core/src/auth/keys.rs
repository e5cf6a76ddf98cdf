//! API keys: the secret is shown once; only its SHA-256 is kept.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use sha2::{Digest, Sha256};

use super::rules::Rules;
use super::{AuthManager, Grant, KeyError, NewKey};
use crate::audit::Actor;
use crate::bus::Hint;
use crate::error::{ChangeError, FieldError};
use crate::model::{ApiKey, KeyId, NamePattern, Scope, SendRights, Timestamp};
use crate::refusals::Attempt;
use crate::store::StoreError;

/// How exactly the last use is kept.
const TOUCH_MILLIS: i64 = 60_000;

/// Patterns that a line of the audit log has, of topics and of users each.
const AUDITED: usize = 8;

/// What every secret of ours begins with, so that leaked ones can be searched for.
const PREFIX: &str = "tk_";

/// All API keys by the SHA-256 of their secret.
///
/// A secret has 256 random bits, so its hash needs no salt and no slow function,
/// and looking it up by hash tells a guesser's clock nothing.
pub(super) struct Keys(RwLock<HashMap<[u8; 32], Entry>>);

struct Entry {
    key: ApiKey,
    /// Given by the environment: not stored, not listed.
    process: bool,
    /// Milliseconds since the epoch; `i64::MIN` for never.
    used: AtomicI64,
    dirty: AtomicBool,
}

impl Keys {
    pub(super) fn new(stored: Vec<ApiKey>) -> Self {
        let keys = stored.into_iter().map(|key| (key.hash, Entry::new(key, false))).collect();
        Self(RwLock::new(keys))
    }
}

impl Entry {
    fn new(key: ApiKey, process: bool) -> Self {
        let used = key.last_used.map_or(i64::MIN, Timestamp::millis);
        Self { key, process, used: AtomicI64::new(used), dirty: AtomicBool::new(false) }
    }

    fn touch(&self, now: Timestamp) {
        let used = self.used.load(Ordering::Relaxed);
        if !(used..used.saturating_add(TOUCH_MILLIS)).contains(&now.millis()) {
            self.used.store(now.millis(), Ordering::Relaxed);
            self.dirty.store(true, Ordering::Release);
        }
    }

    fn last_used(&self) -> Option<Timestamp> {
        Some(self.used.load(Ordering::Relaxed)).filter(|used| *used != i64::MIN).map(Timestamp)
    }
}

impl AuthManager {
    /// Makes an API key; the secret is returned this once.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn create_key(&self, actor: &Actor, new: NewKey) -> Result<(ApiKey, String), ChangeError> {
        let rights = read_new(&new).map_err(ChangeError::Invalid)?;
        let NewKey { name, scope, .. } = new;
        let (mut id, mut secret) = ([0; 6], [0; 32]);
        self.random.fill(&mut id);
        self.random.fill(&mut secret);
        let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
        let key = ApiKey {
            id: KeyId(id.iter().map(|byte| format!("{byte:02x}")).collect()),
            name,
            scope,
            rights,
            hash: hash(&secret),
            created_at: self.clock.now(),
            last_used: None,
        };
        self.store.create_key(key.clone()).await?;
        self.keys.0.write().insert(key.hash, Entry::new(key.clone(), false));
        self.publisher.publish(Hint::Keys);
        let subject = format!("{} {} ({}{})", key.id.0, key.name, scope.as_str(), bounds(&key.rights));
        self.audit.note(actor, "key.create", &subject).await?;
        Ok((key, secret))
    }

    /// Every field of it that is wrong.
    pub fn check_new_key(&self, new: &NewKey) -> Vec<FieldError> {
        read_new(new).err().unwrap_or_default()
    }

    /// A key of scope admin for as long as the process lives (`TIDINGS_API_KEY`).
    pub fn add_process_key(&self, secret: &str) {
        let key = ApiKey {
            id: KeyId("process".to_owned()),
            name: "TIDINGS_API_KEY".to_owned(),
            scope: Scope::Admin,
            rights: SendRights::Everyone,
            hash: hash(secret),
            created_at: self.clock.now(),
            last_used: None,
        };
        self.keys.0.write().insert(key.hash, Entry::new(key, true));
    }

    /// What this secret grants; `None` for a wrong or revoked one.
    pub fn check_key(&self, secret: &str) -> Option<Grant> {
        let keys = self.keys.0.read();
        let entry = keys.get(&hash(secret))?;
        entry.touch(self.clock.now());
        Some(Grant {
            id: entry.key.id.clone(),
            name: entry.key.name.clone(),
            scope: entry.key.scope,
            rights: entry.key.rights.clone(),
        })
    }

    /// As [`check_key`](Self::check_key), for a request from this address. Wrong keys are throttled by
    /// source; a right one is always taken, since no throttle is needed against guessing 256 bits.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn check_key_from(&self, secret: &str, source: IpAddr) -> Result<Grant, KeyError> {
        if let Some(grant) = self.check_key(secret) {
            return Ok(grant);
        }
        let error = match self.key_failures.exhausted(source) {
            true => KeyError::Throttled,
            false => KeyError::Unknown,
        };
        self.key_failures.record(source);
        self.refusals.note(Attempt::ApiKey, source, None, error);
        Err(error)
    }

    /// Whether this key still is one.
    pub fn has_key(&self, id: &KeyId) -> bool {
        self.keys.0.read().values().any(|entry| entry.key.id == *id)
    }

    /// All stored keys, oldest first.
    pub fn keys(&self) -> Vec<ApiKey> {
        let keys = self.keys.0.read();
        let stored = keys.values().filter(|entry| !entry.process);
        let mut stored: Vec<_> =
            stored.map(|entry| ApiKey { last_used: entry.last_used(), ..entry.key.clone() }).collect();
        stored.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        stored
    }

    /// Revokes a key at once.
    ///
    /// # Errors
    /// See [`ChangeError`]. Where the store does not answer, the key is refused from now on all the
    /// same, until the process restarts.
    pub async fn revoke_key(&self, actor: &Actor, id: &KeyId) -> Result<(), ChangeError> {
        self.keys.0.write().retain(|_, entry| entry.process || entry.key.id != *id);
        self.something_ended();
        let was = self.store.revoke_key(id).await?;
        self.publisher.publish(Hint::Keys);
        if !was {
            return Err(ChangeError::NotFound("key"));
        }
        Ok(self.audit.note(actor, "key.revoke", &id.0).await?)
    }

    /// Another node has made or revoked a key: reads them again.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn reload_keys(&self) -> Result<(), StoreError> {
        let stored = Keys::new(self.store.keys().await?).0.into_inner();
        let mut keys = self.keys.0.write();
        // Those that are known keep the time of their last use, which may not be written yet.
        keys.retain(|hash, entry| entry.process || stored.contains_key(hash));
        for (hash, entry) in stored {
            keys.entry(hash).or_insert(entry);
        }
        drop(keys);
        self.something_ended();
        Ok(())
    }

    /// Writes when keys were last used; called now and then.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let used: Vec<_> = {
            let keys = self.keys.0.read();
            let used = keys.values().filter(|entry| !entry.process);
            let used = used.filter(|entry| entry.dirty.swap(false, Ordering::AcqRel));
            used.filter_map(|entry| Some((entry.key.id.clone(), entry.last_used()?))).collect()
        };
        if used.is_empty() { Ok(()) } else { self.store.touch_keys(used).await }
    }
}

/// Whom a key to be made may send to, or every field that is wrong.
fn read_new(new: &NewKey) -> Result<SendRights, Vec<FieldError>> {
    let mut rules = Rules::default();
    rules.key_name(&new.name);
    let topics = new.topics.as_deref().map(|texts| rules.topic_patterns("topics", texts));
    let users = new.users.as_deref().map(|texts| rules.user_patterns("users", texts));
    let rights = match (topics, users) {
        (None, None) => SendRights::Everyone,
        (topics, users) => {
            SendRights::Only { topics: topics.unwrap_or_default(), users: users.unwrap_or_default() }
        }
    };
    if rules.errors.is_empty() { Ok(rights) } else { Err(rules.errors) }
}

/// What the audit log says of a key's rights.
fn bounds(rights: &SendRights) -> String {
    let SendRights::Only { topics, users } = rights else { return String::new() };
    let listed = |patterns: &[NamePattern]| {
        let mut words: Vec<_> = patterns.iter().take(AUDITED).map(NamePattern::to_string).collect();
        let more = patterns.len().saturating_sub(words.len());
        words.extend((more > 0).then(|| format!("and {more} more")));
        if words.is_empty() { "none".to_owned() } else { words.join(" ") }
    };
    format!(", topics {}, users {}", listed(topics), listed(users))
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
