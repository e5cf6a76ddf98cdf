//! A notification from its acceptance to its end, and listings.

use std::collections::{BTreeMap, BTreeSet};

use tidings_core::model::{
    AccountId, Audience, Counters, Notification, NotificationId, NotificationState, SenderFilter, Seq,
    Target, Timestamp, Topic, Username,
};
use tidings_core::store::{
    Acceptance, Committed, Ended, HistoryEntry, Idempotency, NewNotification, NotificationRecord, Outcome,
    Page, Released, Result, StoreError,
};

use super::state::{CopyState, Item, Remembered, State, add};
use crate::open_index::OpenBroadcast;
use crate::{LISTED_USERS, NAMED_UNKNOWN, PAGE_BYTES};

impl State {
    pub fn accept(&mut self, new: NewNotification) -> Result<Acceptance> {
        if let Some(asked) = &new.idempotency
            && let Some(first) = self.accepted_before(asked, new.created_at)
        {
            return Ok(first);
        }
        if self.by_id.contains_key(&new.id) {
            return Err(StoreError::Conflict);
        }
        let (target, audience) = self.resolve(new.audience.clone(), new.created_at)?;
        self.check_room(&target, &new)?;
        let position = self.number();
        let topic = if let Target::Topic(topic) = &target { Some(topic.clone()) } else { None };
        let due = new.send_at.filter(|at| *at > new.created_at);
        let recipients = self.recipients(&target).len() as u64;
        let item = Item {
            record: NotificationRecord {
                position,
                notification: Notification {
                    seq: Seq(0),
                    id: new.id,
                    payload: new.payload,
                    ext: new.ext,
                    sender: Some(new.sender),
                    priority: new.priority,
                    topic,
                    endpoint: if let Audience::Endpoint(id) = &audience { Some(*id) } else { None },
                    collapse_key: new.collapse_key,
                    sent_at: due.unwrap_or(new.created_at),
                    expires_at: new.expires_at,
                },
                audience,
                created_at: new.created_at,
                send_at: due,
                state: NotificationState::Scheduled,
                counters: Counters { recipients, ..Counters::default() },
            },
            target,
            released: false,
            copies: BTreeMap::new(),
            dropped: BTreeSet::new(),
            replaced: false,
            opened: BTreeSet::new(),
        };
        self.items.insert(position, item);
        self.by_id.insert(new.id, position);
        self.accepted += 1;
        if let Some(asked) = new.idempotency {
            let first = Remembered {
                fingerprint: asked.fingerprint,
                id: new.id,
                recipients,
                expires_at: asked.expires_at,
            };
            self.idempotency.insert(asked.key, first);
        }
        if let Some(send_at) = due {
            self.committed.push(Committed::Scheduled { send_at });
            return Ok(Acceptance::Scheduled(recipients));
        }
        self.release(position, Seq(position), new.created_at).ok_or(StoreError::NotFound)?;
        Ok(Acceptance::Accepted { id: new.id, recipients })
    }

    pub fn accepted_before(&self, asked: &Idempotency, now: Timestamp) -> Option<Acceptance> {
        let first = self.idempotency.get(&asked.key).filter(|first| first.expires_at > now)?;
        Some(if first.fingerprint == asked.fingerprint {
            Acceptance::Repeated(first.id, first.recipients)
        } else {
            Acceptance::Mismatch
        })
    }

    /// Refuses what would be one too many.
    fn check_room(&self, target: &Target, new: &NewNotification) -> Result<()> {
        let waits = |item: &&Item| item.open() || item.record.state == NotificationState::Scheduled;
        let waiting: u64 = self.items.values().filter(waits).map(Item::size).sum();
        if waiting.saturating_add(new.payload.len() as u64) > new.bounds.bytes {
            return Err(StoreError::QueueFull(Vec::new()));
        }
        let Target::Accounts(accounts) = target else { return Ok(()) };
        let full = accounts.iter().filter_map(|id| {
            let entry = self.accounts.get(id)?;
            let items = entry.pending.iter().filter_map(|seq| self.by_seq(*seq));
            let queue: Vec<&Notification> =
                items.filter(|item| !item.is_broadcast()).map(|item| &item.record.notification).collect();
            let replaces = queue.iter().any(|older| {
                let (key, sender) = (&new.collapse_key, older.sender.as_ref());
                key.is_some()
                    && *key == older.collapse_key
                    && sender.is_none_or(|sender| new.sender.is_same(sender))
            });
            let full = queue.len() as u64 >= new.bounds.per_account && !replaces;
            full.then(|| entry.account.username.to_string())
        });
        let full: Vec<String> = full.take(NAMED_UNKNOWN).collect();
        if full.is_empty() { Ok(()) } else { Err(StoreError::QueueFull(full)) }
    }

