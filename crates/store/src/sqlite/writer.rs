//! What writes: the one connection that may, and what it remembers beside it.

use std::sync::Arc;

use rusqlite::Connection;
use tidings_core::store::{CommitFeeds, Committed};

use super::checkpoint::Checkpointer;
use super::damaged::Damaged;
use super::error::{Error, Result};
use super::files::FileHealth;
use super::queue_lengths::QueueLengths;
use super::recipient_index::RecipientIndex;
use super::totals::StoredTotals;
use crate::group_commit::GroupWriter;
use crate::open_index::OpenIndex;

/// All that changes the database. Its memory is a copy of what the
/// open transaction says; after a rollback it is read again.
#[derive(Debug)]
pub(super) struct Writer {
    pub connection: Connection,
    pub totals: StoredTotals,
    /// As the database has it.
    saved: StoredTotals,
    pub open_index: OpenIndex,
    /// Whether `open_index` was changed since the step began.
    pub open_index_changed: bool,
    /// Whom the newest notifications named.
    pub recipient_index: RecipientIndex,
    /// How long accounts' queues are, at most.
    pub queue_lengths: QueueLengths,
    pub damaged: Arc<Damaged>,
    files: Arc<FileHealth>,
    /// What the open group makes visible once it is committed, in order.
    pub committed: Vec<Committed>,
    feeds: Arc<CommitFeeds>,
    /// What memory says is not to be trusted: a rollback could not be followed by a read.
    stale: bool,
    checkpointer: Checkpointer,
}

/// Where the writer tells of what it does and finds, and is told.
#[derive(Debug)]
pub(super) struct Told {
    pub feeds: Arc<CommitFeeds>,
    pub damaged: Arc<Damaged>,
    pub files: Arc<FileHealth>,
}

impl Writer {
    pub fn new(connection: Connection, checkpointer: Checkpointer, told: Told) -> Result<Self> {
        let stored = StoredTotals::load(&connection)?;
        let open = OpenIndex::load(&connection)?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let recipients = RecipientIndex::load(&connection)?;
        connection.execute_batch("COMMIT")?;
        Ok(Self {
            connection,
            totals: stored,
            saved: stored,
            open_index: open,
            open_index_changed: false,
            recipient_index: recipients,
            queue_lengths: QueueLengths::default(),
            damaged: told.damaged,
            files: told.files,
            committed: Vec::new(),
            feeds: told.feeds,
            stale: false,
            checkpointer,
        })
    }

    fn reload(&mut self) -> Result<()> {
        self.totals = StoredTotals::load(&self.connection)?;
        self.saved = self.totals;
        self.open_index = OpenIndex::load(&self.connection)?;
        self.recipient_index = RecipientIndex::load(&self.connection)?;
        self.stale = false;
        Ok(())
    }

    fn run(&self, sql: &str) -> Result<()> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

impl GroupWriter for Writer {
    type Error = Error;

    fn begin(&mut self) -> Result<()> {
        // What a panic left open.
        if self.in_group() {
            self.stale = true;
            self.committed.clear();
            self.run("ROLLBACK")?;
        }
        self.files.check()?;
        if self.stale {
            self.reload()?;
        }
        self.run("BEGIN IMMEDIATE")
    }

    fn step<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let stored = self.totals;
        let recipients = self.recipient_index.mark();
        let committed = self.committed.len();
        self.open_index_changed = false;
        self.run("SAVEPOINT step")?;
        let done = work(self);
        if done.is_ok() {
            self.run("RELEASE step")?;
            return done;
        }
        // After some errors SQLite has rolled the whole transaction back by itself.
        if !self.connection.is_autocommit() {
            self.run("ROLLBACK TO step")?;
            self.run("RELEASE step")?;
        }
        self.totals = stored;
        self.committed.truncate(committed);
        if self.recipient_index.mark() != recipients {
            self.recipient_index = RecipientIndex::load(&self.connection)?;
        }
        if self.open_index_changed {
            self.open_index = OpenIndex::load(&self.connection)?;
        }
        done
    }

    fn in_group(&self) -> bool {
        !self.connection.is_autocommit()
    }

    fn commit(&mut self) -> Result<()> {
        if self.totals != self.saved {
            self.totals.save(&self.connection)?;
        }
        self.run("COMMIT")?;
        self.saved = self.totals;
        Ok(())
    }

    fn publish(&mut self) {
        self.feeds.publish(std::mem::take(&mut self.committed));
    }

    /// Keeps the WAL short.
    fn maintain(&mut self) {
        self.checkpointer.maintain(&self.connection);
    }

    fn needs_maintenance(&self) -> bool {
        self.checkpointer.needs_checkpoint()
    }

    fn rollback(&mut self) {
        self.stale = true;
        self.committed.clear();
        if self.in_group()
            && let Err(error) = self.run("ROLLBACK")
        {
            tracing::error!(?error, "a rollback failed");
            return;
        }
        if let Err(error) = self.reload() {
            tracing::error!(?error, "the database cannot be read after a rollback");
        }
    }
}
