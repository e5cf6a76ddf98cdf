//! Operators: people who log in to the console. Their passwords are chosen by
//! people, so what is kept is an argon2id hash.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::cpu_limiter::CpuLimiter;
use super::rules::Rules;
use super::{AuthError, AuthManager, MAX_PASSWORD};
use crate::audit::Actor;
use crate::error::ChangeError;
use crate::model::{Operator, Role};
use crate::refusals::Attempt;
use crate::source::network;
use crate::store::StoreError;

/// Letters of a name that someone made up, in the audit log.
const NAME: usize = 64;

/// Sources of operators' logins that are remembered.
const KNOWN_SOURCES: usize = 64;

/// The operator made at first start.
const ADMIN: &str = "admin";

impl AuthManager {
    /// Makes sure that there is an administrator `admin`. With a password, sets
    /// it, and ends console logins by another one; otherwise makes one when `admin` does not exist and
    /// returns it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn ensure_admin(&self, password: Option<&str>) -> Result<Option<String>, StoreError> {
        if let Some(password) = password {
            let known = self.operator(ADMIN).await?;
            let is_same = known.as_ref().is_some_and(|known| {
                known.role == Role::Administrator && self.operator_hashes.fits(&known.password_hash, password)
            });
            if !is_same {
                self.store_operator(ADMIN, password.to_owned(), Role::Administrator).await?;
                self.end_logins(ADMIN).await?;
            }
            return Ok(None);
        }
        if self.operator(ADMIN).await?.is_some() {
            return Ok(None);
        }
        let mut bytes = [0; 15];
        self.random.fill(&mut bytes);
        let password = URL_SAFE_NO_PAD.encode(bytes);
        self.store_operator(ADMIN, password.clone(), Role::Administrator).await?;
        Ok(Some(password))
    }

    /// Checks an operator's name and password, throttled by source. An unknown
    /// name takes the time that a wrong password takes.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn check_operator(
        &self,
        name: &str,
        password: &str,
        source: IpAddr,
    ) -> Result<Operator, AuthError> {
        let checked = self.compare_operators_password(name, password, source).await;
        if let Err(error) = &checked
            && self.refusals.note(Attempt::ConsoleLogin, source, Some(name), error)
        {
            let subject = format!("{}: {error}", name.chars().take(NAME).collect::<String>());
            self.audit.note(&Actor::Stranger(source), "operator.refuse", &subject).await?;
        }
        checked
    }

    async fn compare_operators_password(
        &self,
        name: &str,
        password: &str,
        source: IpAddr,
    ) -> Result<Operator, AuthError> {
        if self.operator_failures.exhausted(source) {
            return Err(AuthError::Throttled);
        }
        if password.len() > MAX_PASSWORD {
            self.operator_failures.record(source);
            return Err(AuthError::NotAuthorized);
        }
        let known = self.operator(name).await?;
        let permit = self.checks_for(source).acquire().await?;
        if self.operator_failures.exhausted(source) {
            return Err(AuthError::Throttled);
        }
        let (password, random) = (password.to_owned(), Arc::clone(&self.random));
        let hashes = Arc::clone(&self.operator_hashes);
        let fits = permit.run(move || match known {
            Some(known) => hashes.fits(&known.password_hash, &password).then_some(known),
            None => {
                // The hash of nothing in particular.
                hashes.hash(&password, random.as_ref()).ok();
                None
            }
        });
        let Some(operator) = fits.await? else {
            self.operator_failures.record(source);
            return Err(AuthError::NotAuthorized);
        };
        self.know(source);
        Ok(operator)
    }

    /// All operators, by name.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.store.operators().await
    }

    /// Creates an operator or gives an existing one this role and password; their console logins end.
    ///
    /// # Errors
    /// See [`ChangeError`]; also where operators would take the role of administrator from themselves.
    pub async fn put_operator(
        &self,
        actor: &Actor,
        name: &str,
        password: &str,
        role: Role,
    ) -> Result<(), ChangeError> {
        let itself = is(actor, name);
        if itself && role != Role::Administrator {
            return Err(ChangeError::invalid("name", "you cannot take your own role away"));
        }
        let mut rules = Rules::default();
        rules.login(name);
        rules.operator_password(password);
        ChangeError::unless_sound(rules.errors)?;
        self.store_operator(name, password.to_owned(), role).await?;
        self.end_logins(name).await?;
        Ok(self.audit.note(actor, "operator.put", &format!("{name} ({})", role.as_str())).await?)
    }

    /// Removes an operator and their console logins.
    ///
    /// # Errors
    /// See [`ChangeError`]; also where operators would remove themselves.
    pub async fn remove_operator(&self, actor: &Actor, name: &str) -> Result<(), ChangeError> {
        if is(actor, name) {
            return Err(ChangeError::invalid("name", "you cannot remove yourself"));
        }
        if !self.store.remove_operator(name).await? {
            return Err(ChangeError::NotFound("operator"));
        }
        self.something_ended();
        Ok(self.audit.note(actor, "operator.remove", name).await?)
    }

    /// Gives an operator who is logged in a new password; all their console logins end.
    ///
    /// # Errors
    /// See [`ChangeError`]; the field `current` is wrong where that is not the password.
    pub async fn change_own_password(
        &self,
        name: &str,
        current: &str,
        password: &str,
        source: IpAddr,
    ) -> Result<(), ChangeError> {
        let operator = match self.check_operator(name, current, source).await {
            Ok(operator) => operator,
            Err(AuthError::NotAuthorized | AuthError::Disabled) => {
                return Err(ChangeError::invalid("current", "this is not your password"));
            }
            Err(AuthError::Throttled) => return Err(ChangeError::Throttled),
            Err(AuthError::Store(error)) => return Err(error.into()),
        };
        let mut rules = Rules::default();
        rules.operator_password(password);
        ChangeError::unless_sound(rules.errors)?;
        self.store_operator(name, password.to_owned(), operator.role).await?;
        self.end_logins(name).await?;
        let actor = Actor::Operator(name.to_owned());
        Ok(self.audit.note(&actor, "operator.password", name).await?)
    }

    /// Where passwords from this source are checked.
    fn checks_for(&self, source: IpAddr) -> &CpuLimiter {
        let known = self.known_sources.lock().contains(&network(source));
        if known { &self.known_checks } else { &self.operator_checks }
    }

    /// An operator has logged in from there.
    fn know(&self, source: IpAddr) {
        let source = network(source);
        let mut known = self.known_sources.lock();
        known.retain(|one| *one != source);
        known.push_front(source);
        known.truncate(KNOWN_SOURCES);
    }

    /// Ends all console logins of an operator.
    async fn end_logins(&self, name: &str) -> Result<(), StoreError> {
        self.store.end_web_sessions(None, Some(name)).await?;
        self.something_ended();
        Ok(())
    }

    /// The operator of this name.
    pub(super) async fn operator(&self, name: &str) -> Result<Option<Operator>, StoreError> {
        Ok(self.store.operators().await?.into_iter().find(|operator| operator.name == name))
    }

    async fn store_operator(&self, name: &str, password: String, role: Role) -> Result<(), StoreError> {
        let known = self.operator(name).await?;
        let random = Arc::clone(&self.random);
        let hashes = Arc::clone(&self.operator_hashes);
        let permit = self.known_checks.acquire().await?;
        let password_hash = permit.run(move || hashes.hash(&password, random.as_ref())).await??;
        let created_at = known.map_or_else(|| self.clock.now(), |known| known.created_at);
        self.store.put_operator(Operator { name: name.to_owned(), role, password_hash, created_at }).await
    }
}

/// Whether this is the actor's own login.
fn is(actor: &Actor, name: &str) -> bool {
    matches!(actor, Actor::Operator(own) if own == name)
}
