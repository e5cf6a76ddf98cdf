//! Accounts, and what authentication keeps of them.

use super::{AccountId, NamePattern, Seq, Timestamp, TokenId, Username};

/// A device or a person that can log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The store's number.
    pub id: AccountId,
    /// The JID's local part.
    pub username: Username,
    /// A second name that the HTTP API takes wherever it takes a username.
    pub alias: Option<Username>,
    /// A display name.
    pub name: Option<String>,
    /// An e-mail address, as given.
    pub email: Option<String>,
    /// A disabled account keeps its queue but cannot log in.
    pub disabled: bool,
    /// The topics that it may send to.
    pub publish: Vec<NamePattern>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its last session ended or was last known alive.
    pub last_seen: Option<Timestamp>,
    /// When a session of the account last ended.
    pub last_offline: Option<Timestamp>,
    /// The newest notification that existed when it was created: what came
    /// before is not for it.
    pub registered_at: Seq,
}

impl Account {
    /// Which account this is.
    pub fn reference(&self) -> AccountRef<'_> {
        AccountRef { id: self.id, username: &self.username }
    }
}

/// Which account: its number for the store, its name for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountRef<'a> {
    /// The store's number.
    pub id: AccountId,
    /// The JID's local part.
    pub username: &'a Username,
}

/// What authentication needs of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The account.
    pub id: AccountId,
    /// Its username as stored.
    pub username: Username,
    /// Whether logins are refused.
    pub disabled: bool,
    /// Keys for SCRAM-SHA-1.
    pub sha1: ScramKeys,
    /// Keys for SCRAM-SHA-256.
    pub sha256: ScramKeys,
}

/// What RFC 5802 lets a server keep instead of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// Random salt.
    pub salt: Vec<u8>,
    /// PBKDF2 iterations.
    pub iterations: u32,
    /// `H(ClientKey)`.
    pub stored_key: Vec<u8>,
    /// `HMAC(SaltedPassword, "Server Key")`.
    pub server_key: Vec<u8>,
}

impl std::fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ScramKeys({} iterations)", self.iterations)
    }
}

/// An account to be created.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The JID's local part.
    pub username: Username,
    /// A display name.
    pub name: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
    /// Keys for SCRAM-SHA-1.
    pub sha1: ScramKeys,
    /// Keys for SCRAM-SHA-256.
    pub sha256: ScramKeys,
    /// When.
    pub created_at: Timestamp,
}

/// What lets an account in where a password is too much: a secret of its own, made by the
/// server and shown once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountToken {
    /// Its public name.
    pub id: TokenId,
    /// Whose.
    pub account: AccountId,
    /// What its owner calls it.
    pub label: Option<String>,
    /// SHA-256 of the secret, which is random and long enough to need no salt.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
}
