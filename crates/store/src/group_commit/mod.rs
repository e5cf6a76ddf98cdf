//! How writes come to the one writer of an embedded store: those that wait together share a
//! commit.
//!
//! A thread makes the commits while there is always something to write. Where no
//! other write is under way, the caller commits a small write itself: handing it to the
//! thread and back would wake two threads, often on two processors, which takes longer
//! than the commit does.
//!
//! A caller that commits waits for the disk, though, and a worker of the runtime has
//! other things to do. So callers commit only where the runtime has other workers, while
//! the disk is quick, and one commit at a time: what came meanwhile is the thread's.
//!
//! That the runtime has other workers does not mean that they are awake. The one that
//! waits for the disk may be the one that looked after sockets and timers, and Tokio
//! wakes another to do so only where it has more than one task to give away. So the
//! thread looks on meanwhile, and wakes a worker where the disk takes its time.

mod leader;
mod monitor;
mod work;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tidings_core::store::{Commits, Result, StoreError};
use tokio::runtime::{Handle, RuntimeFlavor};

use self::leader::{CommitQueue, Lead, QUICK, Refused, State};
use self::monitor::{Monitor, SystemMonitor};
use self::work::Queued;
use crate::{closed, ended};

/// At most so many bytes, by estimate, are written in one commit.
const GROUP_BYTES: usize = 8 << 20;

/// What a group commit writes with.
pub(crate) trait GroupWriter: Sized + Send + 'static {
    /// Why a call failed.
    type Error: From<StoreError> + Into<StoreError>;

    /// Begins a group: a transaction. What an earlier one may have left behind is undone.
    fn begin(&mut self) -> Result<(), Self::Error>;
    /// Runs one call of the group: all of it happens, or nothing. `work` does not panic.
    fn step<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Self::Error>) -> Result<T, Self::Error>;
    /// Whether the group still has its transaction.
    fn in_group(&self) -> bool;
    /// Makes the group durable and visible.
    fn commit(&mut self) -> Result<(), Self::Error>;
    /// Tells what was committed to those who watch: after each commit, before the next one
    /// begins and before the callers are answered.
    fn publish(&mut self);
    /// Undoes a group that failed.
    fn rollback(&mut self);
    /// Does what is to be done between two groups.
    fn maintain(&mut self);
    /// Whether [`maintain`](Self::maintain) has something to do.
    fn needs_maintenance(&self) -> bool;
}

/// How a [`GroupCommit`] works.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// Calls that may wait; more are refused with [`StoreError::Busy`].
    pub capacity: usize,
    /// Calls in one commit, at most.
    pub group: usize,
    /// Whether a caller may commit by itself.
    pub inline: bool,
}

/// What the queue's monitor guards.
type Guarded<W> = State<Queued<W>, Handle>;

/// Hands work to the writer.
pub(crate) struct GroupCommit<W: GroupWriter, M: Monitor<Guarded<W>> = SystemMonitor<Guarded<W>>> {
    committer: Arc<Committer<W, M>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Committer<W, M> {
    queue: CommitQueue<Queued<W>, Handle, M>,
    /// Locked by the leader alone, which never waits for it. `None` once closed.
    writer: Mutex<Option<W>>,
    options: Options,
    /// Whether the last commit took long.
    slow: AtomicBool,
    commits: AtomicU64,
    /// Calls in those commits.
    writes: AtomicU64,
}

impl<W: GroupWriter> GroupCommit<W> {
    /// Starts the thread. `keep` is dropped when it ends.
    pub fn start<K: Send + 'static>(writer: W, options: Options, keep: K) -> std::io::Result<Self> {
        Self::start_with(SystemMonitor::new(State::new()), writer, options, keep)
    }
}

impl<W: GroupWriter, M: Monitor<Guarded<W>>> GroupCommit<W, M> {
    fn start_with<K: Send + 'static>(
        monitor: M,
        writer: W,
        options: Options,
        keep: K,
    ) -> std::io::Result<Self> {
        let committer = Arc::new(Committer {
            queue: CommitQueue::new(monitor, options.capacity),
            writer: Mutex::new(Some(writer)),
            options,
            slow: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        });
        let running = Arc::clone(&committer);
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || {
            running.run();
            drop(keep);
        })?;
        Ok(Self { committer, thread: Mutex::new(Some(thread)) })
    }

    /// Has the writer do something and waits until it is durable. `bytes` is
    /// about how much it writes.
    pub async fn call<T, F>(&self, bytes: usize, work: F) -> Result<T>
    where
        F: FnOnce(&mut W) -> Result<T, W::Error> + Send + 'static,
        T: Send + 'static,
    {
        let (queued, answer) = Queued::new(bytes, work);
        self.committer.ask(queued, false)?;
        answer.await.map_err(|_| ended())?
    }

    /// As [`call`](Self::call), for something small that the caller waits for: it is
    /// committed at once, on this thread, where no other write is under way.
    pub async fn call_inline<T, F>(&self, bytes: usize, work: F) -> Result<T>
    where
        F: FnOnce(&mut W) -> Result<T, W::Error> + Send + 'static,
        T: Send + 'static,
    {
        let (queued, answer) = Queued::new(bytes, work);
        self.committer.ask(queued, true)?;
        answer.await.map_err(|_| ended())?
    }

    /// Calls that wait for their commit, and how many may.
    pub fn backlog(&self) -> (usize, usize) {
        (self.committer.queue.waiting(), self.committer.queue.capacity())
    }

    /// Commits so far, and the calls in them.
    pub fn commits(&self) -> Commits {
        Commits {
            commits: self.committer.commits.load(Ordering::Relaxed),
            writes: self.committer.writes.load(Ordering::Relaxed),
        }
    }

    /// Takes no more work. The thread ends after what it has.
    pub fn close(&self) -> Option<JoinHandle<()>> {
        self.committer.queue.close();
        self.thread.lock().take()
    }
}

