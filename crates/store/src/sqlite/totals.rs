//! The numbers given out, and the totals.

use rusqlite::{Connection, params};
use tidings_core::model::Counters;
use tidings_core::store::Totals;

use super::convert::{int, uint};
use super::error::Result;

/// The numbers given out, and the totals: one row, written once a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoredTotals {
    /// The last number given out: positions in the listing, and [`Seq`](tidings_core::model::Seq)s.
    pub last: u64,
    pub last_account: u64,
    pub current: Totals,
    /// What purged notifications had counted.
    pub purged: Counters,
    /// Bytes of what waits or is scheduled.
    pub pending_bytes: u64,
}

impl StoredTotals {
    pub fn load(connection: &Connection) -> Result<Self> {
        let mut statement = connection.prepare_cached(
            "SELECT last, last_account, accounts, notifications, scheduled,
                    recipients, delivered, opened, expired, cancelled,
                    purged_recipients, purged_delivered, purged_opened,
                    purged_expired, purged_cancelled, pending_bytes
             FROM totals",
        )?;
        let stored = statement.query_row([], |row| {
            let number = |index: usize| row.get(index).map(uint);
            let counters = |first: usize| {
                Ok::<_, rusqlite::Error>(Counters {
                    recipients: number(first)?,
                    delivered: number(first + 1)?,
                    opened: number(first + 2)?,
                    expired: number(first + 3)?,
                    cancelled: number(first + 4)?,
                })
            };
            Ok(Self {
                last: number(0)?,
                last_account: number(1)?,
                current: Totals {
                    accounts: number(2)?,
                    notifications: number(3)?,
                    scheduled: number(4)?,
                    counters: counters(5)?,
                },
                purged: counters(10)?,
                pending_bytes: number(15)?,
            })
        })?;
        Ok(stored)
    }

    /// The last number given out, alone.
    pub fn last(connection: &Connection) -> Result<u64> {
        let mut statement = connection.prepare_cached("SELECT last FROM totals")?;
        Ok(statement.query_row([], |row| row.get(0).map(uint))?)
    }

    pub fn save(&self, connection: &Connection) -> Result<()> {
        let (all, gone) = (&self.current.counters, &self.purged);
        connection
            .prepare_cached(
                "UPDATE totals SET last = ?1, last_account = ?2, accounts = ?3, notifications = ?4,
                    scheduled = ?5, recipients = ?6, delivered = ?7, opened = ?8, expired = ?9,
                    cancelled = ?10, purged_recipients = ?11, purged_delivered = ?12,
                    purged_opened = ?13, purged_expired = ?14, purged_cancelled = ?15,
                    pending_bytes = ?16",
            )?
            .execute(params![
                int(self.last),
                int(self.last_account),
                int(self.current.accounts),
                int(self.current.notifications),
                int(self.current.scheduled),
                int(all.recipients),
                int(all.delivered),
                int(all.opened),
                int(all.expired),
                int(all.cancelled),
                int(gone.recipients),
                int(gone.delivered),
                int(gone.opened),
                int(gone.expired),
                int(gone.cancelled),
                int(self.pending_bytes),
            ])?;
        Ok(())
    }

    /// Nothing waits any more for what took so many bytes.
    pub fn no_longer_pending(&mut self, bytes: u64) {
        self.pending_bytes = self.pending_bytes.saturating_sub(bytes);
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
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
