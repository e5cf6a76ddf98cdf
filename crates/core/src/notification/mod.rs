//! The notification manager: accepts, schedules, expires, collapses, counts, settles.
//!
//! Acceptance ends with the store's commit; what follows (handing out, counting,
//! telling watchers) can be lost with the process and is found again in the store.

mod latency;
mod request;
mod schedule;
mod settle;
mod topics;

use std::sync::Arc;
use std::time::Duration;

pub use self::latency::{LATENCY_BOUNDS, Latency};
pub use self::request::{AcceptError, Accepted, Request};
use self::schedule::NextDue;
use self::settle::SettleQueue;
use crate::audit::{Actor, AuditLog};
use crate::auth::Grant;
use crate::clock::{Clock, Random};
use crate::config::Config;
use crate::error::ChangeError;
use crate::events::{Event, Events};
use crate::model::{
    AccountId, Audience, Content, Ext, Notification, NotificationId, SendRights, Sender, SenderFilter, Seq,
    Timestamp, Username,
};
use crate::sessions::Sessions;
use crate::store::{
    Acceptance, Committed, Feed, HistoryEntry, Idempotency, NewNotification, NotificationRecord, Page,
    Payloads, PendingBounds, Released, Settlement, Store, StoreError, Totals,
};

/// How long an idempotency key is remembered.
const IDEMPOTENCY_SPAN: Duration = Duration::from_secs(24 * 3600);

/// See the [module's documentation](self).
pub struct NotificationManager {
    inner: Arc<Inner>,
}

/// What the manager is given.
pub(crate) struct Dependencies {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) events: Events,
    pub(crate) audit: AuditLog,
    pub(crate) sessions: Arc<dyn Sessions>,
    /// How long a content is as a stanza's: the session manager knows.
    pub(crate) encoded_len: fn(&Content, &Ext) -> usize,
}

struct Inner {
    config: Arc<Config>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    events: Events,
    audit: AuditLog,
    sessions: Arc<dyn Sessions>,
    /// How long a content is as a stanza's: the session manager knows.
    encoded_len: fn(&Content, &Ext) -> usize,
    settlements: SettleQueue,
    /// When the scheduler has something to do next.
    next_due: NextDue,
    stopping: tokio::sync::watch::Sender<bool>,
}

