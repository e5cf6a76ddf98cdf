//! Invitations, method by method: by the writer or by a reader.

use async_trait::async_trait;
use tidings_core::model::{Account, Invitation, InvitationId, NewAccount};
use tidings_core::store::{InvitationRow, InvitationStore, Page, Result};

use super::{ROW, SMALL};
use crate::sqlite::{SqliteStore, invitations};

#[async_trait]
impl InvitationStore for SqliteStore {
    async fn create_invitation(&self, invitation: Invitation) -> Result<()> {
        let size = SMALL + ROW * invitation.topics.len();
        self.writer.call(size, move |writer| writer.create_invitation(&invitation)).await
    }

    async fn invitation(&self, hash: [u8; 32]) -> Result<Option<Invitation>> {
        self.readers.call_inline(move |connection| invitations::by_hash(connection, hash)).await
    }

    async fn redeem_invitation(&self, hash: [u8; 32], new: NewAccount) -> Result<Account> {
        self.writer.call(SMALL, move |writer| writer.redeem_invitation(hash, new)).await
    }

    async fn invitations(&self, before: Option<u64>, limit: usize) -> Result<Page<InvitationRow, u64>> {
        self.readers.call(move |connection| invitations::invitations(connection, before, limit)).await
    }

    async fn remove_invitation(&self, id: &InvitationId) -> Result<bool> {
        let id = id.clone();
        self.writer.call(SMALL, move |writer| writer.remove_invitation(&id)).await
    }
}
