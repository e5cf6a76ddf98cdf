//! Acknowledgements on their way to the store, in batches.
//!
//! A settlement that is lost here (the process dies) means that a notification
//! is delivered once more, never that it is lost. So sessions do not wait for the
//! disk, and settlements wait a moment for more: each commit is one that an
//! acceptance would have to wait behind.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::sleep;

use super::latency::LatencyMeter;
use crate::events::{Event, Events};
use crate::model::{Seq, Timestamp};
use crate::panics::caught;
use crate::store::{Settled, Settlement, StoreError};

/// Settlements that may wait; past that, sessions wait.
const MAX_WAITING: usize = 200_000;
/// Settlements in one store call.
const BATCH: usize = 8192;
/// How long a settlement waits for more of them, unless a caller waits in [`SettleQueue::flush`].
const GATHER_TIME: Duration = Duration::from_millis(10);
/// The first and the longest pause before a batch is tried again.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// The queue between sessions and the store.
pub(super) struct SettleQueue {
    queue: mpsc::Sender<Item>,
    /// The other end, until [`run`](Self::run) takes it.
    taken: Mutex<Option<mpsc::Receiver<Item>>>,
    /// A caller waits for what is queued.
    flush_requested: Notify,
    /// Settlements ever queued, and of these, in their order, the ever written. Who finds
    /// as many written as queued waits for nothing.
    queued: AtomicU64,
    written: AtomicU64,
    /// The store refused the last batch: it is tried again.
    failing: watch::Sender<bool>,
    closed: watch::Sender<bool>,
    /// From acceptance to acknowledgement.
    pub(super) latency: LatencyMeter,
}

enum Item {
    /// With the time at which its acknowledgement came.
    Settlement(Settlement, Timestamp),
    /// A caller waits for what is before this.
    Flush(oneshot::Sender<()>),
}

impl SettleQueue {
    pub(super) fn new() -> Self {
        let (queue, taken) = mpsc::channel(MAX_WAITING);
        Self {
            queue,
            taken: Mutex::new(Some(taken)),
            flush_requested: Notify::new(),
            queued: AtomicU64::new(0),
            written: AtomicU64::new(0),
            failing: watch::Sender::new(false),
            closed: watch::Sender::new(false),
            latency: LatencyMeter::default(),
        }
    }

    /// Queues settlements; waits only while the queue is full.
    pub(super) async fn push(&self, settlements: impl IntoIterator<Item = Settlement>, now: Timestamp) {
        for settlement in settlements {
            self.queued.fetch_add(1, Ordering::Relaxed);
            match self.queue.try_send(Item::Settlement(settlement, now)) {
                Ok(()) => {}
                Err(TrySendError::Full(item)) => {
                    // An error means the same as below.
                    let _ = self.queue.send(item).await;
                }
                // The process ends. The device gets this notification once more.
                Err(TrySendError::Closed(_)) => return,
            }
        }
    }

    /// Waits until all that this caller has queued is written, however long the store fails.
    pub(super) async fn flush(&self) {
        if self.is_empty() {
            return;
        }
        let (done, written) = oneshot::channel();
        if self.queue.send(Item::Flush(done)).await.is_ok() {
            self.flush_requested.notify_one();
            // An error means that the queue is closed, and no more is written.
            let _ = written.await;
        }
    }

    /// As [`flush`](Self::flush), for callers that must not wait for a broken disk.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while the store fails.
    pub(super) async fn flush_or_busy(&self) -> Result<(), StoreError> {
        if self.is_empty() {
            return Ok(());
        }
        if *self.failing.borrow() {
            return Err(StoreError::Busy);
        }
        tokio::select! {
            biased;
            () = self.flush() => Ok(()),
            () = until_true(&self.failing) => Err(StoreError::Busy),
        }
    }

    /// Whether all that this caller has queued is written.
    fn is_empty(&self) -> bool {
        self.written.load(Ordering::Acquire) == self.queued.load(Ordering::Relaxed)
    }

