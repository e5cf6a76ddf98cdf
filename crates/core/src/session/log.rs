//! Broadcasts of the last while, shared by all sessions.
//!
//! A broadcast is put here once; a session is only woken, and reads on from the
//! place it had reached. One that fell behind the log reads from the store.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::notification::Delivery;

const LENGTH: usize = 1024;
/// Bytes of content held; large broadcasts push older ones out.
const BYTES: usize = 16 * 1024 * 1024;

#[derive(Default)]
pub(crate) struct BroadcastLog(RwLock<Entries>);

#[derive(Default)]
struct Entries {
    /// The number of the first entry.
    first: u64,
    entries: VecDeque<Arc<Delivery>>,
    bytes: usize,
}

impl BroadcastLog {
    /// The number that the next broadcast will have.
    pub(crate) fn end(&self) -> u64 {
        let log = self.0.read();
        log.first + log.entries.len() as u64
    }

    pub(crate) fn push(&self, delivery: Arc<Delivery>) {
        let mut log = self.0.write();
        log.bytes += size(&delivery);
        log.entries.push_back(delivery);
        while log.entries.len() > LENGTH || (log.bytes > BYTES && log.entries.len() > 1) {
            if let Some(old) = log.entries.pop_front() {
                log.first += 1;
                log.bytes -= size(&old);
            }
        }
    }

    /// Appends the broadcasts from number `from` on to `batch` and gives the
    /// number after them; `None` when the first of them has left the log.
    pub(crate) fn since(&self, from: u64, batch: &mut Vec<Arc<Delivery>>) -> Option<u64> {
        let log = self.0.read();
        let skip = usize::try_from(from.checked_sub(log.first)?).ok()?;
        batch.extend(log.entries.iter().skip(skip).cloned());
        Some(log.first + log.entries.len() as u64)
    }
}

fn size(delivery: &Delivery) -> usize {
    let content = &delivery.notification.content;
    [&content.title, &content.message, &content.uri, &content.image]
        .into_iter()
        .flatten()
        .map(String::len)
        .sum::<usize>()
        + content.data.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
        + 256
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Content, Notification, NotificationId, Priority, Seq, Timestamp};

    fn delivery(seq: u64, size: usize) -> Arc<Delivery> {
        Arc::new(Delivery::new(Notification {
            seq: Seq(seq),
            id: NotificationId(u128::from(seq)),
            content: Content { message: Some("x".repeat(size)), ..Content::default() },
            priority: Priority::Normal,
            topic: None,
            collapse_key: None,
            sent_at: Timestamp(0),
            expires_at: Timestamp(1),
        }))
    }

    fn since(log: &BroadcastLog, from: u64) -> Option<Vec<Seq>> {
        let mut batch = Vec::new();
        let end = log.since(from, &mut batch)?;
        assert_eq!(end, log.end());
        Some(batch.iter().map(|delivery| delivery.notification.seq).collect())
    }

    #[test]
    fn reads_on_from_where_it_was() {
        let log = BroadcastLog::default();
        assert_eq!(since(&log, 0), Some(vec![]));
        log.push(delivery(1, 1));
        log.push(delivery(2, 1));
        assert_eq!(since(&log, 1), Some(vec![Seq(2)]));
    }

    #[test]
    fn who_fell_behind_is_told() {
        let log = BroadcastLog::default();
        (0..1100).for_each(|seq| log.push(delivery(seq, 1)));
        assert_eq!(since(&log, 0), None);
        assert_eq!(since(&log, log.end() - 1024).map(|seqs| seqs.len()), Some(1024));
        // Bytes are bounded as well as entries.
        (0..600).for_each(|seq| log.push(delivery(seq, 60_000)));
        assert_eq!(since(&log, log.end() - 500), None);
        assert!(since(&log, log.end() - 200).is_some());
    }
}
