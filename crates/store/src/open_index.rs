//! Broadcasts that are pending for an account, indexed in memory: settling asks for them with
//! every acknowledgement.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tidings_core::model::{NotificationId, Priority, Topic};

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
    pub collapse_key: Option<String>,
    /// How many accounts it waits for.
    pub pending: u64,
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
        if let Some(key) = &broadcast.collapse_key {
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
        if let Some(key) = broadcast.collapse_key
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

    /// Those with a collapse key, in order.
    pub fn with_key(&self, key: &str) -> Vec<u64> {
        self.keys.get(key).map(|seqs| seqs.iter().copied().collect()).unwrap_or_default()
    }
}
