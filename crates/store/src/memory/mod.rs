//! A store in memory: the reference that other stores are compared with, and what
//! tests and the simulation run on.
//!
//! It says the contract in the plainest way: every copy of a notification has a
//! state of its own, written down at release. No answer is derived from cursors,
//! so it shares no shortcut with the stores that it checks. It keeps cursors beside
//! the copies all the same, and its `verify_counters` says where the two disagree.

mod accounts;
mod admin;
mod delivery;
mod endpoints;
mod invitations;
mod notifications;
mod state;
mod store_impl;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use tidings_core::store::{CommitFeeds, Result, StoreError};

use self::state::State;

/// Everything in memory, gone when it is dropped. Deterministic; answers at once, unless it
/// is asked to [answer late](Self::with_late_answers).
#[derive(Default)]
pub struct MemoryStore {
    /// `None` once closed.
    state: Arc<Mutex<Option<State>>>,
    feeds: CommitFeeds,
    lateness: Option<Box<dyn Fn() -> usize + Send + Sync>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        let state = Arc::new(Mutex::new(Some(State::default())));
        Self { state, feeds: CommitFeeds::default(), lateness: None }
    }

    /// One more handle on the same, as another node would have it: its feeds tell only what is
    /// committed through it.
    #[must_use]
    pub fn another_handle(&self) -> Self {
        Self { state: Arc::clone(&self.state), feeds: CommitFeeds::default(), lateness: None }
    }

    /// `accept` commits at once and answers so many polls later as `lateness` says each
    /// time: answers to concurrent callers then come in another order than their commits, as
    /// they may from any store.
    #[must_use]
    pub fn with_late_answers(self, lateness: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        Self { lateness: Some(Box::new(lateness)), ..self }
    }

    /// Waits as long as an answer is to be late.
    async fn answer_late(&self) {
        let mut polls = self.lateness.as_ref().map_or(0, |lateness| lateness());
        poll_fn(|context| {
            if polls == 0 {
                return Poll::Ready(());
            }
            polls -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    fn state(&self) -> Result<MappedMutexGuard<'_, State>> {
        MutexGuard::try_map(self.state.lock(), Option::as_mut)
            .map_err(|_| StoreError::Failed("the store is closed".into()))
    }

    /// A change that may release something: the feeds are told before another change begins.
    fn commit<T>(&self, change: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.state()?;
        let done = change(&mut state);
        let committed = std::mem::take(&mut state.committed);
        if done.is_ok() {
            self.feeds.publish(committed);
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use tidings_core::store::Store;

    use super::*;
    use crate::conformance::{self, Database, Embedded};

    /// One that each node has its own handle on.
    struct Shared(MemoryStore);

    #[async_trait]
    impl Database for Shared {
        async fn open(&self) -> Arc<dyn Store> {
            Arc::new(self.0.another_handle())
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn it_does_what_the_port_says() {
        conformance::run(|| async { Embedded(Arc::new(MemoryStore::new())) }).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn several_handles_do_what_the_port_says() {
        conformance::run(|| async { Shared(MemoryStore::new()) }).await;
    }

    #[tokio::test]
    async fn its_history_is_the_same_each_time() {
        for seed in 0..20 {
            conformance::compare(&Embedded(Arc::new(MemoryStore::new())), seed, 300).await;
        }
    }
}
