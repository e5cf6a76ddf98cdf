//! Acceptance, and the release of what was scheduled.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params};
use tidings_core::model::{
    AccountId, Audience, EndpointId, Notification, NotificationId, Sender, Seq, Target, Timestamp,
};
use tidings_core::store::{Acceptance, Committed, Idempotency, NewNotification, Released, StoreError};

use super::account_cursor::registered_at;
use super::contents::{self, Carried, Columns, carried, endpoint_from};
use super::convert::{self, endpoint_bytes, id_bytes, int, key_hash, limit as sql_limit, state, uint};
use super::endpoints;
use super::error::{Error, Result};
use super::writer::Writer;
use crate::open_index::{CollapseKey, OpenBroadcast};
use crate::{LISTED_USERS, NAMED_UNKNOWN, varint};

impl Writer {
    /// `content` is the notification's content as it is stored.
    pub fn accept(&mut self, new: NewNotification, content: &str) -> Result<Acceptance> {
        if let Some(asked) = &new.idempotency
            && let Some(first) = accepted_before(&self.connection, asked, new.created_at)?
        {
            return Ok(first);
        }
        let endpoint = if let Audience::Endpoint(id) = new.audience { Some(id) } else { None };
        let (target, users) = match endpoint {
            Some(id) => (Target::Accounts(vec![self.owner_of(id, new.created_at)?]), None),
            None => self.resolve(new.audience)?,
        };
        let due = new.send_at.filter(|at| *at > new.created_at);
        let recipients = match &target {
            Target::All => self.totals.current.accounts,
            Target::Topic(topic) => self.subscribers(topic)?,
            Target::Accounts(accounts) => accounts.len() as u64,
        };
        let ext = contents::ext(&new.ext);
        let members = members(&target);
        let size = [Some(content.len()), new.payload.bytes().map(<[u8]>::len), ext.as_ref().map(String::len)];
        let size = size.into_iter().flatten().sum::<usize>() + members.as_ref().map_or(0, Vec::len);
        let size = size as u64;
        let collapse =
            new.collapse_key.clone().map(|key| CollapseKey { key, sender: Some(new.sender.identity()) });
        self.check_room(&target, size, collapse.as_ref(), new.bounds)?;
        let position = self.totals.number();
        let notification = Notification {
            seq: Seq(position),
            id: new.id,
            payload: new.payload,
            ext: new.ext,
            sender: Some(new.sender),
            priority: new.priority,
            topic: if let Target::Topic(topic) = &target { Some(topic.clone()) } else { None },
            endpoint,
            collapse_key: new.collapse_key,
            sent_at: due.unwrap_or(new.created_at),
            expires_at: new.expires_at,
        };
        self.insert(&notification, &target, new.created_at, due, (recipients, size))?;
        let sender = notification.sender.as_ref().map(contents::sender_columns);
        let (kind, sender, key) =
            sender.map_or((None, None, None), |(kind, name, key)| (Some(kind), Some(name), key));
        let columns = Columns {
            content,
            bytes: notification.payload.bytes(),
            ext: ext.as_deref(),
            kind,
            name: sender.as_deref(),
            key,
        };
        self.connection
            .prepare_cached(
                "INSERT INTO contents (position, content, users, members, bytes, ext, sender_kind, sender,
                    sender_key, checksum)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                int(position),
                content,
                users,
                members,
                columns.bytes,
                columns.ext,
                columns.kind,
                columns.name,
                columns.key,
                contents::checksum(&columns),
            ])?;
        self.recipient_index.note(&self.connection, position, &target)?;
        self.totals.current.notifications += 1;
        self.totals.current.counters.recipients += recipients;
        if due.is_some() || recipients > 0 {
            self.totals.pending_bytes += size;
        }
        if let Some(asked) = &new.idempotency {
            self.remember(asked, new.id, recipients)?;
        }
        if let Some(send_at) = due {
            self.totals.current.scheduled += 1;
            self.committed.push(Committed::Scheduled { send_at });
            return Ok(Acceptance::Scheduled(recipients));
        }
        self.place(&notification, &target, recipients, size)?;
        let id = notification.id;
        self.committed.push(Committed::Released(Released { notification, target, recipients }));
        Ok(Acceptance::Accepted { id, recipients })
    }

    fn remember(&self, asked: &Idempotency, id: NotificationId, recipients: u64) -> Result<()> {
        self.connection.prepare_cached("REPLACE INTO idempotency VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(
            params![asked.key, asked.fingerprint, id_bytes(id), int(recipients), asked.expires_at.0],
        )?;
        Ok(())
    }

    /// Finds the accounts behind the names, and the usernames to list, as JSON.
    fn resolve(&self, audience: Audience) -> Result<(Target, Option<String>)> {
        let names = match audience {
            Audience::All => return Ok((Target::All, None)),
            Audience::Topic(topic) => return Ok((Target::Topic(topic), None)),
            Audience::Users(names) => names,
            // That has been looked up already.
            Audience::Endpoint(_) => return Err(StoreError::NotFound.into()),
        };
        let mut by_username =
            self.connection.prepare_cached("SELECT id FROM accounts WHERE username = ?1")?;
        let mut by_alias =
            self.connection.prepare_cached("SELECT id, username FROM accounts WHERE alias = ?1")?;
        let mut accounts = Vec::with_capacity(names.len());
        let mut seen = HashSet::with_capacity(names.len());
        let mut listed: Vec<String> = Vec::new();
        let mut unknown: Vec<String> = Vec::new();
        for name in &names {
            let name = name.as_str();
            let known = by_username.query_row([name], |row| Ok((row.get(0)?, None))).optional()?;
            let known: Option<(i64, Option<String>)> = match known {
                Some(known) => Some(known),
                None => by_alias.query_row([name], |row| Ok((row.get(0)?, Some(row.get(1)?)))).optional()?,
            };
            let Some((id, username)) = known else {
                if unknown.len() < NAMED_UNKNOWN && !unknown.iter().any(|seen| seen == name) {
                    unknown.push(name.to_owned());
                }
                continue;
            };
            if seen.insert(id) {
                accounts.push(AccountId(id));
                if listed.len() < LISTED_USERS {
                    listed.push(username.unwrap_or_else(|| name.to_owned()));
                }
            }
        }
        if !unknown.is_empty() {
            return Err(StoreError::UnknownUsers(unknown).into());
        }
        accounts.sort_unstable();
        let listed = serde_json::to_string(&listed).map_err(|_| Error::corrupt("audience"))?;
        Ok((Target::Accounts(accounts), Some(listed)))
    }

    fn insert(
        &self,
        notification: &Notification,
        target: &Target,
        created_at: Timestamp,
        due: Option<Timestamp>,
        (recipients, size): (u64, u64),
    ) -> Result<()> {
        let topic = match target {
            Target::All => Some(""),
            Target::Topic(topic) => Some(topic.as_str()),
            Target::Accounts(_) => None,
        };
        self.connection
            .prepare_cached(
                "INSERT INTO notifications (seq, position, id, topic, priority, state, open, created_at,
                    send_at, sent_at, expires_at, collapse_key, collapse_sender, endpoint, opaque, recipients,
                    size)
                 VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            )?
            .execute(params![
                int(notification.seq.0),
                id_bytes(notification.id),
                topic,
                notification.priority.index() as i64,
                if due.is_some() { state::SCHEDULED } else { state::LIVE },
                due.is_none() && recipients > 0,
                created_at.0,
                due.map(Timestamp::millis),
                notification.sent_at.0,
                notification.expires_at.0,
                notification.collapse_key,
                collapse_sender(notification),
                notification.endpoint.map(endpoint_bytes),
                notification.payload.bytes().is_some(),
                int(recipients),
                int(size),
            ])?;
        Ok(())
    }

    /// Puts a released notification in front of its recipients.
    fn place(
        &mut self,
        notification: &Notification,
        target: &Target,
        recipients: u64,
        size: u64,
    ) -> Result<()> {
        self.collapse(notification, target)?;
        let seq = notification.seq.0;
        if let Target::Accounts(accounts) = target {
            let mut statement = self.connection.prepare_cached(
                "INSERT INTO queue (account, priority, seq, collapse) VALUES (?1, ?2, ?3, ?4)",
            )?;
            let hash = notification.collapse_key.as_deref().map(key_hash);
            for account in accounts {
                statement.execute(params![
                    account.0,
                    notification.priority.index() as i64,
                    int(seq),
                    hash
                ])?;
                self.queue_lengths.add(*account);
            }
        } else if recipients > 0 {
            let broadcast = OpenBroadcast {
                id: notification.id,
                priority: notification.priority,
                topic: notification.topic.clone(),
                collapse: CollapseKey::of(notification),
                pending: recipients,
                size,
            };
            self.open_index_changed = true;
            self.open_index.insert(seq, broadcast);
        }
        Ok(())
    }

    pub fn release_due(&mut self, now: Timestamp, limit: usize) -> Result<u64> {
        let due: Vec<i64> = self
            .connection
            .prepare_cached(
                "SELECT position FROM notifications INDEXED BY scheduled_by_time
                 WHERE state = 0 AND send_at <= ?1 ORDER BY send_at, position LIMIT ?2",
            )?
            .query_map(params![now.0, sql_limit(limit)], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for position in &due {
            match self.release(*position, now) {
                Err(error) if error.damage().is_some() => self.set_aside(*position, &error)?,
                done => done?,
            }
        }
        Ok(due.len() as u64)
    }

    /// Gives up a scheduled notification that cannot be read, so that those behind it are released.
    fn set_aside(&mut self, position: i64, error: &Error) -> Result<()> {
        let (id, recipients, size) = self
            .connection
            .prepare_cached("SELECT id, recipients, size FROM notifications WHERE seq = ?1")?
            .query_row([position], |row| Ok((row.get(0)?, uint(row.get(1)?), uint(row.get(2)?))))?;
        self.damaged.note(uint(position), convert::id_from(id), error);
        self.withdraw(uint(position), recipients, size)
    }

    /// Gives a scheduled notification its [`Seq`].
    fn release(&mut self, position: i64, now: Timestamp) -> Result<()> {
        let Scheduled { mut notification, topic, packed, answered, size } = self.scheduled(position)?;
        let target = match topic.as_deref() {
            Some("") => Target::All,
            Some(name) => Target::Topic(convert::topic(name)?),
            None if self.has_ended(notification.endpoint, now)? => Target::Accounts(Vec::new()),
            None => Target::Accounts(self.still_there(packed.as_deref().unwrap_or_default())?),
        };
        let reached = match &target {
            Target::All => self.totals.current.accounts,
            Target::Topic(topic) => self.subscribers(topic)?,
            Target::Accounts(accounts) => accounts.len() as u64,
        };
        // To those whom it named, what was answered stays: a copy of who is gone is cancelled.
        let (recipients, gone) = match &target {
            Target::Accounts(_) => (answered.max(reached), answered.saturating_sub(reached)),
            Target::All | Target::Topic(_) => (reached, 0),
        };
        notification.seq = Seq(self.totals.number());
        notification.sent_at = now;
        if let Target::Topic(topic) = &target {
            notification.topic = Some(topic.clone());
        }
        self.connection
            .prepare_cached(
                "UPDATE notifications SET seq = ?2, state = ?3, open = ?4, sent_at = ?5, recipients = ?6,
                    cancelled = ?7
                 WHERE seq = ?1",
            )?
            .execute(params![
                position,
                int(notification.seq.0),
                state::LIVE,
                reached > 0,
                now.0,
                int(recipients),
                int(gone)
            ])?;
        let counters = &mut self.totals.current.counters;
        counters.recipients = (counters.recipients + recipients).saturating_sub(answered);
        counters.cancelled += gone;
        self.totals.current.scheduled -= 1;
        if reached == 0 {
            self.totals.no_longer_pending(size);
        }
        self.place(&notification, &target, reached, size)?;
        self.committed.push(Committed::Released(Released { notification, target, recipients }));
        Ok(())
    }

    fn scheduled(&self, position: i64) -> Result<Scheduled> {
        let mut statement = self.connection.prepare_cached(concat!(
            "SELECT n.id, n.priority, n.expires_at, n.collapse_key, n.topic, n.endpoint, c.members,
                n.recipients, n.size, ",
            carried!(),
            " FROM notifications n LEFT JOIN contents c ON c.position = n.position WHERE n.seq = ?1",
        ))?;
        let mut rows = statement.query([position])?;
        let row = rows.next()?.ok_or_else(|| Error::corrupt("schedule"))?;
        let Carried { payload, ext, sender } = Carried::read(row, 9)?;
        let notification = Notification {
            seq: Seq(0),
            id: convert::id_from(row.get(0)?),
            payload,
            ext,
            sender,
            priority: convert::priority(row.get(1)?)?,
            topic: None,
            endpoint: endpoint_from(row.get(5)?),
            collapse_key: row.get(3)?,
            sent_at: Timestamp(0),
            expires_at: Timestamp(row.get(2)?),
        };
        Ok(Scheduled {
            notification,
            topic: row.get(4)?,
            packed: row.get(6)?,
            answered: uint(row.get(7)?),
            size: uint(row.get(8)?),
        })
    }

    /// Whether the endpoint, if it is for one, takes nothing any more.
    fn has_ended(&self, endpoint: Option<EndpointId>, now: Timestamp) -> Result<bool> {
        let Some(id) = endpoint else { return Ok(false) };
        Ok(endpoints::by_id(&self.connection, id)?.is_none_or(|endpoint| !endpoint.accepts(now)))
    }

    /// The account behind an endpoint.
    fn owner_of(&self, id: EndpointId, now: Timestamp) -> Result<AccountId> {
        let endpoint = endpoints::by_id(&self.connection, id)?.ok_or(StoreError::NotFound)?;
        if endpoint.accepts(now) { Ok(endpoint.account) } else { Err(StoreError::Gone.into()) }
    }

    /// Those of the packed accounts that were not removed since.
    fn still_there(&self, packed: &[u8]) -> Result<Vec<AccountId>> {
        let mut accounts = Vec::new();
        for id in varint::decode(packed).ok_or_else(|| Error::corrupt("audience"))? {
            let id = AccountId(int(id));
            if registered_at(&self.connection, id)?.is_some() {
                accounts.push(id);
            }
        }
        Ok(accounts)
    }
}

