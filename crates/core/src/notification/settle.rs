//! Acknowledgements on their way to the store, in batches.
//!
//! A settlement that is lost here (the process dies) means that a notification
//! is delivered once more, never that it is lost. So nobody has to wait for the
//! disk, and settlements wait a moment for others: each commit is one that an
//! acceptance would have to wait behind.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::latency::LatencyMeter;
use crate::events::{Event, Events};
use crate::model::{Seq, Timestamp};
use crate::store::{Settled, Settlement, Store, StoreError};

/// Settlements that may wait; past that, sessions wait.
const BOUND: usize = 200_000;
/// Settlements in one store call.
const BATCH: usize = 8192;
/// How long a settlement waits for others, unless somebody waits for it.
const GATHER: Duration = Duration::from_millis(10);
/// So many do not wait for more: they fill a call.
const ENOUGH: usize = BATCH;

/// The queue between sessions and the store.
pub(super) struct SettleQueue {
    state: Mutex<State>,
    filled: Notify,
    drained: Notify,
    /// From acceptance to acknowledgement.
    pub(super) latency: LatencyMeter,
}

#[derive(Default)]
struct State {
    /// Each with the time at which its acknowledgement came.
    waiting: Vec<(Settlement, Timestamp)>,
    /// Somebody waits for what is queued.
    hurried: bool,
    /// Settlements ever queued, and ever written.
    queued: u64,
    written: u64,
    /// The store refused the last batch: it is tried again.
    failing: bool,
    closed: bool,
}

