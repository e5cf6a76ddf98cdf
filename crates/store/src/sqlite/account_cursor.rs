//! Where one account stands with broadcasts: its cursor and its subscriptions.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};
use tidings_core::model::{AccountId, Priority, Topic};

use super::convert::{self, int, uint};
use super::error::{Error, Result};
use super::open_index::OpenIndex;
use super::varint;

/// An account's cursor, read for a while and written back once.
#[derive(Debug)]
pub(super) struct AccountCursor {
    pub account: AccountId,
    /// All broadcasts up to here are settled or were never for the account.
    settled_up_to: [u64; 3],
    /// Settled beyond the cursor, because something before is still pending.
    acked_beyond: [BTreeSet<u64>; 3],
    subscriptions: Option<Vec<(Topic, u64)>>,
    changed: bool,
    /// What the cursor passed since it was read without the account having had it.
    skipped: Vec<u64>,
}

impl AccountCursor {
    /// `None` where there is no such account.
    pub fn load(connection: &Connection, account: AccountId) -> Result<Option<Self>> {
        let row = connection
            .prepare_cached("SELECT low, normal, high, ahead FROM cursors WHERE account = ?1")?
            .query_row([account.0], |row| {
                let cursor = [uint(row.get(0)?), uint(row.get(1)?), uint(row.get(2)?)];
                Ok((cursor, row.get::<_, Option<Vec<u8>>>(3)?))
            })
            .optional()?;
        let (settled_up_to, acked_beyond) = match row {
            Some((cursor, ahead)) => (cursor, ahead.as_deref().map(decode).transpose()?.unwrap_or_default()),
            None => {
                let Some(registered_at) = registered_at(connection, account)? else { return Ok(None) };
                ([registered_at; 3], Default::default())
            }
        };
        Ok(Some(Self {
            account,
            settled_up_to,
            acked_beyond,
            subscriptions: None,
            changed: false,
            skipped: Vec::new(),
        }))
    }

    pub fn save(&mut self, connection: &Connection) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        let [low, normal, high] = self.settled_up_to.map(int);
        connection
            .prepare_cached(
                "REPLACE INTO cursors (account, low, normal, high, ahead) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![self.account.0, low, normal, high, encode(&self.acked_beyond)])?;
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
            .prepare_cached("REPLACE INTO missed (account, seqs) VALUES (?1, ?2)")?
            .execute(params![self.account.0, varint::encode(kept)])?;
        Ok(())
    }

    /// The account's topics, each with the newest number at subscription.
    pub fn subscriptions(&mut self, connection: &Connection) -> Result<&[(Topic, u64)]> {
        if self.subscriptions.is_none() {
            let mut statement =
                connection.prepare_cached("SELECT topic, since FROM subscriptions WHERE account = ?1")?;
            let mut rows = statement.query([self.account.0])?;
            let mut topics = Vec::new();
            while let Some(row) = rows.next()? {
                topics.push((
                    convert::topic(row.get_ref(0)?.as_str().map_err(|_| Error::corrupt("topic"))?)?,
                    uint(row.get(1)?),
                ));
            }
            self.subscriptions = Some(topics);
        }
        Ok(self.known_subscriptions())
    }

    /// What [`AccountCursor::subscriptions`] has read; empty before.
    pub fn known_subscriptions(&self) -> &[(Topic, u64)] {
        self.subscriptions.as_deref().unwrap_or_default()
    }

    /// Everything of this priority up to here was settled, or is not pending.
    pub fn settled_up_to(&self, priority: Priority) -> u64 {
        self.settled_up_to[priority.index()]
    }

    /// What was settled beyond the cursor.
    pub fn acked_beyond(&self, priority: Priority) -> &BTreeSet<u64> {
        &self.acked_beyond[priority.index()]
    }

    /// The newest broadcast of this priority that was settled.
    pub fn newest_settled(&self, priority: Priority) -> u64 {
        let index = priority.index();
        self.acked_beyond[index].last().copied().unwrap_or(0).max(self.settled_up_to[index])
    }

    /// Whether a broadcast that is meant for the account was not settled by it.
    pub fn unsettled(&self, seq: u64, priority: Priority) -> bool {
        let index = priority.index();
        seq > self.settled_up_to[index] && !self.acked_beyond[index].contains(&seq)
    }

    /// Whether a broadcast beyond the cursor is for this account. What lies
    /// before the account's creation never is beyond its cursor.
    pub fn meant(&mut self, connection: &Connection, seq: u64, topic: Option<&Topic>) -> Result<bool> {
        let Some(topic) = topic else { return Ok(true) };
        let subscriptions = self.subscriptions(connection)?;
        Ok(subscriptions.iter().any(|(name, since)| name == topic && seq > *since))
    }

