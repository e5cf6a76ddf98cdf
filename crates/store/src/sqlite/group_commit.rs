//! How writes come to the one connection that writes: those that wait together share
//! a commit.
//!
//! A thread makes the commits while there is always something to write. Where no
//! other write is under way, the caller commits a small write itself: handing it to the
//! thread and back would wake two threads, often on two processors, which takes longer
//! than SQLite does.
//!
//! A caller that commits waits for the disk, though, and a worker of the runtime has
//! other things to do. So callers commit only where the runtime has other workers, while
//! the disk is quick, and one commit at a time: what came meanwhile is the thread's.
//!
//! That the runtime has other workers does not mean that they are awake. The one that
//! waits for the disk may be the one that looked after sockets and timers, and Tokio
//! wakes another to do so only where it has more than one task to give away. So the
//! thread looks on meanwhile, and wakes a worker where the disk takes its time.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tidings_core::store::{Commits, Result, StoreError};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use super::error;
use super::readers::{closed, ended};
use super::writer::Writer;

/// At most so many bytes, by estimate, are written in one commit.
const GROUP_BYTES: usize = 8 << 20;
/// Where a commit takes longer, the runtime gets another worker for what else happens;
/// the next one is the thread's.
const QUICK: Duration = Duration::from_millis(5);

/// A piece of work for the writer. It is answered after the commit.
trait Work: Send {
    /// Does it, inside the group's transaction.
    fn run(&mut self, writer: &mut Writer);
    /// Answers, knowing whether the group was committed.
    fn answer(self: Box<Self>, committed: Result<()>);
}

/// Work whose answer is a `T`.
struct Call<F, T> {
    work: Option<F>,
    done: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<F, T> Work for Call<F, T>
where
    F: FnOnce(&mut Writer) -> error::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, writer: &mut Writer) {
        let Some(work) = self.work.take() else { return };
        // A panic must cost this call its answer, not the server its store.
        let done = writer.step(|writer| {
            catch_unwind(AssertUnwindSafe(|| work(writer)))
                .unwrap_or_else(|_| Err(StoreError::Failed("a write panicked".into()).into()))
        });
        self.done = Some(done.map_err(StoreError::from));
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        let done = match (committed, self.done) {
            (Ok(()), Some(done)) => done,
            // What this call itself ran into says more than what became of its group.
            (Err(_), Some(Err(error))) | (Err(error), _) => Err(error),
            (Ok(()), None) => Err(StoreError::Failed("a write was not run".into())),
        };
        // The caller may have stopped waiting.
        let _ = self.reply.send(done);
    }
}

struct Queued {
    work: Box<dyn Work>,
    bytes: usize,
}

/// What commits now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leader {
    /// Neither. The queue is empty then.
    None,
    /// A caller, one commit.
    Caller,
    /// The thread, until the queue is empty.
    Thread,
}

struct State {
    queue: VecDeque<Queued>,
    leader: Leader,
    closed: bool,
    /// Commits that callers have begun.
    begun: u64,
    /// Where the caller runs that leads.
    runtime: Option<Handle>,
    /// The thread looks, every now and then, whether that commit takes long.
    watched: bool,
}

struct GroupCommit {
    state: Mutex<State>,
    /// Where the thread waits for the lead, and for something to watch.
    thread: Condvar,
    /// Locked by the leader alone, which never waits for it. `None` once closed.
    writer: Mutex<Option<Writer>>,
    /// Whether the last commit took long.
    slow: AtomicBool,
    /// Calls in one commit, at most.
    group: usize,
    capacity: usize,
    /// Calls that wait for their commit.
    waiting: AtomicUsize,
    commits: AtomicU64,
    /// Calls in those commits.
    writes: AtomicU64,
}

