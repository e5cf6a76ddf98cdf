//! Acknowledgements and openings.

use std::collections::{BTreeMap, HashMap};

use rusqlite::OptionalExtension;
use tidings_core::model::{AccountId, Counters, NotificationId, Priority, Seq};
use tidings_core::store::{Settled, Settlement};

use super::account_cursor::{AccountCursor, registered_at};
use super::convert::{self, id_bytes, int, uint};
use super::error::{Error, Result};
use super::writer::Writer;
use crate::cursor::is_subscribed;
use crate::varint;

/// How a copy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    Delivered,
    Cancelled,
    /// Cancelled, because a newer one with its collapse key takes its place.
    Replaced,
}

/// What the writer needs to know of an open notification to end a copy of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenNotification {
    pub id: NotificationId,
    pub priority: Priority,
    /// For all accounts or for a topic: there is nothing in the queues.
    pub broadcast: bool,
    pub counters: Counters,
    /// Bytes that it takes while it waits.
    pub size: u64,
}

impl Writer {
    pub fn settle(&mut self, mut batch: Vec<Settlement>) -> Result<Settled> {
        batch.sort_unstable();
        let mut delivered = BTreeMap::<u64, (NotificationId, u64)>::new();
        // What the queue rows of one notification have in common is read once.
        let mut looked_up = HashMap::<u64, Option<OpenNotification>>::new();
        let mut current: Option<AccountCursor> = None;
        for Settlement { account, seq: Seq(seq) } in batch {
            let id = if let Some(broadcast) = self.open_index.get(seq) {
                let id = broadcast.id;
                if current.as_ref().is_none_or(|cursor| cursor.account != account) {
                    if let Some(mut done) = current.take() {
                        done.save(&self.connection)?;
                    }
                    current = AccountCursor::load(&self.connection, account)?;
                }
                let Some(cursor) = &mut current else { continue };
                if !cursor.settle(&self.connection, &self.open_index, seq)? {
                    continue;
                }
                id
            } else {
                let direct = match looked_up.get(&seq) {
                    Some(direct) => *direct,
                    None => *looked_up.entry(seq).or_insert(self.open_notification(seq)?),
                };
                let Some(direct) = direct.filter(|open| !open.broadcast) else { continue };
                if !self.unqueue(account, seq, direct.priority)? {
                    continue;
                }
                direct.id
            };
            delivered.entry(seq).or_insert((id, 0)).1 += 1;
        }
        if let Some(mut done) = current {
            done.save(&self.connection)?;
        }
        for (seq, (_, copies)) in &delivered {
            let direct = looked_up.get(seq).and_then(Option::as_ref);
            self.count(*seq, Counted::Delivered, *copies, direct)?;
        }
        let rows = delivered.into_iter().map(|(seq, (id, copies))| (Seq(seq), id, copies));
        Ok(Settled { delivered: rows.collect() })
    }

