//! Topics and subscriptions, method by method, each under the lock.

use async_trait::async_trait;
use tidings_core::model::{AccountId, Topic, TopicPolicy};
use tidings_core::store::{Page, Result, Subscriber, SubscriptionChange, TopicRow, TopicStore};

use crate::memory::MemoryStore;

#[async_trait]
impl TopicStore for MemoryStore {
    async fn subscribe(&self, account: AccountId, topic: Topic) -> Result<bool> {
        self.state()?.subscribe(account, topic)
    }

    async fn unsubscribe(&self, account: AccountId, topic: Topic) -> Result<bool> {
        Ok(self.state()?.unsubscribe(account, &topic))
    }

    async fn set_subscriptions(&self, account: AccountId, wanted: Vec<Topic>) -> Result<SubscriptionChange> {
        self.state()?.set_subscriptions(account, wanted)
    }

    async fn subscriptions(&self, account: AccountId) -> Result<Vec<Topic>> {
        Ok(self.state()?.subscriptions(account))
    }

    async fn topics(&self, after: Option<String>, limit: usize) -> Result<Page<TopicRow, String>> {
        Ok(self.state()?.topics(after.as_deref(), limit))
    }

    async fn topic(&self, topic: &Topic) -> Result<Option<TopicRow>> {
        Ok(self.state()?.topic(topic))
    }

    async fn subscribers(
        &self,
        topic: &Topic,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Page<Subscriber, AccountId>> {
        Ok(self.state()?.subscribers_page(topic, after, limit))
    }

    async fn topic_policies(&self, topics: Vec<Topic>) -> Result<Vec<Option<TopicPolicy>>> {
        let state = self.state()?;
        Ok(topics.iter().map(|topic| state.topic_policies.get(topic).copied()).collect())
    }

    async fn set_topic_policy(&self, topic: &Topic, policy: Option<TopicPolicy>) -> Result<()> {
        self.state()?.set_topic_policy(topic, policy);
        Ok(())
    }
}
