//! Topics and subscriptions, method by method: by the writer or by a reader.

use async_trait::async_trait;
use tidings_core::model::{AccountId, Topic, TopicPolicy};
use tidings_core::store::{Page, Result, Subscriber, SubscriptionChange, TopicRow, TopicStore};

use super::{ROW, SMALL};
use crate::sqlite::{SqliteStore, topics};

#[async_trait]
impl TopicStore for SqliteStore {
    async fn subscribe(&self, account: AccountId, topic: Topic) -> Result<bool> {
        self.writer.call(SMALL, move |writer| writer.subscribe(account, &topic)).await
    }

    async fn unsubscribe(&self, account: AccountId, topic: Topic) -> Result<bool> {
        self.writer.call(SMALL, move |writer| writer.unsubscribe(account, &topic)).await
    }

    async fn set_subscriptions(&self, account: AccountId, wanted: Vec<Topic>) -> Result<SubscriptionChange> {
        let size = SMALL + ROW * wanted.len();
        self.writer.call(size, move |writer| writer.set_subscriptions(account, &wanted)).await
    }

    async fn subscriptions(&self, account: AccountId) -> Result<Vec<Topic>> {
        self.readers.call_inline(move |connection| topics::subscriptions(connection, account)).await
    }

    async fn topics(&self, after: Option<String>, limit: usize) -> Result<Page<TopicRow, String>> {
        self.readers.call(move |connection| topics::topics(connection, after.as_deref(), limit)).await
    }

    async fn topic(&self, topic: &Topic) -> Result<Option<TopicRow>> {
        let topic = topic.clone();
        self.readers.call_inline(move |connection| topics::topic(connection, &topic)).await
    }

    async fn subscribers(
        &self,
        topic: &Topic,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Page<Subscriber, AccountId>> {
        let topic = topic.clone();
        self.readers.call(move |connection| topics::subscribers(connection, &topic, after, limit)).await
    }

    async fn topic_policies(&self, topics: Vec<Topic>) -> Result<Vec<Option<TopicPolicy>>> {
        self.readers.call(move |connection| topics::policies(connection, &topics)).await
    }

    async fn set_topic_policy(&self, topic: &Topic, policy: Option<TopicPolicy>) -> Result<()> {
        let topic = topic.clone();
        self.writer.call(SMALL, move |writer| writer.set_topic_policy(&topic, policy)).await
    }
}
