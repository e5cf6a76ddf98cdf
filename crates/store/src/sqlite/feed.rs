//! What waits for one account, read beside the writer.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};
use tidings_core::model::{AccountId, Notification, NotificationId, Priority, Seq, Timestamp, Topic};
use tidings_core::store::{Feed, Payloads};

use super::account_cursor::AccountCursor;
use super::contents::{Carried, carried, endpoint_from};
use super::convert::{self, int, limit as sql_limit, uint};
use super::damaged::Damaged;
use super::error::{Error, Result};
use super::readers::in_snapshot;
use super::records;
use super::totals::StoredTotals;
use crate::by_priority::ByPriority;
use crate::cursor::is_subscribed;
use crate::open_index::CollapseKey;

/// A feed, and what of the account's copies a newer one replaced meanwhile:
/// the writer has to be told.
pub(super) struct Read {
    pub feed: Feed,
    pub superseded: Vec<u64>,
}

/// A pending notification, not read yet.
struct Candidate {
    seq: u64,
    id: NotificationId,
    collapse: Option<CollapseKey>,
}

pub(super) fn feed(
    connection: &Connection,
    damaged: &Damaged,
    account: AccountId,
    payloads: Payloads,
    now: Timestamp,
    limit: usize,
) -> Result<Read> {
    in_snapshot(connection, |connection| read(connection, damaged, account, payloads, now, limit))
}

