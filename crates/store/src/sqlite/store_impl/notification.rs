//! Notifications, method by method: by the writer or by a reader.

use std::sync::Arc;

use async_trait::async_trait;
use tidings_core::model::{AccountId, Audience, Notification, NotificationId, SenderFilter, Seq, Timestamp};
use tidings_core::store::{
    Acceptance, CommitFeed, Ended, Feed, HistoryEntry, Idempotency, NewNotification, NotificationRecord,
    NotificationStore, Page, Payloads, Result, Settled, Settlement, Totals,
};

use super::{FEW, ROW, SMALL};
use crate::sqlite::totals::StoredTotals;
use crate::sqlite::writer::Writer;
use crate::sqlite::{SqliteStore, accept, account_history, contents, feed, records, senders};

#[async_trait]
impl NotificationStore for SqliteStore {
    async fn accept(&self, new: NewNotification) -> Result<Acceptance> {
        let content = contents::content(&new.payload)?;
        let users = match &new.audience {
            Audience::Users(names) => names.len(),
            Audience::All | Audience::Topic(_) | Audience::Endpoint(_) => 0,
        };
        let opaque = new.payload.bytes().map_or(0, <[u8]>::len);
        let bytes = SMALL + content.len() + opaque + ROW * users;
        let accept = move |writer: &mut Writer| writer.accept(new, &content);
        match users <= FEW {
            true => self.writer.call_inline(bytes, accept).await,
            false => self.writer.call(bytes, accept).await,
        }
    }

    async fn accepted_before(&self, asked: &Idempotency, now: Timestamp) -> Result<Option<Acceptance>> {
        let asked = asked.clone();
        self.readers.call(move |connection| accept::accepted_before(connection, &asked, now)).await
    }

    fn watch(&self) -> CommitFeed {
        self.feeds.watch()
    }

    async fn release_due(&self, now: Timestamp, limit: usize) -> Result<u64> {
        self.writer.call(SMALL, move |writer| writer.release_due(now, limit)).await
    }

    async fn next_release(&self) -> Result<Option<Timestamp>> {
        self.readers.call(records::next_release).await
    }

    async fn expire_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Ended>> {
        self.writer.call(SMALL, move |writer| writer.expire_due(now, limit)).await
    }

    async fn next_expiry(&self) -> Result<Option<Timestamp>> {
        self.readers.call(records::next_expiry).await
    }

    async fn cancel(&self, id: NotificationId) -> Result<Option<Ended>> {
        self.writer.call(SMALL, move |writer| writer.cancel(id)).await
    }

    async fn notification(&self, id: NotificationId) -> Result<Option<NotificationRecord>> {
        self.readers.call(move |connection| records::notification(connection, id)).await
    }

    async fn notifications(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<NotificationRecord, u64>> {
        let damaged = Arc::clone(&self.damaged);
        self.readers.call(move |connection| records::notifications(connection, &damaged, before, limit)).await
    }

    async fn notifications_by(
        &self,
        sender: SenderFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<NotificationRecord, u64>> {
        let damaged = Arc::clone(&self.damaged);
        self.readers
            .call(move |connection| senders::notifications_by(connection, &damaged, &sender, before, limit))
            .await
    }

    async fn account_history(
        &self,
        account: AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<HistoryEntry, u64>> {
        let damaged = Arc::clone(&self.damaged);
        self.readers
            .call(move |connection| {
                account_history::account_history(connection, &damaged, account, before, limit)
            })
            .await
    }

    async fn feed(
        &self,
        account: AccountId,
        payloads: Payloads,
        now: Timestamp,
        limit: usize,
    ) -> Result<Feed> {
        let damaged = Arc::clone(&self.damaged);
        let read = self
            .readers
            .call_inline(move |connection| feed::feed(connection, &damaged, account, payloads, now, limit))
            .await?;
        let superseded = read.superseded;
        if !superseded.is_empty() {
            let bytes = ROW * superseded.len();
            let noted = self.writer.call(bytes, move |writer| writer.replace_copies(account, &superseded));
            // The next feed finds them again.
            if let Err(error) = noted.await {
                tracing::debug!(%error, "replaced notifications are not settled yet");
            }
        }
        Ok(read.feed)
    }

    async fn head_if_idle(&self, account: AccountId) -> Result<Option<Seq>> {
        self.readers.call_inline(move |connection| feed::head_if_idle(connection, account)).await
    }

    async fn settle(&self, batch: Vec<Settlement>) -> Result<Settled> {
        let (bytes, few) = (ROW * batch.len(), batch.len() <= FEW);
        let settle = |writer: &mut Writer| writer.settle(batch);
        match few {
            true => self.writer.call_inline(bytes, settle).await,
            false => self.writer.call(bytes, settle).await,
        }
    }

    async fn released_to(
        &self,
        account: AccountId,
        seqs: Vec<Seq>,
        now: Timestamp,
    ) -> Result<Vec<Notification>> {
        let damaged = Arc::clone(&self.damaged);
        self.readers.call(move |connection| feed::released_to(connection, &damaged, account, seqs, now)).await
    }

    async fn seq_of(&self, id: NotificationId) -> Result<Option<Seq>> {
        self.readers.call(move |connection| feed::seq_of(connection, id)).await
    }

    async fn opened(&self, account: AccountId, id: NotificationId) -> Result<bool> {
        self.writer.call(ROW, move |writer| writer.opened(account, id)).await
    }

    async fn pending_count(&self, account: AccountId) -> Result<u64> {
        self.readers.call(move |connection| feed::pending_count(connection, account)).await
    }

    async fn totals(&self) -> Result<Totals> {
        self.readers.call(|connection| Ok(StoredTotals::load(connection)?.current)).await
    }

    async fn purge(&self, before: Timestamp, now: Timestamp, limit: usize) -> Result<u64> {
        self.writer.call(SMALL, move |writer| writer.purge(before, now, limit)).await
    }
}
