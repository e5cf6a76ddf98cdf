//! What must survive of topics and who subscribes to them.

use async_trait::async_trait;

use super::{Page, Result};
use crate::model::{AccountId, Topic, TopicPolicy, Username};

/// A topic in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRow {
    /// Its name.
    pub topic: Topic,
    /// How many accounts are subscribed.
    pub subscribers: u64,
    /// Who may subscribe, where the operator has said so for this topic.
    pub policy: Option<TopicPolicy>,
}

/// A subscriber in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// The account: pages are sorted by it.
    pub account: AccountId,
    /// Its username.
    pub username: Username,
}

/// What [`TopicStore::set_subscriptions`] has changed; both sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubscriptionChange {
    /// Topics that were not subscribed to before.
    pub added: Vec<Topic>,
    /// Topics that are not subscribed to any more.
    pub removed: Vec<Topic>,
}

/// Topics and subscriptions.
#[async_trait]
pub trait TopicStore: Send + Sync + 'static {
    /// Subscribes an account; what is released later is for it. False when it
    /// was subscribed already.
    async fn subscribe(&self, account: AccountId, topic: Topic) -> Result<bool>;
    /// Ends a subscription; what was pending by it counts as cancelled. False
    /// when there was none.
    async fn unsubscribe(&self, account: AccountId, topic: Topic) -> Result<bool>;
    /// Subscribes an account to these topics and to no others, in one write: for each it is as if it
    /// had been subscribed or unsubscribed by itself.
    ///
    /// # Errors
    /// [`StoreError::NotFound`](super::StoreError::NotFound) without such an account.
    async fn set_subscriptions(&self, account: AccountId, wanted: Vec<Topic>) -> Result<SubscriptionChange>;
    /// An account's topics, sorted.
    async fn subscriptions(&self, account: AccountId) -> Result<Vec<Topic>>;
    /// Topics that have subscribers or a policy, by name; continue after the last name.
    async fn topics(&self, after: Option<String>, limit: usize) -> Result<Page<TopicRow, String>>;
    /// One topic, where it has subscribers or a policy.
    async fn topic(&self, topic: &Topic) -> Result<Option<TopicRow>>;
    /// Who is subscribed to a topic, the oldest account first; continue after the last one.
    async fn subscribers(
        &self,
        topic: &Topic,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Page<Subscriber, AccountId>>;
    /// What the operator has said of each of these topics, in their order.
    async fn topic_policies(&self, topics: Vec<Topic>) -> Result<Vec<Option<TopicPolicy>>>;
    /// Says who may subscribe to a topic; `None` takes that back. Who is subscribed stays so.
    async fn set_topic_policy(&self, topic: &Topic, policy: Option<TopicPolicy>) -> Result<()>;
}
