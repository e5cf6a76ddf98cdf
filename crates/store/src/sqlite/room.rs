//! How much may wait: for one account, and in all.

use rusqlite::params;
use tidings_core::model::{AccountId, Target};
use tidings_core::store::{PendingBounds, StoreError};

use super::convert::{limit as sql_limit, uint};
use super::error::Result;
use super::writer::Writer;
use crate::NAMED_UNKNOWN;
use crate::open_index::CollapseKey;

impl Writer {
    /// Refuses what would be one too many.
    pub fn check_room(
        &mut self,
        target: &Target,
        size: u64,
        collapse: Option<&CollapseKey>,
        bounds: PendingBounds,
    ) -> Result<()> {
        if self.totals.pending_bytes.saturating_add(size) > bounds.bytes {
            return Err(StoreError::QueueFull(Vec::new()).into());
        }
        let Target::Accounts(accounts) = target else { return Ok(()) };
        if bounds.per_account == u64::MAX {
            return Ok(());
        }
        let mut full = Vec::new();
        for account in accounts {
            if self.is_full(*account, bounds.per_account)? && !self.replaces(*account, collapse)? {
                full.push(self.username(*account)?);
                if full.len() == NAMED_UNKNOWN {
                    break;
                }
            }
        }
        if full.is_empty() { Ok(()) } else { Err(StoreError::QueueFull(full).into()) }
    }

    fn is_full(&mut self, account: AccountId, most: u64) -> Result<bool> {
        if self.queue_lengths.at_most(account).is_some_and(|length| length < most) {
            return Ok(false);
        }
        let length = self
            .connection
            .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM queue WHERE account = ?1 LIMIT ?2)")?
            .query_row(params![account.0, sql_limit(usize::try_from(most).unwrap_or(usize::MAX))], |row| {
                row.get(0).map(uint)
            })?;
        self.queue_lengths.counted(account, length);
        Ok(length >= most)
    }

    /// Whether it takes the place of one that is in the account's queue.
    fn replaces(&self, account: AccountId, collapse: Option<&CollapseKey>) -> Result<bool> {
        let Some(key) = collapse else { return Ok(false) };
        Ok(!self.queued_collapsing(account, key)?.is_empty())
    }

    fn username(&self, account: AccountId) -> Result<String> {
        let mut statement = self.connection.prepare_cached("SELECT username FROM accounts WHERE id = ?1")?;
        Ok(statement.query_row([account.0], |row| row.get(0))?)
    }
}
