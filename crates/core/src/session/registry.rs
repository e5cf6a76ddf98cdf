use crate::model::{AccountId, SessionId, Show, Status, Timestamp, Username};
use crate::store::Page;

/// A session as the API and the console show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its number: listings are in this order.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// The account's username.
    pub username: Username,
    /// The bound resource.
    pub resource: String,
    /// `username@domain/resource`.
    pub jid: String,
    /// How far it has come.
    pub status: Status,
    /// Its presence.
    pub show: Show,
    /// Its presence priority.
    pub priority: i8,
    /// The client's address.
    pub client_ip: std::net::IpAddr,
    /// The TLS version, such as `TLSv1.3`.
    pub tls: &'static str,
    /// When it was bound.
    pub created_at: Timestamp,
}

/// The registry of sessions; see the [module's documentation](super).
pub struct SessionManager {}

#[expect(clippy::todo, unused_variables, clippy::unused_async, reason = "being written")]
impl SessionManager {
    /// A page of sessions, oldest first, numbers above `after`.
    pub fn list(&self, after: Option<SessionId>, limit: usize) -> Page<SessionInfo, SessionId> {
        todo!()
    }

    /// One account's sessions.
    pub fn of(&self, account: AccountId) -> Vec<SessionInfo> {
        todo!()
    }

    /// Ends the session with this full JID, with stream error `<policy-violation/>`. False when there is none.
    pub fn end(&self, jid: &str) -> bool {
        todo!()
    }

    /// Ends all sessions of an account: it was removed or disabled, or its password changed.
    pub fn end_account(&self, account: AccountId) {
        todo!()
    }

    /// How many sessions are connected.
    pub fn connected(&self) -> usize {
        todo!()
    }

    /// How many accounts have an available session.
    pub fn online(&self) -> usize {
        todo!()
    }

    /// Whether an account has an available session, and its best presence.
    pub fn presence(&self, account: AccountId) -> Show {
        todo!()
    }

    /// Accounts with an available session by username, after this one, at most `limit`.
    pub fn online_after(&self, after: Option<&str>, limit: usize) -> Vec<(Username, AccountId)> {
        todo!()
    }

    /// An account's topics changed: its sessions re-read what is theirs.
    pub async fn subscribe(
        &self,
        account: AccountId,
        topic: crate::model::Topic,
    ) -> crate::store::Result<bool> {
        todo!()
    }

    /// See [`subscribe`](Self::subscribe).
    pub async fn unsubscribe(
        &self,
        account: AccountId,
        topic: crate::model::Topic,
    ) -> crate::store::Result<bool> {
        todo!()
    }
}
