//! Topics and subscriptions, method by method, each under the lock.

use async_trait::async_trait;
use tidings_core::model::{AccountId, Topic};
use tidings_core::store::{Page, Result, TopicStore};

use crate::memory::MemoryStore;

#[async_trait]
impl TopicStore for MemoryStore {
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
}
