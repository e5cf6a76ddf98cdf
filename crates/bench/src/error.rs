//! Why a benchmark could not be run.

use std::fmt;

/// Why a benchmark could not be run: one line for people.
#[derive(Debug)]
pub(crate) struct Error(String);

impl Error {
    /// Says why.
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self(format!("a line between the processes is not understood: {error}"))
    }
}

impl From<tidings_core::store::StoreError> for Error {
    fn from(error: tidings_core::store::StoreError) -> Self {
        Self(error.to_string())
    }
}

/// Adds what was being done.
pub(crate) trait Context<T> {
    fn context(self, doing: &str) -> Result<T, Error>;
}

impl<T, E: fmt::Display> Context<T> for Result<T, E> {
    fn context(self, doing: &str) -> Result<T, Error> {
        self.map_err(|error| Error(format!("{doing}: {error}")))
    }
}
