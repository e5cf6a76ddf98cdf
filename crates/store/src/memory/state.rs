//! All that the store in memory holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tidings_core::model::{
    Account, AccountId, AccountToken, ApiKey, Counters, Endpoint, EndpointId, Invitation, NotificationId,
    NotificationState, Operator, Priority, ScramKeys, Seq, Target, Timestamp, Topic, TopicPolicy, Username,
};
use tidings_core::store::{AuditEntry, Committed, NotificationRecord, Page, Totals, WebSession};

use crate::by_priority::ByPriority;
use crate::cursor::{Cursor, Subscription};
use crate::open_index::OpenIndex;

/// All there is.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The last number given out: positions in the listing, and [`Seq`]s.
    pub last: u64,
    pub last_account: i64,
    pub accounts: BTreeMap<AccountId, Entry>,
    pub usernames: BTreeMap<Username, AccountId>,
    pub aliases: BTreeMap<Username, AccountId>,
    /// By position in the listing.
    pub items: BTreeMap<u64, Item>,
    pub by_id: HashMap<NotificationId, u64>,
    /// Released ones, to their position in the listing.
    pub by_seq: BTreeMap<Seq, u64>,
    /// What the cursors reckon with.
    pub open_index: OpenIndex,
    pub idempotency: BTreeMap<String, Remembered>,
    pub accepted: u64,
    /// What the feeds have not been told yet.
    pub committed: Vec<Committed>,
    /// What purged notifications had counted.
    pub purged: Counters,
    pub keys: Vec<ApiKey>,
    pub operators: BTreeMap<String, Operator>,
    pub web_sessions: HashMap<[u8; 32], WebSession>,
    pub audit: Vec<AuditEntry>,
    pub last_audit: u64,
    pub settings: BTreeMap<String, Vec<u8>>,
    pub topic_policies: BTreeMap<Topic, TopicPolicy>,
    pub tokens: Vec<AccountToken>,
    /// By position in the listing.
    pub endpoints: BTreeMap<u64, Endpoint>,
    pub last_endpoint: u64,
    /// By position in the listing.
    pub invitations: BTreeMap<u64, Invitation>,
    pub last_invitation: u64,
}

/// An account and what belongs to it.
#[derive(Debug)]
pub(super) struct Entry {
    pub account: Account,
    pub sha1: ScramKeys,
    pub sha256: ScramKeys,
    /// Topics, each with the newest number at subscription.
    pub topics: BTreeMap<Topic, Seq>,
    /// What is pending for it.
    pub pending: BTreeSet<Seq>,
    /// The newest broadcast that was settled, by priority.
    pub reached: ByPriority<Seq>,
    /// The cursor that other stores keep instead. No answer comes from it: it must agree.
    pub cursor: Cursor,
    /// What the cursor passed without the account having had it.
    pub skipped: BTreeSet<u64>,
}

impl Entry {
    /// Its topics, as a cursor wants them.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.topics.iter().map(|(topic, since)| (topic.clone(), since.0)).collect()
    }
}

/// A notification and its copies.
#[derive(Debug)]
pub(super) struct Item {
    pub record: NotificationRecord,
    pub target: Target,
    /// It was released, whatever became of it.
    pub released: bool,
    pub copies: BTreeMap<AccountId, CopyState>,
    /// Copies withdrawn one by one, not with the whole.
    pub dropped: BTreeSet<AccountId>,
    /// A newer one with its collapse key took the place of a copy.
    pub replaced: bool,
    pub opened: BTreeSet<AccountId>,
}

/// Where one account's copy stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CopyState {
    Pending,
    Delivered,
    Expired,
    Cancelled,
}

/// The answer to an idempotency key.
#[derive(Debug)]
pub(super) struct Remembered {
    pub fingerprint: [u8; 32],
    pub id: NotificationId,
    pub recipients: u64,
    pub expires_at: Timestamp,
}

impl Item {
    pub fn seq(&self) -> Seq {
        self.record.notification.seq
    }

    pub fn priority(&self) -> Priority {
        self.record.notification.priority
    }

    pub fn endpoint(&self) -> Option<EndpointId> {
        self.record.notification.endpoint
    }

    pub fn is_broadcast(&self) -> bool {
        !matches!(self.target, Target::Accounts(_))
    }

    /// As the port shows it.
    pub fn shown(&self) -> NotificationRecord {
        let mut record = self.record.clone();
        if self.released {
            let withdrawn = self.replaced || record.state == NotificationState::Cancelled;
            record.state = NotificationState::of_released(&record.counters, withdrawn);
        }
        record
    }

    /// Bytes that it takes while it waits.
    pub fn size(&self) -> u64 {
        self.record.notification.content_bytes() as u64
    }

    /// Live, and pending for an account.
    pub fn open(&self) -> bool {
        self.record.state == NotificationState::Live && self.record.counters.pending() > 0
    }

    /// Whether it is for this account as things stand now.
    pub fn meant_for(&self, entry: &Entry) -> bool {
        match &self.target {
            Target::All => self.seq() > entry.account.registered_at,
            Target::Topic(topic) => entry.topics.get(topic).is_some_and(|since| self.seq() > *since),
            Target::Accounts(_) => self.copies.contains_key(&entry.account.id),
        }
    }

