//! Tokens of accounts: what lets a person's programs in where a password is too much. The secret is
//! shown once; only its SHA-256 is kept.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::AuthManager;
use super::rules::Rules;
use crate::audit::Actor;
use crate::error::{ChangeError, FieldError};
use crate::model::{Account, AccountRef, AccountToken, TokenId};
use crate::store::StoreError;

/// What a secret begins with, and how many letters and digits follow: ntfy's programs take no others.
const PREFIX: &str = "tk_";
const LETTERS: usize = 29;
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
/// Tokens of one account.
const MOST: usize = 100;

/// A token to be made.
#[derive(Debug, Clone, Default)]
pub struct NewToken {
    /// What its owner calls it.
    pub label: Option<String>,
    /// Seconds until it ends; `None`: it does not.
    pub expires_in: Option<u64>,
}

impl AuthManager {
    /// Makes a token of an account; the secret is returned this once.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn create_token(
        &self,
        actor: &Actor,
        account: AccountRef<'_>,
        new: NewToken,
    ) -> Result<(AccountToken, String), ChangeError> {
        let label = read(&new).map_err(ChangeError::Invalid)?;
        if self.tokens(account).await?.len() >= MOST {
            let why = format!("an account has at most {MOST} tokens");
            return Err(ChangeError::LimitReached { field: "label", why });
        }
        let mut id = [0; 6];
        self.random.fill(&mut id);
        let secret = self.token_secret();
        let now = self.clock.now();
        let token = AccountToken {
            id: TokenId(id.iter().map(|byte| format!("{byte:02x}")).collect()),
            account: account.id,
            label,
            hash: hash(&secret),
            created_at: now,
            expires_at: new.expires_in.map(|seconds| now.plus(Duration::from_secs(seconds))),
        };
        self.store.create_token(token.clone()).await.map_err(unknown_account)?;
        let subject = format!("{} {}", account.username, token.id.0);
        self.audit.note(actor, "token.create", &subject).await?;
        Ok((token, secret))
    }

    /// Every field of it that is wrong.
    pub fn check_new_token(&self, new: &NewToken) -> Vec<FieldError> {
        read(new).err().unwrap_or_default()
    }

    /// An account's tokens whose time is not over, oldest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn tokens(&self, account: AccountRef<'_>) -> Result<Vec<AccountToken>, StoreError> {
        let now = self.clock.now();
        let mut tokens = self.store.tokens(account.id).await?;
        tokens.retain(|token| token.expires_at.is_none_or(|at| at > now));
        Ok(tokens)
    }

    /// Whose token this is; nobody's where it has ended or was removed.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn token_owner(&self, secret: &str) -> Result<Option<Account>, StoreError> {
        if !secret.starts_with(PREFIX) {
            return Ok(None);
        }
        self.store.token_owner(hash(secret), self.clock.now()).await
    }

    /// Removes a token at once.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn remove_token(
        &self,
        actor: &Actor,
        account: AccountRef<'_>,
        id: &TokenId,
    ) -> Result<(), ChangeError> {
        if !self.store.remove_token(account.id, id).await? {
            return Err(ChangeError::NotFound("token"));
        }
        let subject = format!("{} {}", account.username, id.0);
        Ok(self.audit.note(actor, "token.remove", &subject).await?)
    }

    fn token_secret(&self) -> String {
        let letter = || {
            let mut random = [0; 8];
            self.random.fill(&mut random);
            // Of 36 into 2^64 nothing is left that a guesser could use.
            let index = u64::from_ne_bytes(random) % ALPHABET.len() as u64;
            usize::try_from(index)
                .ok()
                .and_then(|index| ALPHABET.get(index))
                .map_or('a', |byte| char::from(*byte))
        };
        let mut secret = PREFIX.to_owned();
        secret.extend(std::iter::repeat_with(letter).take(LETTERS));
        secret
    }
}

/// The label, or every field that is wrong.
fn read(new: &NewToken) -> Result<Option<String>, Vec<FieldError>> {
    let mut rules = Rules::default();
    let label = rules.label(new.label.as_deref());
    if let Some(seconds) = new.expires_in {
        rules.span("expires_in", seconds);
    }
    if rules.errors.is_empty() { Ok(label) } else { Err(rules.errors) }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// The account was removed meanwhile.
fn unknown_account(error: StoreError) -> ChangeError {
    match error {
        StoreError::NotFound => ChangeError::NotFound("account"),
        other => other.into(),
    }
}
