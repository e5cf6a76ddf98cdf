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
mod notifications;
mod state;

use async_trait::async_trait;
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use tidings_core::model::{
    Account, AccountId, ApiKey, Credentials, KeyId, NewAccount, NotificationId, Operator, Seq, Timestamp,
    Topic, Username,
};
use tidings_core::store::{
    Acceptance, AccountChange, AccountQuery, AccountRow, AccountSortKey, AuditEntry, CommitFeed, CommitFeeds,
    Commits, Ended, Feed, HistoryEntry, NewNotification, NotificationRecord, Page, Positions, Result, Seen,
    Settled, Settlement, Store, StoreError, Totals, WebSession,
};

use self::state::State;

/// Everything in memory, gone when it is dropped. Deterministic; answers at once.
#[derive(Debug, Default)]
pub struct MemoryStore {
    /// `None` after [`Store::close`].
    state: Mutex<Option<State>>,
    feeds: CommitFeeds,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Mutex::new(Some(State::default())), feeds: CommitFeeds::default() }
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

#[async_trait]
impl Store for MemoryStore {
    async fn create_account(&self, new: NewAccount) -> Result<Account> {
        self.state()?.create_account(new)
    }

    async fn account(&self, name: &Username) -> Result<Option<Account>> {
        Ok(self.state()?.account(name))
    }

    async fn credentials(&self, username: &Username) -> Result<Option<Credentials>> {
        Ok(self.state()?.credentials(username))
    }

    async fn change_account(&self, id: AccountId, change: AccountChange) -> Result<()> {
        self.state()?.change_account(id, change)
    }

    async fn remove_account(&self, id: AccountId) -> Result<bool> {
        Ok(self.state()?.remove_account(id))
    }

    async fn touch_accounts(&self, seen: Vec<Seen>) -> Result<()> {
        self.state()?.touch_accounts(seen);
        Ok(())
    }

    async fn accounts(&self, query: AccountQuery) -> Result<Page<AccountRow, AccountSortKey>> {
        Ok(self.state()?.accounts(&query))
    }

    async fn subscribe(&self, account: AccountId, topic: Topic) -> Result<bool> {
        self.state()?.subscribe(account, topic)
    }

    async fn unsubscribe(&self, account: AccountId, topic: Topic) -> Result<bool> {
        Ok(self.state()?.unsubscribe(account, &topic))
    }

    async fn subscriptions(&self, account: AccountId) -> Result<Vec<Topic>> {
        Ok(self.state()?.subscriptions(account))
    }

    async fn topics(&self, after: Option<String>, limit: usize) -> Result<Page<(Topic, u64), String>> {
        Ok(self.state()?.topics(after.as_deref(), limit))
    }

    async fn accept(&self, new: NewNotification) -> Result<Acceptance> {
        self.commit(|state| state.accept(new))
    }

    fn watch(&self) -> CommitFeed {
        self.feeds.watch()
    }

    async fn release_due(&self, now: Timestamp, limit: usize) -> Result<u64> {
        self.commit(|state| Ok(state.release_due(now, limit)))
    }

    async fn next_release(&self) -> Result<Option<Timestamp>> {
        Ok(self.state()?.next_release())
    }

    async fn expire_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Ended>> {
        Ok(self.state()?.expire_due(now, limit))
    }

    async fn next_expiry(&self) -> Result<Option<Timestamp>> {
        Ok(self.state()?.next_expiry())
    }

    async fn cancel(&self, id: NotificationId) -> Result<Option<Ended>> {
        Ok(self.state()?.cancel(id))
    }

    async fn notification(&self, id: NotificationId) -> Result<Option<NotificationRecord>> {
        Ok(self.state()?.notification(id))
    }

