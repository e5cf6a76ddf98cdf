//! What must survive of administration: API keys, operators and their logins, the audit
//! log, and small values that the server keeps for itself.

use async_trait::async_trait;

use super::{Page, Result};
use crate::model::{ApiKey, KeyId, Operator, Timestamp};

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number; larger is later.
    pub position: u64,
    /// When.
    pub at: Timestamp,
    /// The actor: an operator's or a key's name.
    pub actor: String,
    /// What the actor did, as `noun.verb`.
    pub action: String,
    /// To what.
    pub subject: String,
}

/// A console login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSession {
    /// SHA-256 of the cookie.
    pub hash: [u8; 32],
    /// Whose.
    pub operator: String,
    /// SHA-256-derived token that every form carries.
    pub csrf: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Administration.
#[async_trait]
pub trait AdminStore: Send + Sync + 'static {
    /// Stores an API key.
    async fn create_key(&self, key: ApiKey) -> Result<()>;
    /// All API keys, oldest first.
    async fn keys(&self) -> Result<Vec<ApiKey>>;
    /// Removes a key. False when there was none.
    async fn revoke_key(&self, id: &KeyId) -> Result<bool>;
    /// Notes when keys were last used.
    async fn touch_keys(&self, used: Vec<(KeyId, Timestamp)>) -> Result<()>;
    /// Creates or replaces an operator.
    async fn put_operator(&self, operator: Operator) -> Result<()>;
    /// All operators by name.
    async fn operators(&self) -> Result<Vec<Operator>>;
    /// Removes an operator and their console logins. False when there was none.
    async fn remove_operator(&self, name: &str) -> Result<bool>;
    /// Stores a console login.
    async fn put_web_session(&self, session: WebSession) -> Result<()>;
    /// The console login with this cookie hash, unless its time is over.
    async fn web_session(&self, hash: [u8; 32], now: Timestamp) -> Result<Option<WebSession>>;
    /// Ends a console login; with `operator`, all of theirs.
    async fn end_web_sessions(&self, hash: Option<[u8; 32]>, operator: Option<&str>) -> Result<()>;
    /// Appends to the audit log.
    async fn audit(&self, at: Timestamp, actor: &str, action: &str, subject: &str) -> Result<()>;
    /// The audit log, newest first, positions below `before`.
    async fn audit_log(&self, before: Option<u64>, limit: usize) -> Result<Page<AuditEntry, u64>>;
    /// A small value that the server keeps for itself, such as a secret made at first start.
    async fn setting(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// The value that is kept; where there is none, `value` is kept from now on. Of several
    /// callers at once all get the same.
    async fn setting_or_insert(&self, key: &str, value: Vec<u8>) -> Result<Vec<u8>>;
    /// Keeps a small value.
    async fn put_setting(&self, key: &str, value: Vec<u8>) -> Result<()>;
}
