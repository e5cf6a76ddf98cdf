//! Broadcasts that are pending for an account, indexed in memory: settling asks for them with
//! every acknowledgement.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tidings_core::model::{Notification, NotificationId, Priority, Sender, Topic};

use crate::by_priority::ByPriority;

/// Broadcasts, for all accounts or for a topic, that are pending for at least one account.
#[derive(Debug, Default)]
pub(crate) struct OpenIndex {
    broadcasts: HashMap<u64, OpenBroadcast>,
    /// For all, by priority.
    all: ByPriority<BTreeSet<u64>>,
    /// For any topic, by priority.
    topical: ByPriority<BTreeSet<u64>>,
    topics: HashMap<Topic, ByPriority<BTreeSet<u64>>>,
    keys: HashMap<String, BTreeSet<u64>>,
    /// Those that ended while pending, by priority: `None` for all accounts.
    ended: ByPriority<BTreeMap<u64, Option<Topic>>>,
}

/// A broadcast that is pending for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenBroadcast {
    pub id: NotificationId,
    pub priority: Priority,
    /// `None`: for all.
    pub topic: Option<Topic>,
    pub collapse: Option<CollapseKey>,
    /// How many accounts it waits for.
    pub pending: u64,
    /// Bytes that it takes while it waits.
    pub size: u64,
}

/// A collapse key, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CollapseKey {
    pub key: String,
    /// The sender's identity; `None` for what is older than senders.
    pub sender: Option<String>,
}

impl CollapseKey {
    pub fn of(notification: &Notification) -> Option<Self> {
        let sender = notification.sender.as_ref().map(Sender::identity);
        notification.collapse_key.clone().map(|key| Self { key, sender })
    }

    /// As [`Notification::collapses_with`] says.
    fn collapses_with(&self, older: &Self) -> bool {
        self.key == older.key && (older.sender.is_none() || self.sender == older.sender)
    }
}

impl OpenIndex {
    /// Notes that one ended while pending.
    pub fn note_ended(&mut self, seq: u64, priority: Priority, topic: Option<Topic>) {
        self.ended[priority].insert(seq, topic);
    }

    /// Forgets an ended one.
    pub fn forget_ended(&mut self, seq: u64) {
        for ended in &mut self.ended.0 {
            ended.remove(&seq);
        }
    }

    /// Those that ended while pending.
    pub fn ended(&self, priority: Priority) -> &BTreeMap<u64, Option<Topic>> {
        &self.ended[priority]
    }

    pub fn insert(&mut self, seq: u64, broadcast: OpenBroadcast) {
        let priority = broadcast.priority;
        if let Some(topic) = &broadcast.topic {
            self.topical[priority].insert(seq);
            self.topics.entry(topic.clone()).or_default()[priority].insert(seq);
        } else {
            self.all[priority].insert(seq);
        }
        if let Some(CollapseKey { key, .. }) = &broadcast.collapse {
            self.keys.entry(key.clone()).or_default().insert(seq);
        }
        self.broadcasts.insert(seq, broadcast);
    }

    pub fn remove(&mut self, seq: u64) {
        let Some(broadcast) = self.broadcasts.remove(&seq) else { return };
        let priority = broadcast.priority;
        if let Some(topic) = &broadcast.topic {
            self.topical[priority].remove(&seq);
            if let Some(of_topic) = self.topics.get_mut(topic) {
                of_topic[priority].remove(&seq);
                if of_topic.0.iter().all(BTreeSet::is_empty) {
                    self.topics.remove(topic);
                }
            }
        } else {
            self.all[priority].remove(&seq);
        }
        if let Some(CollapseKey { key, .. }) = broadcast.collapse
            && let Some(of_key) = self.keys.get_mut(&key)
        {
            of_key.remove(&seq);
            if of_key.is_empty() {
                self.keys.remove(&key);
            }
        }
    }

    pub fn get(&self, seq: u64) -> Option<&OpenBroadcast> {
        self.broadcasts.get(&seq)
    }

    pub fn get_mut(&mut self, seq: u64) -> Option<&mut OpenBroadcast> {
        self.broadcasts.get_mut(&seq)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, &OpenBroadcast)> {
        self.broadcasts.iter().map(|(seq, broadcast)| (*seq, broadcast))
    }

    /// Those for one topic, or for all accounts.
    pub fn of(&self, topic: Option<&Topic>, priority: Priority) -> Option<&BTreeSet<u64>> {
        match topic {
            Some(topic) => self.topics.get(topic).map(|of_topic| &of_topic[priority]),
            None => Some(&self.all[priority]),
        }
    }

    /// Those for any topic.
    pub fn for_topics(&self, priority: Priority) -> &BTreeSet<u64> {
        &self.topical[priority]
    }

    /// Those that one with this collapse key collapses with, in order.
    pub fn collapsing(&self, newer: &CollapseKey) -> Vec<u64> {
        let with_key = self.keys.get(&newer.key).into_iter().flatten();
        let collapses = |seq: &&u64| {
            let older = self.broadcasts.get(*seq).and_then(|broadcast| broadcast.collapse.as_ref());
            older.is_some_and(|older| newer.collapses_with(older))
        };
        with_key.filter(collapses).copied().collect()
    }
}
