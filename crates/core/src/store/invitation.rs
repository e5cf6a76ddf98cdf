//! What must survive of invitations.

use async_trait::async_trait;

use super::{Page, Result};
use crate::model::{Account, Invitation, InvitationId, NewAccount};

/// An invitation in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationRow {
    /// Its place in the listing; larger is later.
    pub position: u64,
    /// The invitation.
    pub invitation: Invitation,
}

/// Invitations. What was used or has expired is kept, so that people see what became of it, until
/// [`purge`](super::NotificationStore::purge) forgets it.
#[async_trait]
pub trait InvitationStore: Send + Sync + 'static {
    /// Stores an invitation.
    ///
    /// # Errors
    /// [`StoreError::Conflict`](super::StoreError::Conflict) for an id or a secret that is taken.
    async fn create_invitation(&self, invitation: Invitation) -> Result<()>;
    /// The invitation whose secret has this hash, whatever became of it.
    async fn invitation(&self, hash: [u8; 32]) -> Result<Option<Invitation>>;
    /// Creates the account that an invitation is for, as of `new.created_at`: it is made, subscribed to
    /// the invitation's topics, and the invitation is used, in one write. Of several callers with one
    /// invitation one gets an account.
    ///
    /// # Errors
    /// [`StoreError::NotFound`](super::StoreError::NotFound) for an invitation that is unknown, used,
    /// expired or for another username;
    /// [`StoreError::Conflict`](super::StoreError::Conflict) where the username is taken, be it by who
    /// used this invitation. It can still be used then, if it could before.
    async fn redeem_invitation(&self, hash: [u8; 32], new: NewAccount) -> Result<Account>;
    /// Invitations, newest first, positions below `before`.
    async fn invitations(&self, before: Option<u64>, limit: usize) -> Result<Page<InvitationRow, u64>>;
    /// Removes an invitation. False when there was none.
    async fn remove_invitation(&self, id: &InvitationId) -> Result<bool>;
}