/// A notification that waits for its time.
struct Scheduled {
    notification: Notification,
    /// The column: empty for all, null for named accounts.
    topic: Option<String>,
    /// The accounts that it names.
    packed: Option<Vec<u8>>,
    /// How many recipients the sender was told.
    answered: u64,
    size: u64,
}

/// What an idempotency key was answered with before.
pub(super) fn accepted_before(
    connection: &Connection,
    asked: &Idempotency,
    now: Timestamp,
) -> Result<Option<Acceptance>> {
    let first = connection
        .prepare_cached(
            "SELECT fingerprint, id, recipients FROM idempotency WHERE key = ?1 AND expires_at > ?2",
        )?
        .query_row(params![asked.key, now.0], |row| {
            Ok((row.get::<_, [u8; 32]>(0)?, convert::id_from(row.get(1)?), uint(row.get(2)?)))
        })
        .optional()?;
    Ok(first.map(|(fingerprint, id, recipients)| {
        if fingerprint == asked.fingerprint {
            Acceptance::Repeated(id, recipients)
        } else {
            Acceptance::Mismatch
        }
    }))
}

/// Named accounts, packed.
fn members(target: &Target) -> Option<Vec<u8>> {
    match target {
        Target::Accounts(accounts) => Some(varint::encode(accounts.iter().map(|id| uint(id.0)))),
        Target::All | Target::Topic(_) => None,
    }
}

/// `notifications.collapse_sender`.
fn collapse_sender(notification: &Notification) -> Option<String> {
    notification.collapse_key.as_ref()?;
    notification.sender.as_ref().map(Sender::identity)
}
