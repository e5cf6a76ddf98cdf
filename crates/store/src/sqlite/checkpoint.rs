//! Copies the write-ahead log back into the database, beside the writer.
//!
//! A checkpoint syncs twice and writes every page that changed: tens of
//! milliseconds, for which no commit should wait. A thread of its own does it. The
//! writer goes on appending meanwhile, so that thread alone never comes to the WAL's
//! end, where it may begin anew; the writer copies the small rest.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};
use tidings_core::store::StoreError;

use super::error::Result;

/// When what is done, in pages of 4 KiB.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// With so many in the WAL it is copied back. Each time holds commits up for a
    /// few milliseconds, and keeps the disk busy: rather seldom than small. A page that
    /// changed often meanwhile is copied once.
    start: usize,
    /// The writer copies so many itself, at most.
    rest: usize,
    /// With so many in the WAL the writer waits for the copying thread.
    most: usize,
}

/// 64 MiB, 2 MiB and 128 MiB.
const LIMITS: Limits = Limits { start: 16_000, rest: 500, most: 32_000 };

/// Bytes that the WAL's file keeps when it begins anew: as many as it may come to. What is
/// cut off must be given to the file again, block by block, and a commit waits for that.
pub(super) const WAL_FILE_BYTES: i64 = 130 << 20;
// A page in the WAL has 24 bytes in front.
const _: () = assert!(WAL_FILE_BYTES >= LIMITS.most as i64 * (4096 + 24));

/// Keeps the write-ahead log short.
#[derive(Debug)]
pub(super) struct Checkpointer {
    limits: Limits,
    /// Pages in the WAL, as of the last commit.
    pages: Arc<AtomicUsize>,
    /// The WAL is copied when it has so many pages.
    next: usize,
    /// Pages that were found copied the last time.
    copied: usize,
    running: bool,
    /// `None` only while this is being dropped.
    requests: Option<SyncSender<()>>,
    reports: Receiver<Option<CheckpointProgress>>,
    /// Whether there is a report, or soon.
    has_report: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The database file, opened once more, to sync what was copied into it: SQLite does
/// so only at the WAL's end, for which the writer would wait.
///
/// To be kept until all connections of this process are closed: closing any
/// descriptor of a file gives up the locks that the process has on it (POSIX).
pub(super) type Held = Arc<File>;

/// How far a checkpoint came, in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CheckpointProgress {
    log: usize,
    copied: usize,
}

impl Checkpointer {
    /// Takes over from SQLite's own checkpoints on `writer`.
    pub fn start(path: &Path, writer: &mut Connection) -> Result<(Self, Held)> {
        Self::with(LIMITS, path, writer)
    }

