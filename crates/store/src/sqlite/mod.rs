//! The store in one SQLite file.
//!
//! One connection writes, and commits what was queued meanwhile in one go: a
//! commit costs a disk sync, however much it carries. A few threads read beside
//! it. The journal is a write-ahead log with `synchronous=FULL`, so what was
//! answered is on the disk.

mod accept;
mod account_cursor;
mod account_history;
mod accounts;
mod admin;
mod backup;
mod cancel;
mod checkpoint;
mod collapse;
mod contents;
mod convert;
#[cfg(test)]
mod damage_tests;
mod damaged;
mod endpoints;
mod error;
mod examine;
mod expiry;
mod feed;
mod files;
mod invitations;
mod open_index;
mod purge;
mod queue_lengths;
mod readers;
mod recipient_index;
mod records;
mod restore;
mod room;
mod rows;
mod schema;
mod senders;
mod settle;
mod store_impl;
#[cfg(test)]
mod tests;
mod tokens;
mod topics;
mod totals;
mod verify_counters;
mod wal;
mod writer;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tidings_core::store::{CommitFeeds, Result, StoreError, Totals};

use self::checkpoint::Checkpointer;
use self::damaged::Damaged;
pub use self::examine::Report;
use self::files::FileHealth;
use self::readers::Readers;
use self::writer::{Told, Writer};
use crate::group_commit::{self, GroupCommit};

/// Connections for small look-ups on the caller's own thread, at most: one for each
/// that can run at once.
const MAX_INLINE_READERS: usize = 8;

/// How a [`SqliteStore`] works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Writes that may wait; more are refused with [`StoreError::Busy`].
    pub queue: usize,
    /// Writes in one commit, at most.
    pub group: usize,
    /// Threads that read.
    pub readers: usize,
    /// Whether a caller commits a small write itself where no other is under way, instead of
    /// leaving it to the thread that writes.
    pub commit_inline: bool,
    /// KiB of pages that the writer keeps in memory, at most.
    pub cache_kib: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { queue: 8192, group: 512, readers: 2, commit_inline: true, cache_kib: 32 * 1024 }
    }
}

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    writer: GroupCommit<Writer>,
    readers: Readers,
    feeds: Arc<CommitFeeds>,
    damaged: Arc<Damaged>,
    files: Arc<FileHealth>,
    /// Dropped last.
    _held: checkpoint::Held,
}

impl SqliteStore {
    /// Opens the database at `path`, or makes one; an older one is brought up
    /// to date. No other process can open it meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Incompatible`] when the file is not a Tidings database, is
    /// from a newer version (nothing is touched then), or is in use by another
    /// process. [`StoreError::Failed`] for I/O.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        schema::inspect(path, schema::STEPS.len())?;
        let lock = lock(path)?;
        keep_damaged_log(path);
        let mut connection = connect(path, options, schema::STEPS)?;
        let readers = (0..options.readers.max(1)).map(|_| reader(path)).collect::<error::Result<_>>()?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_INLINE_READERS);
        let inline = (0..threads).map(|_| reader(path)).collect::<error::Result<_>>()?;
        let files = Arc::new(FileHealth::default());
        let (checkpointer, held) = Checkpointer::start(path, &mut connection, &files)?;
        let feeds = Arc::new(CommitFeeds::default());
        let damaged = Arc::new(Damaged::default());
        let told =
            Told { feeds: Arc::clone(&feeds), damaged: Arc::clone(&damaged), files: Arc::clone(&files) };
        let writer = Writer::new(connection, checkpointer, told)?;
        let grouping = group_commit::Options {
            capacity: options.queue.max(1),
            group: options.group.max(1),
            inline: options.commit_inline,
        };
        let started = |error: std::io::Error| StoreError::Failed(error.to_string());
        Ok(Self {
            path: path.to_owned(),
            writer: GroupCommit::start(writer, grouping, lock).map_err(started)?,
            readers: Readers::start(readers, inline, options.queue.max(1)).map_err(started)?,
            feeds,
            damaged,
            files,
            _held: held,
        })
    }

    /// Copies the database at `from` to a new file, also while another process uses it.
    ///
    /// # Errors
    /// When there is no Tidings database at `from`, or `to` exists or cannot be written.
    pub fn copy(from: &Path, to: &Path) -> Result<()> {
        schema::inspect(from, schema::STEPS.len())?;
        backup::backup(from, to)
    }

    /// Whether a file is a database that [`restore`](Self::restore) can take.
    ///
    /// # Errors
    /// When there is none, it is no Tidings database, or a newer version made it.
    pub fn check_backup(file: &Path) -> Result<()> {
        let empty = std::fs::metadata(file).map(|metadata| metadata.len() == 0);
        match empty {
            Ok(false) => schema::inspect(file, schema::STEPS.len()),
            Ok(true) => Err(StoreError::Failed(format!("{} is empty", file.display()))),
            Err(error) => Err(StoreError::Failed(format!("{} cannot be read: {error}", file.display()))),
        }
    }

    /// Puts a copy of the database at `from` in the place of the one at `to`, if there is one:
    /// all of it, or none of it. What it holds.
    ///
    /// # Errors
    /// As for [`check_backup`](Self::check_backup); when the backup is damaged; when another
    /// process uses the database at `to`, or it cannot be written.
    pub fn restore(from: &Path, to: &Path) -> Result<Totals> {
        Self::check_backup(from)?;
        let _lock = lock(to)?;
        restore::restore(from, to)
    }

    /// Looks a database over without changing it, also while another process uses it.
    ///
    /// # Errors
    /// When it is no Tidings database or cannot be read.
    pub fn examine(path: &Path) -> Result<Report> {
        schema::inspect(path, schema::STEPS.len())?;
        Ok(examine::examine(path)?)
    }

    /// Copies the database to a new file while it is in use.
    ///
    /// # Errors
    /// When `to` exists or cannot be written.
    pub async fn backup(&self, to: &Path) -> Result<()> {
        let (from, to) = (self.path.clone(), to.to_owned());
        tokio::task::spawn_blocking(move || backup::backup(&from, &to))
            .await
            .map_err(|error| StoreError::Failed(error.to_string()))?
    }
}

