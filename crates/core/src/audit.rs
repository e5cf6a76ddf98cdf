//! Who changes something, and the log of what was changed.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use crate::clock::Clock;
use crate::model::{KeyId, SessionId, Username};
use crate::store::{AuditEntry, Page, Store, StoreError};

/// Who asks for a change. The managers write it into the audit log; which rules hold does not depend
/// on the door that it came through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A person at the console, by login name.
    Operator(String),
    /// A program that showed this API key.
    Key {
        /// The key's public name.
        id: KeyId,
        /// What the operator called it.
        name: String,
    },
    /// A device or a person, about its own account.
    Account {
        /// Its username.
        username: Username,
        /// The session that it asks from, if it has one: it goes on where the others end.
        session: Option<SessionId>,
    },
    /// `tidings account` and `tidings key`, on a data directory.
    CommandLine,
    /// Someone at this address who has not shown who they are.
    Stranger(IpAddr),
}

impl Actor {
    /// How the audit log calls it.
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Operator(name) | Self::Key { name, .. } => Cow::Borrowed(name),
            Self::Account { username, .. } => Cow::Owned(format!("account {username}")),
            Self::CommandLine => Cow::Borrowed("command line"),
            Self::Stranger(address) => Cow::Owned(format!("stranger at {}", address.to_canonical())),
        }
    }

    /// The session that a change of the account leaves alone.
    pub(crate) fn session(&self) -> Option<SessionId> {
        match self {
            Self::Account { session, .. } => *session,
            _ => None,
        }
    }
}

/// The audit log, as the managers write it.
#[derive(Clone)]
pub(crate) struct AuditLog {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl AuditLog {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Notes what was done, as `noun.verb`, and to what.
    pub(crate) async fn note(&self, actor: &Actor, action: &str, subject: &str) -> Result<(), StoreError> {
        self.store.audit(self.clock.now(), &actor.name(), action, subject).await
    }

    /// Newest first, positions below `before`.
    pub(crate) async fn entries(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<AuditEntry, u64>, StoreError> {
        self.store.audit_log(before, limit).await
    }
}
