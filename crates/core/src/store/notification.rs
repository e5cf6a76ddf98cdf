//! What must survive of notifications: from acceptance to the end of the last copy.

use async_trait::async_trait;

use super::{CommitFeed, Page, Result};
use crate::model::{
    AccountId, Audience, Counters, Ext, Notification, NotificationId, NotificationState, Payload, Priority,
    Sender, SenderFilter, Seq, Timestamp,
};

/// A notification to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotification {
    /// Its public id.
    pub id: NotificationId,
    /// To whom.
    pub audience: Audience,
    /// What is delivered.
    pub payload: Payload,
    /// What only one door understands.
    pub ext: Ext,
    /// Who sends it.
    pub sender: Sender,
    /// How urgent.
    pub priority: Priority,
    /// Replaces what is pending of the same sender with the same key (see
    /// [`Notification::collapses_with`]).
    pub collapse_key: Option<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it is to be released, if later than now.
    pub send_at: Option<Timestamp>,
    /// After this moment it is not delivered any more.
    pub expires_at: Timestamp,
    /// A repeat with the same key answers the first one's id.
    pub idempotency: Option<Idempotency>,
    /// How much may wait, this one included.
    pub bounds: PendingBounds,
}

/// How much may wait. Default: whatever comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingBounds {
    /// Notifications for named accounts that wait for one account.
    pub per_account: u64,
    /// Bytes of all that waits or is scheduled, as stored.
    pub bytes: u64,
}

impl Default for PendingBounds {
    fn default() -> Self {
        Self { per_account: u64::MAX, bytes: u64::MAX }
    }
}

/// An idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key, already scoped to the sender.
    pub key: String,
    /// SHA-256 of the request: the same key with a different request is refused.
    pub fingerprint: [u8; 32],
    /// Forget it after this moment.
    pub expires_at: Timestamp,
}

/// What became of a notification handed to [`NotificationStore::accept`]. What is to be
/// handed out comes through [`NotificationStore::watch`].
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

/// Which notifications a session can be handed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Payloads {
    /// Only those with [`Payload::Text`].
    Text,
    /// All.
    Any,
}

/// What an account's session needs when it becomes available.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Pending notifications of the payloads that were asked for, most urgent first and in order
    /// within a priority, at most as many as were asked for.
    pub pending: Vec<Notification>,
    /// Whether there are more.
    pub more: bool,
    /// The newest [`Seq`] that existed when this was read. Whatever was pending for the account at
    /// or below it is in `pending`, in `damaged`, or left out as it was asked; what comes later has a
    /// larger one.
    pub head: Seq,
    /// Pending ones that cannot be read any more, at most as many as were asked for: they stay
    /// pending until their time is over, and count for nothing above.
    pub damaged: Vec<(Seq, NotificationId)>,
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

/// Notifications.
///
/// What [`release_due`](Self::release_due), [`expire_due`](Self::expire_due) and
/// [`purge`](Self::purge) have to do, they find in the store: every node may call them at any time.
#[async_trait]
pub trait NotificationStore: Send + Sync + 'static {
    /// Accepts a notification: validates its users, assigns its [`Seq`],
    /// replaces what it collapses, makes all of it durable. Of several at once with one
    /// collapse key for one account, the one with the largest [`Seq`] is pending in the end;
    /// of several with one idempotency key, one is accepted.
    ///
    /// # Errors
    /// [`StoreError::UnknownUsers`](super::StoreError::UnknownUsers);
    /// [`StoreError::QueueFull`](super::StoreError::QueueFull) beyond its bounds, where it does not
    /// replace what waits for an account; for an endpoint
    /// [`StoreError::NotFound`](super::StoreError::NotFound), or
    /// [`StoreError::Gone`](super::StoreError::Gone) where it has ended;
    /// [`StoreError::Conflict`](super::StoreError::Conflict) for an id that is taken. Nothing is
    /// stored then.
    async fn accept(&self, new: NewNotification) -> Result<Acceptance>;
    /// What [`accept`](Self::accept) would answer by this idempotency key alone, at `now`:
    /// [`Acceptance::Repeated`], [`Acceptance::Mismatch`], or `None` where it did not come before.
    async fn accepted_before(&self, asked: &Idempotency, now: Timestamp) -> Result<Option<Acceptance>>;
    /// What is committed through this handle from now on, in the order in which it becomes
    /// visible: every release, each once, in the order of its [`Seq`]; and what is scheduled.
    /// It is told after the commit and before the caller that caused it is answered. What
    /// failed, or was only a repeat, is not told.
    fn watch(&self) -> CommitFeed;
    /// Releases scheduled notifications whose time has come, at most `limit`, and answers how
    /// many it has released; [`watch`](Self::watch) tells which. Users who are gone by then
    /// are left out.
    async fn release_due(&self, now: Timestamp, limit: usize) -> Result<u64>;
    /// When the next scheduled notification is due.
    async fn next_release(&self) -> Result<Option<Timestamp>>;
    /// Expires live notifications whose time is over, at most `limit`. A copy is either expired
    /// or delivered, whatever comes at once.
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
    /// Those of one sender, newest first, positions below `before`. A page looks through a bounded
    /// number of notifications, so that it may come back short, even empty, and still have a next one.
    async fn notifications_by(
        &self,
        sender: SenderFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<NotificationRecord, u64>>;
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
    /// An account's pending notifications with such payloads, not expired at `now`.
    /// Where two share a collapse key, only the newer is pending: the older is
    /// settled as cancelled.
    async fn feed(
        &self,
        account: AccountId,
        payloads: Payloads,
        now: Timestamp,
        limit: usize,
    ) -> Result<Feed>;
    /// What most logins ask: the head, as [`feed`](Self::feed) would read it now, if nothing can be
    /// pending for the account and it has no topics. `None` where that takes a closer look.
    async fn head_if_idle(&self, account: AccountId) -> Result<Option<Seq>>;
    /// Settles acknowledgements in one batch. Repeats change nothing, nor does settling what
    /// was never meant for the account.
    async fn settle(&self, batch: Vec<Settlement>) -> Result<Settled>;
    /// Of these notifications for an account, those that it has acknowledged or that wait for it, in
    /// the order of their [`Seq`]: not what is over at `now`, was withdrawn or replaced.
    async fn released_to(
        &self,
        account: AccountId,
        seqs: Vec<Seq>,
        now: Timestamp,
    ) -> Result<Vec<Notification>>;
    /// A released notification's [`Seq`], by id: for receipts.
    async fn seq_of(&self, id: NotificationId) -> Result<Option<Seq>>;
    /// Notes that an account opened a notification, which also settles it.
    /// True when it was meant for the account and not opened there before.
    async fn opened(&self, account: AccountId, id: NotificationId) -> Result<bool>;
    /// How much is pending for one account.
    async fn pending_count(&self, account: AccountId) -> Result<u64>;
    /// Totals for statistics. Cheap: stored, not counted.
    async fn totals(&self) -> Result<Totals>;
    /// Forgets finished notifications accepted before `before`, endpoints and invitations that ended before it, and
    /// idempotency keys, console logins, tokens and audit entries whose time is over; at most
    /// `limit` of each. A notification that was accepted after `now` says that the clock was ahead
    /// then: it is as old as the next one that was not.
    async fn purge(&self, before: Timestamp, now: Timestamp, limit: usize) -> Result<u64>;
}
