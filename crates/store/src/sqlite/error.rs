//! What goes wrong inside, and what of it the port says.

use rusqlite::ErrorCode;
use rusqlite::ffi;
use tidings_core::store::StoreError;

/// What goes wrong inside.
#[derive(Debug)]
pub(super) enum Error {
    /// An answer of the port.
    Store(StoreError),
    /// SQLite said no.
    Sql(rusqlite::Error),
    /// A row that this program did not write so.
    Damaged(&'static str),
}

/// A result inside.
pub(super) type Result<T, E = Error> = std::result::Result<T, E>;

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Error {
    /// Something in the database that this program did not write.
    pub fn corrupt(what: &'static str) -> Self {
        Self::Damaged(what)
    }

    /// What is damaged, where it is a row, and not all of the database that cannot be read now.
    pub fn damage(&self) -> Option<String> {
        match self {
            Self::Damaged(what) => Some(format!("unreadable {what}")),
            Self::Sql(error) => is_damage(error).then(|| error.to_string()),
            Self::Store(_) => None,
        }
    }
}

/// Whether a row or its page says other than what was written there.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => failure.code == ErrorCode::DatabaseCorrupt,
        // What a row points at is not there.
        rusqlite::Error::QueryReturnedNoRows
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => true,
        _ => false,
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error,
            Error::Sql(error) => translate(&error),
            Error::Damaged(what) => Self::Failed(format!("the database holds an unreadable {what}")),
        }
    }
}

/// SQLite's error in the port's words.
fn translate(error: &rusqlite::Error) -> StoreError {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => match (failure.code, failure.extended_code) {
            // The shared-memory index and the WAL grow on the same disk.
            (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => StoreError::Full,
            (ErrorCode::ConstraintViolation, ffi::SQLITE_CONSTRAINT_UNIQUE)
            | (ErrorCode::ConstraintViolation, ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => StoreError::Conflict,
            _ => StoreError::Failed(error.to_string()),
        },
        _ => StoreError::Failed(error.to_string()),
    }
}