impl NotificationManager {
    pub(crate) fn new(dependencies: Dependencies) -> Self {
        let Dependencies { config, store, clock, random, events, audit, sessions, encoded_len } =
            dependencies;
        let inner = Inner {
            config,
            store,
            clock,
            random,
            events,
            audit,
            sessions,
            encoded_len,
            settlements: SettleQueue::new(),
            next_due: NextDue::default(),
            stopping: tokio::sync::watch::Sender::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Starts the scheduler and the settlement writer.
    pub(crate) fn spawn_tasks(&self) -> Vec<tokio::task::JoinHandle<()>> {
        let settler = Arc::clone(&self.inner);
        let scheduler = Arc::clone(&self.inner);
        vec![
            tokio::spawn(async move {
                let settle = |batch| settler.store.settle(batch);
                settler.settlements.run(settle, &settler.events).await;
            }),
            tokio::spawn(async move { schedule::run(&scheduler).await }),
        ]
    }

    /// Lets the tasks finish what they have and end.
    pub(crate) fn stop(&self) {
        self.inner.stopping.send_replace(true);
        self.inner.settlements.close();
    }

    /// How long copies took from acceptance to acknowledgement, since the start.
    pub fn latency(&self) -> Latency {
        self.inner.settlements.latency.read()
    }

    /// Looks at a request as [`accept`](Self::accept) does first, and sends nothing.
    ///
    /// # Errors
    /// [`AcceptError::Invalid`] with every field that is out of bounds; [`AcceptError::Forbidden`].
    pub fn check(&self, request: &Request) -> Result<(), AcceptError> {
        if !request.rights.allow(&request.audience) {
            return Err(AcceptError::Forbidden(request.audience.to_string()));
        }
        let mut errors = request.check(&self.inner.config, self.inner.encoded_len);
        errors.extend(request.check_times(&self.inner.config, self.inner.clock.now()).err());
        if errors.is_empty() { Ok(()) } else { Err(AcceptError::Invalid(errors)) }
    }

    /// Accepts a notification. When this returns, it is on durable storage. Handing it out is
    /// not the caller's part: dropping the future undoes nothing.
    ///
    /// # Errors
    /// See [`AcceptError`].
    pub async fn accept(&self, request: Request) -> Result<Accepted, AcceptError> {
        match self.check(&request) {
            Err(refusal @ AcceptError::Invalid(_)) => {
                return self.inner.repeated(&request).await?.ok_or(refusal);
            }
            checked => checked?,
        }
        self.inner.accept(request).await
    }

    /// The store has committed something: the API's and the console's watchers are told, and
    /// the scheduler, what is due.
    pub(crate) fn committed(&self, committed: &Committed) {
        match committed {
            Committed::Released(Released { notification, recipients, .. }) => {
                let (id, priority, recipients) = (notification.id, notification.priority, *recipients);
                self.inner.events.send(Event::Accepted { id, recipients, priority });
                self.inner.next_due.expires(notification.expires_at);
            }
            Committed::Scheduled { send_at } => self.inner.next_due.releases(*send_at),
        }
    }

    /// Commits went by untold: the scheduler asks the store what is due next.
    pub(crate) fn commits_were_lost(&self) {
        self.inner.next_due.releases(Timestamp(i64::MIN));
    }

    /// Accepts what a person sends, and notes it in the audit log. What programs send is not noted
    /// there: it would be one more write for each, and the history has it.
    ///
    /// # Errors
    /// See [`AcceptError`].
    pub async fn send(&self, actor: &Actor, request: Request) -> Result<Accepted, AcceptError> {
        let to = request.audience.to_string();
        let accepted = self.accept(request).await?;
        let subject = format!("{} to {to}", accepted.id);
        self.inner.audit.note(actor, "notification.send", &subject).await?;
        Ok(accepted)
    }

    /// Refuses at once what would be accepted while the store is far behind, instead of holding it
    /// in memory.
    ///
    /// # Errors
    /// [`StoreError::Busy`].
    pub fn check_room(&self) -> Result<(), StoreError> {
        let (waiting, room) = self.inner.store.backlog();
        if waiting.saturating_mul(10) > room.saturating_mul(9) { Err(StoreError::Busy) } else { Ok(()) }
    }

    /// Cancels what is scheduled or still pending; the number of accounts that
    /// will not get it. `None` for an unknown id.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn cancel(&self, actor: &Actor, id: NotificationId) -> Result<Option<u64>, StoreError> {
        let Some(ended) = self.inner.store.cancel(id).await? else { return Ok(None) };
        if ended.accounts > 0 {
            self.inner.events.send(Event::Cancelled { id, accounts: ended.accounts });
        }
        self.inner.audit.note(actor, "notification.cancel", &id.to_string()).await?;
        Ok(Some(ended.accounts))
    }

    /// Does what [`cancel`](Self::cancel) does for a back end that shows an API key, within the key's
    /// rights.
    ///
    /// # Errors
    /// [`ChangeError::Forbidden`] for what was sent to others than the key may send to.
    pub async fn withdraw(&self, grant: &Grant, id: NotificationId) -> Result<Option<u64>, ChangeError> {
        if grant.rights != SendRights::Everyone {
            let Some(record) = self.inner.store.notification(id).await? else { return Ok(None) };
            if !may_withdraw(grant, &record) {
                return Err(ChangeError::Forbidden("this key may not withdraw what was sent to others"));
            }
        }
        Ok(self.cancel(&Actor::from(grant), id).await?)
    }

    /// One notification with its counters.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn get(&self, id: NotificationId) -> Result<Option<NotificationRecord>, StoreError> {
        self.inner.store.notification(id).await
    }

