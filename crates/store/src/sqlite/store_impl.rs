//! The port, method by method: done by the writer or by a reader.

use async_trait::async_trait;
use tidings_core::model::{
    Account, AccountId, ApiKey, Audience, Credentials, KeyId, NewAccount, NotificationId, Operator, Seq,
    Timestamp, Topic, Username,
};
use tidings_core::store::{
    Acceptance, AccountChange, AccountQuery, AccountRow, AccountSortKey, AuditEntry, CommitFeed, Commits,
    Ended, Feed, HistoryEntry, NewNotification, NotificationRecord, Page, Positions, Result, Seen, Settled,
    Settlement, Store, StoreError, Totals, WebSession,
};

use super::totals::StoredTotals;
use super::writer::Writer;
use super::{SqliteStore, account_history, accounts, admin, feed, records, topics, verify_counters};

/// About what a small write adds to a commit.
const SMALL: usize = 1024;
/// About what an acknowledgement, a queue row or a note adds.
const ROW: usize = 64;
/// So many accounts or acknowledgements are a matter of microseconds.
const FEW: usize = 32;

#[async_trait]
impl Store for SqliteStore {
    async fn create_account(&self, new: NewAccount) -> Result<Account> {
        self.writer.call(SMALL, |writer| writer.create_account(new)).await
    }

    async fn account(&self, name: &Username) -> Result<Option<Account>> {
        let name = name.clone();
        self.readers.call(move |connection| accounts::account(connection, &name)).await
    }

    async fn credentials(&self, username: &Username) -> Result<Option<Credentials>> {
        let username = username.clone();
        self.readers.call_inline(move |connection| accounts::credentials(connection, &username)).await
    }

    async fn change_account(&self, id: AccountId, change: AccountChange) -> Result<()> {
        self.writer.call(SMALL, move |writer| writer.change_account(id, change)).await
    }

    async fn remove_account(&self, id: AccountId) -> Result<bool> {
        self.writer.call(SMALL, move |writer| writer.remove_account(id)).await
    }

    async fn touch_accounts(&self, seen: Vec<Seen>) -> Result<()> {
        self.writer.call(ROW * seen.len(), |writer| writer.touch_accounts(seen)).await
    }

    async fn accounts(&self, query: AccountQuery) -> Result<Page<AccountRow, AccountSortKey>> {
        self.readers.call(move |connection| accounts::accounts(connection, &query)).await
    }

    async fn subscribe(&self, account: AccountId, topic: Topic) -> Result<bool> {
        self.writer.call(SMALL, move |writer| writer.subscribe(account, &topic)).await
    }

    async fn unsubscribe(&self, account: AccountId, topic: Topic) -> Result<bool> {
        self.writer.call(SMALL, move |writer| writer.unsubscribe(account, &topic)).await
    }

    async fn subscriptions(&self, account: AccountId) -> Result<Vec<Topic>> {
        self.readers.call_inline(move |connection| topics::subscriptions(connection, account)).await
    }

    async fn topics(&self, after: Option<String>, limit: usize) -> Result<Page<(Topic, u64), String>> {
        self.readers.call(move |connection| topics::topics(connection, after.as_deref(), limit)).await
    }

    async fn accept(&self, new: NewNotification) -> Result<Acceptance> {
        let content = serde_json::to_string(&new.content)
            .map_err(|error| StoreError::Failed(format!("the content cannot be stored: {error}")))?;
        let users = match &new.audience {
            Audience::Users(names) => names.len(),
            Audience::All | Audience::Topic(_) => 0,
        };
        let bytes = SMALL + content.len() + ROW * users;
        let accept = move |writer: &mut Writer| writer.accept(new, &content);
        match users <= FEW {
            true => self.writer.call_inline(bytes, accept).await,
            false => self.writer.call(bytes, accept).await,
        }
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
        self.readers.call(move |connection| records::notifications(connection, before, limit)).await
    }

