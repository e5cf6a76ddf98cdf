//! API keys and operators: who may use the HTTP API and the console.

use super::{KeyId, SendRights, Timestamp};

/// What a key may do. Reading is not part of sending: a leaked sender key shows
/// no user's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Send notifications, and see those that this server accepted by id.
    Send,
    /// See everything, change nothing.
    Read,
    /// Everything.
    Admin,
}

impl Scope {
    /// The scope's name in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }

    /// Reads a scope's name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Send, Self::Read, Self::Admin].into_iter().find(|scope| scope.as_str() == text)
    }
}

/// An API key as stored: the secret itself is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public name.
    pub id: KeyId,
    /// What the operator called it.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// Whom it may send to.
    pub rights: SendRights,
    /// SHA-256 of the secret, which is random and long enough to need no salt.
    pub hash: [u8; 32],
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last used, to about a minute.
    pub last_used: Option<Timestamp>,
}

/// What a person may do in the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// See everything.
    Viewer,
    /// See, and send notifications.
    Sender,
    /// Everything.
    Administrator,
}

impl Role {
    /// The role's name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Sender => "sender",
            Self::Administrator => "administrator",
        }
    }

    /// Reads a role's name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Viewer, Self::Sender, Self::Administrator].into_iter().find(|role| role.as_str() == text)
    }
}

/// A person who may log in to the console.
#[derive(Clone, PartialEq, Eq)]
pub struct Operator {
    /// The login name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// argon2id in PHC string form.
    pub password_hash: String,
    /// When the operator was created.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Operator({}, {})", self.name, self.role.as_str())
    }
}
