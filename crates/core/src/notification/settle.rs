//! Acknowledgements on their way to the store, in batches.
//!
//! A settlement that is lost here (the process dies) means that a notification
//! is delivered once more, never that it is lost. So sessions do not wait for the
//! disk, and settlements wait a moment for more: each commit is one that an
//! acceptance would have to wait behind. Where few wait, the next acceptance takes
//! them along, and there is no such commit.

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
const MAX_WAITING: usize = 200_000;
/// Settlements in one store call.
const BATCH: usize = 8192;
/// How long a settlement waits for more of them, unless a caller waits in [`SettleQueue::flush`].
const GATHER_TIME: Duration = Duration::from_millis(10);
/// So many do not wait for more: they fill a call.
const FULL_BATCH: usize = BATCH;
/// So many at most go along with an acceptance, whose sender waits for the answer.
const MAX_ALONG: usize = 16;

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
    /// A batch is on its way to the store. The next waits until it is there, so that
    /// `written` counts in the order of `queued`.
    in_flight: bool,
    /// [`SettleQueue::run`] looks at what waits by itself, soon.
    gathering: bool,
    /// It waits for what an acceptance has taken along.
    blocked: bool,
    /// A caller waits for what is queued.
    flush_requested: bool,
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
    /// caller then waits in [`flush`](Self::flush) before it causes more.
    pub(super) fn push(&self, settlements: impl IntoIterator<Item = Settlement>, now: Timestamp) -> bool {
        let mut state = self.state.lock();
        let before = state.waiting.len();
        state.waiting.extend(settlements.into_iter().map(|settlement| (settlement, now)));
        let after = state.waiting.len();
        state.queued += (after - before) as u64;
        let begins = before == 0 && after > 0 && !state.gathering;
        drop(state);
        if begins || (before < FULL_BATCH && after >= FULL_BATCH) {
            self.filled.notify_one();
        }
        after > MAX_WAITING
    }

    /// Takes what waits, where it is little, to be written along with an acceptance.
    pub(super) fn along(&self) -> Option<Along<'_>> {
        let mut state = self.state.lock();
        let few = (1..=MAX_ALONG).contains(&state.waiting.len());
        if !few || state.in_flight || state.failing || state.closed {
            return None;
        }
        state.in_flight = true;
        Some(Along { queue: self, batch: state.take() })
    }

    /// Waits until all that is queued now has been written, however long the store fails.
    pub(super) async fn flush(&self) {
        // Cannot fail: that is what `false` asks for.
        let _ = self.wait_written(false).await;
    }

    /// As [`flush`](Self::flush), for callers that must not wait for a broken disk.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while the store fails.
    pub(super) async fn flush_or_busy(&self) -> Result<(), StoreError> {
        self.wait_written(true).await
    }

    async fn wait_written(&self, give_up: bool) -> Result<(), StoreError> {
        let target = {
            let mut state = self.state.lock();
            if !state.waiting.is_empty() && !state.flush_requested {
                state.flush_requested = true;
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
        while let Some(batch) = self.next().await {
            self.write(&*store, &batch, &events).await;
            self.wrote(batch.len());
        }
    }

    /// No more settlements come; [`run`](Self::run) returns once it has written what there is.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_one();
    }

    /// Waits for settlements, and for more of them, and takes them. `None` at the end.
    async fn next(&self) -> Option<Vec<(Settlement, Timestamp)>> {
        loop {
            let begun = self.until(|state| {
                state.gathering = !state.waiting.is_empty();
                state.blocked = state.closed && state.in_flight;
                (state.gathering || (state.closed && !state.in_flight)).then_some(state.gathering)
            });
            if !begun.await {
                return None;
            }
            let enough = self.until(|state| {
                (state.flush_requested || state.closed || state.waiting.len() >= FULL_BATCH).then_some(())
            });
            // That time is up is no failure.
            let _ = timeout(GATHER_TIME, enough).await;
            let taken = self.until(|state| {
                state.blocked = state.in_flight;
                (!state.in_flight).then(|| {
                    state.gathering = false;
                    state.in_flight = !state.waiting.is_empty();
                    state.take()
                })
            });
            // Nothing is left where acceptances have taken it along.
            match taken.await {
                batch if batch.is_empty() => {}
                batch => return Some(batch),
            }
        }
    }

    /// Waits until the state is as it should be.
    async fn until<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let filled = self.filled.notified();
            if let Some(seen) = look(&mut self.state.lock()) {
                return seen;
            }
            filled.await;
        }
    }

    /// So many of those in flight are in the store.
    fn wrote(&self, count: usize) {
        let mut state = self.state.lock();
        state.in_flight = false;
        state.written += count as u64;
        state.failing = false;
        drop(state);
        self.drained.notify_waiters();
    }

    /// Tells the watchers and the latency meter what a batch has changed.
    fn report(&self, settled: Settled, batch: &[(Settlement, Timestamp)], events: &Events) {
        self.measure(&settled, batch);
        for (_, id, accounts) in settled.delivered {
            events.send(Event::Delivered { id, accounts });
        }
    }

    async fn write(&self, store: &dyn Store, batch: &[(Settlement, Timestamp)], events: &Events) {
        let mut pause = Duration::from_millis(50);
        loop {
            match store.settle(settlements(batch)).await {
                Ok(settled) => return self.report(settled, batch, events),
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
            // Of an acknowledgement that came twice one counts.
            if let Some((accepted_at, copies)) = delivered.get_mut(&settlement.seq)
                && *copies > 0
            {
                *copies -= 1;
                self.latency.record(at.since(*accepted_at), 1);
            }
        }
    }
}

