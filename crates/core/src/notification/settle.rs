//! Acknowledgements on their way to the store, in batches.
//!
//! A settlement that is lost here (the process dies) means that a notification
//! is delivered once more, never that it is lost.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::latency::LatencyMeter;
use crate::clock::Clock;
use crate::events::{Event, Events};
use crate::store::{Settlement, Store, StoreError};

/// Settlements that may wait; past that, sessions wait.
const BOUND: usize = 200_000;
/// Settlements in one store call.
const BATCH: usize = 8192;

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
    waiting: Vec<Settlement>,
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
    pub(super) fn push(&self, settlements: impl IntoIterator<Item = Settlement>) -> bool {
        let mut state = self.state.lock();
        let before = state.waiting.len();
        state.waiting.extend(settlements);
        let added = state.waiting.len() - before;
        state.queued += added as u64;
        let full = state.waiting.len() > BOUND;
        drop(state);
        if before == 0 && added > 0 {
            self.filled.notify_one();
        }
        full
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
        let target = self.state.lock().queued;
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
    pub(super) async fn run(&self, store: Arc<dyn Store>, events: Events, clock: Arc<dyn Clock>) {
        loop {
            let filled = self.filled.notified();
            let (batch, closed) = self.take();
            if batch.is_empty() {
                if closed {
                    return;
                }
                filled.await;
                continue;
            }
            let count = batch.len() as u64;
            self.write(&*store, batch, &events, &*clock).await;
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

    fn take(&self) -> (Vec<Settlement>, bool) {
        let mut state = self.state.lock();
        let batch = if state.waiting.len() <= BATCH {
            std::mem::take(&mut state.waiting)
        } else {
            let rest = state.waiting.split_off(BATCH);
            std::mem::replace(&mut state.waiting, rest)
        };
        (batch, state.closed)
    }

    async fn write(&self, store: &dyn Store, batch: Vec<Settlement>, events: &Events, clock: &dyn Clock) {
        let mut pause = Duration::from_millis(50);
        loop {
            match store.settle(batch.clone()).await {
                Ok(settled) => {
                    let now = clock.now();
                    for (_, id, accounts) in settled.delivered {
                        self.latency.record(now.since(id.accepted_at()), accounts);
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
}
