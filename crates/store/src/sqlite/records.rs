//! Notifications as listings and the API show them.

use rusqlite::{Connection, OptionalExtension, Row, params};
use tidings_core::model::{
    Audience, Counters, Notification, NotificationId, Seq, Timestamp, Topic, Username,
};
use tidings_core::store::{NotificationRecord, Page};

use super::contents::{Carried, carried, endpoint_from};
use super::convert::{self, id_bytes, int, limit as sql_limit, uint};
use super::damaged::Damaged;
use super::error::{Error, Result};
use crate::PAGE_BYTES;

/// The columns that [`record`] reads.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT n.seq, n.position, n.id, n.topic, n.priority, n.state, n.created_at, n.send_at,
                n.sent_at, n.expires_at, n.collapse_key, n.recipients, n.delivered, n.opened, n.expired,
                n.cancelled, n.endpoint, n.replaced, c.users, ",
            carried!(),
            " FROM notifications n LEFT JOIN contents c ON c.position = n.position ",
            $rest
        )
    };
}

pub(super) fn notification(
    connection: &Connection,
    id: NotificationId,
) -> Result<Option<NotificationRecord>> {
    let mut statement = connection.prepare_cached(select!("WHERE n.id = ?1"))?;
    let mut rows = statement.query([id_bytes(id)])?;
    rows.next()?.map(record).transpose()
}

/// The one at this position in the listing.
pub(super) fn at(connection: &Connection, position: u64) -> Result<Option<NotificationRecord>> {
    let mut statement = connection.prepare_cached(select!("WHERE n.position = ?1"))?;
    let mut rows = statement.query([int(position)])?;
    rows.next()?.map(record).transpose()
}

/// A page of the listing. What is damaged is left out: it takes no other one with it.
pub(super) fn notifications(
    connection: &Connection,
    damaged: &Damaged,
    before: Option<u64>,
    limit: usize,
) -> Result<Page<NotificationRecord, u64>> {
    match page(connection, before, limit) {
        Err(error) if error.damage().is_some() => page_one_by_one(connection, damaged, before, limit),
        page => page,
    }
}

fn page(connection: &Connection, before: Option<u64>, limit: usize) -> Result<Page<NotificationRecord, u64>> {
    let limit = limit.max(1);
    let mut statement =
        connection.prepare_cached(select!("WHERE n.position < ?1 ORDER BY n.position DESC LIMIT ?2"))?;
    let before = int(before.unwrap_or(u64::MAX));
    let mut rows = statement.query(params![before, sql_limit(limit.saturating_add(1))])?;
    let mut filled = Filled::new(limit);
    let mut page = Page { items: Vec::<NotificationRecord>::new(), next: None };
    while let Some(row) = rows.next()? {
        if filled.is_full() {
            page.next = page.items.last().map(|record| record.position);
            break;
        }
        page.items.push(record(row)?);
        filled.add(page.items.last());
    }
    Ok(page)
}

/// The same, in so many look-ups that a damaged row is known from the others.
fn page_one_by_one(
    connection: &Connection,
    damaged: &Damaged,
    before: Option<u64>,
    limit: usize,
) -> Result<Page<NotificationRecord, u64>> {
    let mut statement = connection.prepare_cached(
        "SELECT position, seq, id FROM notifications WHERE position < ?1 ORDER BY position DESC LIMIT ?2",
    )?;
    let before = int(before.unwrap_or(u64::MAX));
    let mut rows = statement.query(params![before, sql_limit(limit.max(1).saturating_add(1))])?;
    let mut filled = Filled::new(limit.max(1));
    let mut page = Page { items: Vec::new(), next: None };
    let mut looked_at = None;
    while let Some(row) = rows.next()? {
        if filled.is_full() {
            page.next = looked_at;
            break;
        }
        looked_at = Some(uint(row.get(0)?));
        read_into(&mut page.items, &mut filled, connection, damaged, row)?;
    }
    Ok(page)
}

