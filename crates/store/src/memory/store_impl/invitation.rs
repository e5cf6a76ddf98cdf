//! Invitations, method by method, each under the lock.

use async_trait::async_trait;
use tidings_core::model::{Account, Invitation, InvitationId, NewAccount};
use tidings_core::store::{InvitationRow, InvitationStore, Page, Result};

use crate::memory::MemoryStore;

#[async_trait]
impl InvitationStore for MemoryStore {
    async fn create_invitation(&self, invitation: Invitation) -> Result<()> {
        self.state()?.create_invitation(invitation)
    }

    async fn invitation(&self, hash: [u8; 32]) -> Result<Option<Invitation>> {
        Ok(self.state()?.invitation(hash))
    }

    async fn redeem_invitation(&self, hash: [u8; 32], new: NewAccount) -> Result<Account> {
        self.state()?.redeem_invitation(hash, new)
    }

    async fn invitations(&self, before: Option<u64>, limit: usize) -> Result<Page<InvitationRow, u64>> {
        Ok(self.state()?.invitations(before, limit))
    }

    async fn remove_invitation(&self, id: &InvitationId) -> Result<bool> {
        Ok(self.state()?.remove_invitation(id))
    }
}