    fn with(limits: Limits, path: &Path, writer: &mut Connection) -> Result<(Self, Held)> {
        let failed = |error: std::io::Error| StoreError::Failed(error.to_string());
        let file = Arc::new(File::options().write(true).open(path).map_err(failed)?);
        let held = Arc::clone(&file);
        let pages = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&pages);
        writer.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
            counted.store(usize::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
        // Until it has read something, a connection does not know that there is a WAL.
        connection.pragma_query_value(None, "user_version", |_| Ok(()))?;
        let (requests, requested) = sync_channel(1);
        let (report, reports) = sync_channel(1);
        let has_report = Arc::new(AtomicBool::new(false));
        let reporting = Arc::clone(&has_report);
        let copy = move || {
            while requested.recv().is_ok() {
                let progress = checkpoint(&connection).and_then(|progress| {
                    file.sync_data().map(|()| progress).map_err(|error| failed(error).into())
                });
                if let Err(error) = &progress {
                    tracing::warn!(?error, "the write-ahead log was not copied back; trying again later");
                }
                reporting.store(true, Ordering::Relaxed);
                if report.send(progress.ok()).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("store-checkpoint".into()).spawn(copy);
        let checkpointer = Self {
            limits,
            pages,
            next: limits.start,
            copied: 0,
            running: false,
            requests: Some(requests),
            reports,
            has_report,
            thread: Some(thread.map_err(failed)?),
        };
        Ok((checkpointer, held))
    }

    /// To be called by the writer between two commits.
    pub fn maintain(&mut self, writer: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if self.running {
            // A WAL without bounds would be worse than a pause.
            let report = match pages >= self.limits.most {
                true => self.reports.recv().ok(),
                false => self.reports.try_recv().ok(),
            };
            let Some(progress) = report else { return };
            self.running = false;
            self.has_report.store(false, Ordering::Relaxed);
            self.reported(writer, pages, progress);
        } else if pages < self.copied {
            // The WAL began anew.
            self.copied = 0;
            self.next = self.limits.start;
        }
        if !self.running && pages >= self.next {
            self.request();
        }
    }

    /// Whether [`maintain`](Self::maintain) has something to do.
    pub fn needs_checkpoint(&self) -> bool {
        let pages = self.pages.load(Ordering::Relaxed);
        match self.running {
            true => pages >= self.limits.most || self.has_report.load(Ordering::Relaxed),
            false => pages >= self.next || pages < self.copied,
        }
    }

    fn reported(&mut self, writer: &Connection, pages: usize, progress: Option<CheckpointProgress>) {
        let later = pages + self.limits.start;
        let Some(progress) = progress else {
            self.next = later;
            return;
        };
        if pages.saturating_sub(progress.copied) > self.limits.rest {
            // Again at once, unless a reader that holds an old state is in the way.
            self.next = if progress.copied > self.copied { 0 } else { later };
            self.copied = progress.copied;
            return;
        }
        self.copied = progress.copied;
        self.next = later;
        match checkpoint(writer) {
            Ok(rest) if rest.copied == rest.log => self.copied = rest.copied,
            Ok(_) => {}
            Err(error) => tracing::warn!(?error, "the write-ahead log was not copied back to its end"),
        }
    }

    fn request(&mut self) {
        self.running = self.requests.as_ref().is_some_and(|requests| requests.try_send(()).is_ok());
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Copies as much as can be copied without a reader or the writer waiting.
fn checkpoint(connection: &Connection) -> Result<CheckpointProgress> {
    let pages = |row: &rusqlite::Row<'_>, index| {
        row.get::<_, i64>(index).map(|pages| usize::try_from(pages).unwrap_or(0))
    };
    Ok(connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?
        .query_row([], |row| Ok(CheckpointProgress { log: pages(row, 1)?, copied: pages(row, 2)? }))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
        connection.execute_batch("CREATE TABLE IF NOT EXISTS t (x BLOB)").unwrap();
        connection
    }

    /// Commits `count` times about four pages, and maintains the WAL after each.
    fn write(connection: &Connection, checkpointer: &mut Checkpointer, count: usize) -> usize {
        let mut longest = 0;
        for _ in 0..count {
            connection.execute("INSERT INTO t VALUES (zeroblob(12000))", []).unwrap();
            longest = longest.max(checkpointer.pages.load(Ordering::Relaxed));
            checkpointer.maintain(connection);
        }
        longest
    }

    const SMALL: Limits = Limits { start: 400, rest: 50, most: 1600 };

    #[test]
    fn the_wal_stays_short_and_begins_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.db");
        let mut connection = open(&path);
        connection.pragma_update(None, "synchronous", "OFF").unwrap();
        let (mut checkpointer, _held) = Checkpointer::with(SMALL, &path, &mut connection).unwrap();
        let longest = write(&connection, &mut checkpointer, 2000);
        assert!(longest >= SMALL.start, "{longest}");
        assert!(longest <= SMALL.most + 2 * SMALL.start, "{longest}");
        let log = std::fs::metadata(directory.path().join("t.db-wal")).unwrap().len();
        assert!(log < 2000 * 3 * 4096, "it never began anew: {log} bytes");
        let count: i64 = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 2000);
    }

    #[test]
    fn a_reader_that_stays_does_not_stop_the_writer_and_the_wal_is_copied_once_it_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.db");
        let mut connection = open(&path);
        connection.pragma_update(None, "synchronous", "OFF").unwrap();
        let (mut checkpointer, _held) = Checkpointer::with(SMALL, &path, &mut connection).unwrap();
        let reader = Connection::open(&path).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
        let with_reader = write(&connection, &mut checkpointer, SMALL.most);
        assert!(with_reader > SMALL.most, "{with_reader}");
        reader.execute_batch("COMMIT").unwrap();
        // Enough for the next attempt, and for the WAL to begin anew.
        write(&connection, &mut checkpointer, 3 * SMALL.start);
        assert!(checkpointer.pages.load(Ordering::Relaxed) < with_reader);
    }
}