    async fn account_history(
        &self,
        account: AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<HistoryEntry, u64>> {
        self.readers
            .call(move |connection| account_history::account_history(connection, account, before, limit))
            .await
    }

    async fn feed(&self, account: AccountId, after: Positions, now: Timestamp, limit: usize) -> Result<Feed> {
        let read = self
            .readers
            .call_inline(move |connection| feed::feed(connection, account, after, now, limit))
            .await?;
        let superseded = read.superseded;
        if !superseded.is_empty() {
            let bytes = ROW * superseded.len();
            let noted = self.writer.call(bytes, move |writer| writer.drop_copies(account, &superseded));
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

    async fn verify_counters(&self) -> Result<Vec<String>> {
        let mut wrong = self.readers.call(verify_counters::verify_counters).await?;
        wrong.extend(self.writer.call(SMALL, |writer| writer.check_memory()).await?);
        Ok(wrong)
    }

    async fn create_key(&self, key: ApiKey) -> Result<()> {
        self.writer.call(SMALL, move |writer| writer.create_key(&key)).await
    }

    async fn keys(&self) -> Result<Vec<ApiKey>> {
        self.readers.call(admin::keys).await
    }

    async fn revoke_key(&self, id: &KeyId) -> Result<bool> {
        let id = id.clone();
        self.writer.call(SMALL, move |writer| writer.revoke_key(&id)).await
    }

    async fn touch_keys(&self, used: Vec<(KeyId, Timestamp)>) -> Result<()> {
        self.writer.call(ROW * used.len(), move |writer| writer.touch_keys(&used)).await
    }

    async fn put_operator(&self, operator: Operator) -> Result<()> {
        self.writer.call(SMALL, move |writer| writer.put_operator(&operator)).await
    }

    async fn operators(&self) -> Result<Vec<Operator>> {
        self.readers.call(admin::operators).await
    }

    async fn remove_operator(&self, name: &str) -> Result<bool> {
        let name = name.to_owned();
        self.writer.call(SMALL, move |writer| writer.remove_operator(&name)).await
    }

    async fn put_web_session(&self, session: WebSession) -> Result<()> {
        self.writer.call(SMALL, move |writer| writer.put_web_session(&session)).await
    }

    async fn web_session(&self, hash: [u8; 32], now: Timestamp) -> Result<Option<WebSession>> {
        self.readers.call(move |connection| admin::web_session(connection, hash, now)).await
    }

    async fn end_web_sessions(&self, hash: Option<[u8; 32]>, operator: Option<&str>) -> Result<()> {
        let operator = operator.map(str::to_owned);
        self.writer.call(SMALL, move |writer| writer.end_web_sessions(hash, operator.as_deref())).await
    }

    async fn audit(&self, at: Timestamp, actor: &str, action: &str, subject: &str) -> Result<()> {
        let [actor, action, subject] = [actor, action, subject].map(str::to_owned);
        self.writer.call(SMALL, move |writer| writer.audit(at, &actor, &action, &subject)).await
    }

    async fn audit_log(&self, before: Option<u64>, limit: usize) -> Result<Page<AuditEntry, u64>> {
        self.readers.call(move |connection| admin::audit_log(connection, before, limit)).await
    }

    async fn setting(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let key = key.to_owned();
        self.readers.call(move |connection| admin::setting(connection, &key)).await
    }

    async fn put_setting(&self, key: &str, value: Vec<u8>) -> Result<()> {
        let key = key.to_owned();
        self.writer.call(SMALL + value.len(), move |writer| writer.put_setting(&key, &value)).await
    }

    async fn check(&self) -> Result<()> {
        self.writer.call(ROW, |writer| writer.probe()).await
    }

    fn backlog(&self) -> (usize, usize) {
        self.writer.backlog()
    }

    fn commits(&self) -> Commits {
        self.writer.commits()
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
