//! How the store is, for those who watch over the server.

use crate::Core;
use crate::store::{Commits, LogState, StoreError};

impl Core {
    /// Whether a write reaches durable storage now. Writes, so that callers ask seldom.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn check_store(&self) -> Result<(), StoreError> {
        self.store.check().await
    }

    /// Writes that wait for their commit, and how many may.
    pub fn store_backlog(&self) -> (usize, usize) {
        self.store.backlog()
    }

    /// How the store's log is, and how many stored rows could not be read.
    pub fn store_health(&self) -> (LogState, u64) {
        (self.store.log(), self.store.damaged())
    }

    /// What was made durable since the store was opened.
    pub fn store_commits(&self) -> Commits {
        self.store.commits()
    }
}
