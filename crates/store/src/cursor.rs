//! Where an account stands with broadcasts: the arithmetic, without a database.

use std::collections::BTreeSet;
use std::mem;

use tidings_core::model::{Priority, Topic};

use crate::by_priority::ByPriority;
use crate::open_index::OpenIndex;
use crate::varint;

/// A topic of an account, and the newest number at subscription: later ones are for it.
pub(crate) type Subscription = (Topic, u64);

/// Where an account stands with broadcasts, by priority.
///
/// A broadcast is meant for an account that was created before it and, where it is for a
/// topic, was subscribed before it. Meant for the account, open and not settled by it, it is
/// pending. The cursor never passes a pending one; what is settled beyond is kept one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// All broadcasts up to here are settled, ended, or were never for the account.
    settled_up_to: ByPriority<u64>,
    /// Settled beyond, because something before is still pending.
    acked_beyond: ByPriority<BTreeSet<u64>>,
}

impl Cursor {
    /// The cursor of an account that was created when this was the newest number.
    pub fn starting_at(seq: u64) -> Self {
        Self { settled_up_to: ByPriority([seq; 3]), acked_beyond: Default::default() }
    }

    /// Reads what [`positions`](Self::positions) and [`encode_beyond`](Self::encode_beyond)
    /// say; `None` for bytes that are not theirs.
    pub fn decode(positions: [u64; 3], beyond: Option<&[u8]>) -> Option<Self> {
        let mut cursor = Self { settled_up_to: ByPriority(positions), acked_beyond: Default::default() };
        if let Some(mut beyond) = beyond {
            for seqs in &mut cursor.acked_beyond.0 {
                let length = usize::try_from(varint::take(&mut beyond)?).ok()?;
                let (packed, rest) = beyond.split_at_checked(length)?;
                seqs.extend(varint::decode(packed)?);
                beyond = rest;
            }
        }
        Some(cursor)
    }

    /// How far the cursor is, by priority.
    pub fn positions(&self) -> [u64; 3] {
        self.settled_up_to.0
    }

    /// What is settled beyond, in bytes: three lists, each behind its length. `None` where
    /// there is nothing.
    pub fn encode_beyond(&self) -> Option<Vec<u8>> {
        if self.acked_beyond.0.iter().all(BTreeSet::is_empty) {
            return None;
        }
        let mut bytes = Vec::new();
        for seqs in &self.acked_beyond.0 {
            let packed = varint::encode(seqs.iter().copied());
            varint::put(&mut bytes, packed.len() as u64);
            bytes.extend(packed);
        }
        Some(bytes)
    }

    /// What was settled beyond the cursor.
    pub fn acked_beyond(&self, priority: Priority) -> &BTreeSet<u64> {
        &self.acked_beyond[priority]
    }

    /// The newest broadcast of this priority that was settled; at least where the account
    /// began.
    pub fn newest_settled(&self, priority: Priority) -> u64 {
        self.acked_beyond[priority].last().copied().unwrap_or(0).max(self.settled_up_to[priority])
    }

    /// Whether a broadcast that is meant for the account was not settled by it, nor passed by
    /// its cursor.
    pub fn is_unsettled(&self, seq: u64, priority: Priority) -> bool {
        seq > self.settled_up_to[priority] && !self.acked_beyond[priority].contains(&seq)
    }

