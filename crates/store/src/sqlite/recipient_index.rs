//! Whom notifications named: what finds an account's past ones without a row for
//! each copy.
//!
//! Positions come in runs of 1024. A run that is over is one row: pairs of an
//! account and a position's place in the run, sorted by account and packed, about
//! three bytes a pair. Looking for an account means reading the runs from the
//! newest back, some microseconds each. The newest run is not written yet; it is
//! short enough to be looked through one by one.

use rusqlite::{Connection, OptionalExtension, params};
use tidings_core::model::Target;

use super::convert::{int, uint};
use super::error::{Error, Result};
use crate::varint;

/// Bits of a position that tell its place in a run.
const BITS: u32 = 10;
/// A notification that names more accounts stands under [`EVERY_ACCOUNT`].
const WIDE: usize = 16;
/// The account under which stands what is to be looked at for every account. No
/// account has this number.
pub(super) const EVERY_ACCOUNT: u64 = 0;

/// The newest run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RecipientIndex {
    run: u64,
    pairs: Vec<u64>,
}

impl RecipientIndex {
    /// Reads the newest run, and writes those before it that are not there yet: a
    /// database made by an older version has none.
    pub fn load(connection: &Connection) -> Result<Self> {
        let mut index = Self { run: 0, pairs: Vec::new() };
        let mut statement = connection.prepare_cached(
            "SELECT n.position, n.topic IS NULL, c.members
             FROM notifications n JOIN contents c ON c.position = n.position
             WHERE n.position >= ?1 ORDER BY n.position",
        )?;
        let mut rows = statement.query([int(first_unwritten(connection)?)])?;
        while let Some(row) = rows.next()? {
            let position = uint(row.get(0)?);
            let members: Option<Vec<u8>> = row.get(2)?;
            let named = if row.get(1)? { Some(members.unwrap_or_default()) } else { None };
            // Where that cannot be read, every account looks at it.
            let named = named.and_then(|packed| varint::decode(&packed));
            index.add(connection, position, named.as_deref())?;
        }
        Ok(index)
    }

    /// Notes whom a new notification names.
    pub fn note(&mut self, connection: &Connection, position: u64, target: &Target) -> Result<()> {
        match target {
            Target::Accounts(accounts) if accounts.len() <= WIDE => {
                let accounts: Vec<u64> = accounts.iter().map(|id| uint(id.0)).collect();
                self.add(connection, position, Some(&accounts))
            }
            _ => self.add(connection, position, None),
        }
    }

    /// Whether everything that `found` has is here, too: what was purged, or removed
    /// before its release, may be more.
    pub fn covers(&self, found: &Self) -> bool {
        found.pairs.is_empty()
            || (found.run == self.run && found.pairs.iter().all(|pair| self.pairs.contains(pair)))
    }

    /// Tells whether something was noted.
    pub fn mark(&self) -> (u64, usize) {
        (self.run, self.pairs.len())
    }

    fn add(&mut self, connection: &Connection, position: u64, named: Option<&[u64]>) -> Result<()> {
        let run = position >> BITS;
        if run != self.run {
            self.write(connection)?;
            self.run = run;
        }
        let place = position & ((1 << BITS) - 1);
        match named.filter(|accounts| accounts.len() <= WIDE) {
            Some(accounts) => self.pairs.extend(accounts.iter().map(|account| account << BITS | place)),
            None => self.pairs.push(EVERY_ACCOUNT << BITS | place),
        }
        Ok(())
    }

    fn write(&mut self, connection: &Connection) -> Result<()> {
        if !self.pairs.is_empty() {
            self.pairs.sort_unstable();
            connection
                .prepare_cached("REPLACE INTO recipient_index (run, pairs) VALUES (?1, ?2)")?
                .execute(params![int(self.run), varint::encode(self.pairs.drain(..))])?;
        }
        Ok(())
    }
}

/// Forgets runs of which nothing is left.
pub(super) fn forget(connection: &Connection) -> Result<()> {
    let oldest: Option<i64> = connection
        .prepare_cached("SELECT min(position) FROM notifications")?
        .query_row([], |row| row.get(0))?;
    let oldest = oldest.map_or(i64::MAX, |position| position >> BITS);
    connection.prepare_cached("DELETE FROM recipient_index WHERE run < ?1")?.execute([oldest])?;
    Ok(())
}

/// The first position whose run is not written.
pub(super) fn first_unwritten(connection: &Connection) -> Result<u64> {
    let last: Option<i64> =
        connection.prepare_cached("SELECT max(run) FROM recipient_index")?.query_row([], |row| row.get(0))?;
    Ok(last.map_or(0, |run| (uint(run) + 1) << BITS))
}

/// The newest written run before `position` that has something for an account: the
/// positions, newest first, and the run's first position. Looks at `most` runs,
/// and counts them down.
pub(super) fn before(
    connection: &Connection,
    account: u64,
    position: u64,
    most: &mut usize,
) -> Result<Option<(Vec<u64>, u64)>> {
    let mut statement = connection
        .prepare_cached("SELECT run, pairs FROM recipient_index WHERE run <= ?1 ORDER BY run DESC LIMIT 1")?;
    let mut position = position;
    while position > 0 {
        let found = statement
            .query_row([int((position - 1) >> BITS)], |row| {
                Ok((uint(row.get(0)?), positions_in(uint(row.get(0)?), row.get_ref(1)?.as_blob()?, account)))
            })
            .optional()?;
        let Some((run, positions)) = found else { return Ok(None) };
        let mut positions = positions.ok_or_else(|| Error::corrupt("recipient index"))?;
        positions.retain(|found| *found < position);
        *most = most.saturating_sub(1);
        position = run << BITS;
        if !positions.is_empty() || *most == 0 {
            return Ok(Some((positions, position)));
        }
    }
    Ok(None)
}

/// The positions of a run that are for an account or for every account, newest first.
fn positions_in(run: u64, mut packed: &[u8], account: u64) -> Option<Vec<u64>> {
    let mut positions = Vec::new();
    let mut pair = 0u64;
    while !packed.is_empty() {
        pair = pair.wrapping_add(varint::take(&mut packed)?);
        let of = pair >> BITS;
        if of == EVERY_ACCOUNT || of == account {
            positions.push(run << BITS | (pair & ((1 << BITS) - 1)));
        } else if of > account {
            break;
        }
    }
    positions.sort_unstable_by(|a, b| b.cmp(a));
    Some(positions)
}
