//! The threads that talk to SQLite: one writes, a few read. Async code hands
//! them work and waits for the answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;

use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;
use tidings_core::store::{Commits, Result, StoreError};
use tokio::sync::{mpsc, oneshot};

use super::fault::Done;
use super::writer::Writer;

/// At most so many bytes, by estimate, are written in one commit.
const GROUP_BYTES: usize = 8 << 20;

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
    F: FnOnce(&mut Writer) -> Done<T> + Send,
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

#[derive(Debug, Default)]
struct Counts {
    /// Calls that wait for their commit.
    waiting: AtomicUsize,
    commits: AtomicU64,
    /// Calls in those commits.
    writes: AtomicU64,
}

/// The writer's door.
#[derive(Debug)]
pub(super) struct WriterHandle {
    queue: RwLock<Option<SyncSender<Queued>>>,
    counts: Arc<Counts>,
    capacity: usize,
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
        let (sender, receiver) = sync_channel(capacity);
        let counts = Arc::new(Counts::default());
        let counting = Arc::clone(&counts);
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || {
            write(writer, &receiver, group, &counting);
            drop(keep);
        })?;
        Ok(Self { queue: RwLock::new(Some(sender)), counts, capacity, thread: Mutex::new(Some(thread)) })
    }

    /// Has the writer do something and waits until it is durable. `bytes` is
    /// about how much it writes.
    pub async fn call<T, F>(&self, bytes: usize, work: F) -> Result<T>
    where
        F: FnOnce(&mut Writer) -> Done<T> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work: Box<dyn Work> = Box::new(Call { work: Some(work), done: None, reply });
        self.enqueue(Queued { work, bytes })?;
        answer.await.map_err(|_| ended())?
    }

    fn enqueue(&self, queued: Queued) -> Result<()> {
        let queue = self.queue.read();
        let sender = queue.as_ref().ok_or_else(closed)?;
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        sender.try_send(queued).map_err(|error| {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => StoreError::Busy,
                TrySendError::Disconnected(_) => ended(),
            }
        })
    }

    /// Calls that wait for their commit, and how many may.
    pub fn backlog(&self) -> (usize, usize) {
        (self.counts.waiting.load(Ordering::Relaxed), self.capacity)
    }

    /// Commits so far, and the calls in them.
    pub fn commits(&self) -> Commits {
        Commits {
            commits: self.counts.commits.load(Ordering::Relaxed),
            writes: self.counts.writes.load(Ordering::Relaxed),
        }
    }

    /// Takes no more work. The thread ends after what it has.
    pub fn close(&self) -> Option<JoinHandle<()>> {
        *self.queue.write() = None;
        self.thread.lock().take()
    }
}

