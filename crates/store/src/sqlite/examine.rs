//! What `tidings doctor` asks of a database.

use std::path::Path;
use std::time::Duration;

use rusqlite::OptionalExtension;
use tidings_core::model::Timestamp;
use tidings_core::store::{StoreError, Totals};

use super::error::Result;
use super::schema::STEPS;
use super::totals::StoredTotals;
use super::{rows, verify_counters, wal};

/// How many faults SQLite is asked to name.
const NAMED: u32 = 20;
/// How often a log that seems damaged is looked at again, and how long after.
const LOOKS: usize = 5;
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes of the log that wait for their copy only where something is in the way.
const LONG_LOG: u64 = 160 << 20;

/// What [`SqliteStore::examine`](super::SqliteStore::examine) found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What is wrong, in words; empty when nothing is.
    pub faults: Vec<String>,
    /// The totals as stored.
    pub totals: Totals,
    /// When the newest notification was accepted.
    pub newest: Option<Timestamp>,
    /// An older version made it: its rows and counters are looked at once a server has brought it
    /// up to date.
    pub older: bool,
}

/// Checks pages, indices and references, then counts everything again.
pub(super) fn examine(path: &Path) -> Result<Report> {
    // Before a connection is there: closing another descriptor of its files would give its locks up.
    let log = log(path)?;
    let connection = super::reader(path)?;
    // One snapshot: what a server commits meanwhile is not seen by halves.
    connection.execute_batch("BEGIN")?;
    let mut faults = Vec::new();
    let mut check = connection.prepare(&format!("PRAGMA integrity_check({NAMED})"))?;
    for line in check.query_map([], |row| row.get::<_, String>(0))? {
        faults.extend(Some(line?).filter(|line| line != "ok"));
    }
    let mut check = connection.prepare("PRAGMA foreign_key_check")?;
    let dangling = check.query_map([], |row| row.get::<_, String>(0))?.count();
    if dangling > 0 {
        faults.push(format!("{dangling} rows point at others that are not there"));
    }
    faults.extend(log);
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if (version as usize) < STEPS.len() {
        return Ok(Report { faults, totals: Totals::default(), newest: None, older: true });
    }
    // In a broken file rows and counters are the least of it.
    if faults.is_empty() {
        faults = rows::unreadable(&connection)?;
        faults.extend(verify_counters::verify_counters(&connection)?);
    }
    let newest = connection
        .query_row("SELECT max(created_at) FROM notifications", [], |row| row.get::<_, Option<i64>>(0))
        .optional()?
        .flatten();
    Ok(Report {
        faults,
        totals: StoredTotals::load(&connection)?.current,
        newest: newest.map(Timestamp),
        older: false,
    })
}

/// What is wrong with the write-ahead log. A server may write to it meanwhile, so what is found must
/// be found again.
fn log(path: &Path) -> Result<Option<String>> {
    let failed = |error: std::io::Error| StoreError::Failed(format!("the log cannot be read: {error}"));
    let mut found = wal::inspect(path).map_err(failed)?;
    for _ in 0..LOOKS {
        if found.commits == 0 {
            break;
        }
        std::thread::sleep(PAUSE);
        found = wal::inspect(path).map_err(failed)?;
    }
    if found.commits > 0 {
        return Ok(Some(format!(
            "{} bytes of the write-ahead log do not verify: {} commits in them are lost",
            found.unverified, found.commits
        )));
    }
    let waits = wal::not_copied(path).unwrap_or(0);
    Ok((waits > LONG_LOG).then(|| {
        format!(
            "{} MiB of the write-ahead log are not copied back: another program reads the database and keeps \
             them there",
            waits >> 20
        )
    }))
}
