//! Why a command failed, and with which exit status.

use std::io;

use thiserror::Error;

/// Why a command did not do it: one line for people, and an exit status.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Failure {
    /// It was called wrongly: exit status 2.
    #[error("{0}")]
    Usage(String),
    /// It went wrong: exit status 1.
    #[error("{0}")]
    Failed(String),
}

impl Failure {
    pub(crate) fn usage(why: impl Into<String>) -> Self {
        Self::Usage(why.into())
    }

    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }

    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
        }
    }

    /// The message as the one line that is printed.
    pub(crate) fn line(&self) -> String {
        let text = self.to_string();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl From<tidings_core::store::StoreError> for Failure {
    fn from(error: tidings_core::store::StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// An I/O error in lower case and without its number.
pub(crate) fn io(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