    /// Newest first, positions below `before`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<NotificationRecord, u64>, StoreError> {
        self.inner.store.notifications(before, limit).await
    }

    /// Those of one sender, newest first, positions below `before`. A page may come back short, even
    /// empty, and still have a next one.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list_by(
        &self,
        sender: SenderFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<NotificationRecord, u64>, StoreError> {
        self.inner.store.notifications_by(sender, before, limit).await
    }

    /// Totals for statistics.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        self.inner.store.totals().await
    }

    /// What is pending for an account, of the payloads that its session can be handed, most
    /// urgent first. Settlements that were
    /// made before this call are taken into account.
    ///
    /// # Errors
    /// When the store does not answer, or cannot write settlements: what an account
    /// has acknowledged would be read as pending.
    pub(crate) async fn feed(
        &self,
        account: AccountId,
        payloads: Payloads,
        limit: usize,
    ) -> Result<Feed, StoreError> {
        self.inner.settlements.flush_or_busy().await?;
        let now = self.inner.clock.now();
        self.inner.store.feed(account, payloads, now, limit).await
    }

    /// Of these notifications for an account, what is not over, withdrawn or replaced.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn released_to(
        &self,
        account: AccountId,
        seqs: Vec<Seq>,
    ) -> Result<Vec<Notification>, StoreError> {
        self.inner.store.released_to(account, seqs, self.inner.clock.now()).await
    }

    /// What is pending for an account, as a person may see it: most urgent first, at most `limit`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn pending(&self, account: AccountId, limit: usize) -> Result<Vec<Notification>, StoreError> {
        self.write_settlements().await;
        let now = self.inner.clock.now();
        Ok(self.inner.store.feed(account, Payloads::Any, now, limit).await?.pending)
    }

    /// How much is pending for an account.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn pending_count(&self, account: AccountId) -> Result<u64, StoreError> {
        self.write_settlements().await;
        self.inner.store.pending_count(account).await
    }

    /// What became of an account's notifications that no longer wait, newest first, positions below
    /// `before`. A page may come back short, even empty, and still have a next one.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn history(
        &self,
        account: AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<HistoryEntry, u64>, StoreError> {
        self.write_settlements().await;
        self.inner.store.account_history(account, before, limit).await
    }

    /// Waits for what is acknowledged but not written. Where the store takes no writes, people see
    /// how things stood before.
    async fn write_settlements(&self) {
        if let Err(error) = self.inner.settlements.flush_or_busy().await {
            tracing::debug!(%error, "what is shown leaves out the newest acknowledgements");
        }
    }

    /// Settles what a session's peer has acknowledged; waits only while the
    /// writer is far behind.
    pub(crate) async fn settle(&self, account: AccountId, seqs: impl IntoIterator<Item = Seq>) {
        let settlements = seqs.into_iter().map(|seq| Settlement { account, seq });
        self.inner.settlements.push(settlements, self.inner.clock.now()).await;
    }

    /// Waits until settlements made before this call are durable.
    pub async fn settled(&self) {
        self.inner.settlements.flush().await;
    }

    /// A receipt by id, for what this session does not remember having sent.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn receipt(&self, account: AccountId, id: NotificationId) -> Result<(), StoreError> {
        if let Some(seq) = self.inner.store.seq_of(id).await? {
            self.settle(account, [seq]).await;
        }
        Ok(())
    }

    /// The account's user opened a notification (XEP-0333).
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn opened(
        &self,
        account: AccountId,
        username: &Username,
        id: NotificationId,
    ) -> Result<(), StoreError> {
        // What is on its way to the store comes first, so that the counters of
        // delivered and opened are written in that order.
        self.inner.settlements.flush_or_busy().await?;
        if self.inner.store.opened(account, id).await? {
            self.inner.events.send(Event::Opened { id, username: username.clone() });
        }
        Ok(())
    }
}

