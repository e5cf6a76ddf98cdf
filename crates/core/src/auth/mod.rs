//! The auth manager: accounts, SCRAM keys, API keys, operators and their logins,
//! registration policy, throttling, and the audit log.
//!
//! Every door changes accounts, keys and operators through it: the manager checks what is asked by
//! one rule, stores it, writes it into the audit log, and ends the sessions that may not go on.
//!
//! No password is kept, not even hashed plainly: an account has SCRAM keys
//! (RFC 5802), an API key its SHA-256, an operator an argon2id hash.

mod accounts;
mod cpu_limiter;
mod invitations;
mod keys;
mod look_alikes;
mod operator_hash;
mod operators;
mod password;
mod password_cache;
mod rules;
mod throttle;
mod tokens;
mod web_sessions;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use thiserror::Error;
pub use tidings_xmpp::sasl::ScramHash;
use tokio::sync::watch;

use self::cpu_limiter::CpuLimiter;
pub use self::invitations::{INVITATION_LASTS, INVITATION_LASTS_AT_MOST, NewInvitation};
use self::keys::Keys;
use self::operator_hash::OperatorHashes;
pub use self::password::{ITERATIONS, MAX_PASSWORD};
use self::password_cache::PasswordCache;
use self::throttle::Throttle;
pub use self::tokens::NewToken;
pub use self::web_sessions::{LOGIN_LASTS, WebLogin};
use crate::audit::{Actor, AuditLog};
use crate::bus::Publisher;
use crate::clock::{Clock, Random};
use crate::config::Config;
use crate::model::{AccountId, KeyId, Scope, ScramKeys, SendRights, Username};
use crate::refusals::Refusals;
use crate::sessions::Sessions;
use crate::store::{AuditEntry, Page, Store, StoreError};

/// Accounts whose clear password is remembered as proven: 32 MiB at most.
const CACHED_PASSWORDS: usize = 1 << 19;

/// Derivations that may wait for a permit: some seconds' worth on one core.
const DERIVATIONS_WAITING: usize = 4096;

/// Checks of operators' passwords that may wait: some seconds' worth. One runs at a time, in 19 MiB, for addresses
/// that an operator has logged in from, and one for all others.
const OPERATORS_WAITING: usize = 1024;

/// Why a login was refused. What the peer is told must not depend on more than
/// this: an unknown user and a wrong password are one case.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthError {
    /// Unknown user or wrong password.
    #[error("wrong username or password")]
    NotAuthorized,
    /// The account is disabled (said only to a peer that proved its password).
    #[error("the account is disabled")]
    Disabled,
    /// Too many failures from this address.
    #[error("too many failed attempts; wait a minute")]
    Throttled,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a secret is no API key that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// It is unknown, or was revoked.
    #[error("this API key is unknown or was revoked")]
    Unknown,
    /// And too many others from this address were.
    #[error("too many wrong API keys; wait a minute")]
    Throttled,
}

/// A proven identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatedAccount {
    /// The account.
    pub account: AccountId,
    /// Its username.
    pub username: Username,
}

/// An account that a peer wants to create.
#[derive(Clone, Default)]
pub struct RegistrationRequest {
    /// The wanted username.
    pub username: String,
    /// The password.
    pub password: String,
    /// A display name.
    pub name: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
    /// A registration key or XEP-0445 token.
    pub token: Option<String>,
}

/// A change of an account; `None` leaves a field as it is, `Some(None)` removes what it holds.
#[derive(Clone, Default)]
pub struct AccountEdit {
    /// A display name.
    pub name: Option<Option<String>>,
    /// An e-mail address.
    pub email: Option<Option<String>>,
    /// A second name, taken wherever a username is.
    pub alias: Option<Option<String>>,
    /// A new password: the account's sessions end.
    pub password: Option<String>,
    /// Whether logins are refused: the account's sessions end.
    pub disabled: Option<bool>,
    /// The topics that it may send to by its own login; a trailing `*` matches the rest.
    pub publish: Option<Vec<String>>,
}

/// What a SCRAM exchange starts from. For an unknown user the keys are decoys,
/// the same each time, and no proof fits them.
#[derive(Debug, Clone)]
pub struct ScramLookup {
    /// Salt, iterations, keys.
    pub keys: ScramKeys,
    /// What a proof that fits these keys comes to: whose it is, or
    /// [`AuthError::NotAuthorized`] for an unknown user and [`AuthError::Disabled`].
    pub proven: Result<AuthenticatedAccount, AuthError>,
}

