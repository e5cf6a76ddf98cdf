//! Feeding, settling and openings.

use std::collections::{BTreeMap, BTreeSet};

use tidings_core::model::{
    AccountId, Notification, NotificationId, NotificationState, Priority, Seq, Target, Timestamp,
};
use tidings_core::store::{Feed, Payloads, Settled, Settlement};

use super::state::{CopyState, Entry, Item, State};

impl State {
    pub fn feed(&mut self, account: AccountId, payloads: Payloads, now: Timestamp, limit: usize) -> Feed {
        let mut feed = Feed { pending: Vec::new(), more: false, head: Seq(self.last), damaged: Vec::new() };
        let mut superseded = Vec::new();
        if let Some(entry) = self.accounts.get(&account) {
            for priority in Priority::DESCENDING {
                let beyond = entry.pending.iter().filter_map(|seq| self.by_seq(*seq));
                for item in beyond.filter(|item| item.priority() == priority) {
                    let notification = &item.record.notification;
                    let fits = payloads == Payloads::Any || notification.payload.text().is_some();
                    if !fits || notification.expires_at <= now || feed.more {
                        continue;
                    }
                    if self.superseded(entry, item) {
                        superseded.push(item.seq());
                    } else if feed.pending.len() < limit {
                        feed.pending.push(item.record.notification.clone());
                    } else {
                        feed.more = true;
                    }
                }
            }
        }
        for seq in superseded {
            self.drop_copy(account, seq);
        }
        feed
    }

    pub fn released_to(&self, account: AccountId, seqs: Vec<Seq>, now: Timestamp) -> Vec<Notification> {
        let items = seqs.into_iter().collect::<BTreeSet<_>>();
        let items = items.into_iter().filter_map(|seq| self.by_seq(seq));
        let stands = items.filter(|item| {
            let copy = item.copies.get(&account);
            item.record.state == NotificationState::Live
                && matches!(copy, Some(CopyState::Pending | CopyState::Delivered))
        });
        let notifications = stands.map(|item| &item.record.notification);
        notifications.filter(|notification| notification.expires_at > now).cloned().collect()
    }

    pub fn head_if_idle(&self, account: AccountId) -> Option<Seq> {
        let waits = self.accounts.get(&account).is_some_and(|entry| !entry.pending.is_empty());
        (!waits && self.subscriptions(account).is_empty()).then_some(Seq(self.last))
    }

    /// Whether a newer broadcast with the same key came for this account,
    /// whatever became of it.
    fn superseded(&self, entry: &Entry, older: &Item) -> bool {
        if older.record.notification.collapse_key.is_none() {
            return false;
        }
        let newer =
            self.by_seq.iter().filter(|(seq, _)| **seq > older.seq()).filter_map(|(_, p)| self.items.get(p));
        newer
            .filter(|item| {
                item.is_broadcast() && item.record.notification.collapses_with(&older.record.notification)
            })
            .any(|item| item.meant_for(entry))
    }

    /// Ends one account's copy, which a newer one replaces, if it is pending.
    pub fn drop_copy(&mut self, account: AccountId, seq: Seq) {
        if self.settle_copy(account, seq, CopyState::Cancelled)
            && let Some(item) = self.by_seq.get(&seq).and_then(|position| self.items.get_mut(position))
        {
            item.dropped.insert(account);
            item.replaced = true;
        }
    }

    pub fn settle(&mut self, batch: Vec<Settlement>) -> Settled {
        let mut delivered = BTreeMap::<Seq, u64>::new();
        for Settlement { account, seq } in batch {
            if self.deliver(account, seq) {
                *delivered.entry(seq).or_default() += 1;
            }
        }
        let rows = delivered.into_iter().filter_map(|(seq, count)| {
            let id = self.by_seq(seq)?.record.notification.id;
            Some((seq, id, count))
        });
        Settled { delivered: rows.collect() }
    }

    fn deliver(&mut self, account: AccountId, seq: Seq) -> bool {
        self.settle_copy(account, seq, CopyState::Delivered)
    }

    /// Ends a pending copy of which the account is done with the notification.
    fn settle_copy(&mut self, account: AccountId, seq: Seq, how: CopyState) -> bool {
        let waits = self.accounts.get(&account).is_some_and(|entry| entry.pending.contains(&seq));
        if waits {
            // While the copy counts as pending, as the cursor expects.
            self.reach(account, seq);
        }
        self.end_copy(account, seq, how)
    }

    /// Notes that an account is done with a broadcast.
    fn reach(&mut self, account: AccountId, seq: Seq) {
        let Some(item) = self.by_seq(seq).filter(|item| item.is_broadcast()) else { return };
        let priority = item.priority();
        let Some(entry) = self.accounts.get_mut(&account) else { return };
        entry.reached[priority] = seq.max(entry.reached[priority]);
        let needs_topics = entry.cursor.needs_topics(seq.0, &self.open_index);
        let topics = if needs_topics { entry.subscriptions() } else { Vec::new() };
        entry.skipped.extend(entry.cursor.settle(seq.0, &self.open_index, &topics).unwrap_or_default());
    }

    /// A broadcast that is over is taken to have arrived where that
    /// one or a later one of its priority was settled: order holds.
    pub fn opened(&mut self, account: AccountId, id: NotificationId) -> bool {
        let Some(item) = self.by_id(id).filter(|item| item.released) else { return false };
        let Some(entry) = self.accounts.get(&account) else { return false };
        if !item.meant_for(entry) || item.dropped.contains(&account) || item.opened.contains(&account) {
            return false;
        }
        let seq = item.seq();
        let had = match &item.target {
            Target::Accounts(_) => item.copies.get(&account) == Some(&CopyState::Delivered),
            Target::All | Target::Topic(_) => seq <= entry.reached[item.priority()],
        };
        if !self.deliver(account, seq) && !had {
            return false;
        }
        let Some(item) = self.by_seq.get(&seq).and_then(|position| self.items.get_mut(position)) else {
            return false;
        };
        if item.record.counters.opened >= item.record.counters.delivered {
            return false;
        }
        item.record.counters.opened += 1;
        item.opened.insert(account)
    }

    pub fn pending_count(&self, account: AccountId) -> u64 {
        self.accounts.get(&account).map_or(0, |entry| entry.pending.len() as u64)
    }
}
