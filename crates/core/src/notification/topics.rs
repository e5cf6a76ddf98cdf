//! Topics: who is subscribed to what, and the rules for it.

use super::NotificationManager;
use crate::audit::Actor;
use crate::error::ChangeError;
use crate::model::{AccountId, AccountRef, Topic};
use crate::store::{Page, StoreError, TopicRow};

impl NotificationManager {
    /// Subscribes an account: what is released from now on is for it. False when it was subscribed.
    ///
    /// # Errors
    /// See [`ChangeError`]; also where the account has as many topics as it may.
    pub async fn subscribe(
        &self,
        actor: &Actor,
        account: AccountRef<'_>,
        topic: Topic,
    ) -> Result<bool, ChangeError> {
        let known = self.inner.store.subscriptions(account.id).await?;
        if known.contains(&topic) {
            return Ok(false);
        }
        self.check_count(known.len().saturating_add(1))?;
        self.add(actor, account, topic).await
    }

    /// Ends a subscription: what was pending by it counts as cancelled. False when there was none.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn unsubscribe(
        &self,
        actor: &Actor,
        account: AccountRef<'_>,
        topic: Topic,
    ) -> Result<bool, ChangeError> {
        let subject = subject(&topic, account);
        if !self.inner.store.unsubscribe(account.id, topic).await.map_err(unknown_account)? {
            return Ok(false);
        }
        self.inner.sessions.topics_changed(account.id).await?;
        self.inner.audit.note(actor, "topic.unsubscribe", &subject).await?;
        Ok(true)
    }

    /// Subscribes an account to these topics and to no others.
    ///
    /// # Errors
    /// See [`ChangeError`]; also where these are more topics than it may have.
    pub async fn set_topics(
        &self,
        actor: &Actor,
        account: AccountRef<'_>,
        wanted: Vec<Topic>,
    ) -> Result<(), ChangeError> {
        self.check_count(wanted.len())?;
        let known = self.inner.store.subscriptions(account.id).await?;
        for topic in known.iter().filter(|topic| !wanted.contains(topic)) {
            self.unsubscribe(actor, account, topic.clone()).await?;
        }
        for topic in wanted.into_iter().filter(|topic| !known.contains(topic)) {
            self.add(actor, account, topic).await?;
        }
        Ok(())
    }

    /// An account's topics, sorted.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn topics_of(&self, account: AccountId) -> Result<Vec<Topic>, StoreError> {
        self.inner.store.subscriptions(account).await
    }

    /// Topics that have subscribers or a policy, by name; they go on after the last name.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn topics(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<TopicRow, String>, StoreError> {
        self.inner.store.topics(after, limit).await
    }

    /// How many accounts are subscribed to a topic.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn subscribers(&self, topic: &Topic) -> Result<u64, StoreError> {
        Ok(self.inner.store.topic(topic).await?.map_or(0, |row| row.subscribers))
    }

    async fn add(&self, actor: &Actor, account: AccountRef<'_>, topic: Topic) -> Result<bool, ChangeError> {
        let subject = subject(&topic, account);
        if !self.inner.store.subscribe(account.id, topic).await.map_err(unknown_account)? {
            return Ok(false);
        }
        self.inner.sessions.topics_changed(account.id).await?;
        self.inner.audit.note(actor, "topic.subscribe", &subject).await?;
        Ok(true)
    }

    fn check_count(&self, topics: usize) -> Result<(), ChangeError> {
        let most = self.inner.config.limits.topics_per_account;
        if topics <= most {
            return Ok(());
        }
        Err(ChangeError::LimitReached {
            field: "topic",
            why: format!("an account has at most {most} topics"),
        })
    }
}

fn subject(topic: &Topic, account: AccountRef<'_>) -> String {
    format!("{topic} {}", account.username)
}

/// The account was removed meanwhile.
fn unknown_account(error: StoreError) -> ChangeError {
    match error {
        StoreError::NotFound => ChangeError::NotFound("account"),
        other => other.into(),
    }
}