impl State {
    /// What goes into the next store call.
    fn take(&mut self) -> Vec<(Settlement, Timestamp)> {
        if self.waiting.len() <= BATCH {
            self.flush_requested = false;
            return std::mem::take(&mut self.waiting);
        }
        let rest = self.waiting.split_off(BATCH);
        std::mem::replace(&mut self.waiting, rest)
    }
}

fn settlements(batch: &[(Settlement, Timestamp)]) -> Vec<Settlement> {
    batch.iter().map(|(settlement, _)| *settlement).collect()
}

/// Settlements that an acceptance takes along. They go back where it fails, or ends
/// before it says how it went.
pub(super) struct Along<'a> {
    queue: &'a SettleQueue,
    batch: Vec<(Settlement, Timestamp)>,
}

impl Along<'_> {
    pub(super) fn settlements(&self) -> Vec<Settlement> {
        settlements(&self.batch)
    }

    /// How it went.
    pub(super) fn end(mut self, outcome: Result<Settled, StoreError>, events: &Events) {
        if let Ok(settled) = outcome {
            let batch = std::mem::take(&mut self.batch);
            self.queue.report(settled, &batch, events);
            self.queue.wrote(batch.len());
        }
    }
}

impl Drop for Along<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        let mut wake = std::mem::take(&mut state.blocked);
        if !self.batch.is_empty() {
            state.in_flight = false;
            self.batch.append(&mut state.waiting);
            state.waiting = std::mem::take(&mut self.batch);
            // A caller may wait for them, and its request to flush was taken with them.
            state.flush_requested = true;
            wake = true;
        }
        drop(state);
        if wake {
            self.queue.filled.notify_one();
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
        while let Some(batch) = queue.next().await {
            largest.fetch_max(batch.len(), Ordering::Relaxed);
            queue.wrote(batch.len());
        }
    }

    async fn other_tasks_run() {
        for _ in 0..10 {
            yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn settlements_are_gathered_unless_a_caller_waits_for_them() {
        let queue = Arc::new(SettleQueue::new());
        let largest = Arc::new(AtomicUsize::new(0));
        let (taking, noting) = (Arc::clone(&queue), Arc::clone(&largest));
        let taker = tokio::spawn(async move { batches(&taking, &noting).await });
        for _ in 0..20 {
            queue.push(settlements(1), Timestamp(0));
            yield_now().await;
        }
        assert_eq!(largest.load(Ordering::Relaxed), 0, "taken before its time");
        tokio::time::advance(GATHER_TIME * 2).await;
        yield_now().await;
        assert_eq!(largest.load(Ordering::Relaxed), 20);

        queue.push(settlements(3), Timestamp(0));
        // Time stands still: what a caller waits for does not wait for more.
        let mut waits = std::pin::pin!(queue.flush_or_busy());
        for _ in 0..10 {
            if waits.as_mut().now_or_never().is_some() {
                break;
            }
            yield_now().await;
        }
        assert!(queue.state.lock().waiting.is_empty());

        queue.push(settlements(FULL_BATCH as u64), Timestamp(0));
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(largest.load(Ordering::Relaxed), FULL_BATCH);
        queue.close();
        taker.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_along_with_an_acceptance_is_not_written_by_itself() {
        let queue = Arc::new(SettleQueue::new());
        assert!(queue.along().is_none(), "nothing waits");
        let largest = Arc::new(AtomicUsize::new(0));
        let (taking, noting) = (Arc::clone(&queue), Arc::clone(&largest));
        let taker = tokio::spawn(async move { batches(&taking, &noting).await });
        for _ in 0..100 {
            queue.push(settlements(2), Timestamp(0));
            other_tasks_run().await;
            let along = queue.along().unwrap();
            assert_eq!(along.settlements(), settlements(2).collect::<Vec<_>>());
            queue.push(settlements(1), Timestamp(0));
            assert!(queue.along().is_none(), "a batch is in flight");
            // Longer than the time to gather: what came later is not written before them.
            tokio::time::advance(GATHER_TIME * 2).await;
            other_tasks_run().await;
            assert!(queue.flush_or_busy().now_or_never().is_none(), "nothing is written yet");
            along.end(Ok(Settled::default()), &Events::default());
            other_tasks_run().await;
            assert_eq!(queue.flush_or_busy().now_or_never(), Some(Ok(())));
        }
        assert_eq!(largest.load(Ordering::Relaxed), 1);

        queue.push(settlements(MAX_ALONG as u64 + 1), Timestamp(0));
        assert!(queue.along().is_none(), "too many");
        queue.close();
        taker.await.unwrap();
        assert_eq!(largest.load(Ordering::Relaxed), MAX_ALONG + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_went_along_in_vain_is_written_all_the_same() {
        for dropped in [true, false] {
            let queue = SettleQueue::new();
            queue.push(settlements(3), Timestamp(0));
            let along = queue.along().unwrap();
            queue.push(settlements(1), Timestamp(0));
            let mut waits = Box::pin(queue.flush_or_busy());
            assert!(waits.as_mut().now_or_never().is_none());
            match dropped {
                true => drop(along),
                false => along.end(Err(StoreError::Busy), &Events::default()),
            }
            // In order, and at once: a caller waits for them.
            let batch = queue.next().now_or_never().unwrap().unwrap();
            let seqs: Vec<u64> = batch.iter().map(|(settlement, _)| settlement.seq.0).collect();
            assert_eq!(seqs, [1, 2, 3, 1]);
            queue.wrote(batch.len());
            assert_eq!(waits.await, Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_for_what_went_along() {
        let queue = Arc::new(SettleQueue::new());
        let taking = Arc::clone(&queue);
        let taker = tokio::spawn(async move { batches(&taking, &AtomicUsize::new(0)).await });
        other_tasks_run().await;
        queue.push(settlements(1), Timestamp(0));
        let along = queue.along().unwrap();
        queue.close();
        other_tasks_run().await;
        assert!(!taker.is_finished());
        drop(along);
        taker.await.unwrap();
        let state = queue.state.lock();
        assert_eq!((state.written, state.waiting.len()), (1, 0));
    }
}
