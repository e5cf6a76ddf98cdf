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
//!   settled of these is its *cursor*: a position for each [`Priority`], plus
//!   the few it settled beyond that position. A notification is pending for an
//!   account when it is live, beyond the cursor, and meant for the account: for
//!   all and released after the account's creation, or of a topic and released
//!   after the account's subscription.
//! - A notification for named accounts has a queue row an account. It is
//!   pending while the row is there.
//! - Settling is idempotent, and settling what was never meant for the account
//!   does nothing.

mod commit_feed;

use async_trait::async_trait;
use thiserror::Error;

pub use self::commit_feed::{CommitFeed, CommitFeeds, Committed, Next};
use crate::model::{
    Account, AccountId, ApiKey, Audience, Content, Counters, Credentials, KeyId, NewAccount, Notification,
    NotificationId, NotificationState, Operator, Priority, ScramKeys, Seq, Target, Timestamp, Topic,
    Username,
};

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The name is taken.
    #[error("the name is taken")]
    Conflict,
    /// What was named does not exist.
    #[error("not found")]
    NotFound,
    /// These usernames are unknown.
    #[error("unknown user: {}", .0.join(", "))]
    UnknownUsers(Vec<String>),
    /// The write queue is full; try again in a moment.
    #[error("the store is busy")]
    Busy,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The data directory was made by a newer version, or by something else.
    #[error("{0}")]
    Incompatible(String),
    /// Anything else: I/O, corruption.
    #[error("storage failed: {0}")]
    Failed(String),
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

/// A notification to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotification {
    /// Its public id.
    pub id: NotificationId,
    /// To whom.
    pub audience: Audience,
    /// What the person sees.
    pub content: Content,
    /// How urgent.
    pub priority: Priority,
    /// Replaces what is pending with the same key.
    pub collapse_key: Option<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it is to be released, if later than now.
    pub send_at: Option<Timestamp>,
    /// After this moment it is not delivered any more.
    pub expires_at: Timestamp,
    /// A repeat with the same key (scoped by the caller) answers the first one's id.
    pub idempotency: Option<Idempotency>,
}

/// An idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key, already scoped to the API key that sent it.
    pub key: String,
    /// SHA-256 of the request: the same key with a different request is refused.
    pub fingerprint: [u8; 32],
    /// Forget it after this moment.
    pub expires_at: Timestamp,
}

/// What became of a notification handed to [`Store::accept`]. What is to be handed out
/// comes through [`Store::watch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// It is durable and released.
    Accepted {
        /// Its id, as it was given.
        id: NotificationId,
        /// How many accounts it is for.
        recipients: u64,
    },
    /// It is durable and waits for its time; so many would get it today.
    Scheduled(u64),
    /// A repeat: the first one's id and recipients.
    Repeated(NotificationId, u64),
    /// The idempotency key came before, with a different request.
    Mismatch,
}

/// A notification that was released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The notification.
    pub notification: Notification,
    /// To whom it goes.
    pub target: Target,
    /// How many accounts that is.
    pub recipients: u64,
}

/// A stored notification with its counters, as listings and the API show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationRecord {
    /// Its position in the listing: newest first. Not the delivery order.
    pub position: u64,
    /// The notification; its `seq` counts once it is released.
    pub notification: Notification,
    /// A readable audience: for named accounts at most the first 100.
    pub audience: Audience,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it is to be released, if it was scheduled.
    pub send_at: Option<Timestamp>,
    /// Where it stands.
    pub state: NotificationState,
    /// How many got it.
    pub counters: Counters,
}

/// An acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settlement {
    /// Whose.
    pub account: AccountId,
    /// Of what.
    pub seq: Seq,
}

/// What a batch of settlements changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    /// How many accounts each notification was newly delivered to.
    pub delivered: Vec<(Seq, NotificationId, u64)>,
}

/// How far a session has read an account's queue: the last [`Seq`] of each
/// priority, by [`Priority::index`].
pub type Positions = [Seq; 3];

/// What an account's session needs when it becomes available.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Pending notifications beyond the asked positions, most urgent first and
    /// in order within a priority, at most as many as were asked for.
    pub pending: Vec<Notification>,
    /// Whether there are more.
    pub more: bool,
    /// The newest [`Seq`] that existed when this was read: later ones come as hints.
    pub head: Seq,
}

/// What expiry, cancellation or removal did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its [`Seq`]; zero where it was never released.
    pub seq: Seq,
    /// Its id.
    pub id: NotificationId,
    /// How many accounts it had been pending for.
    pub accounts: u64,
}

