//! The threads that read from SQLite. Async code hands them work and waits for the
//! answer, or reads something small inline, on its own thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;
use tidings_core::store::{Result, StoreError};
use tokio::sync::{mpsc, oneshot};

use super::error;
use crate::{closed, ended};

type Query = Box<dyn FnOnce(&Connection) + Send>;

/// Reads from SQLite: on threads of its own, or inline on the caller's.
#[derive(Debug)]
pub(super) struct Readers {
    queues: RwLock<Vec<ReaderQueue>>,
    /// Connections that callers use on their own thread; `None` once closed.
    inline: Vec<Mutex<Option<Connection>>>,
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

/// What became of a query that was to run inline.
enum Inline<T, F> {
    Done(T),
    /// No connection is free; the query, not run.
    Busy(F),
}

impl Readers {
    pub fn start(
        connections: Vec<Connection>,
        inline: Vec<Connection>,
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
        let inline = inline.into_iter().map(|connection| Mutex::new(Some(connection))).collect();
        Ok(Self { queues: RwLock::new(queues), inline, threads: Mutex::new(threads) })
    }

    /// Looks up something small on the calling thread: a login asks twice, each time for
    /// some microseconds, and two threads that wake each other cost three times that. Where
    /// all connections are in use, a reader does it.
    ///
    /// A single statement has a snapshot by itself; what needs one for several takes it with
    /// [`in_snapshot`].
    pub async fn call_inline<T, F>(&self, query: F) -> Result<T>
    where
        F: FnOnce(&Connection) -> error::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        match self.try_inline(query)? {
            Inline::Done(found) => Ok(found),
            Inline::Busy(query) => self.call(query).await,
        }
    }

    fn try_inline<T, F>(&self, query: F) -> Result<Inline<T, F>>
    where
        F: FnOnce(&Connection) -> error::Result<T>,
    {
        for slot in &self.inline {
            let Some(connection) = slot.try_lock() else { continue };
            let connection = connection.as_ref().ok_or_else(closed)?;
            let found = catch_unwind(AssertUnwindSafe(|| query(connection)));
            if !connection.is_autocommit() {
                let _ = connection.execute_batch("ROLLBACK");
            }
            return match found {
                Ok(found) => found.map(Inline::Done).map_err(StoreError::from),
                Err(_) => Err(StoreError::Failed("a read panicked".into())),
            };
        }
        Ok(Inline::Busy(query))
    }

    /// Has a reader look something up, in one snapshot. Waits while they are busy.
    pub async fn call<T, F>(&self, query: F) -> Result<T>
    where
        F: FnOnce(&Connection) -> error::Result<T> + Send + 'static,
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
        for slot in &self.inline {
            *slot.lock() = None;
        }
        std::mem::take(&mut *self.threads.lock())
    }
}

fn read(connection: &Connection, mut queries: mpsc::Receiver<Query>, waiting: &AtomicUsize) {
    while let Some(query) = queries.blocking_recv() {
        // A query that panics drops its reply, which answers it; the process's panic hook logs it.
        let _ = catch_unwind(AssertUnwindSafe(|| query(connection)));
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs all statements of a query on one state of the database; within another snapshot, on
/// that one's.
pub(super) fn in_snapshot<T>(
    connection: &Connection,
    query: impl FnOnce(&Connection) -> error::Result<T>,
) -> error::Result<T> {
    if !connection.is_autocommit() {
        return query(connection);
    }
    connection.prepare_cached("BEGIN")?.execute([])?;
    let found = query(connection);
    connection.prepare_cached("COMMIT")?.execute([])?;
    found
}
