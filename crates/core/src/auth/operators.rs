//! Operators: people who log in to the console. Their passwords are chosen by
//! people, so what is kept is an argon2id hash.

use std::net::IpAddr;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{AuthError, AuthManager, MAX_PASSWORD, RegisterError};
use crate::clock::Random;
use crate::model::{Operator, Role};
use crate::store::StoreError;

/// The shortest password that an operator may choose, in characters.
const MIN_PASSWORD: usize = 8;

/// The longest login name, in bytes.
const MAX_NAME: usize = 64;

/// The operator made at first start.
const ADMIN: &str = "admin";

impl AuthManager {
    /// Makes sure that there is an administrator `admin`. With a password, sets
    /// it; otherwise makes one when `admin` does not exist and returns it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn ensure_admin(&self, password: Option<&str>) -> Result<Option<String>, StoreError> {
        if let Some(password) = password {
            self.store_operator(ADMIN, password.to_owned(), Role::Administrator).await?;
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
        if self.operator_failures.exhausted(source) {
            return Err(AuthError::Throttled);
        }
        if password.len() > MAX_PASSWORD {
            self.operator_failures.record(source);
            return Err(AuthError::NotAuthorized);
        }
        let known = self.operator(name).await?;
        let permit = self.operator_checks.acquire().await?;
        if self.operator_failures.exhausted(source) {
            return Err(AuthError::Throttled);
        }
        let (password, random) = (password.to_owned(), Arc::clone(&self.random));
        let fits = permit.run(move || match known {
            Some(known) => fits(&known.password_hash, &password).then_some(known),
            None => {
                // The hash of nothing in particular.
                hash(&password, random.as_ref()).ok();
                None
            }
        });
        fits.await?.ok_or_else(|| {
            self.operator_failures.record(source);
            AuthError::NotAuthorized
        })
    }

    /// Creates an operator or gives an existing one this role and password.
    ///
    /// # Errors
    /// [`RegisterError::NotAcceptable`] for an unfit name or password.
    pub async fn put_operator(&self, name: &str, password: &str, role: Role) -> Result<(), RegisterError> {
        let unfit = |why: String| Err(RegisterError::NotAcceptable(why));
        if name.is_empty()
            || name.len() > MAX_NAME
            || name.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            return unfit(format!("a login name has 1 to {MAX_NAME} bytes and no spaces"));
        }
        if password.chars().count() < MIN_PASSWORD {
            return unfit(format!("the password needs at least {MIN_PASSWORD} characters"));
        }
        if password.len() > MAX_PASSWORD {
            return unfit(format!("the password is longer than {MAX_PASSWORD} bytes"));
        }
        if password.chars().any(char::is_control) {
            return unfit("the password has control characters".to_owned());
        }
        Ok(self.store_operator(name, password.to_owned(), role).await?)
    }

    async fn operator(&self, name: &str) -> Result<Option<Operator>, StoreError> {
        Ok(self.store.operators().await?.into_iter().find(|operator| operator.name == name))
    }

    async fn store_operator(&self, name: &str, password: String, role: Role) -> Result<(), StoreError> {
        let known = self.operator(name).await?;
        let random = Arc::clone(&self.random);
        let permit = self.operator_checks.acquire().await?;
        let password_hash = permit.run(move || hash(&password, random.as_ref())).await??;
        let created_at = known.map_or_else(|| self.clock.now(), |known| known.created_at);
        self.store.put_operator(Operator { name: name.to_owned(), role, password_hash, created_at }).await
    }
}

/// argon2id with the parameters that the crate follows from OWASP: 19 MiB, two passes.
fn hash(password: &str, random: &dyn Random) -> Result<String, StoreError> {
    let mut salt = [0; 16];
    random.fill(&mut salt);
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|error| StoreError::Failed(format!("argon2 did not work: {error}")))?;
    Ok(hash.to_string())
}

fn fits(stored: &str, password: &str) -> bool {
    PasswordHash::new(stored)
        .is_ok_and(|stored| Argon2::default().verify_password(password.as_bytes(), &stored).is_ok())
}
