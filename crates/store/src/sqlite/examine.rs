//! What `tidings doctor` asks of a database.

use std::path::Path;

use rusqlite::OptionalExtension;
use tidings_core::model::Timestamp;
use tidings_core::store::Totals;

use super::error::Result;
use super::totals::StoredTotals;
use super::verify_counters;

/// How many faults SQLite is asked to name.
const NAMED: u32 = 20;

/// What [`SqliteStore::examine`](super::SqliteStore::examine) found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What is wrong, in words; empty when nothing is.
    pub faults: Vec<String>,
    /// The totals as stored.
    pub totals: Totals,
    /// When the newest notification was accepted.
    pub newest: Option<Timestamp>,
}

/// Checks pages, indices and references, then counts everything again.
pub(super) fn examine(path: &Path) -> Result<Report> {
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
    // In a broken file the counters are the least of it.
    if faults.is_empty() {
        faults = verify_counters::verify_counters(&connection)?;
    }
    let newest = connection
        .query_row("SELECT max(created_at) FROM notifications", [], |row| row.get::<_, Option<i64>>(0))
        .optional()?
        .flatten();
    Ok(Report { faults, totals: StoredTotals::load(&connection)?.current, newest: newest.map(Timestamp) })
}