    async fn notifications(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<NotificationRecord, u64>> {
        Ok(self.state()?.notifications(before, limit))
    }

    async fn account_history(
        &self,
        account: AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<HistoryEntry, u64>> {
        Ok(self.state()?.account_history(account, before, limit))
    }

    async fn feed(&self, account: AccountId, after: Positions, now: Timestamp, limit: usize) -> Result<Feed> {
        Ok(self.state()?.feed(account, after, now, limit))
    }

    async fn head_if_idle(&self, account: AccountId) -> Result<Option<Seq>> {
        Ok(self.state()?.head_if_idle(account))
    }

    async fn settle(&self, batch: Vec<Settlement>) -> Result<Settled> {
        Ok(self.state()?.settle(batch))
    }

    async fn seq_of(&self, id: NotificationId) -> Result<Option<Seq>> {
        Ok(self.state()?.seq_of(id))
    }

    async fn opened(&self, account: AccountId, id: NotificationId) -> Result<bool> {
        Ok(self.state()?.opened(account, id))
    }

    async fn pending_count(&self, account: AccountId) -> Result<u64> {
        Ok(self.state()?.pending_count(account))
    }

    async fn totals(&self) -> Result<Totals> {
        Ok(self.state()?.totals())
    }

    async fn purge(&self, before: Timestamp, now: Timestamp, limit: usize) -> Result<u64> {
        Ok(self.state()?.purge(before, now, limit))
    }

    async fn verify_counters(&self) -> Result<Vec<String>> {
        Ok(self.state()?.verify_counters())
    }

    async fn create_key(&self, key: ApiKey) -> Result<()> {
        self.state()?.create_key(key)
    }

    async fn keys(&self) -> Result<Vec<ApiKey>> {
        Ok(self.state()?.keys())
    }

    async fn revoke_key(&self, id: &KeyId) -> Result<bool> {
        Ok(self.state()?.revoke_key(id))
    }

    async fn touch_keys(&self, used: Vec<(KeyId, Timestamp)>) -> Result<()> {
        self.state()?.touch_keys(used);
        Ok(())
    }

    async fn put_operator(&self, operator: Operator) -> Result<()> {
        self.state()?.put_operator(operator);
        Ok(())
    }

    async fn operators(&self) -> Result<Vec<Operator>> {
        Ok(self.state()?.operators())
    }

    async fn remove_operator(&self, name: &str) -> Result<bool> {
        Ok(self.state()?.remove_operator(name))
    }

    async fn put_web_session(&self, session: WebSession) -> Result<()> {
        self.state()?.put_web_session(session);
        Ok(())
    }

    async fn web_session(&self, hash: [u8; 32], now: Timestamp) -> Result<Option<WebSession>> {
        Ok(self.state()?.web_session(hash, now))
    }

    async fn end_web_sessions(&self, hash: Option<[u8; 32]>, operator: Option<&str>) -> Result<()> {
        self.state()?.end_web_sessions(hash, operator);
        Ok(())
    }

    async fn audit(&self, at: Timestamp, actor: &str, action: &str, subject: &str) -> Result<()> {
        self.state()?.audit(at, actor, action, subject);
        Ok(())
    }

    async fn audit_log(&self, before: Option<u64>, limit: usize) -> Result<Page<AuditEntry, u64>> {
        Ok(self.state()?.audit_log(before, limit))
    }

    async fn setting(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.state()?.setting(key))
    }

    async fn put_setting(&self, key: &str, value: Vec<u8>) -> Result<()> {
        self.state()?.put_setting(key, value);
        Ok(())
    }

    async fn check(&self) -> Result<()> {
        self.state().map(|_| ())
    }

    fn backlog(&self) -> (usize, usize) {
        (0, 1)
    }

    fn commits(&self) -> Commits {
        Commits::default()
    }

    async fn close(&self) {
        *self.state.lock() = None;
        self.feeds.close();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::conformance::{self, Embedded};

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn it_does_what_the_port_says() {
        conformance::run(|| async { Embedded(Arc::new(MemoryStore::new())) }).await;
    }

    #[tokio::test]
    async fn its_history_is_the_same_each_time() {
        for seed in 0..20 {
            conformance::compare(&Embedded(Arc::new(MemoryStore::new())), seed, 300).await;
        }
    }
}
