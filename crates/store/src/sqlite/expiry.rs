//! Expiry, and how a notification ends for all accounts that still wait for it.

use rusqlite::{OptionalExtension, params};
use tidings_core::model::{AccountId, Seq, Timestamp, Topic};
use tidings_core::store::Ended;

use super::convert::{int, limit as sql_limit, state, uint};
use super::error::{Error, Result};
use super::settle::OpenNotification;
use super::writer::Writer;
use crate::open_index::OpenBroadcast;
use crate::varint;

/// How a whole notification ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Expired,
    Cancelled,
}

impl Writer {
    pub fn expire_due(&mut self, now: Timestamp, limit: usize) -> Result<Vec<Ended>> {
        let due: Vec<u64> = self
            .connection
            .prepare_cached(
                "SELECT seq FROM notifications INDEXED BY open_by_expiry
                 WHERE open = 1 AND expires_at <= ?1 ORDER BY expires_at, seq LIMIT ?2",
            )?
            .query_map(params![now.0, sql_limit(limit)], |row| row.get(0).map(uint))?
            .collect::<Result<_, _>>()?;
        due.into_iter().map(|seq| self.end(seq, End::Expired)).collect()
    }

    /// Ends an open notification for all accounts that still wait for it.
    pub fn end(&mut self, seq: u64, how: End) -> Result<Ended> {
        let direct = self.open_notification(seq)?.ok_or_else(|| Error::corrupt("queue"))?;
        let pending = direct.counters.pending();
        self.open_index_changed = true;
        if direct.broadcast {
            self.note_ended(seq)?;
        } else {
            self.empty_queues(seq, &direct, how)?;
        }
        self.open_index.remove(seq);
        self.totals.no_longer_pending(direct.size);
        let (state, column) = match how {
            End::Expired => {
                self.totals.current.counters.expired += pending;
                (
                    state::EXPIRED,
                    "UPDATE notifications SET state = ?2, open = 0, expired = expired + ?3 WHERE seq = ?1",
                )
            }
            End::Cancelled => {
                self.totals.current.counters.cancelled += pending;
                (
                    state::CANCELLED,
                    "UPDATE notifications SET state = ?2, open = 0, cancelled = cancelled + ?3 WHERE seq = ?1",
                )
            }
        };
        self.connection.prepare_cached(column)?.execute(params![int(seq), state, int(pending)])?;
        Ok(Ended { seq: Seq(seq), id: direct.id, accounts: pending })
    }

    /// Remembers a broadcast that ends while pending: cursors that pass it later skip it.
    fn note_ended(&mut self, seq: u64) -> Result<()> {
        let Some(OpenBroadcast { priority, topic, .. }) = self.open_index.get(seq).cloned() else {
            return Ok(());
        };
        let name = topic.as_ref().map_or("", Topic::as_str);
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO ended (seq, priority, topic) VALUES (?1, ?2, ?3)")?
            .execute(params![int(seq), priority.index() as i64, name])?;
        self.open_index.note_ended(seq, priority, topic);
        Ok(())
    }

    /// Takes a notification for named accounts out of their queues.
    fn empty_queues(&self, seq: u64, direct: &OpenNotification, how: End) -> Result<()> {
        let packed = self
            .connection
            .prepare_cached(
                "SELECT members FROM contents WHERE position = (SELECT position FROM notifications WHERE seq = ?1)",
            )?
            .query_row([int(seq)], |row| row.get::<_, Option<Vec<u8>>>(0))
            .optional();
        let packed = match packed.map_err(Error::from) {
            Ok(packed) => packed.flatten(),
            Err(error) if error.damage().is_some() => None,
            Err(error) => return Err(error),
        };
        let Some(members) = packed.as_deref().and_then(varint::decode) else {
            // Whom it named cannot be read any more: look through all queues.
            self.connection.execute("DELETE FROM queue WHERE seq = ?1", [int(seq)])?;
            return Ok(());
        };
        for account in members {
            self.unqueue_dropped(AccountId(int(account)), seq, direct, how)?;
        }
        Ok(())
    }

    /// Takes one copy out of a queue, and remembers that it was not delivered.
    /// With a single recipient the counters say so.
    pub fn unqueue_dropped(
        &self,
        account: AccountId,
        seq: u64,
        direct: &OpenNotification,
        how: End,
    ) -> Result<bool> {
        let was_pending = self.unqueue(account, seq, direct.priority)?;
        if was_pending && direct.counters.recipients > 1 {
            self.note_dropped(account, seq, how)?;
        }
        Ok(was_pending)
    }

    pub fn note_dropped(&self, account: AccountId, seq: u64, how: End) -> Result<()> {
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO dropped (seq, account, expired) VALUES (?1, ?2, ?3)")?
            .execute(params![int(seq), account.0, how == End::Expired])?;
        Ok(())
    }
}