    /// Ends one pending copy.
    pub fn end(&mut self, account: AccountId, how: CopyState) {
        let counters = &mut self.record.counters;
        match how {
            CopyState::Pending => return,
            CopyState::Delivered => counters.delivered += 1,
            CopyState::Expired => counters.expired += 1,
            CopyState::Cancelled => counters.cancelled += 1,
        }
        self.copies.insert(account, how);
    }
}

impl State {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub fn by_seq(&self, seq: Seq) -> Option<&Item> {
        self.items.get(self.by_seq.get(&seq)?)
    }

    pub fn by_id(&self, id: NotificationId) -> Option<&Item> {
        self.items.get(self.by_id.get(&id)?)
    }

    /// The account with this username or alias.
    pub fn named(&self, name: &Username) -> Option<AccountId> {
        self.usernames.get(name).or_else(|| self.aliases.get(name)).copied()
    }

    /// Ends one account's pending copy. False when it was not pending.
    pub fn end_copy(&mut self, account: AccountId, seq: Seq, how: CopyState) -> bool {
        let Some(entry) = self.accounts.get_mut(&account) else { return false };
        if !entry.pending.remove(&seq) {
            return false;
        }
        if let Some(item) = self.by_seq.get(&seq).and_then(|position| self.items.get_mut(position)) {
            item.end(account, how);
            if item.record.counters.pending() == 0 {
                self.open_index.remove(seq.0);
            }
        }
        true
    }

    pub fn totals(&self) -> Totals {
        let mut totals = Totals {
            accounts: self.accounts.len() as u64,
            notifications: self.accepted,
            counters: self.purged,
            scheduled: 0,
        };
        for item in self.items.values() {
            add(&mut totals.counters, &item.record.counters);
            totals.scheduled += u64::from(item.record.state == NotificationState::Scheduled);
        }
        totals
    }

    pub fn verify_counters(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for item in self.items.values().filter(|item| item.released) {
            let count = |how: CopyState| item.copies.values().filter(|copy| **copy == how).count() as u64;
            let counted = Counters {
                recipients: item.copies.len() as u64,
                delivered: count(CopyState::Delivered),
                opened: item.opened.len() as u64,
                expired: count(CopyState::Expired),
                cancelled: count(CopyState::Cancelled),
            };
            if counted != item.record.counters || counted.opened > counted.delivered {
                let id = item.record.notification.id;
                wrong.push(format!("{id}: kept {:?}, counted {counted:?}", item.record.counters));
            }
            for (account, copy) in &item.copies {
                let listed =
                    self.accounts.get(account).is_some_and(|entry| entry.pending.contains(&item.seq()));
                if listed != (*copy == CopyState::Pending) {
                    wrong.push(format!("account {}: {} is {copy:?}", account.0, item.record.notification.id));
                }
            }
        }
        for (id, entry) in &self.accounts {
            self.verify_cursor(*id, entry, &mut wrong);
        }
        wrong
    }

    /// Whether a cursor says of all broadcasts what the copies say.
    fn verify_cursor(&self, id: AccountId, entry: &Entry, wrong: &mut Vec<String>) {
        let mut pending = entry.cursor.pending(&self.open_index, &entry.subscriptions());
        pending.sort_unstable();
        let copies = entry.pending.iter().filter(|seq| self.by_seq(**seq).is_some_and(Item::is_broadcast));
        let copies: Vec<u64> = copies.map(|seq| seq.0).collect();
        if pending != copies {
            wrong.push(format!("account {}: the cursor leaves {pending:?}, {copies:?} is pending", id.0));
        }
        for item in self.items.values().filter(|item| item.released && item.is_broadcast()) {
            let (seq, priority) = (item.seq().0, item.priority());
            let settled = item.copies.get(&id) == Some(&CopyState::Delivered) || item.dropped.contains(&id);
            let passed = !entry.cursor.is_unsettled(seq, priority) && !entry.skipped.contains(&seq);
            if item.meant_for(entry) && settled != passed {
                wrong.push(format!("account {}: {seq} is settled: {settled}, by the cursor: {passed}", id.0));
            }
        }
        for priority in Priority::DESCENDING {
            let reached = entry.reached[priority];
            let newest = entry.cursor.newest_settled(priority);
            if newest != reached.max(entry.account.registered_at).0 {
                wrong.push(format!("account {}: {reached:?} was settled, {newest} by the cursor", id.0));
            }
        }
    }
}

/// Adds counters up.
pub(super) fn add(sum: &mut Counters, more: &Counters) {
    sum.recipients += more.recipients;
    sum.delivered += more.delivered;
    sum.opened += more.opened;
    sum.expired += more.expired;
    sum.cancelled += more.cancelled;
}

/// The first `limit` of `rows`, and the cursor of the last where there are more.
pub(super) fn page<T, C>(
    rows: impl Iterator<Item = T>,
    limit: usize,
    cursor: impl Fn(&T) -> C,
) -> Page<T, C> {
    let limit = limit.max(1);
    let mut items: Vec<T> = rows.take(limit + 1).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(cursor) } else { None };
    Page { items, next }
}