    /// Finds the accounts behind the names, and the names to list.
    fn resolve(&self, audience: Audience, now: Timestamp) -> Result<(Target, Audience)> {
        let names = match audience {
            Audience::All => return Ok((Target::All, Audience::All)),
            Audience::Topic(topic) => return Ok((Target::Topic(topic.clone()), Audience::Topic(topic))),
            Audience::Endpoint(id) => {
                let endpoint = self.endpoint(|endpoint| endpoint.id == id).ok_or(StoreError::NotFound)?;
                if !endpoint.accepts(now) {
                    return Err(StoreError::Gone);
                }
                return Ok((Target::Accounts(vec![endpoint.account]), audience));
            }
            Audience::Users(names) => names,
        };
        let mut accounts = BTreeSet::new();
        let mut listed: Vec<Username> = Vec::new();
        let mut unknown: Vec<String> = Vec::new();
        for name in names {
            let Some(entry) = self.named(&name).and_then(|id| self.accounts.get(&id)) else {
                if unknown.len() < NAMED_UNKNOWN && !unknown.iter().any(|seen| seen == name.as_str()) {
                    unknown.push(name.to_string());
                }
                continue;
            };
            if accounts.insert(entry.account.id) && listed.len() < LISTED_USERS {
                listed.push(entry.account.username.clone());
            }
        }
        if !unknown.is_empty() {
            return Err(StoreError::UnknownUsers(unknown));
        }
        Ok((Target::Accounts(accounts.into_iter().collect()), Audience::Users(listed)))
    }

    /// The accounts that a release now would reach.
    fn recipients(&self, target: &Target) -> Vec<AccountId> {
        match target {
            Target::All => self.accounts.keys().copied().collect(),
            Target::Topic(topic) => self.subscribers(topic),
            Target::Accounts(ids) => {
                ids.iter().filter(|id| self.accounts.contains_key(id)).copied().collect()
            }
        }
    }

    pub fn subscribers(&self, topic: &Topic) -> Vec<AccountId> {
        let subscribed = self.accounts.values().filter(|entry| entry.topics.contains_key(topic));
        subscribed.map(|entry| entry.account.id).collect()
    }

    /// Gives a notification its [`Seq`], and every recipient a copy.
    fn release(&mut self, position: u64, seq: Seq, now: Timestamp) -> Option<()> {
        let item = self.items.get(&position)?;
        let (target, endpoint) = (item.target.clone(), item.endpoint());
        let ended = endpoint.is_some_and(|id| {
            self.endpoint(|endpoint| endpoint.id == id).is_none_or(|endpoint| !endpoint.accepts(now))
        });
        let accounts = if ended { Vec::new() } else { self.recipients(&target) };
        // A copy of who is gone since the acceptance is cancelled.
        let named = if let Target::Accounts(named) = &target { named.as_slice() } else { &[] };
        let gone: Vec<AccountId> = named.iter().filter(|id| !accounts.contains(id)).copied().collect();
        let item = self.items.get_mut(&position)?;
        item.released = true;
        item.record.state = NotificationState::Live;
        item.record.notification.seq = seq;
        item.record.notification.sent_at = now;
        item.record.counters.recipients = (accounts.len() + gone.len()) as u64;
        item.record.counters.cancelled = gone.len() as u64;
        if item.record.notification.collapse_key.is_some() {
            let notification = item.record.notification.clone();
            self.collapse(&notification, &target, &accounts);
        }
        self.by_seq.insert(seq, position);
        for id in &accounts {
            self.accounts.get_mut(id)?.pending.insert(seq);
        }
        let item = self.items.get_mut(&position)?;
        let pending = accounts.len() as u64;
        item.copies = accounts.iter().map(|id| (*id, CopyState::Pending)).collect();
        item.copies.extend(gone.into_iter().map(|id| (id, CopyState::Cancelled)));
        let target = match target {
            Target::Accounts(_) => Target::Accounts(accounts),
            broadcast => broadcast,
        };
        item.target = target.clone();
        let recipients = item.record.counters.recipients;
        let notification = item.record.notification.clone();
        if pending > 0 && item.is_broadcast() {
            let broadcast = OpenBroadcast {
                id: notification.id,
                priority: notification.priority,
                topic: notification.topic.clone(),
                collapse: None,
                pending,
                size: 0,
            };
            self.open_index.insert(seq.0, broadcast);
        }
        self.committed.push(Committed::Released(Released { notification, target, recipients }));
        Some(())
    }

