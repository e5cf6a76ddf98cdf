//! Invitations: an operator makes one, a device registers with it, once, also where registration is
//! closed. The secret is shown once; only its SHA-256 is kept.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::rules::Rules;
use super::{AuthManager, RegistrationRequest};
use crate::audit::Actor;
use crate::error::{ChangeError, FieldError};
use crate::model::{Account, Invitation, InvitationId, NewAccount, Topic, Username};
use crate::store::{InvitationRow, Page, StoreError};

/// Seconds that an invitation lasts where nothing is said, and at most.
pub const INVITATION_LASTS: u64 = 7 * 86_400;
/// See [`INVITATION_LASTS`].
pub const INVITATION_LASTS_AT_MOST: u64 = 30 * 86_400;

/// What is said to every token that is of no use: unknown, used, expired.
pub(super) const NO_TOKEN: &str = "a valid registration key is needed";

/// An invitation to be made.
#[derive(Debug, Clone, Default)]
pub struct NewInvitation {
    /// The only username that it is good for.
    pub username: Option<String>,
    /// What the account is subscribed to.
    pub topics: Vec<String>,
    /// Seconds until it ends; `None`: [`INVITATION_LASTS`].
    pub expires_in: Option<u64>,
}

/// What an invitation is for.
struct Terms {
    username: Option<Username>,
    topics: Vec<Topic>,
    lasts: Duration,
}

impl AuthManager {
    /// Makes an invitation; its token is returned this once.
    ///
    /// # Errors
    /// See [`ChangeError`]; also where there is an account of this name.
    pub async fn invite(
        &self,
        actor: &Actor,
        new: NewInvitation,
    ) -> Result<(Invitation, String), ChangeError> {
        let Terms { username, topics, lasts } = self.read_invitation(&new).map_err(ChangeError::Invalid)?;
        if let Some(username) = &username
            && self.store.account(username).await?.is_some()
        {
            return Err(ChangeError::Conflict("username"));
        }
        let (mut id, mut secret) = ([0; 6], [0; 24]);
        self.random.fill(&mut id);
        self.random.fill(&mut secret);
        let token = URL_SAFE_NO_PAD.encode(secret);
        let now = self.clock.now();
        let invitation = Invitation {
            id: InvitationId(id.iter().map(|byte| format!("{byte:02x}")).collect()),
            hash: hash(&token),
            username,
            topics,
            created_at: now,
            expires_at: now.plus(lasts),
            used: None,
        };
        self.store.create_invitation(invitation.clone()).await?;
        let mut subject = invitation.id.0.clone();
        if let Some(username) = &invitation.username {
            subject.push_str(&format!(" for {username}"));
        }
        self.audit.note(actor, "invitation.create", &subject).await?;
        Ok((invitation, token))
    }

    /// Every field of it that is wrong.
    pub fn check_new_invitation(&self, new: &NewInvitation) -> Vec<FieldError> {
        self.read_invitation(new).err().unwrap_or_default()
    }

    /// Invitations, newest first, positions below `before`; also those that were used or have expired,
    /// for as long as the history goes back.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn invitations(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<InvitationRow, u64>, StoreError> {
        self.store.invitations(before, limit).await
    }

    /// Removes an invitation: nobody can register with it any more. The account of one that was used
    /// stays.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn remove_invitation(&self, actor: &Actor, id: &InvitationId) -> Result<(), ChangeError> {
        if !self.store.remove_invitation(id).await? {
            return Err(ChangeError::NotFound("invitation"));
        }
        Ok(self.audit.note(actor, "invitation.remove", &id.0).await?)
    }

    /// The username that a token is bound to, for a peer that asks what to fill in.
    ///
    /// # Errors
    /// [`ChangeError::Forbidden`] for a token that nobody can register with; see [`ChangeError`].
    pub async fn invited_username(
        &self,
        token: &str,
        source: IpAddr,
    ) -> Result<Option<Username>, ChangeError> {
        if self.is_registration_token(token) {
            return Ok(None);
        }
        Ok(self.open_invitation(token, source).await?.username)
    }

    /// Creates the account that an invitation is for.
    pub(super) async fn register_invited(
        &self,
        token: &str,
        request: RegistrationRequest,
        source: IpAddr,
    ) -> Result<Account, ChangeError> {
        let invitation = self.known_invitation(token, source).await?;
        let (username, name, email) = self.read_new(&request).map_err(ChangeError::Invalid)?;
        let used_by_this_one = invitation.used.as_ref().is_some_and(|used| used.by == username);
        if !used_by_this_one && !invitation.is_open(self.clock.now()) {
            return Err(self.refused_token(source));
        }
        if let Some(bound) = invitation.username.as_ref().filter(|bound| **bound != username) {
            return Err(ChangeError::invalid("username", format!("this invitation is for the user {bound}")));
        }
        // Saves the derivation; the store has the last word.
        if used_by_this_one || self.store.account(&username).await?.is_some() {
            return Err(ChangeError::Conflict("username"));
        }
        let (sha1, sha256) = self.derive(request.password).await?;
        let new = NewAccount { username, name, email, sha1, sha256, created_at: self.clock.now() };
        let account =
            self.store.redeem_invitation(invitation.hash, new).await.map_err(|error| match error {
                StoreError::Conflict => ChangeError::Conflict("username"),
                // Another device was faster.
                StoreError::NotFound => ChangeError::Forbidden(NO_TOKEN),
                other => other.into(),
            })?;
        let itself = Actor::Account { username: account.username.clone(), session: None };
        self.audit.note(&itself, "user.create", account.username.as_str()).await?;
        self.audit.note(&itself, "invitation.use", &invitation.id.0).await?;
        Ok(account)
    }

    async fn open_invitation(&self, token: &str, source: IpAddr) -> Result<Invitation, ChangeError> {
        let invitation = self.known_invitation(token, source).await?;
        if invitation.is_open(self.clock.now()) { Ok(invitation) } else { Err(self.refused_token(source)) }
    }

    /// The invitation that a token stands for, whatever became of it. Wrong tokens are throttled as
    /// wrong passwords are.
    async fn known_invitation(&self, token: &str, source: IpAddr) -> Result<Invitation, ChangeError> {
        if self.failures.exhausted(source) {
            return Err(ChangeError::Throttled);
        }
        let found = self.store.invitation(hash(token)).await?;
        found.ok_or_else(|| self.refused_token(source))
    }

    /// What a peer is told whose token is of no use, whatever is wrong with it.
    fn refused_token(&self, source: IpAddr) -> ChangeError {
        self.failures.record(source);
        ChangeError::Forbidden(NO_TOKEN)
    }

    fn read_invitation(&self, new: &NewInvitation) -> Result<Terms, Vec<FieldError>> {
        let mut rules = Rules::default();
        let username = new.username.as_deref().filter(|text| !text.trim().is_empty());
        let username = username.and_then(|text| rules.username("username", text.trim()));
        let topics = rules.topics("topics", &new.topics, self.config.limits.topics_per_account);
        let seconds = new.expires_in.unwrap_or(INVITATION_LASTS);
        rules.span_within("expires_in", seconds, INVITATION_LASTS_AT_MOST);
        let lasts = Duration::from_secs(seconds);
        if rules.errors.is_empty() { Ok(Terms { username, topics, lasts }) } else { Err(rules.errors) }
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
