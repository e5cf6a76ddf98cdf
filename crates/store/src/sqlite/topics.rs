//! Subscriptions.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};
use tidings_core::model::{AccountId, Topic, TopicPolicy};
use tidings_core::store::{Page, StoreError, Subscriber, SubscriptionChange, TopicRow};

use super::account_cursor::{AccountCursor, registered_at};
use super::convert::{self, int, limit as sql_limit, uint};
use super::error::{Error, Result};
use super::writer::Writer;

/// Removes a topic that neither has subscribers nor a policy.
const REMOVE_UNUSED: &str = "DELETE FROM topics WHERE name = ?1 AND subscribers <= 0 AND policy IS NULL";

impl Writer {
    pub fn subscribe(&mut self, account: AccountId, topic: &Topic) -> Result<bool> {
        if registered_at(&self.connection, account)?.is_none() {
            return Err(StoreError::NotFound.into());
        }
        self.add_subscription(account, topic)
    }

    /// Of an account that there is.
    fn add_subscription(&mut self, account: AccountId, topic: &Topic) -> Result<bool> {
        let added = self
            .connection
            .prepare_cached(
                "INSERT OR IGNORE INTO subscriptions (account, topic, since) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![account.0, topic.as_str(), int(self.totals.last)])?;
        if added == 0 {
            return Ok(false);
        }
        self.connection
            .prepare_cached(
                "INSERT INTO topics (name, subscribers) VALUES (?1, 1)
                 ON CONFLICT (name) DO UPDATE SET subscribers = subscribers + 1",
            )?
            .execute([topic.as_str()])?;
        Ok(true)
    }

    pub fn unsubscribe(&mut self, account: AccountId, topic: &Topic) -> Result<bool> {
        let Some(cursor) = AccountCursor::load(&self.connection, account)? else { return Ok(false) };
        if !cursor.subscriptions(&self.connection)?.iter().any(|(name, _)| name == topic) {
            return Ok(false);
        }
        self.remove_subscriptions(account, &cursor, std::slice::from_ref(topic))?;
        Ok(true)
    }

    pub fn set_subscriptions(&mut self, account: AccountId, wanted: &[Topic]) -> Result<SubscriptionChange> {
        let cursor = AccountCursor::load(&self.connection, account)?.ok_or(StoreError::NotFound)?;
        let wanted: BTreeSet<&Topic> = wanted.iter().collect();
        let known = cursor.subscriptions(&self.connection)?.iter().map(|(topic, _)| topic.clone());
        let removed: BTreeSet<Topic> = known.filter(|topic| !wanted.contains(topic)).collect();
        let removed: Vec<Topic> = removed.into_iter().collect();
        if !removed.is_empty() {
            self.remove_subscriptions(account, &cursor, &removed)?;
        }
        let mut added = Vec::new();
        for topic in wanted {
            if self.add_subscription(account, topic)? {
                added.push(topic.clone());
            }
        }
        Ok(SubscriptionChange { added, removed })
    }

    /// Ends subscriptions that there are, sorted; what is pending by them counts as cancelled.
    fn remove_subscriptions(
        &mut self,
        account: AccountId,
        cursor: &AccountCursor,
        topics: &[Topic],
    ) -> Result<()> {
        for seq in cursor.pending(&self.connection, &self.open_index)? {
            let topic = self.open_index.get(seq).and_then(|broadcast| broadcast.topic.as_ref());
            if topic.is_some_and(|topic| topics.binary_search(topic).is_ok()) {
                self.count_cancelled(seq)?;
            }
        }
        for topic in topics {
            self.connection
                .prepare_cached("DELETE FROM subscriptions WHERE account = ?1 AND topic = ?2")?
                .execute(params![account.0, topic.as_str()])?;
            self.leave_topic(topic)?;
        }
        Ok(())
    }

    /// Counts one subscriber less.
    pub fn leave_topic(&self, topic: &Topic) -> Result<()> {
        for sql in ["UPDATE topics SET subscribers = subscribers - 1 WHERE name = ?1", REMOVE_UNUSED] {
            self.connection.prepare_cached(sql)?.execute([topic.as_str()])?;
        }
        Ok(())
    }

    pub fn set_topic_policy(&self, topic: &Topic, policy: Option<TopicPolicy>) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO topics (name, subscribers, policy) VALUES (?1, 0, ?2)
                 ON CONFLICT (name) DO UPDATE SET policy = ?2",
            )?
            .execute(params![topic.as_str(), policy.map(TopicPolicy::as_str)])?;
        self.connection.prepare_cached(REMOVE_UNUSED)?.execute([topic.as_str()])?;
        Ok(())
    }

    /// How many accounts a release to this topic reaches now.
    pub fn subscribers(&self, topic: &Topic) -> Result<u64> {
        let mut statement =
            self.connection.prepare_cached("SELECT subscribers FROM topics WHERE name = ?1")?;
        Ok(statement.query_row([topic.as_str()], |row| row.get(0).map(uint)).optional()?.unwrap_or(0))
    }
}

