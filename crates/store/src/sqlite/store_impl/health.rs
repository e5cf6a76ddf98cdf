//! Health, method by method: by the writer or by a reader.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use tidings_core::store::{Commits, HealthStore, LogState, Result};

use super::{ROW, SMALL};
use crate::sqlite::{SqliteStore, verify_counters};

#[async_trait]
impl HealthStore for SqliteStore {
    async fn check(&self) -> Result<()> {
        self.writer.call(ROW, |writer| writer.probe()).await
    }

    fn backlog(&self) -> (usize, usize) {
        self.writer.backlog()
    }

    fn commits(&self) -> Commits {
        self.writer.commits()
    }

    fn log(&self) -> LogState {
        LogState {
            not_copied: self.files.not_copied.load(Ordering::Relaxed),
            held_up: self.files.held_up.load(Ordering::Relaxed),
        }
    }

    fn damaged(&self) -> u64 {
        self.damaged.count()
    }

    async fn verify_counters(&self) -> Result<Vec<String>> {
        let mut wrong = self.readers.call(verify_counters::verify_counters).await?;
        wrong.extend(self.writer.call(SMALL, |writer| writer.check_memory()).await?);
        Ok(wrong)
    }

    async fn close(&self) {
        // The readers first: the last connection to close empties the WAL.
        let threads: Vec<_> = self.readers.close().into_iter().chain(self.writer.close()).collect();
        let joined = tokio::task::spawn_blocking(|| {
            for thread in threads {
                let _ = thread.join();
            }
        });
        let _ = joined.await;
        self.feeds.close();
    }
}
