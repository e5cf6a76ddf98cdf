//! The store port: what must survive.
//!
//! Every method that changes something returns only when the change is on
//! durable storage; an implementation groups concurrent changes into one commit.
//! One conformance suite (`tidings_store::conformance`) says what the words
//! below mean, and every implementation passes it.
//!
//! How delivery is kept:
//!
//! - A notification for all or for a topic is stored once. What an account has
//!   settled of these is its *cursor*: a position for each [`Priority`](crate::model::Priority), plus
//!   the few it settled beyond that position. A notification is pending for an
//!   account when it is live, beyond the cursor, and meant for the account: for
//!   all and released after the account's creation, or of a topic and released
//!   after the account's subscription.
//! - A notification for named accounts has a queue row an account. It is
//!   pending while the row is there.
//! - Settling is idempotent, and settling what was never meant for the account
//!   does nothing.
//!
//! Order, and callers at once:
//!
//! - The numbers of releases ([`Seq`](crate::model::Seq)) become visible in order: who has seen one, in an
//!   answer or in a [`CommitFeed`], finds everything below it at the next read, and nothing
//!   new appears below it later. So [`Feed::head`] is a promise.
//! - Several callers, in one process or in several that share a database, may call anything
//!   at once. Each method happens as a whole or not at all, and what a batch method finds to
//!   do (release, expire, settle, purge) is done and counted once, by one of them.
//! - A caller that was told [`StoreError::Unavailable`], or was not told anything, does not
//!   know whether it happened, and may ask again. Nothing happens twice then, but for
//!   [`audit`](AdminStore::audit), which writes one more line; what was created or accepted
//!   already is a [`StoreError::Conflict`].

mod account;
mod admin;
mod commit_feed;
mod endpoint;
mod health;
mod invitation;
mod notification;
mod topic;

use thiserror::Error;

pub use self::account::{
    AccountChange, AccountOrder, AccountQuery, AccountRow, AccountSortKey, AccountStore, Seen,
};
pub use self::admin::{AdminStore, AuditEntry, WebSession};
pub use self::commit_feed::{CommitFeed, CommitFeeds, Committed, Next, Released};
pub use self::endpoint::{EndpointQuery, EndpointRow, EndpointStore, NewEndpoint};
pub use self::health::{Commits, HealthStore, LogState};
pub use self::invitation::{InvitationRow, InvitationStore};
pub use self::notification::{
    Acceptance, Ended, Feed, HistoryEntry, Idempotency, NewNotification, NotificationRecord,
    NotificationStore, Outcome, Payloads, PendingBounds, Settled, Settlement, Totals,
};
pub use self::topic::{Subscriber, SubscriptionChange, TopicRow, TopicStore};

/// Everything that must survive: the sum of the parts, each of which is a trait of its own.
pub trait Store:
    AccountStore + TopicStore + NotificationStore + EndpointStore + InvitationStore + AdminStore + HealthStore
{
}

impl<T> Store for T where
    T: AccountStore
        + TopicStore
        + NotificationStore
        + EndpointStore
        + InvitationStore
        + AdminStore
        + HealthStore
{
}

/// The traits, for code that holds a store by its own type.
pub mod prelude {
    pub use super::{
        AccountStore, AdminStore, EndpointStore, HealthStore, InvitationStore, NotificationStore, Store,
        TopicStore,
    };
}

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The name is taken.
    #[error("the name is taken")]
    Conflict,
    /// What was named does not exist.
    #[error("not found")]
    NotFound,
    /// What was named has existed and has ended: a revoked or expired endpoint.
    #[error("it has ended")]
    Gone,
    /// These usernames are unknown.
    #[error("unknown user: {}", .0.join(", "))]
    UnknownUsers(Vec<String>),
    /// As much waits as may: for these usernames, or in all where none is named.
    #[error("{}", queue_full(.0))]
    QueueFull(Vec<String>),
    /// The write queue is full; try again in a moment.
    #[error("the store is busy")]
    Busy,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// What the store stands on does not answer, or takes no writes now. What was asked for
    /// may have happened all the same.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// The data directory was made by a newer version, or by something else.
    #[error("{0}")]
    Incompatible(String),
    /// Anything else: I/O, corruption.
    #[error("storage failed: {0}")]
    Failed(String),
}

fn queue_full(users: &[String]) -> String {
    match users {
        [] => "as much waits in the store as may".to_owned(),
        names => format!("as many notifications as may wait already for: {}", names.join(", ")),
    }
}

/// A result of the store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// One page of a listing, and where the next begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, C> {
    /// The rows.
    pub items: Vec<T>,
    /// Pass it back to continue; `None` on the last page.
    pub next: Option<C>,
}