/// What a listing of accounts is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AccountOrder {
    /// The username.
    #[default]
    Username,
    /// The order of creation.
    Created,
    /// When the last session ended; accounts that never had one come first.
    LastOffline,
}

/// What tells where an account stands in a listing, whatever that is sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSortKey {
    /// For [`AccountOrder::Username`].
    pub username: String,
    /// For [`AccountOrder::Created`], and where nothing else tells two apart.
    pub id: AccountId,
    /// For [`AccountOrder::LastOffline`].
    pub last_offline: Option<Timestamp>,
}

impl AccountSortKey {
    /// The sort key of this account.
    pub fn of(account: &Account) -> Self {
        Self { username: account.username.to_string(), id: account.id, last_offline: account.last_offline }
    }
}

/// How to page through accounts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountQuery {
    /// Only usernames, aliases, names or e-mail addresses that contain this (case is ignored).
    pub contains: Option<String>,
    /// Only these accounts.
    pub only: Option<Vec<AccountId>>,
    /// Only accounts other than these.
    pub except: Option<Vec<AccountId>>,
    /// What to sort by.
    pub order: AccountOrder,
    /// Whether the last come first.
    pub descending: bool,
    /// Only accounts that come after this one.
    pub after: Option<AccountSortKey>,
    /// At most so many.
    pub limit: usize,
}

/// A sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Whose.
    pub account: AccountId,
    /// When.
    pub at: Timestamp,
    /// Whether it was the last one: a session ended.
    pub offline: bool,
}

/// What became of an account's copy of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was acknowledged.
    Delivered,
    /// And opened.
    Opened,
    /// Its time was over before the device had it.
    Expired,
    /// It was withdrawn or replaced before the device had it.
    Cancelled,
}

impl Outcome {
    /// The name that the console shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Opened => "opened",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A notification that no longer waits for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The notification.
    pub record: NotificationRecord,
    /// What became of this account's copy.
    pub outcome: Outcome,
}

/// An account in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// The account.
    pub account: Account,
    /// Notifications pending for it.
    pub pending: u64,
}

/// A change to an account; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct AccountChange {
    /// A new display name; `Some(None)` removes it.
    pub name: Option<Option<String>>,
    /// A new e-mail address; `Some(None)` removes it.
    pub email: Option<Option<String>>,
    /// New keys: the password was changed.
    pub keys: Option<(ScramKeys, ScramKeys)>,
    /// Whether logins are refused.
    pub disabled: Option<bool>,
    /// A new alias; `Some(None)` removes it.
    pub alias: Option<Option<Username>>,
}

/// Totals since the data directory was made; `pending` and `scheduled` are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Accounts.
    pub accounts: u64,
    /// Notifications accepted.
    pub notifications: u64,
    /// Copies to accounts.
    pub counters: Counters,
    /// Notifications that wait for their time.
    pub scheduled: u64,
}

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

/// How many commits there were, and how many writes shared them. A commit waits for
/// the disk once, so the more share one the better.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Commits {
    /// Commits.
    pub commits: u64,
    /// Calls to the store that these made durable.
    pub writes: u64,
}

