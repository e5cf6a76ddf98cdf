//! Invitations: made, used once, listed.

use tidings_core::model::{Account, Invitation, InvitationId, InvitationUse, NewAccount};
use tidings_core::store::{InvitationRow, Page, Result, StoreError};

use super::state::{State, page};

impl State {
    pub fn create_invitation(&mut self, invitation: Invitation) -> Result<()> {
        let taken = |known: &Invitation| known.id == invitation.id || known.hash == invitation.hash;
        if self.invitations.values().any(taken) {
            return Err(StoreError::Conflict);
        }
        self.last_invitation += 1;
        self.invitations.insert(self.last_invitation, invitation);
        Ok(())
    }

    pub fn invitation(&self, hash: [u8; 32]) -> Option<Invitation> {
        self.invitations.values().find(|invitation| invitation.hash == hash).cloned()
    }

    pub fn redeem_invitation(&mut self, hash: [u8; 32], new: NewAccount) -> Result<Account> {
        let invitation = self.invitation(hash).ok_or(StoreError::NotFound)?;
        if invitation.used.as_ref().is_some_and(|used| used.by == new.username) {
            return Err(StoreError::Conflict);
        }
        let fits = invitation.username.as_ref().is_none_or(|username| *username == new.username);
        if !fits || !invitation.is_open(new.created_at) {
            return Err(StoreError::NotFound);
        }
        let account = self.create_account(new)?;
        for topic in invitation.topics {
            self.subscribe(account.id, topic)?;
        }
        for invitation in self.invitations.values_mut().filter(|invitation| invitation.hash == hash) {
            invitation.used = Some(InvitationUse { by: account.username.clone(), at: account.created_at });
        }
        Ok(account)
    }

    pub fn invitations(&self, before: Option<u64>, limit: usize) -> Page<InvitationRow, u64> {
        let rows = self.invitations.iter().rev();
        let rows = rows.filter(|(position, _)| before.is_none_or(|before| **position < before));
        let rows = rows.map(|(position, invitation)| InvitationRow {
            position: *position,
            invitation: invitation.clone(),
        });
        page(rows, limit, |row| row.position)
    }

    pub fn remove_invitation(&mut self, id: &InvitationId) -> bool {
        let before = self.invitations.len();
        self.invitations.retain(|_, invitation| invitation.id != *id);
        self.invitations.len() < before
    }
}
