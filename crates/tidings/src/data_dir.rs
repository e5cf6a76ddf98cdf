//! The data directory: private to its owner, used by one server at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::failure::{self, Failure};

/// The files in it.
pub(crate) const DATABASE: &str = "tidings.db";
pub(crate) const LOCK: &str = "lock";
pub(crate) const ADMIN_PASSWORD: &str = "admin-password";

/// Why a data directory cannot be used.
#[derive(Debug, Error)]
pub(crate) enum DataDirError {
    /// A server runs on it.
    #[error("{} is in use: a server is running on it", .0.display())]
    InUse(PathBuf),
    /// It cannot be made, opened or locked, and why.
    #[error("{0}")]
    Failed(String),
}

impl From<DataDirError> for Failure {
    fn from(error: DataDirError) -> Self {
        Self::failed(error.to_string())
    }
}

/// A data directory that no other process uses while this lives.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// Held, not read: the system frees the lock when the process ends, however it ends.
    _lock: File,
}

impl DataDir {
    /// Makes the directory (mode 0700) where there is none, and locks it.
    ///
    /// # Errors
    /// See [`DataDirError`].
    pub(crate) fn open(path: &Path) -> Result<Self, DataDirError> {
        let failed = |what: &str, error: &io::Error| {
            DataDirError::Failed(format!("cannot {what} {}: {}", path.display(), failure::io(error)))
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| failed("make", &error))?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.join(LOCK));
        // Another user's run leaves files behind that are that one's.
        let lock = lock.map_err(|error| {
            let (shown, why) = (path.join(LOCK), failure::io(&error));
            DataDirError::Failed(format!(
                "cannot open {}: {why}; every file there must belong to the user who runs this",
                shown.display()
            ))
        })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(failed("lock", &error)),
        }
    }

    /// Whether a server uses this directory now. Changes nothing there.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub(crate) fn in_use(path: &Path) -> io::Result<bool> {
        let lock = match File::open(path.join(LOCK)) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether other users than its owner may look in: it was not made by us, then.
    pub(crate) fn is_open_to_other_users(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
    }

    /// The SQLite file.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// Keeps the generated password of `admin` for its owner alone (mode 0600).
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn keep_admin_password(&self, password: &str) -> Result<PathBuf, Failure> {
        let path = self.path.join(ADMIN_PASSWORD);
        let write = || -> io::Result<()> {
            fs::remove_file(&path).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })?;
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
            writeln!(file, "{password}")?;
            file.sync_all()
        };
        write().map_err(|error| {
            Failure::failed(format!("cannot write {}: {}", path.display(), failure::io(&error)))
        })?;
        Ok(path)
    }

    /// The kept password of `admin` holds no more.
    pub(crate) fn forget_admin_password(&self) {
        // Where there is none, there is nothing to forget.
        fs::remove_file(self.path.join(ADMIN_PASSWORD)).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_private_and_used_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let first = DataDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(DataDir::open(&path).unwrap_err().to_string().contains("in use"));
        let kept = first.keep_admin_password("secret").unwrap();
        assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(kept).unwrap(), "secret\n");
        first.keep_admin_password("again").unwrap();
        drop(first);
        DataDir::open(&path).unwrap();
    }
}
