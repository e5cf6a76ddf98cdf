//! How notifications end without delivery: their time is over, they are
//! cancelled or replaced; and how the finished are forgotten.

use rusqlite::{OptionalExtension, params};
use tidings_core::model::{AccountId, Counters, Notification, NotificationId, Seq, Target, Timestamp, Topic};
use tidings_core::store::Ended;

use super::account_cursor::AccountCursor;
use super::convert::{self, id_bytes, int, key_hash, limit as sql_limit, state, uint};
use super::error::{Error, Result};
use super::open_index::OpenBroadcast;
use super::settle::{Counted, OpenNotification};
use super::writer::Writer;
use super::{recipient_index, varint};

/// How a whole notification ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
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

    pub fn cancel(&mut self, id: NotificationId) -> Result<Option<Ended>> {
        let row = self
            .connection
            .prepare_cached("SELECT seq, state, open, recipients FROM notifications WHERE id = ?1")?
            .query_row([id_bytes(id)], |row| {
                Ok((uint(row.get(0)?), row.get::<_, i64>(1)?, row.get::<_, bool>(2)?, uint(row.get(3)?)))
            })
            .optional()?;
        let Some((seq, state, open, recipients)) = row else { return Ok(None) };
        if open {
            return self.end(seq, End::Cancelled).map(Some);
        }
        if state != state::SCHEDULED {
            let seq = if convert::released(state) { seq } else { 0 };
            return Ok(Some(Ended { seq: Seq(seq), id, accounts: 0 }));
        }
        self.connection
            .prepare_cached("UPDATE notifications SET state = ?2, cancelled = recipients WHERE seq = ?1")?
            .execute(params![int(seq), state::WITHDRAWN])?;
        self.totals.current.scheduled -= 1;
        Ok(Some(Ended { seq: Seq(0), id, accounts: recipients }))
    }

    /// Ends an open notification for everyone who still waits for it.
    fn end(&mut self, seq: u64, how: End) -> Result<Ended> {
        let direct = self.open_notification(seq)?.ok_or_else(|| Error::corrupt("queue"))?;
        let pending = direct.counters.pending();
        self.open_index_changed = true;
        if direct.broadcast {
            self.note_ended(seq)?;
        } else {
            self.empty_queues(seq, &direct, how)?;
        }
        self.open_index.remove(seq);
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

    /// Remembers a broadcast that somebody still waits for, for those who are past it later.
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
        let packed: Option<Vec<u8>> = self
            .connection
            .prepare_cached(
                "SELECT members FROM contents WHERE position = (SELECT position FROM notifications WHERE seq = ?1)",
            )?
            .query_row([int(seq)], |row| row.get(0))?;
        let members = varint::decode(packed.as_deref().unwrap_or_default());
        for account in members.ok_or_else(|| Error::corrupt("audience"))? {
            self.unqueue_dropped(AccountId(int(account)), seq, direct, how)?;
        }
        Ok(())
    }

    /// Takes one copy out of a queue, and remembers that it was not delivered.
    /// With a single recipient the counters say so.
    fn unqueue_dropped(
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

    fn note_dropped(&self, account: AccountId, seq: u64, how: End) -> Result<()> {
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO dropped (seq, account, expired) VALUES (?1, ?2, ?3)")?
            .execute(params![int(seq), account.0, how == End::Expired])?;
        Ok(())
    }

    /// Withdraws single copies, where they are pending.
    pub fn drop_copies(&mut self, account: AccountId, seqs: &[u64]) -> Result<()> {
        for seq in seqs {
            self.drop_copy(account, *seq)?;
        }
        Ok(())
    }

    fn drop_copy(&mut self, account: AccountId, seq: u64) -> Result<()> {
        let Some(broadcast) = self.open_index.get(seq).cloned() else {
            if let Some(direct) = self.open_notification(seq)?
                && self.unqueue_dropped(account, seq, &direct, End::Cancelled)?
            {
                self.count_cancelled(seq, 1)?;
            }
            return Ok(());
        };
        let Some(mut cursor) = AccountCursor::load(&self.connection, account)? else { return Ok(()) };
        if cursor.unsettled(seq, broadcast.priority)
            && cursor.meant(&self.connection, seq, broadcast.topic.as_ref())?
        {
            cursor.settle(&self.connection, &self.open_index, seq, broadcast.priority)?;
            cursor.save(&self.connection)?;
            self.note_dropped(account, seq, End::Cancelled)?;
            self.count_cancelled(seq, 1)?;
        }
        Ok(())
    }

    /// Counts copies as cancelled.
    pub fn count_cancelled(&mut self, seq: u64, copies: u64) -> Result<()> {
        self.count(seq, Counted::Cancelled, copies)
    }

    /// What a new notification replaces at once: older ones of its own kind,
    /// and for named accounts whatever is pending there. Where one for all or
    /// for a topic meets older ones of another kind, feeding replaces them
    /// (see `feed`), because that may be a million accounts.
    pub fn collapse(&mut self, notification: &Notification, target: &Target) -> Result<()> {
        let Some(key) = notification.collapse_key.as_deref() else { return Ok(()) };
        let broadcasts = self.open_index.with_key(key);
        match target {
            Target::All => {
                for seq in broadcasts {
                    self.end(seq, End::Cancelled)?;
                }
            }
            Target::Topic(topic) => {
                for seq in broadcasts {
                    if self.open_index.get(seq).is_some_and(|older| older.topic.as_ref() == Some(topic)) {
                        self.end(seq, End::Cancelled)?;
                    }
                }
            }
            Target::Accounts(accounts) => {
                for account in accounts {
                    self.drop_copies(*account, &broadcasts)?;
                    for seq in self.queued_with_key(*account, key)? {
                        self.drop_copy(*account, seq)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn queued_with_key(&self, account: AccountId, key: &str) -> Result<Vec<u64>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT q.seq FROM queue q CROSS JOIN notifications n ON n.seq = q.seq
             WHERE q.account = ?1 AND q.collapse = ?2 AND n.collapse_key = ?3",
        )?;
        let seqs = statement.query_map(params![account.0, key_hash(key), key], |row| row.get(0).map(uint))?;
        Ok(seqs.collect::<Result<_, _>>()?)
    }

    pub fn purge(&mut self, before: Timestamp, now: Timestamp, limit: usize) -> Result<u64> {
        let mut purged = 0;
        for (seq, position, counted) in self.finished(before, limit)? {
            for (sql, key) in [
                ("DELETE FROM notifications WHERE seq = ?1", seq),
                ("DELETE FROM contents WHERE position = ?1", position),
                ("DELETE FROM dropped WHERE seq = ?1", seq),
                ("DELETE FROM openings WHERE seq = ?1", seq),
                ("DELETE FROM ended WHERE seq = ?1", seq),
            ] {
                self.connection.prepare_cached(sql)?.execute([key])?;
            }
            self.open_index_changed = true;
            self.open_index.forget_ended(uint(seq));
            add(&mut self.totals.purged, &counted);
            purged += 1;
        }
        recipient_index::forget(&self.connection)?;
        for (sql, moment) in [
            (
                "DELETE FROM idempotency WHERE key IN
                   (SELECT key FROM idempotency WHERE expires_at <= ?1 ORDER BY expires_at, key LIMIT ?2)",
                now,
            ),
            (
                "DELETE FROM web_sessions WHERE hash IN
                   (SELECT hash FROM web_sessions WHERE expires_at <= ?1 LIMIT ?2)",
                now,
            ),
            (
                "DELETE FROM audit WHERE position IN
                   (SELECT position FROM audit WHERE at < ?1 ORDER BY position LIMIT ?2)",
                before,
            ),
        ] {
            let rows = self.connection.prepare_cached(sql)?.execute(params![moment.0, sql_limit(limit)])?;
            purged += rows as u64;
        }
        Ok(purged)
    }

    /// Notifications accepted before `before` that nobody waits for: places and
    /// what they counted. They are accepted in order, so the first that is not
    /// old ends the walk.
    fn finished(&self, before: Timestamp, limit: usize) -> Result<Vec<(i64, i64, Counters)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, position, created_at, state, open, recipients, delivered, opened, expired, cancelled
             FROM notifications ORDER BY position",
        )?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(row) = rows.next()?
        {
            if row.get::<_, i64>(2)? >= before.0 {
                break;
            }
            let state: i64 = row.get(3)?;
            if state == state::SCHEDULED || row.get(4)? {
                continue;
            }
            let counters = if convert::released(state) {
                Counters {
                    recipients: uint(row.get(5)?),
                    delivered: uint(row.get(6)?),
                    opened: uint(row.get(7)?),
                    expired: uint(row.get(8)?),
                    cancelled: uint(row.get(9)?),
                }
            } else {
                Counters::default()
            };
            found.push((row.get(0)?, row.get(1)?, counters));
        }
        Ok(found)
    }
}

/// Adds counters up.
pub(super) fn add(sum: &mut Counters, more: &Counters) {
    sum.recipients += more.recipients;
    sum.delivered += more.delivered;
    sum.opened += more.opened;
    sum.expired += more.expired;
    sum.cancelled += more.cancelled;
}