/// An API key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What to call it.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// Topics that it may send to; a trailing `*` matches the rest.
    pub topics: Option<Vec<String>>,
    /// Users that it may send to, likewise. With neither it may send to everyone.
    pub users: Option<Vec<String>>,
}

impl NewKey {
    /// One that may send to everyone, as far as its scope lets it send.
    pub fn new(name: impl Into<String>, scope: Scope) -> Self {
        Self { name: name.into(), scope, topics: None, users: None }
    }
}

/// What an API key grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The key's public name.
    pub id: KeyId,
    /// What the operator called it.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// Whom it may send to.
    pub rights: SendRights,
}

impl From<&Grant> for Actor {
    fn from(grant: &Grant) -> Self {
        Self::Key { id: grant.id.clone(), name: grant.name.clone() }
    }
}

/// See the [module's documentation](self).
pub struct AuthManager {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    config: Arc<Config>,
    publisher: Arc<Publisher>,
    audit: AuditLog,
    sessions: Arc<dyn Sessions>,
    /// Derives decoy keys for unknown usernames; the same after a restart.
    secret: Vec<u8>,
    registrations: Throttle,
    failures: Throttle,
    operator_failures: Throttle,
    key_failures: Throttle,
    refusals: Arc<Refusals>,
    /// Counts the ends of API keys and of console logins.
    endings: watch::Sender<u64>,
    password_cache: PasswordCache,
    derivations: CpuLimiter,
    operator_checks: CpuLimiter,
    /// For those who come from [`known_sources`](Self::known_sources): strangers' attempts are not before theirs.
    known_checks: CpuLimiter,
    /// Where operators logged in from lately.
    known_sources: Mutex<VecDeque<IpAddr>>,
    operator_hashes: Arc<OperatorHashes>,
    keys: Keys,
    completed: AtomicU64,
    refused: AtomicU64,
}

impl AuthManager {
    /// Loads API keys and the server's own secret (made on first use).
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        config: Arc<Config>,
        publisher: Arc<Publisher>,
        audit: AuditLog,
        sessions: Arc<dyn Sessions>,
    ) -> Result<Self, StoreError> {
        // Derivations leave half of the machine to the sessions that are bound.
        let half = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        Ok(Self {
            secret: secret(store.as_ref(), random.as_ref()).await?,
            registrations: Throttle::new(config.limits.registrations_per_minute),
            failures: Throttle::new(config.limits.login_failures_per_minute),
            operator_failures: Throttle::new(config.limits.login_failures_per_minute),
            key_failures: Throttle::new(config.limits.login_failures_per_minute),
            refusals: Arc::default(),
            endings: watch::Sender::new(0),
            password_cache: PasswordCache::new(random.as_ref(), CACHED_PASSWORDS),
            derivations: CpuLimiter::new(half, DERIVATIONS_WAITING),
            operator_checks: CpuLimiter::new(1, OPERATORS_WAITING),
            known_checks: CpuLimiter::new(1, OPERATORS_WAITING),
            known_sources: Mutex::default(),
            operator_hashes: Arc::default(),
            keys: Keys::new(store.keys().await?),
            completed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            store,
            clock,
            random,
            config,
            publisher,
            audit,
            sessions,
        })
    }

    /// What the log says of attempts that were refused.
    pub fn refusals(&self) -> &Arc<Refusals> {
        &self.refusals
    }

    /// Changes whenever an API key or a console login may have ended: what goes on by such a right asks
    /// whether it still has it.
    pub fn endings(&self) -> watch::Receiver<u64> {
        self.endings.subscribe()
    }

    fn something_ended(&self) {
        self.endings.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The audit log, newest first, positions below `before`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn audit_log(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<AuditEntry, u64>, StoreError> {
        self.audit.entries(before, limit).await
    }
}

/// The server's own secret, made on first use.
async fn secret(store: &dyn Store, random: &dyn Random) -> Result<Vec<u8>, StoreError> {
    const NAME: &str = "auth.secret";
    if let Some(secret) = store.setting(NAME).await? {
        return Ok(secret);
    }
    let mut secret = vec![0; 32];
    random.fill(&mut secret);
    // Of several nodes that start at once on a new database all take the same.
    store.setting_or_insert(NAME, secret).await
}
