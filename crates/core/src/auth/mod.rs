//! The auth manager: accounts, SCRAM keys, API keys, operators, registration
//! policy, throttling.
//!
//! No password is kept, not even hashed plainly: an account has SCRAM keys
//! (RFC 5802), an API key its SHA-256, an operator an argon2id hash.

use std::net::IpAddr;
use std::sync::Arc;

use thiserror::Error;

use crate::clock::{Clock, Random};
use crate::config::Config;
use crate::model::{Account, AccountId, ApiKey, KeyId, Operator, Scope, ScramKeys, Username};
use crate::store::{Store, StoreError};

/// Why a login was refused. What the peer is told must not depend on more than
/// this: an unknown user and a wrong password are one case.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthError {
    /// Unknown user or wrong password.
    #[error("wrong username or password")]
    NotAuthorized,
    /// The account is disabled (said only to who proved its password).
    #[error("the account is disabled")]
    Disabled,
    /// Too many failures from this address.
    #[error("too many failed attempts; wait a minute")]
    Throttled,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an account was not created.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegisterError {
    /// The username is taken.
    #[error("the username is taken")]
    Conflict,
    /// The policy does not allow it: closed, or a registration key is missing or wrong.
    #[error("{0}")]
    Forbidden(&'static str),
    /// A field is missing or unfit, and why.
    #[error("{0}")]
    NotAcceptable(String),
    /// Too many registrations from this address.
    #[error("too many registrations from this address; wait a minute")]
    Throttled,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A proven identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
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

/// Which SCRAM keys are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScramHash {
    /// SCRAM-SHA-1.
    Sha1,
    /// SCRAM-SHA-256.
    Sha256,
}

/// What a SCRAM exchange starts from. For an unknown user the keys are made up,
/// the same each time, and no proof fits them.
#[derive(Debug, Clone)]
pub struct ScramLookup {
    /// Salt, iterations, keys.
    pub keys: ScramKeys,
    /// Who it is, once the proof is right; `None` for an unknown user.
    pub identity: Option<Identity>,
    /// A right proof is refused all the same.
    pub disabled: bool,
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
}

/// See the [module's documentation](self).
pub struct AuthManager {
    #[expect(dead_code)]
    store: Arc<dyn Store>,
}

#[expect(clippy::todo, unused_variables, clippy::unused_async, reason = "being written")]
impl AuthManager {
    /// Loads API keys and the server's own secret (made on first use).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        config: Arc<Config>,
    ) -> Result<Self, StoreError> {
        todo!()
    }

    // ---- devices ----

    /// Creates an account in-band, by policy and limits.
    ///
    /// # Errors
    /// See [`RegisterError`].
    pub async fn register(
        &self,
        request: RegistrationRequest,
        source: IpAddr,
    ) -> Result<Account, RegisterError> {
        todo!()
    }

    /// Creates an account for an operator: no policy, no limit.
    ///
    /// # Errors
    /// See [`RegisterError`].
    pub async fn create_account(&self, request: RegistrationRequest) -> Result<Account, RegisterError> {
        todo!()
    }

    /// Starts a SCRAM exchange. The username comes as the peer sent it.
    ///
    /// # Errors
    /// [`AuthError::Throttled`] or [`AuthError::Store`], never that a user is unknown.
    pub async fn scram(
        &self,
        username: &str,
        hash: ScramHash,
        source: IpAddr,
    ) -> Result<ScramLookup, AuthError> {
        todo!()
    }

    /// Counts a failed login against its source (a SCRAM proof that did not fit).
    pub fn failed(&self, source: IpAddr) {
        todo!()
    }

    /// Checks a password that came in the clear under TLS (PLAIN, XEP-0078). A
    /// failure is counted against the source.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn check_password(
        &self,
        username: &str,
        password: &str,
        source: IpAddr,
    ) -> Result<Identity, AuthError> {
        todo!()
    }

    /// Gives an account a new password.
    ///
    /// # Errors
    /// [`RegisterError::NotAcceptable`] for an unfit one.
    pub async fn set_password(&self, account: AccountId, password: &str) -> Result<(), RegisterError> {
        todo!()
    }

    // ---- API keys ----

    /// Makes an API key; the secret is returned this once.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn create_key(&self, name: &str, scope: Scope) -> Result<(ApiKey, String), StoreError> {
        todo!()
    }

    /// A key of scope admin for as long as the process lives (`TIDINGS_API_KEY`).
    pub fn add_process_key(&self, secret: &str) {
        todo!()
    }

    /// What this secret grants; `None` for a wrong or revoked one.
    pub fn check_key(&self, secret: &str) -> Option<Grant> {
        todo!()
    }

    /// All stored keys, oldest first.
    pub fn keys(&self) -> Vec<ApiKey> {
        todo!()
    }

    /// Revokes a key at once. False when there was none.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn revoke_key(&self, id: &KeyId) -> Result<bool, StoreError> {
        todo!()
    }

    /// Writes when keys were last used; called now and then.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn flush(&self) -> Result<(), StoreError> {
        todo!()
    }

    // ---- operators ----

    /// Makes sure that there is an administrator `admin`. With a password, sets
    /// it; otherwise makes one when `admin` does not exist and returns it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn ensure_admin(&self, password: Option<&str>) -> Result<Option<String>, StoreError> {
        todo!()
    }

    /// Checks an operator's name and password, throttled by source.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn check_operator(
        &self,
        name: &str,
        password: &str,
        source: IpAddr,
    ) -> Result<Operator, AuthError> {
        todo!()
    }

    /// Creates an operator or gives an existing one this role and password.
    ///
    /// # Errors
    /// [`RegisterError::NotAcceptable`] for an unfit name or password.
    pub async fn put_operator(
        &self,
        name: &str,
        password: &str,
        role: crate::model::Role,
    ) -> Result<(), RegisterError> {
        todo!()
    }
}
