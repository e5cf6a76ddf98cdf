//! Broadcasts of the last while, shared by all sessions.
//!
//! A broadcast is put here once; a session is only woken, and reads on from the
//! place it had reached. One that fell behind the buffer reads from the store.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::RwLock;

use super::delivery::Delivery;
use crate::model::Seq;

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
        buffer.bytes += delivery.size();
        buffer.entries.push_back(delivery);
        while buffer.entries.len() > MAX_BROADCASTS || (buffer.bytes > MAX_BYTES && buffer.entries.len() > 1)
        {
            if let Some(old) = buffer.entries.pop_front() {
                buffer.first += 1;
                buffer.bytes -= old.size();
            }
        }
    }

    /// Appends to `batch` the broadcasts from number `from` on that have a number below `end`
    /// or come before `newest`, and gives the number after them. `None` when the first of them
    /// has left the buffer.
    pub(crate) fn read(
        &self,
        from: u64,
        end: u64,
        newest: Seq,
        batch: &mut Vec<Arc<Delivery>>,
    ) -> Option<u64> {
        let buffer = self.0.read();
        let skip = usize::try_from(from.checked_sub(buffer.first)?).ok()?;
        let before = batch.len();
        let wanted = (from..).zip(buffer.entries.iter().skip(skip));
        let wanted =
            wanted.take_while(|(number, delivery)| *number < end || delivery.notification.seq < newest);
        batch.extend(wanted.map(|(_, delivery)| Arc::clone(delivery)));
        Some(from + (batch.len() - before) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::delivery::sized as delivery;

    fn since(buffer: &BroadcastBuffer, from: u64) -> Option<Vec<Seq>> {
        let mut batch = Vec::new();
        buffer.read(from, buffer.end(), Seq(0), &mut batch)?;
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
        for (end, newest, next) in [(2, 0, 2), (1, 3, 2), (0, 4, 3), (0, 3, 2), (1, 2, 1)] {
            let mut batch = Vec::new();
            assert_eq!(buffer.read(1, end, Seq(newest), &mut batch), Some(next));
            assert_eq!(batch.len() as u64, next - 1);
        }
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