/// Hands work to the writer.
pub(super) struct WriterHandle {
    group_commit: Arc<GroupCommit>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl WriterHandle {
    /// Starts the thread. `keep` is dropped when it ends.
    pub fn start<K: Send + 'static>(
        writer: Writer,
        capacity: usize,
        group: usize,
        keep: K,
    ) -> std::io::Result<Self> {
        let group_commit = Arc::new(GroupCommit {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                leader: Leader::None,
                closed: false,
                begun: 0,
                runtime: None,
                watched: false,
            }),
            thread: Condvar::new(),
            writer: Mutex::new(Some(writer)),
            slow: AtomicBool::new(false),
            group,
            capacity,
            waiting: AtomicUsize::new(0),
            commits: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        });
        let running = Arc::clone(&group_commit);
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || {
            running.run();
            drop(keep);
        })?;
        Ok(Self { group_commit, thread: Mutex::new(Some(thread)) })
    }

    /// Has the writer do something and waits until it is durable. `bytes` is
    /// about how much it writes.
    pub async fn call<T, F>(&self, bytes: usize, work: F) -> Result<T>
    where
        F: FnOnce(&mut Writer) -> error::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (queued, answer) = queued(bytes, work);
        self.group_commit.ask(queued, false)?;
        answer.await.map_err(|_| ended())?
    }

    /// As [`call`](Self::call), for something small that the caller waits for: it is
    /// committed at once, on this thread, where no other write is under way.
    pub async fn call_inline<T, F>(&self, bytes: usize, work: F) -> Result<T>
    where
        F: FnOnce(&mut Writer) -> error::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (queued, answer) = queued(bytes, work);
        self.group_commit.ask(queued, true)?;
        answer.await.map_err(|_| ended())?
    }

    /// Calls that wait for their commit, and how many may.
    pub fn backlog(&self) -> (usize, usize) {
        (self.group_commit.waiting.load(Ordering::Relaxed), self.group_commit.capacity)
    }

    /// Commits so far, and the calls in them.
    pub fn commits(&self) -> Commits {
        Commits {
            commits: self.group_commit.commits.load(Ordering::Relaxed),
            writes: self.group_commit.writes.load(Ordering::Relaxed),
        }
    }

    /// Takes no more work. The thread ends after what it has.
    pub fn close(&self) -> Option<JoinHandle<()>> {
        self.group_commit.state.lock().closed = true;
        self.group_commit.thread.notify_one();
        self.thread.lock().take()
    }
}

impl std::fmt::Debug for WriterHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriterHandle").field("backlog", &self.backlog()).finish_non_exhaustive()
    }
}

fn queued<T, F>(bytes: usize, work: F) -> (Queued, oneshot::Receiver<Result<T>>)
where
    F: FnOnce(&mut Writer) -> error::Result<T> + Send + 'static,
    T: Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Queued { work: Box::new(Call { work: Some(work), done: None, reply }), bytes }, answer)
}

/// The runtime whose thread this is, where it has more workers, so that this one may wait for
/// the disk.
fn with_more_workers() -> Option<Handle> {
    let runtime = Handle::try_current().ok()?;
    let more = runtime.runtime_flavor() == RuntimeFlavor::MultiThread && runtime.metrics().num_workers() > 1;
    more.then_some(runtime)
}

impl GroupCommit {
    /// Puts something into the queue, and commits it where that is `here`.
    fn ask(&self, queued: Queued, inline: bool) -> Result<()> {
        let inline = inline && !self.slow.load(Ordering::Relaxed);
        if self.enqueue(queued, inline.then(with_more_workers).flatten())? {
            self.commit_inline();
        }
        Ok(())
    }