/// The writer's thread: takes whatever is queued into one commit.
fn write(mut writer: Writer, queue: &Receiver<Queued>, group: usize, counts: &Counts) {
    while let Ok(first) = queue.recv() {
        let mut bytes = first.bytes;
        let mut works = vec![first.work];
        while works.len() < group && bytes < GROUP_BYTES {
            match queue.try_recv() {
                Ok(next) => {
                    bytes = bytes.saturating_add(next.bytes);
                    works.push(next.work);
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        let committed = run_group(&mut writer, &mut works);
        counts.waiting.fetch_sub(works.len(), Ordering::Relaxed);
        if committed.is_ok() {
            counts.commits.fetch_add(1, Ordering::Relaxed);
            counts.writes.fetch_add(works.len() as u64, Ordering::Relaxed);
        }
        for work in works {
            work.answer(committed.clone());
        }
        writer.tend_log();
    }
}

fn run_group(writer: &mut Writer, works: &mut [Box<dyn Work>]) -> Result<()> {
    let run = |writer: &mut Writer| -> Done<()> {
        writer.begin()?;
        for work in works {
            work.run(writer);
            if !writer.in_group() {
                return Err(StoreError::Failed("SQLite gave the transaction up".into()).into());
            }
        }
        writer.commit()
    };
    let committed = run(writer).map_err(StoreError::from);
    if let Err(error) = &committed {
        tracing::error!(%error, "a commit failed");
        writer.rollback();
    }
    committed
}

type Query = Box<dyn FnOnce(&Connection) + Send>;

/// The readers' door.
#[derive(Debug)]
pub(super) struct Readers {
    queues: RwLock<Vec<ReaderQueue>>,
    /// Connections that whoever asks uses on their own thread; `None` once closed.
    lent: Vec<Mutex<Option<Connection>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// One reader's queue. Each has its own: threads that took turns at one would
/// wake each other for every query.
#[derive(Debug, Clone)]
struct ReaderQueue {
    queries: mpsc::Sender<Query>,
    /// Queries that it has not answered.
    waiting: Arc<AtomicUsize>,
}

/// What became of a query for a lent connection.
enum Lent<T, F> {
    Done(T),
    /// None is free; the query, not run.
    Busy(F),
}

impl Readers {
    pub fn start(
        connections: Vec<Connection>,
        lent: Vec<Connection>,
        capacity: usize,
    ) -> std::io::Result<Self> {
        let (mut queues, mut threads) = (Vec::new(), Vec::new());
        for (connection, number) in connections.into_iter().zip(1..) {
            let (queries, receiver) = mpsc::channel(capacity);
            let waiting = Arc::new(AtomicUsize::new(0));
            queues.push(ReaderQueue { queries, waiting: Arc::clone(&waiting) });
            let builder = std::thread::Builder::new().name(format!("store-reader-{number}"));
            threads.push(builder.spawn(move || read(&connection, receiver, &waiting))?);
        }
        let lent = lent.into_iter().map(|connection| Mutex::new(Some(connection))).collect();
        Ok(Self { queues: RwLock::new(queues), lent, threads: Mutex::new(threads) })
    }

    /// Looks up something small, in one snapshot, on the calling thread: a login asks
    /// twice, each time for some microseconds, and two threads that wake each other
    /// cost three times that. Where all connections are in use, a reader does it.
    pub async fn quick<T, F>(&self, query: F) -> Result<T>
    where
        F: FnOnce(&Connection) -> Done<T> + Send + 'static,
        T: Send + 'static,
    {
        match self.lend(in_snapshot, query)? {
            Lent::Done(found) => Ok(found),
            Lent::Busy(query) => self.call(query).await,
        }
    }

    /// As [`quick`](Self::quick), for a single statement, which has a snapshot by itself.
    pub async fn glance<T, F>(&self, query: F) -> Result<T>
    where
        F: FnOnce(&Connection) -> Done<T> + Send + 'static,
        T: Send + 'static,
    {
        match self.lend(|connection, query| query(connection), query)? {
            Lent::Done(found) => Ok(found),
            Lent::Busy(query) => self.call(query).await,
        }
    }

    fn lend<T, F>(&self, run: impl FnOnce(&Connection, F) -> Done<T>, query: F) -> Result<Lent<T, F>> {
        for lent in &self.lent {
            let Some(connection) = lent.try_lock() else { continue };
            let connection = connection.as_ref().ok_or_else(closed)?;
            let found = catch_unwind(AssertUnwindSafe(|| run(connection, query)));
            if !connection.is_autocommit() {
                let _ = connection.execute_batch("ROLLBACK");
            }
            return match found {
                Ok(found) => found.map(Lent::Done).map_err(StoreError::from),
                Err(_) => Err(StoreError::Failed("a read panicked".into())),
            };
        }
        Ok(Lent::Busy(query))
    }

    /// Has a reader look something up, in one snapshot. Waits while they are busy.
    pub async fn call<T, F>(&self, query: F) -> Result<T>
    where
        F: FnOnce(&Connection) -> Done<T> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let query: Query = Box::new(move |connection| {
            let found = in_snapshot(connection, query).map_err(StoreError::from);
            let _ = reply.send(found);
        });
        let queue = self.least_busy().ok_or_else(closed)?;
        // Counted only with the query sent: a caller that gives up leaves nothing behind.
        let room = queue.queries.reserve().await.map_err(|_| ended())?;
        queue.waiting.fetch_add(1, Ordering::Relaxed);
        room.send(query);
        drop(queue);
        answer.await.map_err(|_| ended())?
    }

    fn least_busy(&self) -> Option<ReaderQueue> {
        let queues = self.queues.read();
        queues.iter().min_by_key(|queue| queue.waiting.load(Ordering::Relaxed)).cloned()
    }

    pub fn close(&self) -> Vec<JoinHandle<()>> {
        self.queues.write().clear();
        for lent in &self.lent {
            *lent.lock() = None;
        }
        std::mem::take(&mut *self.threads.lock())
    }
}

fn read(connection: &Connection, mut queries: mpsc::Receiver<Query>, waiting: &AtomicUsize) {
    while let Some(query) = queries.blocking_recv() {
        // The panicking query drops its reply, which answers it.
        if catch_unwind(AssertUnwindSafe(|| query(connection))).is_err() {
            tracing::error!("a read panicked");
        }
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn in_snapshot<T>(connection: &Connection, query: impl FnOnce(&Connection) -> Done<T>) -> Done<T> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let found = query(connection);
    connection.prepare_cached("COMMIT")?.execute([])?;
    found
}

fn closed() -> StoreError {
    StoreError::Failed("the store is closed".into())
}

fn ended() -> StoreError {
    StoreError::Failed("the store's thread ended".into())
}