    /// No more settlements come; [`run`](Self::run) returns once it has written what there is.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Writes batches by `settle`, until [`close`](Self::close) and the queue is empty.
    pub(super) async fn run<F>(&self, settle: impl Fn(Vec<Settlement>) -> F, events: &Events)
    where
        F: Future<Output = Result<Settled, StoreError>>,
    {
        let Some(mut queue) = self.taken.lock().take() else { return };
        while let Some(first) = self.first(&mut queue).await {
            let mut batch = Batch::default();
            batch.add(first);
            if batch.flushes.is_empty() {
                tokio::select! {
                    () = sleep(GATHER_TIME) => {}
                    () = self.flush_requested.notified() => {}
                    () = until_true(&self.closed) => {}
                }
            }
            // What comes from here on waits for more again.
            let mut ready = queue.len();
            loop {
                while ready > 0 && batch.settlements.len() < BATCH {
                    ready -= 1;
                    match queue.try_recv() {
                        Ok(item) => batch.add(item),
                        Err(_) => ready = 0,
                    }
                }
                self.write(std::mem::take(&mut batch), &settle, events).await;
                if ready == 0 {
                    break;
                }
            }
        }
    }

    /// The next that comes; `None` when the queue is closed and empty.
    async fn first(&self, queue: &mut mpsc::Receiver<Item>) -> Option<Item> {
        tokio::select! {
            biased;
            () = until_true(&self.closed), if !queue.is_closed() => {}
            first = queue.recv() => return first,
        }
        queue.close();
        queue.recv().await
    }

    /// Writes a batch, however often that takes.
    async fn write<F>(&self, batch: Batch, settle: &impl Fn(Vec<Settlement>) -> F, events: &Events)
    where
        F: Future<Output = Result<Settled, StoreError>>,
    {
        let (mut pause, longest) = RETRY_PAUSES;
        while !batch.settlements.is_empty() {
            let settled = caught(settle(batch.settlements())).await;
            match settled.unwrap_or_else(|panicked| Err(StoreError::Failed(panicked.to_string()))) {
                Ok(settled) => {
                    self.tell(settled, &batch, events);
                    break;
                }
                Err(
                    error @ (StoreError::Busy
                    | StoreError::Full
                    | StoreError::Unavailable(_)
                    | StoreError::Failed(_)),
                ) => {
                    if *self.closed.borrow() {
                        let count = batch.settlements.len();
                        tracing::warn!(%error, count, "settlements were not written; these devices get theirs again");
                        break;
                    }
                    tracing::warn!(%error, "cannot write settlements; trying again");
                    self.failing.send_replace(true);
                    tokio::select! {
                        () = sleep(pause) => {}
                        () = until_true(&self.closed) => {}
                    }
                    pause = (pause * 2).min(longest);
                }
                Err(error) => {
                    tracing::error!(%error, "settlements refused");
                    break;
                }
            }
        }
        self.failing.send_if_modified(std::mem::take);
        self.written.fetch_add(batch.settlements.len() as u64, Ordering::Release);
        for done in batch.flushes {
            // An error means that this caller waits no longer.
            let _ = done.send(());
        }
    }

    /// Tells what a batch has changed.
    fn tell(&self, settled: Settled, batch: &Batch, events: &Events) {
        self.measure(&settled, batch);
        for (_, id, accounts) in settled.delivered {
            events.send(Event::Delivered { id, accounts });
        }
    }

