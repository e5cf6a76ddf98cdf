//! Administration, method by method, each under the lock.

use async_trait::async_trait;
use tidings_core::model::{ApiKey, KeyId, Operator, Timestamp};
use tidings_core::store::{AdminStore, AuditEntry, Page, Result, WebSession};

use crate::memory::MemoryStore;

#[async_trait]
impl AdminStore for MemoryStore {
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

    async fn setting_or_insert(&self, key: &str, value: Vec<u8>) -> Result<Vec<u8>> {
        Ok(self.state()?.setting_or_insert(key, value))
    }
}