impl Inner {
    /// What a request was answered before, where only its time is wrong: it may be the repeat of one
    /// that was answered in time.
    async fn repeated(&self, request: &Request) -> Result<Option<Accepted>, AcceptError> {
        let now = self.clock.now();
        let timeless = request.check(&self.config, self.encoded_len).is_empty();
        let Some(asked) = idempotency(request, now).filter(|_| timeless) else { return Ok(None) };
        match self.store.accepted_before(&asked, now).await? {
            Some(Acceptance::Repeated(id, recipients)) => {
                Ok(Some(self.as_answered(id, recipients, request.granted_ttl(&self.config), now).await?))
            }
            Some(Acceptance::Mismatch) => Err(AcceptError::IdempotencyMismatch),
            _ => Ok(None),
        }
    }

    /// The answer to a repeat that asks for this `ttl` at `now`.
    async fn as_answered(
        &self,
        id: NotificationId,
        recipients: u64,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Accepted, StoreError> {
        let (release, expires_at) = match self.store.notification(id).await? {
            Some(first) => (first.send_at.unwrap_or(first.created_at), first.notification.expires_at),
            // The history is shorter than a day.
            None => (now, now.plus(ttl)),
        };
        Ok(Accepted { id, recipients, ttl: expires_at.since(release), expires_at })
    }

    async fn accept(&self, request: Request) -> Result<Accepted, AcceptError> {
        let now = self.clock.now();
        let mut random = [0; 10];
        self.random.fill(&mut random);
        let id = NotificationId::new(now, random);
        let send_at = request.send_at.filter(|at| *at > now);
        let ttl = request.granted_ttl(&self.config);
        let expires_at = send_at.unwrap_or(now).plus(ttl);
        let idempotency = idempotency(&request, now);
        let new = NewNotification {
            id,
            audience: request.audience,
            payload: request.payload,
            ext: request.ext,
            sender: request.sender,
            priority: request.priority,
            collapse_key: request.collapse_key,
            created_at: now,
            send_at,
            expires_at,
            idempotency,
            bounds: bounds(&self.config),
        };
        match self.store.accept(new).await? {
            Acceptance::Accepted { id, recipients } => Ok(Accepted { id, recipients, ttl, expires_at }),
            Acceptance::Scheduled(recipients) => Ok(Accepted { id, recipients, ttl, expires_at }),
            Acceptance::Repeated(id, recipients) => Ok(self.as_answered(id, recipients, ttl, now).await?),
            Acceptance::Mismatch => Err(AcceptError::IdempotencyMismatch),
        }
    }
}

/// Whether a key's rights reach all whom a notification was sent to. Of a long list the store tells the
/// first names only: that one the key must have sent itself.
fn may_withdraw(grant: &Grant, record: &NotificationRecord) -> bool {
    let whole = match &record.audience {
        Audience::Users(names) => names.len() as u64 >= record.counters.recipients,
        _ => true,
    };
    let sent = || matches!(&record.notification.sender, Some(Sender::Key { id, .. }) if *id == grant.id);
    grant.rights.allow(&record.audience) && (whole || sent())
}

/// How much may wait: 0 in the settings is no limit.
fn bounds(config: &Config) -> PendingBounds {
    let limit = |setting: u64| if setting == 0 { u64::MAX } else { setting };
    PendingBounds {
        per_account: limit(config.limits.pending_per_account),
        bytes: limit(config.limits.pending_bytes),
    }
}

/// The request's idempotency key as the store has it.
fn idempotency(request: &Request, now: Timestamp) -> Option<Idempotency> {
    request.idempotency.as_ref().map(|(key, fingerprint)| Idempotency {
        // A key has no line break in it, so this is one sender's alone.
        key: format!("{}\n{key}", request.sender.identity()),
        fingerprint: *fingerprint,
        expires_at: now.plus(IDEMPOTENCY_SPAN),
    })
}
