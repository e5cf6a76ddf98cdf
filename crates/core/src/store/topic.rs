//! What must survive of topics and who subscribes to them.

use async_trait::async_trait;

use super::{Page, Result};
use crate::model::{AccountId, Topic};

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
    /// Topics that have subscribers, with how many, by name; continue after the last name.
    async fn topics(&self, after: Option<String>, limit: usize) -> Result<Page<(Topic, u64), String>>;
}
