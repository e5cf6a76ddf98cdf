//! Why a command failed, and with which exit status.

use thiserror::Error;

pub(crate) use tidings_client::io_text::in_words as io;

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

impl From<tidings_core::error::ChangeError> for Failure {
    fn from(error: tidings_core::error::ChangeError) -> Self {
        Self::Failed(error.to_string())
    }
}
