//! Whether the files that are open are still those that the paths name: what is committed to a
//! file that was removed or replaced is gone with the process.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tidings_core::store::StoreError;

use super::wal;

/// What the thread that copies the log tells of the files.
#[derive(Debug, Default)]
pub(super) struct FileHealth {
    /// A path names another file than the open one, or none.
    lost: AtomicBool,
    /// A reader keeps the log from being copied back.
    pub held_up: AtomicBool,
    /// Bytes of commits in the log that are not in the database yet.
    pub not_copied: AtomicU64,
}

impl FileHealth {
    /// # Errors
    /// Where what is written now would not be there after a restart.
    pub fn check(&self) -> Result<(), StoreError> {
        if self.lost.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable(
                "the database's file was removed or replaced under the running server".to_owned(),
            ));
        }
        Ok(())
    }
}

/// Looks at the paths of a database.
#[derive(Debug)]
pub(super) struct FileWatch {
    database: PathBuf,
    open: Arc<File>,
    /// Device and inode of the log, as it was when it was first seen.
    log: Option<(u64, u64)>,
    health: Arc<FileHealth>,
}

impl FileWatch {
    /// `open` is the file that `database` named when it was opened.
    pub fn new(database: PathBuf, open: Arc<File>, health: Arc<FileHealth>) -> Self {
        let log = identity(std::fs::metadata(wal::path_of(&database)));
        Self { database, open, log, health }
    }

    /// Compares the paths with the open files.
    pub fn look(&mut self) {
        let found = identity(std::fs::metadata(&self.database));
        let log = identity(std::fs::metadata(wal::path_of(&self.database)));
        if self.log.is_none() {
            self.log = log;
        }
        let same = found.is_some() && found == identity(self.open.metadata()) && log == self.log;
        if self.health.lost.swap(!same, Ordering::Relaxed) == same {
            let path = self.database.display();
            if same {
                tracing::warn!(%path, "the database's file is in its place again: writes are accepted");
            } else {
                tracing::error!(
                    %path,
                    "the database's file, or its log, was removed or replaced under the running server: \
                     nothing is accepted until it is back, or the server is started anew"
                );
            }
        }
    }
}

/// Device and inode.
fn identity(metadata: std::io::Result<Metadata>) -> Option<(u64, u64)> {
    metadata.ok().map(|metadata| (metadata.dev(), metadata.ino()))
}