/// Reads the notification that `row` names by its position, number and id into a page. One that
/// cannot be read is set aside.
pub(super) fn read_into(
    items: &mut Vec<NotificationRecord>,
    filled: &mut Filled,
    connection: &Connection,
    damaged: &Damaged,
    row: &Row<'_>,
) -> Result<()> {
    match at(connection, uint(row.get(0)?)) {
        Ok(found) => {
            items.extend(found);
            filled.add(items.last());
        }
        Err(error) if error.damage().is_some() => {
            damaged.note(uint(row.get(1)?), id_in(row, 2), &error);
            filled.add(None);
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// The notification's id, as far as it can be read.
pub(super) fn id_in(row: &Row<'_>, column: usize) -> NotificationId {
    row.get(column).map_or(NotificationId(0), convert::id_from)
}

/// How full a page of notifications is.
pub(super) struct Filled {
    rows: usize,
    bytes: usize,
}

impl Filled {
    pub fn new(limit: usize) -> Self {
        Self { rows: limit, bytes: PAGE_BYTES }
    }

    pub fn is_full(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }

    /// One row more, and what of it is shown.
    pub fn add(&mut self, record: Option<&NotificationRecord>) {
        self.rows = self.rows.saturating_sub(1);
        let bytes = record.map_or(0, |record| record.notification.content_bytes());
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

fn record(row: &Row<'_>) -> Result<NotificationRecord> {
    let state: i64 = row.get(5)?;
    let topic: Option<String> = row.get(3)?;
    let topic = match topic.as_deref() {
        None | Some("") => topic.map(|_| None),
        Some(name) => Some(Some(convert::topic(name)?)),
    };
    let users: Option<String> = row.get(18)?;
    let endpoint = endpoint_from(row.get(16)?);
    let Carried { payload, ext, sender } = Carried::read(row, 19)?;
    let counters = Counters {
        recipients: uint(row.get(11)?),
        delivered: uint(row.get(12)?),
        opened: uint(row.get(13)?),
        expired: uint(row.get(14)?),
        cancelled: uint(row.get(15)?),
    };
    Ok(NotificationRecord {
        position: uint(row.get(1)?),
        audience: match endpoint {
            Some(id) => Audience::Endpoint(id),
            None => audience(topic.as_ref(), users.as_deref())?,
        },
        notification: Notification {
            seq: Seq(if convert::released(state) { uint(row.get(0)?) } else { 0 }),
            id: convert::id_from(row.get(2)?),
            payload,
            ext,
            sender,
            priority: convert::priority(row.get(4)?)?,
            topic: topic.flatten(),
            endpoint,
            collapse_key: row.get(10)?,
            sent_at: Timestamp(row.get(8)?),
            expires_at: Timestamp(row.get(9)?),
        },
        created_at: Timestamp(row.get(6)?),
        send_at: row.get::<_, Option<i64>>(7)?.map(Timestamp),
        state: convert::state_from(state, row.get(17)?, &counters)?,
        counters,
    })
}

/// `topic`: outer `None` for named accounts, inner `None` for all.
fn audience(topic: Option<&Option<Topic>>, users: Option<&str>) -> Result<Audience> {
    match topic {
        Some(Some(topic)) => Ok(Audience::Topic(topic.clone())),
        Some(None) => Ok(Audience::All),
        None => {
            let names: Vec<String> =
                serde_json::from_str(users.unwrap_or("[]")).map_err(|_| Error::corrupt("audience"))?;
            let names: Vec<Username> =
                names.iter().map(|name| convert::username(name)).collect::<Result<_>>()?;
            Ok(Audience::Users(names))
        }
    }
}

pub(super) fn next_release(connection: &Connection) -> Result<Option<Timestamp>> {
    first_time(
        connection,
        "SELECT send_at FROM notifications INDEXED BY scheduled_by_time WHERE state = 0
         ORDER BY send_at LIMIT 1",
    )
}

pub(super) fn next_expiry(connection: &Connection) -> Result<Option<Timestamp>> {
    first_time(
        connection,
        "SELECT expires_at FROM notifications INDEXED BY open_by_expiry WHERE open = 1
         ORDER BY expires_at LIMIT 1",
    )
}

fn first_time(connection: &Connection, sql: &str) -> Result<Option<Timestamp>> {
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0).map(Timestamp)).optional()?)
}
