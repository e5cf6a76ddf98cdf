//! Administration, method by method: by the writer or by a reader.

use async_trait::async_trait;
use tidings_core::model::{ApiKey, KeyId, Operator, Timestamp};
use tidings_core::store::{AdminStore, AuditEntry, Page, Result, WebSession};

use super::{ROW, SMALL};
use crate::sqlite::{SqliteStore, admin};

#[async_trait]
impl AdminStore for SqliteStore {
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

    async fn setting_or_insert(&self, key: &str, value: Vec<u8>) -> Result<Vec<u8>> {
        let key = key.to_owned();
        self.writer.call(SMALL + value.len(), move |writer| writer.setting_or_insert(&key, value)).await
    }
}
