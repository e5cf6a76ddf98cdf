//! A backup's way back: copied, brought up to date and looked over beside the database, and only then
//! put in its place.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rusqlite::Connection;
use tidings_core::store::{Result, StoreError, Totals};

use super::{Options, backup, connect, error, examine, schema, wal};

/// The files that SQLite has beside a database.
const BESIDE: [&str; 2] = ["-wal", "-shm"];
/// Faults that a refusal names.
const NAMED: usize = 3;

/// See [`SqliteStore::restore`](super::SqliteStore::restore).
pub(super) fn restore(from: &Path, to: &Path) -> Result<Totals> {
    let new = wal::with_suffix(to, ".restored");
    let failed = |error: io::Error| StoreError::Failed(format!("{}: {error}", to.display()));
    remove(&new).map_err(failed)?;
    let prepared = prepare(from, &new).and_then(|totals| {
        place(&new, to).map_err(failed)?;
        Ok(totals)
    });
    if prepared.is_err() {
        // What is left is only in the way.
        let _ = remove(&new);
    }
    prepared
}

/// Copies a backup, with all that belongs to it in one file.
fn prepare(from: &Path, new: &Path) -> Result<Totals> {
    backup::backup(from, new)?;
    drop(connect(new, Options::default(), schema::STEPS).map_err(StoreError::from)?);
    let report = examine::examine(new).map_err(StoreError::from)?;
    if !report.faults.is_empty() {
        let more = report.faults.len().saturating_sub(NAMED);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let named = report.faults.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
        return Err(StoreError::Failed(format!("{} is damaged: {named}{more}", from.display())));
    }
    Ok(report.totals)
}

/// Puts the new file in the old one's place. At every moment one of them is there, whole.
fn place(new: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        // The old one without its log would lack its last commits, were this the end; and with it,
        // the new one would be a mixture. Where it is too damaged for that, it is lost anyhow.
        let _ = copy_log_back(to);
    }
    for suffix in BESIDE {
        remove_file(&wal::with_suffix(new, suffix))?;
        remove_file(&wal::with_suffix(to, suffix))?;
    }
    File::open(new)?.sync_all()?;
    fs::rename(new, to)?;
    // The names are durable once their directory is.
    match to.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

fn copy_log_back(database: &Path) -> error::Result<()> {
    let connection = Connection::open(database)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

fn remove(database: &Path) -> io::Result<()> {
    remove_file(database)?;
    BESIDE.iter().try_for_each(|suffix| remove_file(&wal::with_suffix(database, suffix)))
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
