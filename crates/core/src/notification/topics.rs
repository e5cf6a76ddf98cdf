//! Topics: who is subscribed to what, and the rules for it.

use std::collections::BTreeSet;

use super::NotificationManager;
use crate::audit::Actor;
use crate::error::ChangeError;
use crate::model::{AccountId, AccountRef, Topic, TopicPolicy};
use crate::store::{Page, StoreError, Subscriber, SubscriptionChange, TopicRow};

/// The most bytes of names that a line of the audit log has of topics that were set together.
const NAMED_BYTES: usize = 512;

impl NotificationManager {
    /// Subscribes an account: what is released from now on is for it. False when it was subscribed.
    ///
    /// # Errors
    /// See [`ChangeError`]; also where the account has as many topics as it may, and
    /// [`ChangeError::Forbidden`] where it asks by itself and the topic must be granted.
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
        self.check_granted(actor, std::slice::from_ref(&topic)).await?;
        self.check_count(known.len().saturating_add(1))?;
        let subject = subject(&topic, account);
        if !self.inner.store.subscribe(account.id, topic).await.map_err(unknown_account)? {
            return Ok(false);
        }
        self.inner.sessions.topics_changed(account.id).await?;
        self.inner.audit.note(actor, "topic.subscribe", &subject).await?;
        Ok(true)
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

    /// Subscribes an account to these topics and to no others: all of it or nothing, in one write.
    ///
    /// # Errors
    /// See [`ChangeError`]; also where these are more topics than it may have, and
    /// [`ChangeError::Forbidden`] where the account asks by itself and one that it has not yet must be
    /// granted.
    pub async fn set_topics(
        &self,
        actor: &Actor,
        account: AccountRef<'_>,
        wanted: Vec<Topic>,
    ) -> Result<(), ChangeError> {
        self.check_count(wanted.len())?;
        let known: BTreeSet<Topic> = self.topics_of(account.id).await?.into_iter().collect();
        let new: Vec<Topic> = wanted.iter().filter(|topic| !known.contains(topic)).cloned().collect();
        self.check_granted(actor, &new).await?;
        let change = self.inner.store.set_subscriptions(account.id, wanted).await.map_err(unknown_account)?;
        if change == SubscriptionChange::default() {
            return Ok(());
        }
        self.inner.sessions.topics_changed(account.id).await?;
        let subject = set_subject(account, &change);
        Ok(self.inner.audit.note(actor, "topic.set", &subject).await?)
    }

    /// Who is subscribed to a topic, the oldest account first; they go on after the last one.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn subscribers_of(
        &self,
        topic: &Topic,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Page<Subscriber, AccountId>, StoreError> {
        self.inner.store.subscribers(topic, after, limit).await
    }

    /// Says who may subscribe to a topic; `None`: whom the configuration says. Who is subscribed
    /// stays so.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn set_topic_policy(
        &self,
        actor: &Actor,
        topic: &Topic,
        policy: Option<TopicPolicy>,
    ) -> Result<(), ChangeError> {
        self.inner.store.set_topic_policy(topic, policy).await?;
        let subject = format!("{topic} {}", policy.map_or("default", TopicPolicy::as_str));
        Ok(self.inner.audit.note(actor, "topic.policy", &subject).await?)
    }

    /// Who may subscribe to a topic of which the operator has said this.
    pub fn effective_policy(&self, said: Option<TopicPolicy>) -> TopicPolicy {
        said.unwrap_or(self.inner.config.topics.subscribe)
    }

    /// One topic, where it has subscribers or a policy of its own.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn topic(&self, topic: &Topic) -> Result<Option<TopicRow>, StoreError> {
        self.inner.store.topic(topic).await
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

    /// An account that asks by itself gets only topics that are open.
    async fn check_granted(&self, actor: &Actor, topics: &[Topic]) -> Result<(), ChangeError> {
        if !matches!(actor, Actor::Account { .. }) || topics.is_empty() {
            return Ok(());
        }
        let said = self.inner.store.topic_policies(topics.to_vec()).await?;
        let closed = said.into_iter().any(|said| self.effective_policy(said) == TopicPolicy::Granted);
        if closed {
            Err(ChangeError::Forbidden("a subscription to this topic must be granted"))
        } else {
            Ok(())
        }
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

/// Which topics were set together, as far as a line has room.
fn set_subject(account: AccountRef<'_>, change: &SubscriptionChange) -> String {
    let mut subject = account.username.to_string();
    let added = change.added.iter().map(|topic| ('+', topic));
    let changed = added.chain(change.removed.iter().map(|topic| ('-', topic)));
    let mut left = change.added.len().saturating_add(change.removed.len());
    let most = subject.len().saturating_add(NAMED_BYTES);
    for (sign, topic) in changed {
        if subject.len().saturating_add(topic.as_str().len()) > most {
            subject.push_str(&format!(" and {left} more"));
            break;
        }
        subject.push_str(&format!(" {sign}{topic}"));
        left = left.saturating_sub(1);
    }
    subject
}

/// The account was removed meanwhile.
fn unknown_account(error: StoreError) -> ChangeError {
    match error {
        StoreError::NotFound => ChangeError::NotFound("account"),
        other => other.into(),
    }
}
