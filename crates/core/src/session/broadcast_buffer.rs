//! Broadcasts of the last while, shared by all sessions.
//!
//! A broadcast is put here once; a session is only woken, and reads on from the
//! place it had reached. One that fell behind the buffer reads from the store.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::RwLock;

use super::delivery::Delivery;

const MAX_BROADCASTS: usize = 1024;
/// Bytes of content held; large broadcasts push older ones out.
const MAX_BYTES: usize = 16 * 1024 * 1024;

#[derive(Default)]
pub(crate) struct BroadcastBuffer(RwLock<Entries>);

#[derive(Default)]
struct Entries {
    /// The number of the first entry.
    first: u64,
    entries: VecDeque<Arc<Delivery>>,
    bytes: usize,
}

impl BroadcastBuffer {
    /// The number that the next broadcast will have.
    pub(crate) fn end(&self) -> u64 {
        let buffer = self.0.read();
        buffer.first + buffer.entries.len() as u64
    }

    pub(crate) fn push(&self, delivery: Arc<Delivery>) {
        let mut buffer = self.0.write();
        buffer.bytes += size(&delivery);
        buffer.entries.push_back(delivery);
        while buffer.entries.len() > MAX_BROADCASTS || (buffer.bytes > MAX_BYTES && buffer.entries.len() > 1)
        {
            if let Some(old) = buffer.entries.pop_front() {
                buffer.first += 1;
                buffer.bytes -= size(&old);
            }
        }
    }

    /// Appends the broadcasts with these numbers to `batch`; `None` when the first of them
    /// has left the buffer.
    pub(crate) fn read(&self, numbers: Range<u64>, batch: &mut Vec<Arc<Delivery>>) -> Option<()> {
        if numbers.is_empty() {
            return Some(());
        }
        let buffer = self.0.read();
        let skip = usize::try_from(numbers.start.checked_sub(buffer.first)?).ok()?;
        let count = usize::try_from(numbers.end - numbers.start).ok()?;
        batch.extend(buffer.entries.iter().skip(skip).take(count).cloned());
        Some(())
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

    fn since(buffer: &BroadcastBuffer, from: u64) -> Option<Vec<Seq>> {
        let mut batch = Vec::new();
        buffer.read(from..buffer.end(), &mut batch)?;
        Some(batch.iter().map(|delivery| delivery.notification.seq).collect())
    }

    #[test]
    fn reads_on_from_where_it_was() {
        let buffer = BroadcastBuffer::default();
        assert_eq!(since(&buffer, 0), Some(vec![]));
        buffer.push(delivery(1, 1));
        buffer.push(delivery(2, 1));
        buffer.push(delivery(3, 1));
        assert_eq!(since(&buffer, 1), Some(vec![Seq(2), Seq(3)]));
        let mut batch = Vec::new();
        assert!(buffer.read(1..2, &mut batch).is_some());
        assert_eq!(batch.len(), 1);
    }

    #[test]
    fn who_fell_behind_is_told() {
        let buffer = BroadcastBuffer::default();
        (0..1100).for_each(|seq| buffer.push(delivery(seq, 1)));
        assert_eq!(since(&buffer, 0), None);
        assert_eq!(since(&buffer, buffer.end() - 1024).map(|seqs| seqs.len()), Some(1024));
        // Bytes are bounded as well as entries.
        (0..600).for_each(|seq| buffer.push(delivery(seq, 60_000)));
        assert_eq!(since(&buffer, buffer.end() - 500), None);
        assert!(since(&buffer, buffer.end() - 200).is_some());
    }
}