impl<W: GroupWriter, M: Monitor<Guarded<W>>> std::fmt::Debug for GroupCommit<W, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupCommit").field("backlog", &self.backlog()).finish_non_exhaustive()
    }
}

/// The runtime whose thread this is, where it has more workers, so that this one may wait for
/// the disk.
fn with_more_workers() -> Option<Handle> {
    let runtime = Handle::try_current().ok()?;
    let more = runtime.runtime_flavor() == RuntimeFlavor::MultiThread && runtime.metrics().num_workers() > 1;
    more.then_some(runtime)
}

/// Has another worker of the runtime look after sockets and timers: it does once it has
/// run what woke it.
fn wake_another(runtime: &Handle) {
    drop(runtime.spawn(async {}));
}

impl<W: GroupWriter, M: Monitor<Guarded<W>>> Committer<W, M> {
    /// Puts something into the queue, and commits it where the caller leads then.
    fn ask(&self, queued: Queued<W>, inline: bool) -> Result<()> {
        let inline = inline && self.options.inline && !self.slow.load(Ordering::Relaxed);
        let caller = inline.then(with_more_workers).flatten();
        match self.queue.push(queued, caller) {
            Ok(None) => Ok(()),
            Ok(Some(lead)) => {
                self.commit_as(lead, false);
                Ok(())
            }
            Err(Refused::Closed) => Err(closed()),
            Err(Refused::Full) => Err(StoreError::Busy),
        }
    }

    /// The thread's work, until the store is closed and nothing is left.
    fn run(&self) {
        while let Some(lead) = self.queue.lead(wake_another) {
            self.commit_as(lead, true);
        }
        // Closed before the caller is told that the thread has ended.
        drop(self.writer.lock().take());
    }

    /// One commit by the leader. A panic of the writer costs neither the thread its life nor a
    /// worker of the runtime its task, and the lead is given back in any case.
    fn commit_as(&self, mut lead: Lead<'_, Queued<W>, Handle, M>, by_thread: bool) {
        let led = catch_unwind(AssertUnwindSafe(|| {
            let group = Group { works: self.take(&lead), queue: &self.queue };
            let mut writer = self.writer.lock();
            let Some(writer) = writer.as_mut() else { return false };
            // Nothing is there where only maintenance is needed.
            if !group.works.is_empty() {
                self.commit(writer, group);
            }
            if by_thread {
                writer.maintain();
            }
            !by_thread && writer.needs_maintenance()
        }));
        // A panic is logged and counted by the process's panic hook.
        if let Ok(true) = led {
            lead.leave_to_thread();
        }
    }

    /// What goes into the next commit.
    fn take(&self, lead: &Lead<'_, Queued<W>, Handle, M>) -> Vec<Queued<W>> {
        let (mut calls, mut bytes) = (0, 0usize);
        lead.take(|next| {
            let fits = calls < self.options.group && bytes < GROUP_BYTES;
            calls += 1;
            bytes = bytes.saturating_add(next.bytes);
            fits
        })
    }

    fn commit(&self, writer: &mut W, mut group: Group<'_, W, M>) {
        let started = self.queue.monitor().now();
        let committed = guarded("a commit", || run_group(writer, &mut group.works)).and_then(|done| done);
        let after = match &committed {
            Ok(()) => guarded("telling of a commit", || writer.publish()),
            Err(error) => {
                tracing::error!(%error, "a commit failed");
                guarded("a rollback", || writer.rollback())
            }
        };
        if let Err(error) = after {
            tracing::error!(%error, "the writer failed after a commit");
        }
        let took = self.queue.monitor().now().saturating_duration_since(started);
        self.slow.store(took > QUICK, Ordering::Relaxed);
        if committed.is_ok() {
            self.commits.fetch_add(1, Ordering::Relaxed);
            self.writes.fetch_add(group.works.len() as u64, Ordering::Relaxed);
        }
        group.answer(&committed);
    }
}

/// What is in one commit.
struct Group<'a, W: GroupWriter, M: Monitor<Guarded<W>>> {
    works: Vec<Queued<W>>,
    queue: &'a CommitQueue<Queued<W>, Handle, M>,
}

impl<W: GroupWriter, M: Monitor<Guarded<W>>> Group<'_, W, M> {
    fn answer(mut self, committed: &Result<()>) {
        for queued in self.works.drain(..) {
            self.queue.answered(1);
            // The caller's waker is not the store's: its panic must not cost others their answer.
            let answered = guarded("an answer", || queued.work.answer(committed.clone()));
            if let Err(error) = answered {
                tracing::error!(%error, "a caller could not be answered");
            }
        }
    }
}

impl<W: GroupWriter, M: Monitor<Guarded<W>>> Drop for Group<'_, W, M> {
    /// Those that were not answered wait no longer: their callers are told that by the channel.
    fn drop(&mut self) {
        self.queue.answered(self.works.len());
    }
}

/// Makes an error of a panic.
fn guarded<T>(what: &str, run: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| StoreError::Failed(format!("{what} panicked")))
}

/// Everything in one transaction. Where it fails, the transaction may still be open.
fn run_group<W: GroupWriter>(writer: &mut W, works: &mut [Queued<W>]) -> Result<()> {
    let run = || -> Result<(), W::Error> {
        writer.begin()?;
        for queued in works {
            queued.work.run(writer);
            if !writer.in_group() {
                return Err(StoreError::Failed("the database gave the transaction up".into()).into());
            }
        }
        writer.commit()
    };
    run().map_err(W::Error::into)
}

#[cfg(test)]
mod harness;
#[cfg(test)]
mod tests;
