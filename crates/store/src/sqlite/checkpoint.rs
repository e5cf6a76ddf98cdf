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
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use tidings_core::store::StoreError;

use super::error::Result;
use super::files::{FileHealth, FileWatch};

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

/// How often the files' paths are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// What is in the WAL is copied back after so long, however little it is: a copy of the database file
/// alone, and whoever looks at its size, find what was accepted.
const COPY: Duration = Duration::from_secs(60);
/// Bytes of a page.
const PAGE: u64 = 4096;

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
    pub fn start(path: &Path, writer: &mut Connection, health: &Arc<FileHealth>) -> Result<(Self, Held)> {
        Self::with(LIMITS, (LOOK, COPY), path, writer, health)
    }

    fn with(
        limits: Limits,
        (look, copy_after): (Duration, Duration),
        path: &Path,
        writer: &mut Connection,
        health: &Arc<FileHealth>,
    ) -> Result<(Self, Held)> {
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
        let watch = FileWatch::new(path.to_owned(), Arc::clone(&file), Arc::clone(health));
        let copying = Copying {
            connection,
            file,
            watch,
            health: Arc::clone(health),
            pages: Arc::clone(&pages),
            last: None,
            done: Instant::now(),
        };
        let copy = move || copying.run(&requested, &report, &reporting, look, copy_after);
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

/// What the copying thread works with.
struct Copying {
    connection: Connection,
    file: Held,
    watch: FileWatch,
    health: Arc<FileHealth>,
    pages: Arc<AtomicUsize>,
    /// How far the last copy came.
    last: Option<CheckpointProgress>,
    /// When that was.
    done: Instant,
}

impl Copying {
    /// Copies when it is asked to, and when it was not for a while; looks at the paths meanwhile.
    fn run(
        mut self,
        requested: &Receiver<()>,
        report: &SyncSender<Option<CheckpointProgress>>,
        reporting: &AtomicBool,
        look: Duration,
        copy_after: Duration,
    ) {
        loop {
            match requested.recv_timeout(look) {
                Ok(()) => {
                    let progress = self.copy();
                    reporting.store(true, Ordering::Relaxed);
                    if report.send(progress).is_err() {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    if self.done.elapsed() >= copy_after && !self.is_copied() {
                        let before = self.last;
                        let progress = self.copy();
                        self.tell_of_readers(before, progress);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.watch.look();
        }
    }

    fn is_copied(&self) -> bool {
        let pages = self.pages.load(Ordering::Relaxed);
        self.last.map_or(pages == 0, |last| last.copied == last.log && last.log == pages)
    }

    /// Copies and syncs.
    fn copy(&mut self) -> Option<CheckpointProgress> {
        self.done = Instant::now();
        let failed = |error: std::io::Error| StoreError::Failed(error.to_string());
        let progress = checkpoint(&self.connection).and_then(|progress| {
            self.file.sync_data().map(|()| progress).map_err(|error| failed(error).into())
        });
        match progress {
            Ok(progress) => {
                self.last = Some(progress);
                let waits = progress.log.saturating_sub(progress.copied) as u64 * PAGE;
                self.health.not_copied.store(waits, Ordering::Relaxed);
                Some(progress)
            }
            Err(error) => {
                tracing::warn!(?error, "the write-ahead log was not copied back; trying again later");
                None
            }
        }
    }

    /// Where a copy comes no further than the one before, a reader holds an old state.
    fn tell_of_readers(&self, before: Option<CheckpointProgress>, now: Option<CheckpointProgress>) {
        let (Some(before), Some(now)) = (before, now) else { return };
        let held_up = now.copied < now.log && now.copied == before.copied;
        if self.health.held_up.swap(held_up, Ordering::Relaxed) == held_up {
            return;
        }
        let mebibytes = (now.log as u64 * PAGE) >> 20;
        if held_up {
            tracing::warn!(
                mebibytes,
                "another program reads the database and keeps its write-ahead log from being copied back: \
                 the log grows until that one ends"
            );
        } else {
            tracing::info!(mebibytes, "the write-ahead log can be copied back again");
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
    const NEVER: Duration = Duration::from_secs(3600);

    /// With small limits, and nothing by time.
    fn quiet(path: &Path, connection: &mut Connection) -> (Checkpointer, Held) {
        Checkpointer::with(SMALL, (NEVER, NEVER), path, connection, &Arc::default()).unwrap()
    }

    /// With everything by time, as soon as can be.
    fn hasty(path: &Path, connection: &mut Connection) -> (Checkpointer, Held, Arc<FileHealth>) {
        let health = Arc::new(FileHealth::default());
        let times = (Duration::from_millis(1), Duration::ZERO);
        let (checkpointer, held) = Checkpointer::with(LIMITS, times, path, connection, &health).unwrap();
        (checkpointer, held, health)
    }

    #[track_caller]
    fn wait_for(what: &str, is_so: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !is_so() {
            assert!(Instant::now() < end, "{what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_short_log_is_copied_back_in_time_and_a_reader_that_stops_that_is_told_of() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.db");
        let mut connection = open(&path);
        let reader = Connection::open(&path).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
        let (_checkpointer, _held, health) = hasty(&path, &mut connection);
        connection.execute("INSERT INTO t VALUES (zeroblob(12000))", []).unwrap();
        wait_for("the reader is told of", || health.held_up.load(Ordering::Relaxed));
        assert!(health.not_copied.load(Ordering::Relaxed) >= 12_000);
        reader.execute_batch("COMMIT").unwrap();
        wait_for("it is copied", || super::super::wal::not_copied(&path) == Some(0));
        wait_for("that is told", || !health.held_up.load(Ordering::Relaxed));
        assert_eq!(health.not_copied.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_file_that_is_removed_or_replaced_is_missed() {
        let directory = tempfile::tempdir().unwrap();
        for which in ["t.db", "t.db-wal"] {
            let path = directory.path().join("t.db");
            let mut connection = open(&path);
            let (_checkpointer, _held, health) = hasty(&path, &mut connection);
            connection.execute("INSERT INTO t VALUES (1)", []).unwrap();
            assert_eq!(health.check(), Ok(()));
            let (file, aside) = (directory.path().join(which), directory.path().join("aside"));
            std::fs::rename(&file, &aside).unwrap();
            wait_for("it is gone", || health.check().is_err());
            std::fs::copy(&aside, &file).unwrap();
            // Another one in its place is not it.
            std::thread::yield_now();
            assert!(health.check().is_err());
            std::fs::rename(&aside, &file).unwrap();
            wait_for("it is back", || health.check().is_ok());
        }
    }

    #[test]
    fn the_wal_stays_short_and_begins_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.db");
        let mut connection = open(&path);
        connection.pragma_update(None, "synchronous", "OFF").unwrap();
        let (mut checkpointer, _held) = quiet(&path, &mut connection);
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
        let (mut checkpointer, _held) = quiet(&path, &mut connection);
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