/// Everything that must survive.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // ---- accounts ----

    /// Creates an account; its cursor starts at the newest notification.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the username is taken, be it as an alias.
    async fn create_account(&self, new: NewAccount) -> Result<Account>;
    /// The account with this username or alias.
    async fn account(&self, name: &Username) -> Result<Option<Account>>;
    /// What a login needs, by username (not by alias).
    async fn credentials(&self, username: &Username) -> Result<Option<Credentials>>;
    /// Changes an account.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] for an alias that is taken.
    async fn change_account(&self, id: AccountId, change: AccountChange) -> Result<()>;
    /// Removes an account, its queue and its subscriptions; what was pending
    /// for it counts as cancelled. False when there was none.
    async fn remove_account(&self, id: AccountId) -> Result<bool>;
    /// Notes when accounts were last seen, and when they left.
    async fn touch_accounts(&self, seen: Vec<Seen>) -> Result<()>;
    /// A page of accounts; continue after `next`. A search looks through a
    /// bounded number of them, so that its page may come back short, even
    /// empty, and still have a next one.
    async fn accounts(&self, query: AccountQuery) -> Result<Page<AccountRow, AccountSortKey>>;

    // ---- topics ----

    /// Subscribes an account; what is released later is for it. False when it
    /// was subscribed already.
    async fn subscribe(&self, account: AccountId, topic: Topic) -> Result<bool>;
    /// Ends a subscription; what was pending by it counts as cancelled. False
    /// when there was none.
    async fn unsubscribe(&self, account: AccountId, topic: Topic) -> Result<bool>;
    /// An account's topics, sorted.
    async fn subscriptions(&self, account: AccountId) -> Result<Vec<Topic>>;
    /// Topics that have subscribers, with how many, by name; continue after the last name.
    async fn topics(&self, after: Option<String>, limit: usize) -> Result<Page<(Topic, u64), String>>;

    // ---- notifications ----

    /// Accepts a notification: validates its users, assigns its [`Seq`],
    /// replaces what it collapses, makes all of it durable.
    ///
    /// # Errors
    /// [`StoreError::UnknownUsers`]: nothing is stored then.
    async fn accept(&self, new: NewNotification) -> Result<Acceptance>;
    /// What is committed through this handle from now on, in the order in which it becomes
    /// visible: every release, each once, in the order of its [`Seq`]; and what is scheduled.
    /// It is told after the commit and before the caller that caused it is answered. What
    /// failed, or was only a repeat, is not told.
    fn watch(&self) -> CommitFeed;
    /// Releases scheduled notifications whose time has come, at most `limit`, and answers how
    /// many it has released; [`watch`](Self::watch) tells which. Users who are gone by then
    /// are left out. Callers may do this at once: each notification is released by one of them.
    async fn release_due(&self, now: Timestamp, limit: usize) -> Result<u64>;
    /// When the next scheduled notification is due.
    async fn next_release(&self) -> Result<Option<Timestamp>>;
    /// Expires live notifications whose time is over, at most `limit`.
    async fn expire_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Ended>>;
    /// When the next live notification expires.
    async fn next_expiry(&self) -> Result<Option<Timestamp>>;
    /// Cancels what is scheduled or still pending. `None` for an unknown id.
    async fn cancel(&self, id: NotificationId) -> Result<Option<Ended>>;
    /// One notification with its counters.
    async fn notification(&self, id: NotificationId) -> Result<Option<NotificationRecord>>;
    /// Newest first, positions below `before`.
    async fn notifications(&self, before: Option<u64>, limit: usize)
    -> Result<Page<NotificationRecord, u64>>;
    /// An account's history: what no longer waits for it, newest first, positions below `before`:
    /// notifications that named it, those for all since its creation, and those of
    /// its topics since its subscription. A page may come back short, even empty,
    /// and still have a next one.
    async fn account_history(
        &self,
        account: AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<HistoryEntry, u64>>;
    /// An account's pending notifications beyond `after`, not expired at `now`.
    /// Where two share a collapse key, only the newer is pending: the older is
    /// settled as cancelled.
    async fn feed(&self, account: AccountId, after: Positions, now: Timestamp, limit: usize) -> Result<Feed>;
    /// What most logins ask: the head, as [`feed`](Self::feed) would read it now, if nothing can be
    /// pending for the account and it has no topics. `None` where that takes a closer look.
    async fn head_if_idle(&self, account: AccountId) -> Result<Option<Seq>>;
    /// Settles acknowledgements in one batch. Repeats change nothing, nor does settling what
    /// was never meant for the account.
    async fn settle(&self, batch: Vec<Settlement>) -> Result<Settled>;
    /// A released notification's [`Seq`], by id: for receipts.
    async fn seq_of(&self, id: NotificationId) -> Result<Option<Seq>>;
    /// Notes that an account opened a notification, which also settles it.
    /// True when it was meant for the account and not opened there before.
    async fn opened(&self, account: AccountId, id: NotificationId) -> Result<bool>;
    /// How much is pending for one account.
    async fn pending_count(&self, account: AccountId) -> Result<u64>;
    /// Totals for statistics. Cheap: stored, not counted.
    async fn totals(&self) -> Result<Totals>;
    /// Forgets finished notifications accepted before `before` and idempotency
    /// keys, console logins and audit entries whose time is over; at most `limit` of each.
    async fn purge(&self, before: Timestamp, now: Timestamp, limit: usize) -> Result<u64>;
    /// Counts everything again from rows and cursors, and names each counter
    /// that disagrees. Slow; for `tidings doctor` and tests.
    async fn verify_counters(&self) -> Result<Vec<String>>;

    // ---- API keys, operators, console logins, audit ----

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

    // ---- small settings and health ----

    /// A small value that the server keeps for itself, such as a secret made at first start.
    async fn setting(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Keeps a small value.
    async fn put_setting(&self, key: &str, value: Vec<u8>) -> Result<()>;
    /// Whether a write reaches durable storage now.
    async fn check(&self) -> Result<()>;
    /// Writes that wait for their commit, and how many may.
    fn backlog(&self) -> (usize, usize);
    /// What was made durable since the store was opened.
    fn commits(&self) -> Commits;
    /// Finishes what was accepted and closes. Later calls fail.
    async fn close(&self);
}