    /// Where the account's pending broadcasts of a priority are: for all accounts (`None`) and
    /// for each of its topics, those beyond a number that are open and
    /// [unsettled](Self::is_unsettled).
    pub fn sources<'a>(
        &self,
        priority: Priority,
        subscriptions: &'a [Subscription],
    ) -> impl Iterator<Item = (Option<&'a Topic>, u64)> + use<'a> {
        let settled = self.settled_up_to[priority];
        let topics = subscriptions.iter().map(move |(topic, since)| (Some(topic), settled.max(*since)));
        std::iter::once((None, settled)).chain(topics)
    }

    /// All broadcasts that are pending for the account.
    pub fn pending(&self, open: &OpenIndex, subscriptions: &[Subscription]) -> Vec<u64> {
        let mut pending = Vec::new();
        for priority in Priority::DESCENDING {
            for (topic, after) in self.sources(priority, subscriptions) {
                let Some(seqs) = open.of(topic, priority) else { continue };
                let beyond = seqs.range(after.saturating_add(1)..);
                pending.extend(beyond.filter(|seq| self.is_unsettled(**seq, priority)));
            }
        }
        pending
    }

    /// Whether [`settle`](Self::settle) has to know the account's topics. Where no broadcast
    /// for a topic is in the way, they need not be read.
    pub fn needs_topics(&self, seq: u64, open: &OpenIndex) -> bool {
        let priority = match open.get(seq) {
            None => return false,
            Some(broadcast) if broadcast.topic.is_some() => return true,
            Some(broadcast) => broadcast.priority,
        };
        let acked = &self.acked_beyond[priority];
        let after = self.settled_up_to[priority].saturating_add(1);
        let end = acked.last().copied().unwrap_or(0).max(seq).saturating_add(1);
        if after >= end {
            return false;
        }
        let in_the_way = |other: &&u64| **other != seq && !acked.contains(*other);
        let for_all = open.of(None, priority).and_then(|seqs| seqs.range(after..end).find(in_the_way));
        let end = for_all.copied().unwrap_or(end);
        open.for_topics(priority).range(after..end).any(|other| in_the_way(&other))
            || open.ended(priority).range(after..end).any(|(_, topic)| topic.is_some())
    }

    /// Settles a broadcast, and moves the cursor as far as nothing pending lies before it.
    /// Answers what ended unsettled and was passed now; `None` where the broadcast was not
    /// pending for the account, and nothing changes.
    pub fn settle(&mut self, seq: u64, open: &OpenIndex, subscriptions: &[Subscription]) -> Option<Vec<u64>> {
        let broadcast = open.get(seq)?;
        let priority = broadcast.priority;
        let meant = is_meant(subscriptions, broadcast.topic.as_ref(), seq);
        if !meant || !self.is_unsettled(seq, priority) {
            return None;
        }
        self.acked_beyond[priority].insert(seq);
        let stop = self.first_pending(priority, open, subscriptions).unwrap_or(u64::MAX);
        let beyond = self.acked_beyond[priority].split_off(&stop);
        let passed = mem::replace(&mut self.acked_beyond[priority], beyond);
        let Some(reached) = passed.last().copied() else { return Some(Vec::new()) };
        let ended = open.ended(priority).range(self.settled_up_to[priority].saturating_add(1)..=reached);
        let skipped = ended
            .filter(|(seq, topic)| !passed.contains(seq) && is_meant(subscriptions, topic.as_ref(), **seq));
        self.settled_up_to[priority] = reached;
        Some(skipped.map(|(seq, _)| *seq).collect())
    }

    /// The first one that is pending before something settled.
    fn first_pending(
        &self,
        priority: Priority,
        open: &OpenIndex,
        subscriptions: &[Subscription],
    ) -> Option<u64> {
        let acked = &self.acked_beyond[priority];
        let top = acked.last().copied()?;
        let first = |seqs: &BTreeSet<u64>, after: u64| {
            let after = after.saturating_add(1);
            if after >= top { None } else { seqs.range(after..top).find(|seq| !acked.contains(seq)).copied() }
        };
        let settled = self.settled_up_to[priority];
        // Usually there is none for a topic, and the account's need not be gone through.
        let topics = first(open.for_topics(priority), settled).map_or(&[][..], |_| subscriptions);
        let sources = self.sources(priority, topics);
        sources.filter_map(|(topic, after)| first(open.of(topic, priority)?, after)).min()
    }
}

/// Whether a broadcast beyond an account's cursor is for it. What was released before the
/// account was created is never beyond its cursor.
pub(crate) fn is_meant(subscriptions: &[Subscription], topic: Option<&Topic>, seq: u64) -> bool {
    topic.is_none_or(|topic| is_subscribed(subscriptions, topic.as_str(), seq))
}

/// Whether an account was subscribed to a topic when something was released to it.
pub(crate) fn is_subscribed(subscriptions: &[Subscription], topic: &str, seq: u64) -> bool {
    subscriptions.iter().any(|(name, since)| name.as_str() == topic && seq > *since)
}

#[cfg(test)]
#[path = "cursor_tests.rs"]
mod tests;