    /// Settles a broadcast that is meant for the account and unsettled, and
    /// moves the cursor as far as nothing pending lies before it.
    pub fn settle(
        &mut self,
        connection: &Connection,
        open: &OpenIndex,
        seq: u64,
        priority: Priority,
    ) -> Result<()> {
        let index = priority.index();
        self.acked_beyond[index].insert(seq);
        self.changed = true;
        let Some(top) = self.acked_beyond[index].last().copied() else { return Ok(()) };
        let stop = self.first_pending(connection, open, priority, top)?.unwrap_or(u64::MAX);
        let beyond = self.acked_beyond[index].split_off(&stop);
        if let Some(reached) = self.acked_beyond[index].last().copied() {
            self.note_skipped(connection, open, priority, reached)?;
            self.settled_up_to[index] = reached;
        }
        self.acked_beyond[index] = beyond;
        Ok(())
    }

    /// Remembers what ended unsettled between the cursor and where it moves to.
    fn note_skipped(
        &mut self,
        connection: &Connection,
        open: &OpenIndex,
        priority: Priority,
        to: u64,
    ) -> Result<()> {
        let index = priority.index();
        let ended = open.ended(priority).range(self.settled_up_to[index].saturating_add(1)..=to);
        for (seq, topic) in ended {
            if !self.acked_beyond[index].contains(seq) && self.meant(connection, *seq, topic.as_ref())? {
                self.skipped.push(*seq);
            }
        }
        Ok(())
    }

    /// The first one below `top` that is pending for this account.
    fn first_pending(
        &mut self,
        connection: &Connection,
        open: &OpenIndex,
        priority: Priority,
        top: u64,
    ) -> Result<Option<u64>> {
        let settled = self.settled_up_to(priority);
        let first = |seqs: &BTreeSet<u64>, acked: &BTreeSet<u64>, after: u64| {
            if after >= top {
                return None;
            }
            seqs.range(after + 1..top).find(|seq| !acked.contains(seq)).copied()
        };
        let mut stop = first(open.all(priority), &self.acked_beyond[priority.index()], settled);
        if first(open.topical(priority), &self.acked_beyond[priority.index()], settled).is_some() {
            self.subscriptions(connection)?;
            for (topic, since) in self.known_subscriptions() {
                let Some(seqs) = open.of_topic(topic, priority) else { continue };
                let found = first(seqs, &self.acked_beyond[priority.index()], settled.max(*since));
                stop = [stop, found].into_iter().flatten().min();
            }
        }
        Ok(stop)
    }

    /// All broadcasts that are pending for this account.
    pub fn pending(&mut self, connection: &Connection, open: &OpenIndex) -> Result<Vec<u64>> {
        self.subscriptions(connection)?;
        let mut pending = Vec::new();
        for priority in Priority::DESCENDING {
            let mut collect = |seqs: &BTreeSet<u64>, after: u64| {
                let beyond = seqs.range(after.saturating_add(1)..);
                pending.extend(beyond.filter(|seq| self.unsettled(**seq, priority)));
            };
            collect(open.all(priority), self.settled_up_to(priority));
            for (topic, since) in self.known_subscriptions() {
                if let Some(seqs) = open.of_topic(topic, priority) {
                    collect(seqs, self.settled_up_to(priority).max(*since));
                }
            }
        }
        Ok(pending)
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
        .prepare_cached("SELECT seqs FROM missed WHERE account = ?1")?
        .query_row([account.0], |row| row.get(0))
        .optional()?;
    let seqs = varint::decode(packed.as_deref().unwrap_or_default());
    Ok(seqs.ok_or_else(|| Error::corrupt("cursor"))?.into_iter().collect())
}

/// Three lists, each behind its length; nothing where all are empty.
fn encode(ahead: &[BTreeSet<u64>; 3]) -> Option<Vec<u8>> {
    if ahead.iter().all(BTreeSet::is_empty) {
        return None;
    }
    let mut bytes = Vec::new();
    for seqs in ahead {
        let packed = varint::encode(seqs.iter().copied());
        varint::put(&mut bytes, packed.len() as u64);
        bytes.extend(packed);
    }
    Some(bytes)
}

fn decode(mut bytes: &[u8]) -> Result<[BTreeSet<u64>; 3]> {
    let mut list = || {
        let length = usize::try_from(varint::take(&mut bytes)?).ok()?;
        let (packed, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        Some(varint::decode(packed)?.into_iter().collect())
    };
    let lists = (|| Some([list()?, list()?, list()?]))();
    lists.ok_or_else(|| Error::corrupt("cursor"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ahead_comes_back() {
        let ahead = [BTreeSet::from([5, 9, 1 << 40]), BTreeSet::new(), BTreeSet::from([7])];
        assert_eq!(decode(&encode(&ahead).unwrap()).unwrap(), ahead);
        assert_eq!(encode(&Default::default()), None);
        assert!(decode(&[9, 1]).is_err());
    }
}
