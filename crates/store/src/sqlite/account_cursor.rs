//! An account's cursor and subscriptions, read and written.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};
use tidings_core::model::AccountId;

use super::convert::{self, int, uint};
use super::error::{Error, Result};
use crate::cursor::{Cursor, Subscription};
use crate::open_index::OpenIndex;
use crate::varint;

/// An account's cursor, read for a while and written back once.
#[derive(Debug)]
pub(super) struct AccountCursor {
    pub account: AccountId,
    cursor: Cursor,
    /// Read when they are first needed.
    subscriptions: OnceCell<Vec<Subscription>>,
    changed: bool,
    /// What the cursor passed since it was read without the account having had it.
    skipped: Vec<u64>,
}

impl AccountCursor {
    /// `None` where there is no such account.
    pub fn load(connection: &Connection, account: AccountId) -> Result<Option<Self>> {
        let row = connection
            .prepare_cached("SELECT low, normal, high, acked_beyond FROM cursors WHERE account = ?1")?
            .query_row([account.0], |row| {
                let positions = [uint(row.get(0)?), uint(row.get(1)?), uint(row.get(2)?)];
                Ok((positions, row.get::<_, Option<Vec<u8>>>(3)?))
            })
            .optional()?;
        let cursor = match row {
            // Without what is settled beyond it, a cursor only has the account get that again.
            Some((positions, beyond)) => Cursor::decode(positions, beyond.as_deref())
                .or_else(|| Cursor::decode(positions, None))
                .ok_or_else(|| Error::corrupt("cursor"))?,
            None => match registered_at(connection, account)? {
                Some(registered_at) => Cursor::starting_at(registered_at),
                None => return Ok(None),
            },
        };
        let subscriptions = OnceCell::new();
        Ok(Some(Self { account, cursor, subscriptions, changed: false, skipped: Vec::new() }))
    }

    pub fn save(&mut self, connection: &Connection) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        let [low, normal, high] = self.cursor.positions().map(int);
        connection
            .prepare_cached(
                "REPLACE INTO cursors (account, low, normal, high, acked_beyond) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![self.account.0, low, normal, high, self.cursor.encode_beyond()])?;
        self.changed = false;
        self.save_skipped(connection)
    }

    fn save_skipped(&mut self, connection: &Connection) -> Result<()> {
        if self.skipped.is_empty() {
            return Ok(());
        }
        let mut all = skipped(connection, self.account)?;
        all.extend(self.skipped.drain(..));
        // What was purged meanwhile need not be remembered.
        let oldest: Option<i64> =
            connection.prepare_cached("SELECT min(seq) FROM ended")?.query_row([], |row| row.get(0))?;
        let kept = all.into_iter().filter(|seq| oldest.is_some_and(|oldest| int(*seq) >= oldest));
        connection
            .prepare_cached("REPLACE INTO skipped (account, seqs) VALUES (?1, ?2)")?
            .execute(params![self.account.0, varint::encode(kept)])?;
        Ok(())
    }

    /// The account's topics.
    pub fn subscriptions(&self, connection: &Connection) -> Result<&[Subscription]> {
        if let Some(known) = self.subscriptions.get() {
            return Ok(known);
        }
        let mut statement =
            connection.prepare_cached("SELECT topic, since FROM subscriptions WHERE account = ?1")?;
        let mut rows = statement.query([self.account.0])?;
        let mut subscriptions = Vec::new();
        while let Some(row) = rows.next()? {
            // A name that cannot be read is no topic's: nothing is sent to it.
            if let Some(topic) = row.get_ref(0)?.as_str().ok().and_then(|name| convert::topic(name).ok()) {
                subscriptions.push((topic, uint(row.get(1)?)));
            }
        }
        Ok(self.subscriptions.get_or_init(|| subscriptions))
    }

    /// Where the account stands.
    pub fn get(&self) -> &Cursor {
        &self.cursor
    }

    /// Settles a broadcast. False where it was not pending for the account.
    pub fn settle(&mut self, connection: &Connection, open: &OpenIndex, seq: u64) -> Result<bool> {
        if self.cursor.needs_topics(seq, open) {
            self.subscriptions(connection)?;
        }
        let subscriptions = self.subscriptions.get().map(Vec::as_slice).unwrap_or_default();
        let Some(skipped) = self.cursor.settle(seq, open, subscriptions) else { return Ok(false) };
        self.skipped.extend(skipped);
        self.changed = true;
        Ok(true)
    }

    /// All broadcasts that are pending for the account.
    pub fn pending(&self, connection: &Connection, open: &OpenIndex) -> Result<Vec<u64>> {
        Ok(self.cursor.pending(open, self.subscriptions(connection)?))
    }
}

/// The newest number when an account was created; `None` where there is none.
pub(super) fn registered_at(connection: &Connection, account: AccountId) -> Result<Option<u64>> {
    let mut statement = connection.prepare_cached("SELECT registered_at FROM accounts WHERE id = ?1")?;
    Ok(statement.query_row([account.0], |row| row.get(0).map(uint)).optional()?)
}

/// What an account's cursor passed without the account having had it.
pub(super) fn skipped(connection: &Connection, account: AccountId) -> Result<BTreeSet<u64>> {
    let packed: Option<Vec<u8>> = connection
        .prepare_cached("SELECT seqs FROM skipped WHERE account = ?1")?
        .query_row([account.0], |row| row.get(0))
        .optional()?;
    // Only the history shows it.
    let seqs = varint::decode(packed.as_deref().unwrap_or_default());
    Ok(seqs.unwrap_or_default().into_iter().collect())
}
