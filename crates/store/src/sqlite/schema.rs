//! What the database looks like, and how an older one becomes today's.
//!
//! `PRAGMA user_version` is the number of steps that were run. A step never
//! changes once it was released; a change is a new step.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};
use tidings_core::store::StoreError;

use super::error::Result;

/// The steps, oldest first.
pub(super) const STEPS: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
];

/// `PRAGMA application_id`: "Tdgs".
const APPLICATION_ID: u32 = 0x5464_6773;

/// The start of every SQLite file: its format is fixed for all time
/// (sqlite.org/fileformat.html, section 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Looks at a file without changing anything near it.
///
/// # Errors
/// [`StoreError::Incompatible`] for what is not ours or was made by a newer version.
pub(super) fn inspect(path: &Path, known: usize) -> Result<(), StoreError> {
    let mut header = Vec::with_capacity(100);
    match File::open(path) {
        Ok(file) => file
            .take(100)
            .read_to_end(&mut header)
            .map_err(|error| StoreError::Failed(format!("{} cannot be read: {error}", path.display())))?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(StoreError::Failed(format!("{} cannot be read: {error}", path.display())));
        }
    };
    if header.is_empty() {
        return Ok(());
    }
    let word = |at: usize| {
        let bytes = header.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        bytes.map(u32::from_be_bytes)
    };
    if header.get(..16) != Some(MAGIC) || word(68) != Some(APPLICATION_ID) {
        return Err(StoreError::Incompatible(format!("{} is not a Tidings database", path.display())));
    }
    newer(path, word(60).unwrap_or(0), known)
}

/// Brings a database to the last of `steps`; all of a step, or nothing of it.
pub(super) fn migrate(connection: &mut Connection, path: &Path, steps: &[&str]) -> Result<()> {
    // The file's header may be older than what the WAL holds.
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    newer(path, version, steps.len())?;
    for (step, number) in steps.iter().zip(1u32..).skip(version as usize) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}

fn newer(path: &Path, version: u32, known: usize) -> Result<(), StoreError> {
    if version as usize <= known {
        return Ok(());
    }
    Err(StoreError::Incompatible(format!(
        "{} was made by a newer version of Tidings (schema {version}; this one knows {known})",
        path.display()
    )))
}
