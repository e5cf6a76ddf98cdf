//! Health, method by method, each under the lock.

use async_trait::async_trait;
use tidings_core::store::{Commits, HealthStore, LogState, Result};

use crate::memory::MemoryStore;

#[async_trait]
impl HealthStore for MemoryStore {
    async fn check(&self) -> Result<()> {
        self.state().map(|_| ())
    }

    fn backlog(&self) -> (usize, usize) {
        (0, 1)
    }

    fn commits(&self) -> Commits {
        Commits::default()
    }

    fn log(&self) -> LogState {
        LogState::default()
    }

    fn damaged(&self) -> u64 {
        0
    }

    async fn verify_counters(&self) -> Result<Vec<String>> {
        Ok(self.state()?.verify_counters())
    }

    async fn close(&self) {
        *self.state.lock() = None;
        self.feeds.close();
    }
}
