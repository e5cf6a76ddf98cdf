//! Invitations: what lets one device register.

use super::{Timestamp, Topic, Username};

/// An invitation's public name, safe to show and to log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvitationId(pub String);

/// What lets one device register, also where registration is closed. The secret itself is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its public name.
    pub id: InvitationId,
    /// SHA-256 of the secret, which is random and long enough to need no salt.
    pub hash: [u8; 32],
    /// The only username that it is good for.
    pub username: Option<Username>,
    /// What the account is subscribed to.
    pub topics: Vec<Topic>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What became of it.
    pub used: Option<InvitationUse>,
}

/// Who used an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationUse {
    /// The account that was made, as it was called then.
    pub by: Username,
    /// When.
    pub at: Timestamp,
}

impl Invitation {
    /// Whether a device may register with it.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.used.is_none() && self.expires_at > now
    }
}