    /// Puts something into the queue. Where there is no leader, the caller becomes it if it
    /// has a runtime, else the thread; answers whether the caller leads now.
    fn enqueue(&self, queued: Queued, caller: Option<Handle>) -> Result<bool> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(closed());
        }
        if state.queue.len() >= self.capacity {
            return Err(StoreError::Busy);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        state.queue.push_back(queued);
        if state.leader != Leader::None {
            return Ok(false);
        }
        let caller_leads = caller.is_some();
        let wake = if caller_leads {
            state.leader = Leader::Caller;
            state.begun += 1;
            state.runtime = caller;
            !std::mem::replace(&mut state.watched, true)
        } else {
            state.leader = Leader::Thread;
            true
        };
        drop(state);
        if wake {
            self.thread.notify_one();
        }
        Ok(caller_leads)
    }

    /// One commit by the caller. What came meanwhile is the thread's.
    fn commit_inline(&self) {
        let group = self.take();
        let mut writer = self.writer.lock();
        let checkpoint = match writer.as_mut() {
            Some(writer) => {
                self.commit(writer, group);
                writer.needs_checkpoint()
            }
            None => false,
        };
        drop(writer);
        let mut state = self.state.lock();
        let more = checkpoint || state.closed || !state.queue.is_empty();
        state.leader = if more { Leader::Thread } else { Leader::None };
        state.runtime = None;
        drop(state);
        if more {
            self.thread.notify_one();
        }
    }

    /// The thread's work, until the store is closed and nothing is left.
    fn run(&self) {
        while self.await_lead() {
            let group = self.take();
            if let Some(writer) = self.writer.lock().as_mut() {
                // Nothing is there where only the WAL needs a checkpoint.
                if !group.is_empty() {
                    self.commit(writer, group);
                }
                writer.maintain_wal();
            }
            let mut state = self.state.lock();
            if state.queue.is_empty() {
                state.leader = Leader::None;
            }
        }
        // Closed before the caller is told that the thread has ended.
        drop(self.writer.lock().take());
    }

    /// Waits until the thread leads, and looks on while a caller does. `false` at the end.
    fn await_lead(&self) -> bool {
        let mut state = self.state.lock();
        let mut seen = state.begun;
        loop {
            match state.leader {
                Leader::Thread => return true,
                Leader::None if state.closed => return false,
                // No caller has begun anything since the last look.
                Leader::None if state.begun == seen => {
                    state.watched = false;
                    self.thread.wait(&mut state);
                }
                Leader::None | Leader::Caller => {
                    state.watched = true;
                    seen = state.begun;
                    let waited = self.thread.wait_for(&mut state, QUICK);
                    if waited.timed_out() && state.leader == Leader::Caller && state.begun == seen {
                        wake_another(state.runtime.as_ref());
                    }
                }
            }
        }
    }

    /// What goes into the next commit.
    fn take(&self) -> Vec<Box<dyn Work>> {
        let mut state = self.state.lock();
        let (mut bytes, mut works) = (0usize, Vec::new());
        while works.len() < self.group && bytes < GROUP_BYTES {
            let Some(next) = state.queue.pop_front() else { break };
            bytes = bytes.saturating_add(next.bytes);
            works.push(next.work);
        }
        works
    }

    fn commit(&self, writer: &mut Writer, mut works: Vec<Box<dyn Work>>) {
        let started = Instant::now();
        // The leader may be a worker of the runtime, with the lead to give back.
        let committed = catch_unwind(AssertUnwindSafe(|| run_group(writer, &mut works)))
            .unwrap_or_else(|_| Err(StoreError::Failed("a commit panicked".into())));
        if let Err(error) = &committed {
            tracing::error!(%error, "a commit failed");
            writer.rollback();
        }
        self.slow.store(started.elapsed() > QUICK, Ordering::Relaxed);
        self.waiting.fetch_sub(works.len(), Ordering::Relaxed);
        if committed.is_ok() {
            self.commits.fetch_add(1, Ordering::Relaxed);
            self.writes.fetch_add(works.len() as u64, Ordering::Relaxed);
        }
        for work in works {
            work.answer(committed.clone());
        }
    }
}

/// Has another worker of the runtime look after sockets and timers: it does once it has
/// run what woke it.
fn wake_another(runtime: Option<&Handle>) {
    if let Some(runtime) = runtime {
        drop(runtime.spawn(async {}));
    }
}

/// Everything in one transaction. Where it fails, the transaction may still be open.
fn run_group(writer: &mut Writer, works: &mut [Box<dyn Work>]) -> Result<()> {
    let run = |writer: &mut Writer| -> error::Result<()> {
        writer.begin()?;
        for work in works {
            work.run(writer);
            if !writer.in_group() {
                return Err(StoreError::Failed("SQLite gave the transaction up".into()).into());
            }
        }
        writer.commit()
    };
    run(writer).map_err(StoreError::from)
}

#[cfg(test)]
#[path = "group_commit_tests.rs"]
mod tests;
