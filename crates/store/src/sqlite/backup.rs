//! Copies of a database that is in use.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use tidings_core::store::{Result, StoreError};

use super::error;

/// Copies a database to a new file while a store, or another process, uses it.
///
/// All pages are copied in one step, so that what is written meanwhile cannot
/// make it begin again; writers do not wait for it.
pub(super) fn backup(from: &Path, to: &Path) -> Result<()> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        StoreError::Failed(format!("backup to {}: {what}: {error}", to.display()))
    };
    if to.exists() {
        return Err(failed("refused", &"the file exists"));
    }
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let copied = copy(from, &partial).and_then(|()| {
        let file = File::open(&partial).map_err(|error| failed("cannot open the copy", &error))?;
        file.sync_all().map_err(|error| failed("cannot sync the copy", &error))?;
        std::fs::rename(&partial, to).map_err(|error| failed("cannot rename the copy", &error))
    });
    if copied.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    copied
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copy = || -> std::result::Result<StepResult, error::Error> {
        let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut target = Connection::open(to)?;
        let backup = Backup::new(&source, &mut target)?;
        Ok(backup.step(-1)?)
    };
    match copy().map_err(StoreError::from)? {
        StepResult::Done => Ok(()),
        _ => Err(StoreError::Busy),
    }
}