fn read(
    connection: &Connection,
    damaged: &Damaged,
    account: AccountId,
    payloads: Payloads,
    now: Timestamp,
    limit: usize,
) -> Result<Read> {
    let head = Seq(StoredTotals::last(connection)?);
    let feed = Feed { pending: Vec::new(), more: false, head, damaged: Vec::new() };
    let mut read = Read { feed, superseded: Vec::new() };
    if !anything_pending(connection, account)? {
        return Ok(read);
    }
    let Some(cursor) = AccountCursor::load(connection, account)? else { return Ok(read) };
    for priority in Priority::DESCENDING {
        let mut after = 0;
        loop {
            // One more than there is room for tells whether there are more.
            let wanted = limit.saturating_add(1) - read.feed.pending.len();
            let found = candidates(connection, &cursor, payloads, priority, after, now, wanted)?;
            let last_page = found.len() < wanted;
            for candidate in found {
                after = candidate.seq;
                if superseded(connection, &cursor, &candidate)? {
                    read.superseded.push(candidate.seq);
                    continue;
                }
                if read.feed.pending.len() == limit {
                    read.feed.more = true;
                    return Ok(read);
                }
                match notification(connection, candidate.seq) {
                    Ok(pending) => read.feed.pending.push(pending),
                    Err(error) if error.damage().is_some() => {
                        damaged.note(candidate.seq, candidate.id, &error);
                        if read.feed.damaged.len() < limit {
                            read.feed.damaged.push((Seq(candidate.seq), candidate.id));
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            if last_page {
                break;
            }
        }
    }
    Ok(read)
}

/// Whether anything might be pending for an account: one question instead of nine.
fn anything_pending(connection: &Connection, account: AccountId) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM queue WHERE account = ?1)
             OR EXISTS (SELECT 1 FROM notifications INDEXED BY open_shared
                        WHERE open = 1 AND topic IS NOT NULL)",
    )?;
    Ok(statement.query_row([account.0], |row| row.get(0))?)
}

/// The last number given out, where nothing might be pending for an account and it has
/// no topics: neither a queue row, nor a broadcast beyond its cursor (which may be settled
/// all the same, ahead of it). A single statement, so that it needs no transaction around it.
pub(super) fn head_if_idle(connection: &Connection, account: AccountId) -> Result<Option<Seq>> {
    let mut statement = connection.prepare_cached(
        "SELECT totals.last FROM totals LEFT JOIN cursors ON cursors.account = ?1
         WHERE NOT EXISTS (SELECT 1 FROM queue WHERE account = ?1)
             AND NOT EXISTS (SELECT 1 FROM subscriptions WHERE account = ?1)
             AND (NOT EXISTS (SELECT 1 FROM notifications INDEXED BY open_shared
                              WHERE open = 1 AND topic IS NOT NULL)
                  OR (NOT EXISTS (SELECT 1 FROM notifications INDEXED BY open_shared
                                  WHERE open = 1 AND topic IS NOT NULL AND topic = '' AND priority = 0
                                      AND seq > coalesce(cursors.low,
                                          (SELECT registered_at FROM accounts WHERE id = ?1), 0))
                      AND NOT EXISTS (SELECT 1 FROM notifications INDEXED BY open_shared
                                      WHERE open = 1 AND topic IS NOT NULL AND topic = '' AND priority = 1
                                          AND seq > coalesce(cursors.normal,
                                              (SELECT registered_at FROM accounts WHERE id = ?1), 0))
                      AND NOT EXISTS (SELECT 1 FROM notifications INDEXED BY open_shared
                                      WHERE open = 1 AND topic IS NOT NULL AND topic = '' AND priority = 2
                                          AND seq > coalesce(cursors.high,
                                              (SELECT registered_at FROM accounts WHERE id = ?1), 0))))",
    )?;
    Ok(statement.query_row([account.0], |row| row.get(0).map(uint)).optional()?.map(Seq))
}

/// The first `wanted` pending ones of a priority beyond `after`, in order.
fn candidates(
    connection: &Connection,
    cursor: &AccountCursor,
    payloads: Payloads,
    priority: Priority,
    after: u64,
    now: Timestamp,
    wanted: usize,
) -> Result<Vec<Candidate>> {
    let mut found = Vec::new();
    let mut queued = connection.prepare_cached(
        "SELECT n.seq, n.collapse_key, n.collapse_sender, n.id FROM queue q CROSS JOIN notifications n ON n.seq = q.seq
         WHERE q.account = ?1 AND q.priority = ?2 AND q.seq > ?3 AND n.expires_at > ?4
            AND n.opaque <= ?6
         ORDER BY q.seq LIMIT ?5",
    )?;
    let mut rows = queued.query(params![
        cursor.account.0,
        priority.index() as i64,
        int(after),
        now.0,
        sql_limit(wanted),
        payloads == Payloads::Any
    ])?;
    while let Some(row) = rows.next()? {
        let collapse = collapse_key(row.get(1)?, row.get(2)?);
        found.push(Candidate { seq: uint(row.get(0)?), id: records::id_in(row, 3), collapse });
    }
    let mut broadcasts = connection.prepare_cached(
        "SELECT seq, collapse_key, collapse_sender, expires_at, opaque, id FROM notifications INDEXED BY open_shared
         WHERE open = 1 AND topic = ?1 AND priority = ?2 AND seq > ?3 ORDER BY seq",
    )?;
    for (topic, beyond) in cursor.get().sources(priority, cursor.subscriptions(connection)?) {
        let topic = topic.map_or("", Topic::as_str);
        let mut rows = broadcasts.query(params![topic, priority.index() as i64, int(beyond.max(after))])?;
        let mut taken = 0;
        while taken < wanted
            && let Some(row) = rows.next()?
        {
            let seq = uint(row.get(0)?);
            let fits = payloads == Payloads::Any || !row.get::<_, bool>(4)?;
            if fits && row.get::<_, i64>(3)? > now.0 && cursor.get().is_unsettled(seq, priority) {
                let collapse = collapse_key(row.get(1)?, row.get(2)?);
                found.push(Candidate { seq, id: records::id_in(row, 5), collapse });
                taken += 1;
            }
        }
    }
    // Each source gave its first ones in order, so the first of all are among them.
    found.sort_unstable_by_key(|candidate| candidate.seq);
    found.truncate(wanted);
    Ok(found)
}

/// Whether a newer one for all or for a topic, with the same key, came for this
/// account, whatever became of it.
fn superseded(connection: &Connection, cursor: &AccountCursor, older: &Candidate) -> Result<bool> {
    let Some(CollapseKey { key, sender }) = &older.collapse else { return Ok(false) };
    let mut statement = connection.prepare_cached(
        "SELECT seq, topic FROM notifications INDEXED BY shared_by_key
         WHERE collapse_key = ?1 AND topic IS NOT NULL AND seq > ?2 AND state IN (1, 2, 3)
            AND (?3 IS NULL OR collapse_sender IS ?3)",
    )?;
    let mut rows = statement.query(params![key, int(older.seq), sender])?;
    while let Some(row) = rows.next()? {
        let (seq, topic) = (uint(row.get(0)?), row.get::<_, String>(1)?);
        if topic.is_empty() || is_subscribed(cursor.subscriptions(connection)?, &topic, seq) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn collapse_key(key: Option<String>, sender: Option<String>) -> Option<CollapseKey> {
    key.map(|key| CollapseKey { key, sender })
}

fn notification(connection: &Connection, seq: u64) -> Result<Notification> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT n.id, n.priority, n.topic, n.collapse_key, n.sent_at, n.expires_at, n.endpoint, ",
        carried!(),
        " FROM notifications n LEFT JOIN contents c ON c.position = n.position WHERE n.seq = ?1",
    ))?;
    let mut rows = statement.query([int(seq)])?;
    let row = rows.next()?.ok_or_else(|| Error::corrupt("queue"))?;
    let topic: Option<String> = row.get(2)?;
    let Carried { payload, ext, sender } = Carried::read(row, 7)?;
    Ok(Notification {
        seq: Seq(seq),
        id: convert::id_from(row.get(0)?),
        payload,
        ext,
        sender,
        priority: convert::priority(row.get(1)?)?,
        topic: topic.filter(|name| !name.is_empty()).as_deref().map(convert::topic).transpose()?,
        endpoint: endpoint_from(row.get(6)?),
        collapse_key: row.get(3)?,
        sent_at: Timestamp(row.get(4)?),
        expires_at: Timestamp(row.get(5)?),
    })
}