impl SettleQueue {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State::default()),
            filled: Notify::new(),
            drained: Notify::new(),
            latency: LatencyMeter::default(),
        }
    }

    /// Queues settlements at once. True when the queue is past its bound: the
    /// caller then waits in [`flushed`](Self::flushed) before it causes more.
    pub(super) fn push(&self, settlements: impl IntoIterator<Item = Settlement>, now: Timestamp) -> bool {
        let mut state = self.state.lock();
        let before = state.waiting.len();
        state.waiting.extend(settlements.into_iter().map(|settlement| (settlement, now)));
        let after = state.waiting.len();
        state.queued += (after - before) as u64;
        drop(state);
        if after > before && (before == 0 || (before < ENOUGH && after >= ENOUGH)) {
            self.filled.notify_one();
        }
        after > BOUND
    }

    /// Waits until all that is queued now has been written, however long the store fails.
    pub(super) async fn flushed(&self) {
        // Cannot fail: that is what `false` asks for.
        let _ = self.written(false).await;
    }

    /// As [`flushed`](Self::flushed), for those who must not wait for a broken disk.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while the store fails.
    pub(super) async fn caught_up(&self) -> Result<(), StoreError> {
        self.written(true).await
    }

    async fn written(&self, give_up: bool) -> Result<(), StoreError> {
        let target = {
            let mut state = self.state.lock();
            if !state.waiting.is_empty() && !state.hurried {
                state.hurried = true;
                self.filled.notify_one();
            }
            state.queued
        };
        loop {
            let drained = self.drained.notified();
            {
                let state = self.state.lock();
                if state.written >= target || state.closed {
                    return Ok(());
                }
                if give_up && state.failing {
                    return Err(StoreError::Busy);
                }
            }
            drained.await;
        }
    }

    /// Writes batches until [`close`](Self::close) and the queue is empty.
    pub(super) async fn run(&self, store: Arc<dyn Store>, events: Events) {
        loop {
            self.gathered().await;
            let batch = self.take();
            if batch.is_empty() {
                return;
            }
            let count = batch.len() as u64;
            self.write(&*store, batch, &events).await;
            {
                let mut state = self.state.lock();
                state.written += count;
                state.failing = false;
            }
            self.drained.notify_waiters();
        }
    }

    /// No more settlements come; [`run`](Self::run) returns once it has written what there is.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_one();
    }

    /// Waits for settlements, and for more of them; or for the end.
    async fn gathered(&self) {
        self.until(|state| !state.waiting.is_empty()).await;
        let enough = self.until(|state| state.hurried || state.waiting.len() >= ENOUGH);
        // That time is up is no failure.
        let _ = timeout(GATHER, enough).await;
    }

    async fn until(&self, condition: impl Fn(&State) -> bool) {
        loop {
            let filled = self.filled.notified();
            {
                let state = self.state.lock();
                if state.closed || condition(&state) {
                    return;
                }
            }
            filled.await;
        }
    }

    fn take(&self) -> Vec<(Settlement, Timestamp)> {
        let mut state = self.state.lock();
        if state.waiting.len() <= BATCH {
            state.hurried = false;
            return std::mem::take(&mut state.waiting);
        }
        let rest = state.waiting.split_off(BATCH);
        std::mem::replace(&mut state.waiting, rest)
    }

    async fn write(&self, store: &dyn Store, batch: Vec<(Settlement, Timestamp)>, events: &Events) {
        let mut pause = Duration::from_millis(50);
        let settlements: Vec<Settlement> = batch.iter().map(|(settlement, _)| *settlement).collect();
        loop {
            match store.settle(settlements.clone()).await {
                Ok(settled) => {
                    self.measure(&settled, &batch);
                    for (_, id, accounts) in settled.delivered {
                        events.send(Event::Delivered { id, accounts });
                    }
                    return;
                }
                Err(error @ (StoreError::Busy | StoreError::Full | StoreError::Failed(_))) => {
                    if self.state.lock().closed {
                        tracing::warn!(%error, count = batch.len(), "settlements were not written; these devices get theirs again");
                        return;
                    }
                    tracing::warn!(%error, "cannot write settlements; trying again");
                    self.state.lock().failing = true;
                    self.drained.notify_waiters();
                    sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                Err(error) => {
                    tracing::error!(%error, "settlements refused");
                    return;
                }
            }
        }
    }

    /// Notes how long each new delivery took, until its acknowledgement came.
    fn measure(&self, settled: &Settled, batch: &[(Settlement, Timestamp)]) {
        let mut delivered: HashMap<Seq, _> =
            settled.delivered.iter().map(|(seq, id, copies)| (*seq, (id.accepted_at(), *copies))).collect();
        for (settlement, at) in batch {
            // Of an acknowledgement that came twice one counts, whichever.
            if let Some((accepted_at, copies)) = delivered.get_mut(&settlement.seq)
                && *copies > 0
            {
                *copies -= 1;
                self.latency.record(at.since(*accepted_at), 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use tokio::task::yield_now;

    use super::*;
    use crate::model::AccountId;

    fn settlements(count: u64) -> impl Iterator<Item = Settlement> {
        (1..=count).map(|seq| Settlement { account: AccountId(1), seq: Seq(seq) })
    }

    /// Takes batches as [`SettleQueue::run`] does, and notes how large they were.
    async fn batches(queue: &SettleQueue, largest: &AtomicUsize) {
        loop {
            queue.gathered().await;
            let batch = queue.take();
            if batch.is_empty() {
                return;
            }
            largest.fetch_max(batch.len(), Ordering::Relaxed);
            queue.state.lock().written += batch.len() as u64;
            queue.drained.notify_waiters();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn settlements_wait_for_others_unless_somebody_waits_for_them() {
        let queue = Arc::new(SettleQueue::new());
        let largest = Arc::new(AtomicUsize::new(0));
        let (taking, noting) = (Arc::clone(&queue), Arc::clone(&largest));
        let taker = tokio::spawn(async move { batches(&taking, &noting).await });
        for _ in 0..20 {
            queue.push(settlements(1), Timestamp(0));
            yield_now().await;
        }
        assert_eq!(largest.load(Ordering::Relaxed), 0, "taken before its time");
        tokio::time::advance(GATHER * 2).await;
        yield_now().await;
        assert_eq!(largest.load(Ordering::Relaxed), 20);

        queue.push(settlements(3), Timestamp(0));
        // Time stands still: what is waited for does not wait for others.
        let mut waits = std::pin::pin!(queue.caught_up());
        for _ in 0..10 {
            if waits.as_mut().now_or_never().is_some() {
                break;
            }
            yield_now().await;
        }
        assert!(queue.state.lock().waiting.is_empty());

        queue.push(settlements(ENOUGH as u64), Timestamp(0));
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(largest.load(Ordering::Relaxed), ENOUGH);
        queue.close();
        taker.await.unwrap();
    }
}
