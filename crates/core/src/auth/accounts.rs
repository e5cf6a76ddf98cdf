//! Devices and people: registration, login, changes of an account.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use subtle::{Choice, ConstantTimeEq};

use super::invitations::NO_TOKEN;
use super::look_alikes;
use super::rules::Rules;
use super::{
    AccountEdit, AuthError, AuthManager, AuthenticatedAccount, RegistrationRequest, ScramHash, ScramLookup,
    password,
};
use crate::audit::Actor;
use crate::config::RegistrationPolicy;
use crate::error::{ChangeError, FieldError};
use crate::model::{Account, AccountId, AccountRef, Credentials, NewAccount, ScramKeys, Username};
use crate::refusals::Attempt;
use crate::store::{AccountChange, AccountQuery, AccountRow, AccountSortKey, Page, StoreError};

impl RegistrationRequest {
    /// Every field of it that is wrong, whatever the server that is asked.
    pub fn check(&self) -> Vec<FieldError> {
        self.read(&self.username).err().unwrap_or_default()
    }

    fn read(&self, username: &str) -> Result<NewNames, Vec<FieldError>> {
        let mut rules = Rules::default();
        let username = rules.username("username", username);
        rules.password(&self.password);
        let name = rules.name(self.name.as_deref());
        let email = rules.email(self.email.as_deref());
        match username {
            Some(username) if rules.errors.is_empty() => Ok((username, name, email)),
            _ => Err(rules.errors),
        }
    }
}