    /// What a new notification replaces at once. What a new one for all or for
    /// a topic meets of another kind is replaced when it is next fed.
    fn collapse(&mut self, newer: &Notification, target: &Target, accounts: &[AccountId]) {
        let same: Vec<(Seq, u64, Target)> = self
            .by_seq
            .iter()
            .filter_map(|(seq, position)| {
                let item = self.items.get(position)?;
                let matches = item.open() && newer.collapses_with(&item.record.notification);
                matches.then(|| (*seq, *position, item.target.clone()))
            })
            .collect();
        for (seq, position, older) in same {
            match (target, older) {
                (Target::All, Target::All | Target::Topic(_)) => {
                    self.end_whole(position, NotificationState::Cancelled);
                }
                (Target::Topic(new), Target::Topic(old)) if *new == old => {
                    self.end_whole(position, NotificationState::Cancelled);
                }
                (Target::Accounts(_), _) => {
                    for id in accounts {
                        self.drop_copy(*id, seq);
                    }
                }
                _ => {}
            }
        }
    }

    pub fn release_due(&mut self, now: Timestamp, limit: usize) -> u64 {
        let mut due: Vec<(Timestamp, u64)> = self
            .scheduled()
            .filter_map(|item| Some((item.record.send_at?, item.record.position)))
            .filter(|(at, _)| *at <= now)
            .collect();
        due.sort_unstable();
        due.truncate(limit);
        due.into_iter()
            .filter_map(|(_, position)| {
                let seq = Seq(self.number());
                self.release(position, seq, now)
            })
            .count() as u64
    }

    pub fn next_release(&self) -> Option<Timestamp> {
        self.scheduled().filter_map(|item| item.record.send_at).min()
    }

    fn scheduled(&self) -> impl Iterator<Item = &Item> {
        self.items.values().filter(|item| item.record.state == NotificationState::Scheduled)
    }

    pub fn expire_due(&mut self, now: Timestamp, limit: usize) -> Vec<Ended> {
        let mut due: Vec<(Timestamp, Seq, u64)> = self
            .items
            .values()
            .filter(|item| item.open() && item.record.notification.expires_at <= now)
            .map(|item| (item.record.notification.expires_at, item.seq(), item.record.position))
            .collect();
        due.sort_unstable();
        due.truncate(limit);
        due.into_iter()
            .filter_map(|(_, _, position)| self.end_whole(position, NotificationState::Expired))
            .collect()
    }

    pub fn next_expiry(&self) -> Option<Timestamp> {
        let open = self.items.values().filter(|item| item.open());
        open.map(|item| item.record.notification.expires_at).min()
    }

    pub fn cancel(&mut self, id: NotificationId) -> Option<Ended> {
        let position = *self.by_id.get(&id)?;
        let item = self.items.get_mut(&position)?;
        let seq = item.seq();
        if item.record.state == NotificationState::Scheduled {
            item.record.state = NotificationState::Cancelled;
            item.record.counters.cancelled = item.record.counters.recipients;
            return Some(Ended { seq, id, accounts: item.record.counters.cancelled });
        }
        if !item.open() {
            return Some(Ended { seq, id, accounts: 0 });
        }
        self.end_whole(position, NotificationState::Cancelled)
    }

    /// Ends a released notification for all accounts that still wait for it.
    pub fn end_whole(&mut self, position: u64, state: NotificationState) -> Option<Ended> {
        let item = self.items.get_mut(&position)?;
        item.record.state = state;
        let seq = item.seq();
        let waiting = item.copies.iter().filter(|(_, copy)| **copy == CopyState::Pending);
        let waiting: Vec<AccountId> = waiting.map(|(id, _)| *id).collect();
        if item.is_broadcast() && !waiting.is_empty() {
            self.open_index.note_ended(seq.0, item.priority(), item.record.notification.topic.clone());
        }
        let how = if state == NotificationState::Expired { CopyState::Expired } else { CopyState::Cancelled };
        for id in &waiting {
            self.end_copy(*id, seq, how.clone());
        }
        let id = self.items.get(&position)?.record.notification.id;
        Some(Ended { seq, id, accounts: waiting.len() as u64 })
    }

