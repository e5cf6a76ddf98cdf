//! The deadlines of all connections: a table of wakers and when each is due, looked
//! through once a second. A row costs 24 bytes where a timer of the
//! runtime's costs over a hundred, and a second late is early enough for limits
//! that are counted in minutes.

use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::time::Instant;

const SHARDS: u32 = 16;
/// Nothing is due.
const NEVER: u32 = u32::MAX;
/// The row has no waker yet.
const UNKNOWN: u32 = 0;

/// How often [`Deadlines::sweep`] is called.
pub(crate) const PERIOD: Duration = Duration::from_secs(1);

pub(crate) struct Deadlines {
    start: Instant,
    next: AtomicU32,
    shards: Vec<Mutex<Shard>>,
}

#[derive(Default)]
struct Shard {
    rows: Vec<Row>,
    free: Vec<u32>,
    /// No row is due before this second.
    earliest: u32,
}

struct Row {
    waker: Option<Waker>,
    due: u32,
}

/// A row of the table. Give it back with [`Deadlines::leave`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    /// The row times [`SHARDS`], plus the shard.
    number: u32,
    /// As written in the row.
    due: u32,
}

impl Slot {
    fn shard(self) -> u32 {
        self.number % SHARDS
    }

    fn row(self) -> usize {
        (self.number / SHARDS) as usize
    }
}

impl Deadlines {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            next: AtomicU32::new(0),
            shards: (0..SHARDS).map(|_| Mutex::new(Shard::default())).collect(),
        }
    }

    pub(crate) fn enter(&self) -> Slot {
        let shard = self.next.fetch_add(1, Ordering::Relaxed) % SHARDS;
        let row = self.with(shard, |rows| {
            let fresh = Row { waker: None, due: NEVER };
            if let Some(index) = rows.free.pop()
                && let Some(row) = rows.rows.get_mut(index as usize)
            {
                *row = fresh;
                return index;
            }
            rows.rows.push(fresh);
            u32::try_from(rows.rows.len() - 1).unwrap_or(NEVER)
        });
        Slot { number: row.saturating_mul(SHARDS).saturating_add(shard), due: UNKNOWN }
    }

    pub(crate) fn leave(&self, slot: Slot) {
        let waker = self.with(slot.shard(), |rows| {
            let row = rows.rows.get_mut(slot.row())?;
            rows.free.push(slot.number / SHARDS);
            row.due = NEVER;
            row.waker.take()
        });
        // Dropped here, outside the lock: it may free the task.
        drop(waker);
    }

    /// Has `waker` called at `at` or up to two seconds later; earlier calls happen,
    /// for a deadline that moves away is not written down each time. The waker of
    /// the first call is the one used: a connection stays in one task.
    pub(crate) fn arm(&self, slot: &mut Slot, waker: &Waker, at: Option<Instant>) {
        // From 1 on: 0 means that the slot is new.
        let due = at.map_or(NEVER, |at| self.second(at).saturating_add(1));
        // A new slot is due already, so it gets past this.
        if due >= slot.due && slot.due > self.second(Instant::now()) {
            return;
        }
        self.with(slot.shard(), |rows| {
            if let Some(row) = rows.rows.get_mut(slot.row()) {
                if slot.due == UNKNOWN {
                    row.waker = Some(waker.clone());
                }
                row.due = due;
            }
            rows.earliest = rows.earliest.min(due);
        });
        slot.due = due;
    }

    /// Wakes one connection.
    pub(crate) fn wake(&self, slot: Slot) {
        self.with(slot.shard(), |rows| {
            if let Some(Row { waker: Some(waker), .. }) = rows.rows.get(slot.row()) {
                waker.wake_by_ref();
            }
        });
    }

    /// Wakes every connection that is due.
    pub(crate) fn sweep(&self) {
        let now = self.second(Instant::now());
        for shard in &self.shards {
            let mut shard = shard.lock();
            if shard.earliest > now {
                continue;
            }
            let mut earliest = NEVER;
            for row in &mut shard.rows {
                if row.due <= now {
                    row.due = NEVER;
                    if let Some(waker) = &row.waker {
                        waker.wake_by_ref();
                    }
                }
                earliest = earliest.min(row.due);
            }
            shard.earliest = earliest;
        }
    }

    /// Wakes every connection.
    pub(crate) fn wake_all(&self) {
        for shard in &self.shards {
            for row in &shard.lock().rows {
                if let Some(waker) = &row.waker {
                    waker.wake_by_ref();
                }
            }
        }
    }

    fn second(&self, at: Instant) -> u32 {
        u32::try_from(at.saturating_duration_since(self.start).as_secs()).unwrap_or(NEVER - 1)
    }

    fn with<R>(&self, shard: u32, work: impl FnOnce(&mut Shard) -> R) -> R {
        // The remainder is in bounds by construction.
        let index = shard as usize % self.shards.len();
        #[expect(clippy::indexing_slicing, reason = "a remainder by the length is below it")]
        work(&mut self.shards[index].lock())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn waker() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (Arc::clone(&count), Waker::from(count))
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_never_early_and_at_most_two_seconds_late() {
        let deadlines = Deadlines::new();
        let (count, waker) = waker();
        let mut slot = deadlines.enter();
        tokio::time::advance(Duration::from_millis(300)).await;
        let at = Instant::now() + Duration::from_millis(10_400);
        deadlines.arm(&mut slot, &waker, Some(at));
        while count.0.load(Ordering::Relaxed) == 0 {
            tokio::time::advance(PERIOD).await;
            deadlines.sweep();
            assert!(Instant::now() < at + Duration::from_secs(3));
        }
        assert!(Instant::now() >= at);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_can_come_nearer_and_be_set_again_after_it_passed() {
        let deadlines = Deadlines::new();
        let (count, waker) = waker();
        let mut slot = deadlines.enter();
        deadlines.arm(&mut slot, &waker, Some(Instant::now() + Duration::from_secs(1000)));
        deadlines.arm(&mut slot, &waker, Some(Instant::now() + Duration::from_secs(5)));
        tokio::time::advance(Duration::from_secs(7)).await;
        deadlines.sweep();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        deadlines.arm(&mut slot, &waker, Some(Instant::now() + Duration::from_secs(993)));
        tokio::time::advance(Duration::from_secs(995)).await;
        deadlines.sweep();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_that_was_left_is_not_woken_and_its_row_is_used_again() {
        let deadlines = Deadlines::new();
        let (count, waker) = waker();
        for _ in 0..1000 {
            let mut slot = deadlines.enter();
            deadlines.arm(&mut slot, &waker, Some(Instant::now()));
            deadlines.leave(slot);
        }
        tokio::time::advance(Duration::from_secs(5)).await;
        deadlines.sweep();
        deadlines.wake_all();
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        assert_eq!(Arc::strong_count(&count), 2);
        assert!(deadlines.shards.iter().all(|shard| shard.lock().rows.len() <= 1));
    }
}