impl Drop for SqliteStore {
    /// Finishes what was accepted.
    fn drop(&mut self) {
        for thread in self.readers.close().into_iter().chain(self.writer.close()) {
            let _ = thread.join();
        }
        self.feeds.close();
    }
}

/// SQLite takes a log to end where it does not verify, and then forgets the rest of it: it is told of,
/// and kept aside.
fn keep_damaged_log(path: &Path) {
    let report = match wal::inspect(path) {
        Ok(report) if report.commits == 0 => return,
        Ok(report) => report,
        Err(error) => return tracing::warn!(%error, "the write-ahead log cannot be read"),
    };
    let kept = wal::with_suffix(path, "-wal.damaged");
    let copied = std::fs::copy(wal::path_of(path), &kept);
    tracing::error!(
        bytes = report.unverified,
        commits = report.commits,
        kept = %kept.display(),
        copied = copied.is_ok(),
        "the end of the write-ahead log does not verify: so many commits are lost, unless power was cut \
         while the only one was being written, which was answered to nobody then"
    );
}

/// Keeps other processes, and other stores in this one, away from the database.
fn lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let failed = |error: std::io::Error| {
        StoreError::Failed(format!("{} cannot be locked: {error}", Path::new(&name).display()))
    };
    let mut open = File::options();
    let file = open.create(true).write(true).truncate(false).open(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError::Incompatible(format!("{} is in use by another tidings process", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// The connection that writes.
fn connect(path: &Path, options: Options, steps: &[&str]) -> error::Result<Connection> {
    let mut connection = Connection::open(path)?;
    prepare(&connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Elsewhere than on Linux a sync alone may stop at the drive's cache.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -i64::from(options.cache_kib))?;
    schema::migrate(&mut connection, path, steps)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(StoreError::Failed(format!("{} cannot have a write-ahead log", path.display())).into());
    }
    connection.pragma_update(None, "journal_size_limit", checkpoint::WAL_FILE_BYTES)?;
    // Where a step has renamed a table, the next statement reads the schema anew; a checkpoint
    // that has to do that finds its own read in its way.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    // The file's own header must tell whose it is, without the WAL being read.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(connection)
}

/// A connection that reads.
fn reader(path: &Path) -> error::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection)?;
    connection.pragma_update(None, "cache_size", -8192)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> error::Result<()> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(256);
    // Otherwise SQLite prepares a statement on a partial index anew for every other value bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}