    /// An open notification; `None` where it is pending for no account.
    pub fn open_notification(&self, seq: u64) -> Result<Option<OpenNotification>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, priority, topic IS NOT NULL, recipients, delivered, opened, expired, cancelled,
                size
             FROM notifications WHERE seq = ?1 AND open = 1",
        )?;
        let mut rows = statement.query([int(seq)])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(OpenNotification {
            id: convert::id_from(row.get(0)?),
            priority: convert::priority(row.get(1)?)?,
            broadcast: row.get(2)?,
            counters: Counters {
                recipients: uint(row.get(3)?),
                delivered: uint(row.get(4)?),
                opened: uint(row.get(5)?),
                expired: uint(row.get(6)?),
                cancelled: uint(row.get(7)?),
            },
            size: uint(row.get(8)?),
        }))
    }

    /// Takes one copy out of a queue. False when it was not there.
    pub fn unqueue(&self, account: AccountId, seq: u64, priority: Priority) -> Result<bool> {
        let rows = self
            .connection
            .prepare_cached("DELETE FROM queue WHERE account = ?1 AND priority = ?2 AND seq = ?3")?
            .execute([account.0, priority.index() as i64, int(seq)])?;
        Ok(rows > 0)
    }

    /// Counts copies that ended; the notification is closed with the last one. `direct` is the
    /// notification as it was before, where it is for named accounts.
    pub fn count(
        &mut self,
        seq: u64,
        how: Counted,
        copies: u64,
        direct: Option<&OpenNotification>,
    ) -> Result<()> {
        let counters = &mut self.totals.current.counters;
        let sql = match how {
            Counted::Delivered => {
                counters.delivered += copies;
                "UPDATE notifications SET delivered = delivered + ?2,
                    open = recipients > delivered + expired + cancelled + ?2 WHERE seq = ?1"
            }
            Counted::Cancelled => {
                counters.cancelled += copies;
                "UPDATE notifications SET cancelled = cancelled + ?2,
                    open = recipients > delivered + expired + cancelled + ?2 WHERE seq = ?1"
            }
            Counted::Replaced => {
                counters.cancelled += copies;
                "UPDATE notifications SET cancelled = cancelled + ?2, replaced = 1,
                    open = recipients > delivered + expired + cancelled + ?2 WHERE seq = ?1"
            }
        };
        self.connection.prepare_cached(sql)?.execute([int(seq), int(copies)])?;
        if let Some(broadcast) = self.open_index.get_mut(seq) {
            self.open_index_changed = true;
            broadcast.pending = broadcast.pending.saturating_sub(copies);
            if broadcast.pending == 0 {
                self.totals.no_longer_pending(broadcast.size);
                self.open_index.remove(seq);
            }
        } else if let Some(direct) = direct.filter(|direct| direct.counters.pending() <= copies) {
            self.totals.no_longer_pending(direct.size);
        }
        Ok(())
    }

    /// A broadcast that is over is taken to have arrived where that
    /// one or a later one of its priority was settled: order holds.
    pub fn opened(&mut self, account: AccountId, id: NotificationId) -> Result<bool> {
        let row = self
            .connection
            .prepare_cached(
                "SELECT seq, position, topic, priority, state, recipients, delivered, opened
                 FROM notifications WHERE id = ?1",
            )?
            .query_row([id_bytes(id)], |row| {
                let counters = Counters {
                    recipients: uint(row.get(5)?),
                    delivered: uint(row.get(6)?),
                    opened: uint(row.get(7)?),
                    ..Counters::default()
                };
                let topic: Option<String> = row.get(2)?;
                let places: (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok((places, topic, row.get::<_, i64>(3)?, row.get::<_, i64>(4)?, counters))
            })
            .optional()?;
        let Some(((seq, position), topic, priority, state, counters)) = row else { return Ok(false) };
        let Some(registered_at) = registered_at(&self.connection, account)? else { return Ok(false) };
        if !convert::released(state)
            || self.noted("dropped", seq, account)?
            || self.noted("openings", seq, account)?
        {
            return Ok(false);
        }
        let priority = convert::priority(priority)?;
        let had = match topic.as_deref() {
            None => counters.delivered > 0 && self.is_member(position, account)?,
            Some(name) => {
                let Some(cursor) = AccountCursor::load(&self.connection, account)? else { return Ok(false) };
                self.broadcast_reached(cursor, registered_at, uint(seq), priority, name)?
            }
        };
        let settled = self.settle(vec![Settlement { account, seq: Seq(uint(seq)) }])?;
        let now_delivered = counters.delivered + settled.delivered.len() as u64;
        if (!had && settled.delivered.is_empty()) || counters.opened >= now_delivered {
            return Ok(false);
        }
        for sql in [
            "INSERT INTO openings (seq, account) VALUES (?1, ?2)",
            "UPDATE notifications SET opened = opened + 1 WHERE seq = ?1 AND ?2 IS NOT NULL",
        ] {
            self.connection.prepare_cached(sql)?.execute([seq, account.0])?;
        }
        self.totals.current.counters.opened += 1;
        Ok(true)
    }

    /// Whether a broadcast is meant for an account that is past it.
    fn broadcast_reached(
        &self,
        cursor: AccountCursor,
        registered_at: u64,
        seq: u64,
        priority: Priority,
        topic: &str,
    ) -> Result<bool> {
        let meant = if topic.is_empty() {
            seq > registered_at
        } else {
            is_subscribed(cursor.subscriptions(&self.connection)?, topic, seq)
        };
        Ok(meant && seq <= cursor.get().newest_settled(priority))
    }

    fn noted(&self, table: &str, seq: i64, account: AccountId) -> Result<bool> {
        let sql = match table {
            "dropped" => "SELECT 1 FROM dropped WHERE seq = ?1 AND account = ?2",
            _ => "SELECT 1 FROM openings WHERE seq = ?1 AND account = ?2",
        };
        Ok(self.connection.prepare_cached(sql)?.exists([seq, account.0])?)
    }

    /// Whether a notification for named accounts named this one.
    fn is_member(&self, position: i64, account: AccountId) -> Result<bool> {
        let packed: Option<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT members FROM contents WHERE position = ?1")?
            .query_row([position], |row| row.get(0))?;
        let members = varint::decode(packed.as_deref().unwrap_or_default());
        let members = members.ok_or_else(|| Error::corrupt("audience"))?;
        Ok(members.binary_search(&uint(account.0)).is_ok())
    }
}