    pub fn notification(&self, id: NotificationId) -> Option<NotificationRecord> {
        self.by_id(id).map(Item::shown)
    }

    pub fn notifications(&self, before: Option<u64>, limit: usize) -> Page<NotificationRecord, u64> {
        let rows = self.items.range(..before.unwrap_or(u64::MAX)).rev();
        page_of(rows.map(|(_, item)| item.shown()), limit, |record| record)
    }

    pub fn notifications_by(
        &self,
        filter: &SenderFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Page<NotificationRecord, u64> {
        let items = self.items.range(..before.unwrap_or(u64::MAX)).rev().map(|(_, item)| item);
        let sent = items.filter(|item| {
            let sender = item.record.notification.sender.as_ref();
            sender.is_some_and(|sender| filter.matches(sender))
        });
        page_of(sent.map(Item::shown), limit, |record| record)
    }

    pub fn account_history(
        &self,
        account: AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> Page<HistoryEntry, u64> {
        let entry = self.accounts.get(&account);
        let items = self.items.range(..before.unwrap_or(u64::MAX)).rev().map(|(_, item)| item);
        let rows = items.filter_map(|item| {
            if !item.released || !item.meant_for(entry?) {
                return None;
            }
            let outcome = match item.copies.get(&account)? {
                _ if item.opened.contains(&account) => Outcome::Opened,
                CopyState::Pending => return None,
                CopyState::Delivered => Outcome::Delivered,
                CopyState::Expired => Outcome::Expired,
                CopyState::Cancelled => Outcome::Cancelled,
            };
            Some(HistoryEntry { record: item.shown(), outcome })
        });
        page_of(rows, limit, |past| &past.record)
    }

    pub fn seq_of(&self, id: NotificationId) -> Option<Seq> {
        self.by_id(id).filter(|item| item.released).map(Item::seq)
    }

    /// What may be purged, by position.
    fn finished(&self, before: Timestamp, now: Timestamp, limit: usize) -> Vec<u64> {
        let mut finished = Vec::new();
        let mut ahead = Vec::new();
        for item in self.items.values() {
            let created_at = item.record.created_at;
            if created_at >= before && created_at <= now {
                break;
            }
            let old = created_at < before;
            if old {
                finished.append(&mut ahead);
            }
            let over =
                item.record.state != NotificationState::Scheduled && item.record.counters.pending() == 0;
            if over {
                if old { &mut finished } else { &mut ahead }.push(item.record.position);
            }
        }
        finished.truncate(limit);
        finished
    }

    pub fn purge(&mut self, before: Timestamp, now: Timestamp, limit: usize) -> u64 {
        let finished = self.finished(before, now, limit);
        let mut purged = finished.len() as u64;
        for position in finished {
            if let Some(item) = self.items.remove(&position) {
                self.by_id.remove(&item.record.notification.id);
                if item.released {
                    self.by_seq.remove(&item.seq());
                    self.open_index.forget_ended(item.seq().0);
                }
                add(&mut self.purged, &item.record.counters);
            }
        }
        let over = self.idempotency.iter().filter(|(_, first)| first.expires_at <= now);
        let mut over: Vec<(Timestamp, String)> =
            over.map(|(key, first)| (first.expires_at, key.clone())).collect();
        over.sort_unstable();
        over.truncate(limit);
        purged += over.len() as u64;
        for (_, key) in over {
            self.idempotency.remove(&key);
        }
        purged + self.purge_endpoints(before, limit) + self.purge_admin(before, now, limit)
    }
}

/// A page of rows that have a notification each: it ends by their bytes, too.
fn page_of<T>(
    rows: impl Iterator<Item = T>,
    limit: usize,
    record: impl Fn(&T) -> &NotificationRecord,
) -> Page<T, u64> {
    let mut page = Page { items: Vec::new(), next: None };
    let mut bytes = 0;
    for row in rows {
        if page.items.len() >= limit.max(1) || bytes >= PAGE_BYTES {
            page.next = page.items.last().map(|row| record(row).position);
            break;
        }
        bytes += record(&row).notification.content_bytes();
        page.items.push(row);
    }
    page
}
