//! Cancellation: of a whole notification, and of one account's copy.

use rusqlite::{OptionalExtension, params};
use tidings_core::model::{AccountId, NotificationId, Seq};
use tidings_core::store::Ended;

use super::account_cursor::AccountCursor;
use super::convert::{self, id_bytes, int, state, uint};
use super::error::Result;
use super::expiry::End;
use super::settle::Counted;
use super::writer::Writer;

impl Writer {
    pub fn cancel(&mut self, id: NotificationId) -> Result<Option<Ended>> {
        let row = self
            .connection
            .prepare_cached("SELECT seq, state, open, recipients, size FROM notifications WHERE id = ?1")?
            .query_row([id_bytes(id)], |row| {
                let counted = (uint(row.get(3)?), uint(row.get(4)?));
                Ok((uint(row.get(0)?), row.get::<_, i64>(1)?, row.get::<_, bool>(2)?, counted))
            })
            .optional()?;
        let Some((seq, state, open, (recipients, size))) = row else { return Ok(None) };
        if open {
            return self.end(seq, End::Cancelled).map(Some);
        }
        if state != state::SCHEDULED {
            let seq = if convert::released(state) { seq } else { 0 };
            return Ok(Some(Ended { seq: Seq(seq), id, accounts: 0 }));
        }
        self.withdraw(seq, recipients, size)?;
        Ok(Some(Ended { seq: Seq(0), id, accounts: recipients }))
    }

    /// Ends a scheduled notification before its release.
    pub fn withdraw(&mut self, position: u64, recipients: u64, size: u64) -> Result<()> {
        self.connection
            .prepare_cached("UPDATE notifications SET state = ?2, cancelled = recipients WHERE seq = ?1")?
            .execute(params![int(position), state::WITHDRAWN])?;
        self.totals.current.scheduled -= 1;
        self.totals.current.counters.cancelled += recipients;
        self.totals.no_longer_pending(size);
        Ok(())
    }

    /// Ends single copies that a newer one replaces, where they are pending.
    pub fn replace_copies(&mut self, account: AccountId, seqs: &[u64]) -> Result<()> {
        for seq in seqs {
            self.replace_copy(account, *seq)?;
        }
        Ok(())
    }

    pub fn replace_copy(&mut self, account: AccountId, seq: u64) -> Result<()> {
        if self.open_index.get(seq).is_none() {
            if let Some(direct) = self.open_notification(seq)?
                && self.unqueue_dropped(account, seq, &direct, End::Cancelled)?
            {
                self.count(seq, Counted::Replaced, 1, Some(&direct))?;
            }
            return Ok(());
        }
        let Some(mut cursor) = AccountCursor::load(&self.connection, account)? else { return Ok(()) };
        if cursor.settle(&self.connection, &self.open_index, seq)? {
            cursor.save(&self.connection)?;
            self.note_dropped(account, seq, End::Cancelled)?;
            self.count(seq, Counted::Replaced, 1, None)?;
        }
        Ok(())
    }

    /// Counts one copy as cancelled whose account is gone, or has left the topic.
    pub fn count_cancelled(&mut self, seq: u64) -> Result<()> {
        let direct = match self.open_index.get(seq) {
            Some(_) => None,
            None => self.open_notification(seq)?,
        };
        self.count(seq, Counted::Cancelled, 1, direct.as_ref())
    }
}
