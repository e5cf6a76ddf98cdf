//! How a store is doing, and its end.

use async_trait::async_trait;

use super::Result;

/// How many commits there were, and how many writes shared them. A commit waits for
/// durable storage once, so the more share one the better.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Commits {
    /// Commits.
    pub commits: u64,
    /// Calls to the store that these made durable.
    pub writes: u64,
}

/// A write-ahead log. Zero where a store has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogState {
    /// Bytes that were not copied back when that was last tried.
    pub not_copied: u64,
    /// Another program reads the database and keeps them there.
    pub held_up: bool,
}

/// Health.
#[async_trait]
pub trait HealthStore: Send + Sync + 'static {
    /// Whether a write reaches durable storage now.
    async fn check(&self) -> Result<()>;
    /// Writes that wait for their commit in this process, and how many may.
    fn backlog(&self) -> (usize, usize);
    /// What this process has made durable since it opened the store; zeros where a store
    /// does not commit in groups.
    fn commits(&self) -> Commits;
    /// How long what is committed waits for its last place, where a store writes a log first.
    fn log(&self) -> LogState;
    /// Stored rows that this process could not read and has set aside, each counted once.
    fn damaged(&self) -> u64;
    /// Counts everything again from rows and cursors, and names each counter
    /// that disagrees. Slow; for `tidings doctor` and tests.
    async fn verify_counters(&self) -> Result<Vec<String>>;
    /// Finishes what was accepted and closes. Later calls fail.
    async fn close(&self);
}
