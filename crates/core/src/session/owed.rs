//! What a session is still owed although the store is done with it: another session of the
//! account was the first to acknowledge it (XEP-0198 section 4 counts for each stream alone).

use std::cmp::Reverse;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::model::{Notification, Priority, Sender, Seq};

/// What one session can be owed. One that is owed more loses some of it, and the right to resume.
pub(super) const MAX_OWED: usize = 4096;

/// A notification that a session's peer is to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) seq: Seq,
    pub(crate) priority: Priority,
    /// What stands for its sender and collapse key; zero where it has none.
    pub(crate) collapse: u64,
    /// Another session's peer has acknowledged it: no store hands it out any more.
    pub(crate) settled: bool,
}

/// Where a notification comes in an account's order: the most urgent first, then the oldest.
pub(super) type Place = (Reverse<Priority>, Seq);

impl Due {
    /// A notification that nobody has acknowledged yet, as far as is known.
    pub(super) fn of(notification: &Notification) -> Self {
        let collapse = notification.collapse_key.as_ref().map_or(0, |key| {
            let mut hasher = DefaultHasher::new();
            notification.sender.as_ref().map(Sender::identity).hash(&mut hasher);
            key.hash(&mut hasher);
            hasher.finish().max(1)
        });
        Self { seq: notification.seq, priority: notification.priority, collapse, settled: false }
    }

    pub(super) fn place(&self) -> Place {
        (Reverse(self.priority), self.seq)
    }

    /// Whether it makes an older one needless.
    fn replaces(&self, older: &Self) -> bool {
        self.collapse != 0 && self.collapse == older.collapse && self.seq > older.seq
    }
}

/// What one session is owed, in the order in which it is to be sent.
#[derive(Debug, Default)]
pub(super) struct Owed {
    due: Vec<Due>,
    /// There was more than [`MAX_OWED`].
    overflowed: bool,
}

impl Owed {
    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// Whether some of it was lost.
    pub(super) fn overflowed(&self) -> bool {
        self.overflowed
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Due> {
        self.due.iter()
    }

    pub(super) fn contains(&self, seq: Seq) -> bool {
        self.due.iter().any(|due| due.seq == seq)
    }

    /// Some of what is owed went missing before it came here.
    pub(super) fn overflow(&mut self) {
        self.overflowed = true;
    }

    /// Takes one more, unless a newer one replaces it; what it replaces goes.
    pub(super) fn add(&mut self, new: Due) {
        if let Some(known) = self.due.iter_mut().find(|due| due.seq == new.seq) {
            known.settled |= new.settled;
            return;
        }
        if self.due.iter().any(|due| due.replaces(&new)) {
            return;
        }
        self.due.retain(|due| !new.replaces(due));
        if self.due.len() >= MAX_OWED {
            self.overflowed = true;
            return;
        }
        let place = self.due.partition_point(|due| due.place() < new.place());
        self.due.insert(place, new);
    }

    /// One goes out: it is owed no more, nor is what it replaces. Whether it was settled already.
    pub(super) fn sent(&mut self, sent: &Due) -> bool {
        if self.due.is_empty() {
            return false;
        }
        let settled = self.due.iter().any(|due| due.seq == sent.seq && due.settled);
        self.due.retain(|due| due.seq != sent.seq && !sent.replaces(due));
        self.release_memory();
        settled
    }

    /// These are not to be had any more.
    pub(super) fn forget(&mut self, gone: impl Fn(Seq) -> bool) {
        self.due.retain(|due| !gone(due.seq));
        self.release_memory();
    }

    fn release_memory(&mut self) {
        if self.due.is_empty() {
            // An idle session holds nothing.
            self.due = Vec::new();
        }
    }
}

/// The newest that was sent of each priority: what is older was sent, or is not to be.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SentUpTo {
    low: Seq,
    normal: Seq,
    high: Seq,
}

impl SentUpTo {
    pub(super) fn of(&self, priority: Priority) -> Seq {
        match priority {
            Priority::Low => self.low,
            Priority::Normal => self.normal,
            Priority::High => self.high,
        }
    }

    /// Of all priorities.
    pub(super) fn newest(&self) -> Seq {
        self.low.max(self.normal).max(self.high)
    }

    pub(super) fn sent(&mut self, due: &Due) {
        let place = match due.priority {
            Priority::Low => &mut self.low,
            Priority::Normal => &mut self.normal,
            Priority::High => &mut self.high,
        };
        *place = due.seq.max(*place);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn due(seq: u64, priority: usize, collapse: u64, settled: bool) -> Due {
        Due { seq: Seq(seq), priority: Priority::from_index(priority).unwrap(), collapse, settled }
    }

    #[test]
    fn more_than_the_bound_is_not_kept_and_said() {
        let mut owed = Owed::default();
        (1..=MAX_OWED as u64).for_each(|seq| owed.add(due(seq, 1, 0, true)));
        assert!(!owed.overflowed());
        owed.add(due(7, 1, 0, true));
        assert!(!owed.overflowed(), "it is there already");
        owed.add(due(MAX_OWED as u64 + 1, 1, 0, true));
        assert!(owed.overflowed());
        assert_eq!(owed.iter().count(), MAX_OWED);
    }

    proptest! {
        /// What is added comes out in order, but for what a newer one of its key replaced.
        #[test]
        fn is_in_order_and_loses_nothing_but_the_replaced(
            added in prop::collection::vec((1..40u64, 0..3usize, 0..3u64, any::<bool>()), 0..60),
            sent in prop::collection::vec(1..40u64, 0..20),
        ) {
            // A number stands for one notification.
            let all: std::collections::BTreeMap<u64, Due> = added
                .iter()
                .rev()
                .map(|(seq, priority, collapse, settled)| (*seq, due(*seq, *priority, *collapse, *settled)))
                .collect();
            let mut owed = Owed::default();
            for (seq, ..) in &added {
                owed.add(all[seq]);
            }
            let mut left: Vec<Due> = all.values().copied().collect();
            left.retain(|older| !all.values().any(|newer| newer.replaces(older)));
            for seq in sent {
                let Some(one) = all.get(&seq) else { continue };
                let was = left.iter().any(|due| due.seq == one.seq && due.settled);
                prop_assert_eq!(owed.sent(one), was);
                left.retain(|due| due.seq != one.seq && !one.replaces(due));
            }
            left.sort_by_key(Due::place);
            prop_assert_eq!(owed.iter().copied().collect::<Vec<_>>(), left);
        }
    }
}
