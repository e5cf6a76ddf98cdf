//! Devices and people: registration, login, change of password.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use subtle::{Choice, ConstantTimeEq};

use super::{
    AuthError, AuthManager, AuthenticatedAccount, RegisterError, RegistrationRequest, ScramHash, ScramLookup,
    password,
};
use crate::config::RegistrationPolicy;
use crate::model::{Account, AccountId, Credentials, NewAccount, ScramKeys, Username};
use crate::store::{AccountChange, StoreError};

/// The longest display name or e-mail address, in bytes.
const MAX_FIELD: usize = 255;

impl AuthManager {
    /// Creates an account in-band, by policy and limits.
    ///
    /// # Errors
    /// See [`RegisterError`].
    pub async fn register(
        &self,
        request: RegistrationRequest,
        source: IpAddr,
    ) -> Result<Account, RegisterError> {
        let policy = self.config.registration.policy;
        if policy == RegistrationPolicy::Closed {
            return Err(RegisterError::Forbidden("registration is closed on this server"));
        }
        if !self.registrations.take(source) {
            return Err(RegisterError::Throttled);
        }
        if policy == RegistrationPolicy::Token && !self.known_token(request.token.as_deref()) {
            return Err(RegisterError::Forbidden("a valid registration key is needed"));
        }
        self.create_account(request).await
    }

    /// Creates an account for an operator: no policy, no limit.
    ///
    /// # Errors
    /// See [`RegisterError`].
    pub async fn create_account(&self, request: RegistrationRequest) -> Result<Account, RegisterError> {
        let username = Username::parse(self.local_part(&request.username))
            .map_err(|error| RegisterError::NotAcceptable(error.to_string()))?;
        let name = field("name", request.name)?;
        let email = field("email", request.email)?;
        password::check(&request.password).map_err(|why| RegisterError::NotAcceptable(why.into()))?;
        // Saves the derivation; the store has the last word.
        if self.store.account(&username).await?.is_some() {
            return Err(RegisterError::Conflict);
        }
        let (sha1, sha256) = self.derive(request.password).await?;
        let created_at = self.clock.now();
        let new = NewAccount { username, name, email, sha1, sha256, created_at };
        self.store.create_account(new).await.map_err(|error| match error {
            StoreError::Conflict => RegisterError::Conflict,
            other => other.into(),
        })
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
        if self.failures.exhausted(source) {
            return Err(AuthError::Throttled);
        }
        Ok(match self.credentials(username).await? {
            Ok(known) => ScramLookup {
                proven: match known.disabled {
                    true => Err(AuthError::Disabled),
                    false => Ok(AuthenticatedAccount { account: known.id, username: known.username }),
                },
                keys: match hash {
                    ScramHash::Sha1 => known.sha1,
                    ScramHash::Sha256 => known.sha256,
                },
            },
            Err(name) => ScramLookup {
                keys: password::decoy_keys(&self.secret, hash, name.as_ref()),
                proven: Err(AuthError::NotAuthorized),
            },
        })
    }

