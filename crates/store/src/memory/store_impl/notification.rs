//! Notifications, method by method, each under the lock.

use async_trait::async_trait;
use tidings_core::model::{AccountId, Notification, NotificationId, SenderFilter, Seq, Timestamp};
use tidings_core::store::{
    Acceptance, CommitFeed, Ended, Feed, HistoryEntry, Idempotency, NewNotification, NotificationRecord,
    NotificationStore, Page, Payloads, Result, Settled, Settlement, Totals,
};

use crate::memory::MemoryStore;

#[async_trait]
impl NotificationStore for MemoryStore {
    async fn accept(&self, new: NewNotification) -> Result<Acceptance> {
        let acceptance = self.commit(|state| state.accept(new))?;
        self.answer_late().await;
        Ok(acceptance)
    }

    async fn accepted_before(&self, asked: &Idempotency, now: Timestamp) -> Result<Option<Acceptance>> {
        Ok(self.state()?.accepted_before(asked, now))
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

    async fn notifications_by(
        &self,
        sender: SenderFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<NotificationRecord, u64>> {
        Ok(self.state()?.notifications_by(&sender, before, limit))
    }

    async fn account_history(
        &self,
        account: AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<HistoryEntry, u64>> {
        Ok(self.state()?.account_history(account, before, limit))
    }

    async fn feed(
        &self,
        account: AccountId,
        payloads: Payloads,
        now: Timestamp,
        limit: usize,
    ) -> Result<Feed> {
        Ok(self.state()?.feed(account, payloads, now, limit))
    }

    async fn head_if_idle(&self, account: AccountId) -> Result<Option<Seq>> {
        Ok(self.state()?.head_if_idle(account))
    }

    async fn settle(&self, batch: Vec<Settlement>) -> Result<Settled> {
        Ok(self.state()?.settle(batch))
    }

    async fn released_to(
        &self,
        account: AccountId,
        seqs: Vec<Seq>,
        now: Timestamp,
    ) -> Result<Vec<Notification>> {
        Ok(self.state()?.released_to(account, seqs, now))
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
}