    /// Notes how long each new delivery took, until its acknowledgement came.
    fn measure(&self, settled: &Settled, batch: &Batch) {
        let mut delivered: HashMap<Seq, _> =
            settled.delivered.iter().map(|(seq, id, copies)| (*seq, (id.accepted_at(), *copies))).collect();
        for (settlement, at) in &batch.settlements {
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

/// Resolves once the value is true.
async fn until_true(value: &watch::Sender<bool>) {
    // An error would mean that the sender is gone: it is borrowed.
    let _ = value.subscribe().wait_for(|value| *value).await;
}

#[derive(Default)]
struct Batch {
    settlements: Vec<(Settlement, Timestamp)>,
    /// Callers that wait for this batch.
    flushes: Vec<oneshot::Sender<()>>,
}

impl Batch {
    fn add(&mut self, item: Item) {
        match item {
            Item::Settlement(settlement, at) => self.settlements.push((settlement, at)),
            Item::Flush(done) => self.flushes.push(done),
        }
    }

    fn settlements(&self) -> Vec<Settlement> {
        self.settlements.iter().map(|(settlement, _)| *settlement).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::Arc;

    use futures_util::FutureExt;
    use tokio::task::{JoinHandle, yield_now};

    use super::*;
    use crate::model::AccountId;

    fn settlements(count: u64) -> impl Iterator<Item = Settlement> {
        (1..=count).map(|seq| Settlement { account: AccountId(1), seq: Seq(seq) })
    }

    /// A queue that is written to a store which notes each batch, and fails while it is told to.
    struct Running {
        queue: Arc<SettleQueue>,
        batches: Arc<Mutex<Vec<Vec<Settlement>>>>,
        broken: watch::Sender<bool>,
        task: JoinHandle<()>,
    }

    impl Running {
        fn start() -> Self {
            let (queue, batches) = (Arc::new(SettleQueue::new()), Arc::<Mutex<Vec<_>>>::default());
            let broken = watch::Sender::new(false);
            let (running, noted, fails) = (Arc::clone(&queue), Arc::clone(&batches), broken.subscribe());
            let task = tokio::spawn(async move {
                let settle = |batch| {
                    if *fails.borrow() {
                        return ready(Err(StoreError::Full));
                    }
                    noted.lock().push(batch);
                    ready(Ok(Settled::default()))
                };
                running.run(settle, &Events::default()).await;
            });
            Self { queue, batches, broken, task }
        }

        async fn push(&self, count: u64) {
            self.queue.push(settlements(count), Timestamp(0)).await;
        }

        /// The batches' sizes since the last time, once all tasks have done what they can without time.
        async fn written(&self) -> Vec<usize> {
            for _ in 0..20 {
                yield_now().await;
            }
            self.batches.lock().drain(..).map(|batch| batch.len()).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn settlements_wait_for_more_unless_a_caller_waits_for_them() {
        let running = Running::start();
        for _ in 0..20 {
            running.push(1).await;
            assert_eq!(running.written().await, [0; 0], "before its time");
        }
        tokio::time::advance(GATHER_TIME * 2).await;
        assert_eq!(running.written().await, [20]);

        running.push(3).await;
        // Time stands still: what is waited for does not wait for more.
        let mut waits = Box::pin(running.queue.flush_or_busy());
        assert!(waits.as_mut().now_or_never().is_none());
        assert_eq!(running.written().await, [3]);
        assert_eq!(waits.await, Ok(()));
        // Nor does a caller wait for what it has not queued.
        assert_eq!(running.queue.flush().now_or_never(), Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_is_written_in_bounded_batches_and_in_order() {
        let running = Running::start();
        running.push(2 * BATCH as u64 + 5).await;
        running.queue.flush().await;
        let batches = std::mem::take(&mut *running.batches.lock());
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [BATCH, BATCH, 5]);
        assert!(batches.concat().into_iter().eq(settlements(2 * BATCH as u64 + 5)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_flushes_in_haste_is_told_of_a_failing_store_and_who_is_patient_waits() {
        let running = Running::start();
        running.broken.send_replace(true);
        running.push(2).await;
        let mut patient = Box::pin(running.queue.flush());
        assert!(patient.as_mut().now_or_never().is_none());
        assert_eq!(running.queue.flush_or_busy().await, Err(StoreError::Busy), "while it waits");
        assert_eq!(running.queue.flush_or_busy().now_or_never(), Some(Err(StoreError::Busy)), "at once");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(running.written().await, [0; 0]);
        assert!(patient.as_mut().now_or_never().is_none());
        running.broken.send_replace(false);
        patient.await;
        assert_eq!(running.written().await, [2], "once");
        assert_eq!(running.queue.flush_or_busy().now_or_never(), Some(Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_makes_sessions_wait() {
        let running = Running::start();
        running.broken.send_replace(true);
        running.push(1).await;
        assert_eq!(running.written().await, [0; 0]);
        running.push(MAX_WAITING as u64).await;
        let mut one_more = Box::pin(running.push(1));
        assert!(one_more.as_mut().now_or_never().is_none());
        running.broken.send_replace(false);
        one_more.await;
        running.queue.flush().await;
        assert_eq!(running.written().await.iter().sum::<usize>(), MAX_WAITING + 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_writes_what_waits_and_frees_who_waits() {
        for broken in [false, true] {
            let running = Running::start();
            running.broken.send_replace(broken);
            running.push(2).await;
            let mut waits = Box::pin(running.queue.flush());
            assert!(waits.as_mut().now_or_never().is_none());
            running.queue.close();
            waits.await;
            assert_eq!(running.written().await, if broken { vec![] } else { vec![2] });
            running.push(1).await;
            assert_eq!(running.queue.flush().now_or_never(), Some(()), "nothing is written any more");
            running.task.await.unwrap();
        }
    }
}