impl AuthManager {
    /// Creates an account in-band, by policy and limits.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn register(
        &self,
        request: RegistrationRequest,
        source: IpAddr,
    ) -> Result<Account, ChangeError> {
        let username = request.username.clone();
        let registered = self.register_by_policy(request, source).await;
        if let Err(error) = &registered {
            self.refusals.note(Attempt::Registration, source, Some(&username), error);
        }
        registered
    }

    async fn register_by_policy(
        &self,
        request: RegistrationRequest,
        source: IpAddr,
    ) -> Result<Account, ChangeError> {
        let policy = self.config.registration.policy;
        let token = request.token.clone().filter(|token| !token.is_empty());
        if policy == RegistrationPolicy::Closed && token.is_none() {
            return Err(ChangeError::Forbidden("registration is closed on this server"));
        }
        if !self.registrations.take(source) {
            return Err(ChangeError::Throttled);
        }
        match token {
            // Also where registration is open: a token that is shown is one that must hold.
            Some(token) if !self.is_registration_token(&token) => {
                return self.register_invited(&token, request, source).await;
            }
            None if policy == RegistrationPolicy::Token => return Err(ChangeError::Forbidden(NO_TOKEN)),
            _ => {}
        }
        self.create(None, request).await
    }

    /// Creates an account: no policy, no limit.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn create_account(
        &self,
        actor: &Actor,
        request: RegistrationRequest,
    ) -> Result<Account, ChangeError> {
        self.create(Some(actor), request).await
    }

    /// Every field of it that is wrong.
    pub fn check_new_account(&self, request: &RegistrationRequest) -> Vec<FieldError> {
        self.read_new(request).err().unwrap_or_default()
    }

    /// Without an actor it is the new account itself.
    async fn create(
        &self,
        actor: Option<&Actor>,
        request: RegistrationRequest,
    ) -> Result<Account, ChangeError> {
        let (username, name, email) = self.read_new(&request).map_err(ChangeError::Invalid)?;
        // Saves the derivation; the store has the last word.
        if self.store.account(&username).await?.is_some() {
            return Err(ChangeError::Conflict("username"));
        }
        let (sha1, sha256) = self.derive(request.password).await?;
        let created_at = self.clock.now();
        let new = NewAccount { username, name, email, sha1, sha256, created_at };
        let account = self.store.create_account(new).await.map_err(|error| match error {
            StoreError::Conflict => ChangeError::Conflict("username"),
            other => other.into(),
        })?;
        let itself = || Actor::Account { username: account.username.clone(), session: None };
        let actor = actor.cloned().unwrap_or_else(itself);
        self.audit.note(&actor, "user.create", account.username.as_str()).await?;
        Ok(account)
    }

    /// The account with this username or alias.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn account(&self, name: &Username) -> Result<Option<Account>, StoreError> {
        self.store.account(name).await
    }

    /// A page of accounts.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn accounts(
        &self,
        query: AccountQuery,
    ) -> Result<Page<AccountRow, AccountSortKey>, StoreError> {
        self.store.accounts(query).await
    }

    /// Every field of it that is wrong.
    pub fn check_edit(&self, edit: &AccountEdit) -> Vec<FieldError> {
        read_edit(edit).1
    }

    /// Changes an account, all of it or nothing. Its sessions end where it may not log in as before.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn change_account(
        &self,
        actor: &Actor,
        account: AccountRef<'_>,
        edit: AccountEdit,
    ) -> Result<(), ChangeError> {
        let (mut change, errors) = read_edit(&edit);
        ChangeError::unless_sound(errors)?;
        if let Some(Some(alias)) = &change.alias {
            self.check_alias(actor, account.id, alias).await?;
        }
        let ends = edit.disabled == Some(true) || edit.password.is_some();
        if let Some(password) = edit.password {
            change.keys = Some(self.derive(password).await?);
        }
        self.store.change_account(account.id, change).await.map_err(|error| match error {
            StoreError::Conflict => ChangeError::Conflict("alias"),
            StoreError::NotFound => ChangeError::NotFound("account"),
            other => other.into(),
        })?;
        if ends {
            self.sessions.end_account(account.id, actor.session());
        }
        Ok(self.audit.note(actor, "user.change", account.username.as_str()).await?)
    }

    /// A device may take an alias where that is switched on, and nobody one that looks like
    /// another's name.
    async fn check_alias(
        &self,
        actor: &Actor,
        account: AccountId,
        alias: &Username,
    ) -> Result<(), ChangeError> {
        if !self.config.aliases && matches!(actor, Actor::Account { .. }) {
            return Err(ChangeError::Forbidden("aliases are switched off"));
        }
        let Some(similar) = look_alikes::of(alias.as_str()) else {
            return Err(ChangeError::Conflict("alias"));
        };
        for name in similar {
            let Ok(name) = Username::parse(&name) else { continue };
            if self.store.account(&name).await?.is_some_and(|other| other.id != account) {
                return Err(ChangeError::Conflict("alias"));
            }
        }
        Ok(())
    }

    /// Removes an account: what is pending for it counts as cancelled, and its sessions end.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn remove_account(&self, actor: &Actor, account: AccountRef<'_>) -> Result<(), ChangeError> {
        if !self.store.remove_account(account.id).await? {
            return Err(ChangeError::NotFound("account"));
        }
        self.sessions.end_account(account.id, actor.session());
        Ok(self.audit.note(actor, "user.remove", account.username.as_str()).await?)
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
            self.refusals.note(Attempt::DeviceLogin, source, Some(username), AuthError::Throttled);
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

    /// Counts a failed login against its source (a SCRAM proof that did not fit). The username
    /// comes as the peer sent it.
    pub fn failed(&self, username: &str, source: IpAddr) {
        self.count_failure(source);
        self.refusals.note(Attempt::DeviceLogin, source, Some(username), AuthError::NotAuthorized);
    }

    fn count_failure(&self, source: IpAddr) {
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
        let checked = self.compare_password(username, password, source).await;
        if let Err(error) = &checked {
            self.refusals.note(Attempt::DeviceLogin, source, Some(username), error);
        }
        checked
    }

    async fn compare_password(
        &self,
        username: &str,
        password: &str,
        source: IpAddr,
    ) -> Result<AuthenticatedAccount, AuthError> {
        if self.failures.exhausted(source) {
            return Err(AuthError::Throttled);
        }
        if password::check(password).is_err() {
            self.count_failure(source);
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
                self.count_failure(source);
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

    pub(super) fn read_new(&self, request: &RegistrationRequest) -> Result<NewNames, Vec<FieldError>> {
        request.read(self.local_part(&request.username))
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
    pub(super) async fn derive(&self, password: String) -> Result<(ScramKeys, ScramKeys), StoreError> {
        let [salt1, salt256] = password::salts(self.random.as_ref());
        let derive = move || {
            (
                password::derive(ScramHash::Sha1, &password, &salt1, password::ITERATIONS),
                password::derive(ScramHash::Sha256, &password, &salt256, password::ITERATIONS),
            )
        };
        self.derivations.acquire().await?.run(derive).await
    }

    /// Whether this is one of the configuration's registration keys, and they are good here. It is
    /// compared with every one, so that time does not tell how close a guess came.
    pub(super) fn is_registration_token(&self, token: &str) -> bool {
        if self.config.registration.policy == RegistrationPolicy::Closed || token.is_empty() {
            return false;
        }
        let tokens = self.config.registration.tokens.iter();
        let known =
            tokens.fold(Choice::from(0), |known, each| known | each.as_bytes().ct_eq(token.as_bytes()));
        known.into()
    }
}

/// Username, display name and e-mail address of a new account.
pub(super) type NewNames = (Username, Option<String>, Option<String>);

/// What is to be stored of an edit but the password's keys, and what is wrong with it.
fn read_edit(edit: &AccountEdit) -> (AccountChange, Vec<FieldError>) {
    let mut rules = Rules::default();
    let change = AccountChange {
        name: edit.name.as_ref().map(|name| rules.name(name.as_deref())),
        email: edit.email.as_ref().map(|email| rules.email(email.as_deref())),
        alias: edit.alias.as_ref().map(|alias| rules.username("alias", alias.as_deref()?)),
        disabled: edit.disabled,
        keys: None,
        publish: edit.publish.as_ref().map(|topics| rules.topic_patterns("publish", topics)),
    };
    if let Some(password) = &edit.password {
        rules.password(password);
    }
    (change, rules.errors)
}
