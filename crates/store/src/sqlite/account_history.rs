//! What became of the notifications for one account.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};
use tidings_core::model::{AccountId, NotificationId, Priority};
use tidings_core::store::{HistoryEntry, Outcome, Page};

use super::account_cursor::{self, AccountCursor, registered_at};
use super::convert::{self, int, state, uint};
use super::damaged::Damaged;
use super::error::{Error, Result};
use super::records::Filled;
use super::{recipient_index, records};
use crate::cursor::is_subscribed;
use crate::varint;

/// Notifications that one page looks at, at most.
const LOOKED_AT: usize = 4096;
/// Runs of positions that one page looks through, at most: millions of notifications.
const RUNS: usize = 4096;

/// What is damaged is left out.
pub(super) fn account_history(
    connection: &Connection,
    damaged: &Damaged,
    account: AccountId,
    before: Option<u64>,
    limit: usize,
) -> Result<Page<HistoryEntry, u64>> {
    let limit = limit.max(1);
    let mut page = Page { items: Vec::new(), next: None };
    let Some(mut reader) = Reader::new(connection, account)? else { return Ok(page) };
    let mut runs = RUNS;
    let mut looked_at = 0;
    let mut filled = Filled::new(limit);
    // Below this, nothing was looked at yet.
    let mut reached = before.unwrap_or(u64::MAX);
    loop {
        let (positions, first) = match reader.unwritten(reached)? {
            Some(found) => found,
            None => match recipient_index::before(connection, uint(account.0), reached, &mut runs)? {
                Some(found) => found,
                None => return Ok(page),
            },
        };
        for position in positions {
            looked_at += 1;
            let past = reader.past(position, filled.is_full());
            let entry = match past {
                Ok(Past::None) => continue,
                Ok(Past::OneMore) => {
                    page.next = page.items.last().map(|past: &HistoryEntry| past.record.position);
                    return Ok(page);
                }
                Ok(Past::Entry(entry)) => entry,
                Err(error) if error.damage().is_some() => {
                    damaged.note(position, NotificationId(0), &error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            filled.add(Some(&entry.record));
            page.items.push(*entry);
        }
        reached = first;
        if runs == 0 || looked_at >= LOOKED_AT {
            page.next = Some(reached);
            return Ok(page);
        }
    }
}

/// What an account's history has at a position.
enum Past {
    None,
    /// Something for which the page has no room.
    OneMore,
    Entry(Box<HistoryEntry>),
}

/// What tells where an account stands.
struct Reader<'a> {
    connection: &'a Connection,
    cursor: AccountCursor,
    registered_at: u64,
    skipped: BTreeSet<u64>,
    /// The first position that the recipient index does not tell of.
    unwritten: u64,
}

/// A notification as far as it tells what became of a copy.
struct Brief {
    seq: u64,
    topic: Option<String>,
    priority: Priority,
    state: i64,
    recipients: u64,
    expired: u64,
    cancelled: u64,
}

impl<'a> Reader<'a> {
    fn new(connection: &'a Connection, account: AccountId) -> Result<Option<Self>> {
        let Some(registered_at) = registered_at(connection, account)? else { return Ok(None) };
        let Some(cursor) = AccountCursor::load(connection, account)? else { return Ok(None) };
        let skipped = account_cursor::skipped(connection, account)?;
        let unwritten = recipient_index::first_unwritten(connection)?;
        Ok(Some(Self { connection, cursor, registered_at, skipped, unwritten }))
    }

    /// Positions of the newest run below `before`, newest first, and the run's first;
    /// `None` for earlier ones.
    fn unwritten(&self, before: u64) -> Result<Option<(Vec<u64>, u64)>> {
        if before <= self.unwritten {
            return Ok(None);
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT position FROM notifications WHERE position >= ?1 AND position < ?2 ORDER BY position DESC",
        )?;
        let rows = statement.query_map([int(self.unwritten), int(before)], |row| row.get(0).map(uint))?;
        Ok(Some((rows.collect::<Result<_, _>>()?, self.unwritten)))
    }

    /// What the history has at a position; `full`: whether the page has no room.
    fn past(&mut self, position: u64, full: bool) -> Result<Past> {
        let Some(outcome) = self.outcome(position)? else { return Ok(Past::None) };
        if full {
            return Ok(Past::OneMore);
        }
        let record = records::at(self.connection, position)?;
        Ok(record.map_or(Past::None, |record| Past::Entry(Box::new(HistoryEntry { record, outcome }))))
    }

    /// What became of this account's copy; `None` where it has none or still waits for it.
    fn outcome(&mut self, position: u64) -> Result<Option<Outcome>> {
        let Some(brief) = self.brief(position)? else { return Ok(None) };
        if !convert::released(brief.state) {
            return Ok(None);
        }
        match brief.topic.as_deref() {
            None => self.direct(position, &brief),
            Some(topic) => self.broadcast(topic, &brief),
        }
    }

    fn brief(&self, position: u64) -> Result<Option<Brief>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, topic, priority, state, recipients, expired, cancelled
             FROM notifications WHERE position = ?1",
        )?;
        let mut rows = statement.query([int(position)])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(Brief {
            seq: uint(row.get(0)?),
            topic: row.get(1)?,
            priority: convert::priority(row.get(2)?)?,
            state: row.get(3)?,
            recipients: uint(row.get(4)?),
            expired: uint(row.get(5)?),
            cancelled: uint(row.get(6)?),
        }))
    }

    fn direct(&self, position: u64, brief: &Brief) -> Result<Option<Outcome>> {
        if !self.named(position)? || self.queued(brief)? {
            return Ok(None);
        }
        if self.opened(brief.seq)? {
            return Ok(Some(Outcome::Opened));
        }
        // With a single recipient the counters say it.
        Ok(Some(match (brief.recipients, self.dropped(brief.seq)?) {
            (1, _) if brief.expired > 0 => Outcome::Expired,
            (1, _) if brief.cancelled > 0 => Outcome::Cancelled,
            (_, Some(outcome)) => outcome,
            (_, None) => Outcome::Delivered,
        }))
    }

    fn broadcast(&self, topic: &str, brief: &Brief) -> Result<Option<Outcome>> {
        let meant = match topic {
            "" => brief.seq > self.registered_at,
            _ => is_subscribed(self.cursor.subscriptions(self.connection)?, topic, brief.seq),
        };
        if !meant {
            return Ok(None);
        }
        if self.opened(brief.seq)? {
            return Ok(Some(Outcome::Opened));
        }
        if let Some(outcome) = self.dropped(brief.seq)? {
            return Ok(Some(outcome));
        }
        let settled = !self.cursor.get().is_unsettled(brief.seq, brief.priority);
        if settled && !self.skipped.contains(&brief.seq) {
            return Ok(Some(Outcome::Delivered));
        }
        Ok(match brief.state {
            state::EXPIRED => Some(Outcome::Expired),
            state::CANCELLED => Some(Outcome::Cancelled),
            _ => None,
        })
    }

    /// Whether a notification for named accounts named this one.
    fn named(&self, position: u64) -> Result<bool> {
        let mut statement =
            self.connection.prepare_cached("SELECT members FROM contents WHERE position = ?1")?;
        let packed: Option<Vec<u8>> = statement.query_row([int(position)], |row| row.get(0))?;
        let members = varint::decode(packed.as_deref().unwrap_or_default());
        let members = members.ok_or_else(|| Error::corrupt("audience"))?;
        Ok(members.binary_search(&uint(self.cursor.account.0)).is_ok())
    }

    fn queued(&self, brief: &Brief) -> Result<bool> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT 1 FROM queue WHERE account = ?1 AND priority = ?2 AND seq = ?3")?;
        let account = self.cursor.account.0;
        Ok(statement.exists(params![account, brief.priority.index() as i64, int(brief.seq)])?)
    }

    fn opened(&self, seq: u64) -> Result<bool> {
        let mut statement =
            self.connection.prepare_cached("SELECT 1 FROM openings WHERE seq = ?1 AND account = ?2")?;
        Ok(statement.exists([int(seq), self.cursor.account.0])?)
    }

    /// How a copy ended that a row of its own tells of.
    fn dropped(&self, seq: u64) -> Result<Option<Outcome>> {
        let mut statement =
            self.connection.prepare_cached("SELECT expired FROM dropped WHERE seq = ?1 AND account = ?2")?;
        let expired = statement.query_row([int(seq), self.cursor.account.0], |row| row.get(0)).optional()?;
        Ok(expired.map(|expired: bool| if expired { Outcome::Expired } else { Outcome::Cancelled }))
    }
}
