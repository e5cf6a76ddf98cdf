//! The contents of what this process has released and published, until the hint comes back.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::session::Delivery;

const MAX_ENTRIES: usize = 4096;
/// Bytes of content held; large ones push older ones out.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Only a cache: what is not here, sessions read from the store.
#[derive(Debug, Default)]
pub(super) struct ReleaseCache {
    /// By the numbers of their messages, which ascend.
    entries: VecDeque<(u64, Arc<Delivery>)>,
    bytes: usize,
}

impl ReleaseCache {
    /// Keeps what was published with this number, the highest so far.
    pub(super) fn insert(&mut self, number: u64, delivery: Arc<Delivery>) {
        self.bytes += delivery.size();
        self.entries.push_back((number, delivery));
        while self.entries.len() > MAX_ENTRIES || (self.bytes > MAX_BYTES && self.entries.len() > 1) {
            self.pop();
        }
    }

    /// Takes what was published with this number. What has a lower one is not asked for any
    /// more: its hint was lost.
    pub(super) fn take(&mut self, number: u64) -> Option<Arc<Delivery>> {
        while self.entries.front()?.0 < number {
            self.pop();
        }
        if self.entries.front()?.0 == number { self.pop() } else { None }
    }

    fn pop(&mut self) -> Option<Arc<Delivery>> {
        let (_, delivery) = self.entries.pop_front()?;
        self.bytes -= delivery.size();
        Some(delivery)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::sized as delivery;

    fn take(cache: &mut ReleaseCache, number: u64) -> Option<u64> {
        cache.take(number).map(|delivery| delivery.notification.seq.0)
    }

    #[test]
    fn each_is_there_once_unless_its_hint_was_lost() {
        let mut cache = ReleaseCache::default();
        for number in [1, 2, 5, 6] {
            cache.insert(number, delivery(number + 100, 1));
        }
        assert_eq!(take(&mut cache, 1), Some(101));
        assert_eq!(take(&mut cache, 1), None);
        assert_eq!(take(&mut cache, 5), Some(105));
        assert_eq!(take(&mut cache, 2), None);
        assert_eq!((cache.entries.len(), take(&mut cache, 6), cache.bytes), (1, Some(106), 0));
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut cache = ReleaseCache::default();
        (1..=MAX_ENTRIES as u64 + 10).for_each(|number| cache.insert(number, delivery(number, 1)));
        assert_eq!(cache.entries.len(), MAX_ENTRIES);
        (5000..5600).for_each(|number| cache.insert(number, delivery(number, 60_000)));
        assert!(cache.bytes <= MAX_BYTES && cache.entries.len() > 200);
        assert_eq!(take(&mut cache, 5000), None);
        assert_eq!(take(&mut cache, 5599), Some(5599));
    }
}