/// How much is pending for one account.
pub(super) fn pending_count(connection: &Connection, account: AccountId) -> Result<u64> {
    let Some(cursor) = AccountCursor::load(connection, account)? else { return Ok(0) };
    let mut pending = queued_count(connection, account)?;
    let subscriptions = cursor.subscriptions(connection)?;
    let mut broadcasts = connection.prepare_cached(
        "SELECT seq FROM notifications INDEXED BY open_shared
         WHERE open = 1 AND topic = ?1 AND priority = ?2 AND seq > ?3",
    )?;
    for priority in Priority::DESCENDING {
        for (topic, after) in cursor.get().sources(priority, subscriptions) {
            let topic = topic.map_or("", Topic::as_str);
            let mut rows = broadcasts.query(params![topic, priority.index() as i64, int(after)])?;
            while let Some(row) = rows.next()? {
                pending += u64::from(cursor.get().is_unsettled(uint(row.get(0)?), priority));
            }
        }
    }
    Ok(pending)
}

fn queued_count(connection: &Connection, account: AccountId) -> Result<u64> {
    let mut queued = connection.prepare_cached("SELECT count(*) FROM queue WHERE account = ?1")?;
    Ok(queued.query_row([account.0], |row| row.get(0).map(uint))?)
}

/// Broadcasts that are pending for an account, read once to count for many.
pub(super) struct OpenBroadcastSeqs(HashMap<String, ByPriority<Vec<u64>>>);

impl OpenBroadcastSeqs {
    pub fn load(connection: &Connection) -> Result<Self> {
        let mut statement = connection.prepare_cached(
            "SELECT topic, priority, seq FROM notifications INDEXED BY open_shared
             WHERE open = 1 AND topic IS NOT NULL ORDER BY topic, priority, seq",
        )?;
        let mut rows = statement.query([])?;
        let mut topics = HashMap::<String, ByPriority<Vec<u64>>>::new();
        while let Some(row) = rows.next()? {
            let topic = row.get_ref(0)?.as_str().map_err(|_| Error::corrupt("topic"))?;
            let priority = convert::priority(row.get(1)?)?;
            let seq = uint(row.get(2)?);
            match topics.get_mut(topic) {
                Some(of_topic) => of_topic[priority].push(seq),
                None => topics.entry(topic.to_owned()).or_default()[priority].push(seq),
            }
        }
        Ok(Self(topics))
    }

    /// The same as [`pending_count`].
    pub fn pending_count(&self, connection: &Connection, account: AccountId) -> Result<u64> {
        let Some(cursor) = AccountCursor::load(connection, account)? else { return Ok(0) };
        let mut pending = queued_count(connection, account)?;
        let subscriptions = cursor.subscriptions(connection)?;
        for priority in Priority::DESCENDING {
            for (topic, after) in cursor.get().sources(priority, subscriptions) {
                let of_topic = self.0.get(topic.map_or("", Topic::as_str));
                let seqs = of_topic.map(|of_topic| of_topic[priority].as_slice()).unwrap_or_default();
                let (_, beyond) = seqs.split_at(seqs.partition_point(|seq| *seq <= after));
                let acked = cursor.get().acked_beyond(priority).iter();
                let settled = acked.filter(|seq| beyond.binary_search(seq).is_ok()).count();
                pending += (beyond.len() - settled) as u64;
            }
        }
        Ok(pending)
    }
}

/// Of these notifications for an account, what it has acknowledged or what waits for it, in order.
pub(super) fn released_to(
    connection: &Connection,
    damaged: &Damaged,
    account: AccountId,
    mut seqs: Vec<Seq>,
    now: Timestamp,
) -> Result<Vec<Notification>> {
    seqs.sort_unstable();
    seqs.dedup();
    // Of the copy of a single recipient the counters say that it was dropped.
    let mut stands = connection.prepare_cached(
        "SELECT id FROM notifications
         WHERE seq = ?1 AND state = 1 AND expires_at > ?3
             AND NOT (topic IS NULL AND recipients = 1 AND expired + cancelled > 0)
             AND NOT EXISTS (SELECT 1 FROM dropped WHERE seq = ?1 AND account = ?2)",
    )?;
    let mut released = Vec::with_capacity(seqs.len());
    for Seq(seq) in seqs {
        let id = stands.query_row(params![int(seq), account.0, now.0], |row| row.get(0)).optional()?;
        let Some(id) = id.map(convert::id_from) else { continue };
        match notification(connection, seq) {
            Ok(notification) => released.push(notification),
            Err(error) if error.damage().is_some() => damaged.note(seq, id, &error),
            Err(error) => return Err(error),
        }
    }
    Ok(released)
}

/// A released notification's [`Seq`], by id.
pub(super) fn seq_of(connection: &Connection, id: NotificationId) -> Result<Option<Seq>> {
    let mut statement =
        connection.prepare_cached("SELECT seq FROM notifications WHERE id = ?1 AND state IN (1, 2, 3)")?;
    let seq = statement.query_row([convert::id_bytes(id)], |row| row.get(0).map(uint));
    Ok(seq.optional()?.map(Seq))
}