    /// Counts a failed login against its source (a SCRAM proof that did not fit).
    pub fn failed(&self, source: IpAddr) {
        self.failures.record(source);
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a login that was completed.
    pub fn succeeded(&self) {
        self.completed.fetch_add(1, Ordering::Relaxed);
    }

    /// Devices' logins since the start: completed, and refused.
    pub fn logins(&self) -> (u64, u64) {
        (self.completed.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }

    /// Checks a password that came in the clear under TLS (PLAIN, XEP-0078). A
    /// failure is counted against the source.
    ///
    /// A password that was right before costs one HMAC; any other a key
    /// derivation, whether or not there is such a user.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn check_password(
        &self,
        username: &str,
        password: &str,
        source: IpAddr,
    ) -> Result<AuthenticatedAccount, AuthError> {
        if self.failures.exhausted(source) {
            return Err(AuthError::Throttled);
        }
        if password::check(password).is_err() {
            self.failed(source);
            return Err(AuthError::NotAuthorized);
        }
        let (keys, known) = match self.credentials(username).await? {
            Ok(known) => (known.sha256.clone(), Some(known)),
            Err(name) => (password::decoy_keys(&self.secret, ScramHash::Sha256, &name), None),
        };
        let account = known.as_ref().map_or(AccountId(i64::MIN), |known| known.id);
        let tag = self.password_cache.tag(account, &keys.stored_key, password);
        if !self.password_cache.contains(account, &tag) {
            let permit = self.derivations.acquire().await?;
            // Other attempts from the same source may have failed meanwhile.
            if self.failures.exhausted(source) {
                return Err(AuthError::Throttled);
            }
            let password = password.to_owned();
            let fits = permit.run(move || {
                let derived = password::derive(ScramHash::Sha256, &password, &keys.salt, keys.iterations);
                bool::from(derived.stored_key.ct_eq(&keys.stored_key))
            });
            if !fits.await? || known.is_none() {
                self.failed(source);
                return Err(AuthError::NotAuthorized);
            }
            self.password_cache.remember(account, tag);
        }
        match known {
            None => Err(AuthError::NotAuthorized),
            Some(known) if known.disabled => Err(AuthError::Disabled),
            Some(known) => Ok(AuthenticatedAccount { account, username: known.username }),
        }
    }

    /// Gives an account a new password.
    ///
    /// # Errors
    /// [`RegisterError::NotAcceptable`] for an unfit one.
    pub async fn set_password(&self, account: AccountId, password: &str) -> Result<(), RegisterError> {
        password::check(password).map_err(|why| RegisterError::NotAcceptable(why.into()))?;
        let keys = Some(self.derive(password.to_owned()).await?);
        Ok(self.store.change_account(account, AccountChange { keys, ..AccountChange::default() }).await?)
    }

    /// The account's credentials, or for an unknown user the name to derive decoy keys from.
    async fn credentials(&self, username: &str) -> Result<Result<Credentials, String>, StoreError> {
        let local = self.local_part(username);
        let Ok(name) = Username::parse(local) else { return Ok(Err(local.to_owned())) };
        let known = self.store.credentials(&name).await?;
        Ok(known.ok_or_else(|| name.as_str().to_owned()))
    }

    /// Some clients send `user@domain` where a username is asked for.
    fn local_part<'a>(&self, username: &'a str) -> &'a str {
        match username.rsplit_once('@') {
            Some((local, domain)) if domain.eq_ignore_ascii_case(&self.config.domain) => local,
            _ => username,
        }
    }

    /// Fresh keys for a password.
    async fn derive(&self, password: String) -> Result<(ScramKeys, ScramKeys), StoreError> {
        let [salt1, salt256] = password::salts(self.random.as_ref());
        let derive = move || {
            (
                password::derive(ScramHash::Sha1, &password, &salt1, password::ITERATIONS),
                password::derive(ScramHash::Sha256, &password, &salt256, password::ITERATIONS),
            )
        };
        self.derivations.acquire().await?.run(derive).await
    }

    /// Compares with every token, so that time does not tell how close a guess came.
    fn known_token(&self, token: Option<&str>) -> bool {
        let Some(token) = token.filter(|token| !token.is_empty()) else { return false };
        let tokens = self.config.registration.tokens.iter();
        let known =
            tokens.fold(Choice::from(0), |known, each| known | each.as_bytes().ct_eq(token.as_bytes()));
        known.into()
    }
}

/// A display name or an e-mail address; nothing where it is blank.
fn field(what: &str, text: Option<String>) -> Result<Option<String>, RegisterError> {
    let Some(text) = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.len() > MAX_FIELD {
        return Err(RegisterError::NotAcceptable(format!("{what}: longer than {MAX_FIELD} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(RegisterError::NotAcceptable(format!("{what}: has control characters")));
    }
    Ok(Some(text))
}