pub(super) fn subscriptions(connection: &Connection, account: AccountId) -> Result<Vec<Topic>> {
    let mut statement =
        connection.prepare_cached("SELECT topic FROM subscriptions WHERE account = ?1 ORDER BY topic")?;
    let mut rows = statement.query([account.0])?;
    let mut topics = Vec::new();
    while let Some(row) = rows.next()? {
        topics.push(convert::topic(&row.get::<_, String>(0)?)?);
    }
    Ok(topics)
}

pub(super) fn topics(
    connection: &Connection,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<TopicRow, String>> {
    let limit = limit.max(1);
    let mut statement = connection.prepare_cached(
        "SELECT name, subscribers, policy FROM topics WHERE name > ?1 ORDER BY name LIMIT ?2",
    )?;
    let mut rows = statement.query(params![after.unwrap_or_default(), sql_limit(limit.saturating_add(1))])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(TopicRow {
            topic: convert::topic(&row.get::<_, String>(0)?)?,
            subscribers: uint(row.get(1)?),
            policy: policy_from(row.get(2)?)?,
        });
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|row: &TopicRow| row.topic.as_str().to_owned());
    Ok(Page { items, next })
}

pub(super) fn topic(connection: &Connection, topic: &Topic) -> Result<Option<TopicRow>> {
    let mut statement =
        connection.prepare_cached("SELECT subscribers, policy FROM topics WHERE name = ?1")?;
    let mut rows = statement.query([topic.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (subscribers, policy) = (uint(row.get(0)?), policy_from(row.get(1)?)?);
    Ok(Some(TopicRow { topic: topic.clone(), subscribers, policy }))
}

pub(super) fn subscribers(
    connection: &Connection,
    topic: &Topic,
    after: Option<AccountId>,
    limit: usize,
) -> Result<Page<Subscriber, AccountId>> {
    let limit = limit.max(1);
    let mut statement = connection.prepare_cached(
        "SELECT s.account, a.username
         FROM subscriptions s INDEXED BY subscriptions_by_topic CROSS JOIN accounts a ON a.id = s.account
         WHERE s.topic = ?1 AND s.account > ?2 ORDER BY s.account LIMIT ?3",
    )?;
    let after = after.map_or(i64::MIN, |account| account.0);
    let mut rows = statement.query(params![topic.as_str(), after, sql_limit(limit.saturating_add(1))])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        let username = convert::username(&row.get::<_, String>(1)?)?;
        items.push(Subscriber { account: AccountId(row.get(0)?), username });
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|row| row.account);
    Ok(Page { items, next })
}

pub(super) fn policies(connection: &Connection, topics: &[Topic]) -> Result<Vec<Option<TopicPolicy>>> {
    let mut statement = connection.prepare_cached("SELECT policy FROM topics WHERE name = ?1")?;
    let policy = |topic: &Topic| {
        let text = statement.query_row([topic.as_str()], |row| row.get(0)).optional()?;
        policy_from(text.flatten())
    };
    topics.iter().map(policy).collect()
}

fn policy_from(text: Option<String>) -> Result<Option<TopicPolicy>> {
    let parse = |text: String| TopicPolicy::parse(&text).ok_or_else(|| Error::corrupt("topic"));
    text.map(parse).transpose()
}
