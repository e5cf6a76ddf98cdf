//! What must survive of topics and who subscribes to them.

use async_trait::async_trait;

use super::{Page, Result};
use crate::model::{AccountId, Topic, TopicPolicy};

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

/// Topics and subscriptions.
#[async_trait]
pub trait TopicStore: Send + Sync + 'static {
    /// Subscribes an account; what is released later is for it. False when it
    /// was subscribed already.
    async fn subscribe(&self, account: AccountId, topic: Topic) -> Result<bool>;
    /// Ends a subscription; what was pending by it counts as cancelled. False
    /// when there was none.
    async fn unsubscribe(&self, account: AccountId, topic: Topic) -> Result<bool>;
    /// An account's topics, sorted.
    async fn subscriptions(&self, account: AccountId) -> Result<Vec<Topic>>;
    /// Topics that have subscribers or a policy, by name; continue after the last name.
    async fn topics(&self, after: Option<String>, limit: usize) -> Result<Page<TopicRow, String>>;
    /// One topic, where it has subscribers or a policy.
    async fn topic(&self, topic: &Topic) -> Result<Option<TopicRow>>;
    /// Says who may subscribe to a topic; `None` takes that back. Who is subscribed stays so.
    async fn set_topic_policy(&self, topic: &Topic, policy: Option<TopicPolicy>) -> Result<()>;
}
