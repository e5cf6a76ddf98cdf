//! Counts everything again from rows and cursors.

use std::collections::HashMap;

use rusqlite::Connection;
use tidings_core::model::{AccountId, Counters, Priority};
use tidings_core::store::Totals;

use super::account_cursor::AccountCursor;
use super::convert::{state, uint};
use super::error::Result;
use super::recipient_index::RecipientIndex;
use super::records;
use super::totals::StoredTotals;
use super::writer::Writer;
use crate::open_index::OpenIndex;
use crate::varint;

/// Names each counter that disagrees with what it counts.
pub(super) fn verify_counters(connection: &Connection) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let pending = pending(connection, &mut wrong)?;
    notifications(connection, &pending, &mut wrong)?;
    topics(connection, &mut wrong)?;
    Ok(wrong)
}

/// How many accounts each notification waits for, by going through all accounts.
fn pending(connection: &Connection, wrong: &mut Vec<String>) -> Result<HashMap<u64, u64>> {
    let mut counted = HashMap::<u64, u64>::new();
    let open = OpenIndex::load_without_ended(connection)?;
    let mut accounts = connection.prepare("SELECT id FROM accounts")?;
    let mut rows = accounts.query([])?;
    while let Some(row) = rows.next()? {
        let id = AccountId(row.get(0)?);
        let Some(cursor) = AccountCursor::load(connection, id)? else { continue };
        for seq in cursor.pending(connection, &open)? {
            *counted.entry(seq).or_default() += 1;
        }
    }
    let mut queue = connection.prepare(
        "SELECT q.account, q.seq, n.open = 1 AND n.topic IS NULL AND n.priority = q.priority,
            EXISTS (SELECT 1 FROM accounts WHERE id = q.account)
         FROM queue q LEFT JOIN notifications n ON n.seq = q.seq",
    )?;
    let mut rows = queue.query([])?;
    while let Some(row) = rows.next()? {
        let seq = uint(row.get(1)?);
        *counted.entry(seq).or_default() += 1;
        if !row.get::<_, Option<bool>>(2)?.unwrap_or(false) || !row.get::<_, bool>(3)? {
            wrong.push(format!("queue: account {} must not wait for {seq}", row.get::<_, i64>(0)?));
        }
    }
    Ok(counted)
}

fn notifications(
    connection: &Connection,
    pending: &HashMap<u64, u64>,
    wrong: &mut Vec<String>,
) -> Result<()> {
    let mut statement = connection.prepare(
        "SELECT n.seq, n.id, n.state, n.open, n.recipients, n.delivered, n.opened, n.expired, n.cancelled,
            (SELECT count(*) FROM openings o WHERE o.seq = n.seq), n.topic IS NULL, c.members
         FROM notifications n LEFT JOIN contents c ON c.position = n.position",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = records::id_in(row, 1);
        let state: i64 = row.get(2)?;
        let mut numbers = [0; 6];
        for (number, column) in numbers.iter_mut().zip(4..) {
            *number = row.get::<_, i64>(column)?;
        }
        if numbers.iter().any(|number| *number < 0) {
            wrong.push(format!("{id}: a counter is negative: {numbers:?}"));
            continue;
        }
        let [recipients, delivered, opened, expired, cancelled, openings] = numbers.map(uint);
        let counters = Counters { recipients, delivered, opened, expired, cancelled };
        let waiting = pending.get(&uint(row.get(0)?)).copied().unwrap_or(0);
        let ended = delivered.saturating_add(expired).saturating_add(cancelled);
        if state != state::SCHEDULED && ended.saturating_add(waiting) != recipients {
            wrong.push(format!("{id}: kept {counters:?}, {waiting} pending"));
        }
        if row.get::<_, bool>(3)? != (state == state::LIVE && ended < recipients) {
            wrong.push(format!("{id}: open is kept wrongly"));
        }
        if openings != opened || openings > delivered {
            wrong.push(format!("{id}: kept {counters:?}, {openings} opened"));
        }
        // Damaged ones are told of elsewhere.
        let members: Option<Vec<u8>> = if row.get(10)? { row.get(11)? } else { None };
        let named = members.and_then(|packed| varint::decode(&packed)).map(|named| named.len() as u64);
        if named.is_some_and(|named| named != recipients) {
            wrong.push(format!("{id}: kept {recipients} recipients, {} named", named.unwrap_or_default()));
        }
    }
    totals(connection, wrong)
}

/// Whether the totals are the sum of the documents and of what was purged, whatever became of each.
fn totals(connection: &Connection, wrong: &mut Vec<String>) -> Result<()> {
    let stored = StoredTotals::load(connection)?;
    let sum = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0).map(uint));
    let of = |column: &str, purged: u64| {
        let counted = sum(&format!("SELECT coalesce(sum({column}), 0) FROM notifications"))?;
        Ok::<_, rusqlite::Error>(counted.saturating_add(purged))
    };
    let counters = Counters {
        recipients: of("recipients", stored.purged.recipients)?,
        delivered: of("delivered", stored.purged.delivered)?,
        opened: of("opened", stored.purged.opened)?,
        expired: of("expired", stored.purged.expired)?,
        cancelled: of("cancelled", stored.purged.cancelled)?,
    };
    let counted = Totals {
        accounts: sum("SELECT count(*) FROM accounts")?,
        notifications: stored.current.notifications,
        counters,
        scheduled: sum("SELECT count(*) FROM notifications WHERE state = 0")?,
    };
    if counted != stored.current {
        wrong.push(format!("totals: kept {:?}, counted {counted:?}", stored.current));
    }
    let bytes = sum("SELECT coalesce(sum(size), 0) FROM notifications WHERE open = 1 OR state = 0")?;
    if bytes != stored.pending_bytes {
        wrong.push(format!("totals: kept {} bytes that wait, counted {bytes}", stored.pending_bytes));
    }
    Ok(())
}

fn topics(connection: &Connection, wrong: &mut Vec<String>) -> Result<()> {
    let mut statement = connection.prepare(
        "SELECT coalesce(t.name, s.topic), coalesce(t.subscribers, 0), coalesce(s.counted, 0)
         FROM topics t FULL JOIN (SELECT topic, count(*) AS counted FROM subscriptions GROUP BY topic) s
            ON s.topic = t.name
         WHERE coalesce(t.subscribers, 0) <> coalesce(s.counted, 0)",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (name, kept, counted): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        wrong.push(format!("topic {name}: kept {kept} subscribers, counted {counted}"));
    }
    Ok(())
}

impl Writer {
    /// Whether what the writer keeps in memory is what the database says.
    pub fn check_memory(&mut self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        let open = OpenIndex::load(&self.connection)?;
        let named = |open: &OpenIndex| {
            let mut all: Vec<_> = open.iter().map(|(seq, broadcast)| (seq, broadcast.clone())).collect();
            all.sort_unstable_by_key(|(seq, _)| *seq);
            all
        };
        if named(&open) != named(&self.open_index) {
            wrong.push("the writer's memory of what is live disagrees with the database".into());
        }
        if Priority::DESCENDING
            .iter()
            .any(|priority| open.ended(*priority) != self.open_index.ended(*priority))
        {
            wrong.push("the writer's memory of what ended disagrees with the database".into());
        }
        if !self.recipient_index.covers(&RecipientIndex::load(&self.connection)?) {
            wrong.push("the writer's memory of whom notifications named disagrees with the database".into());
        }
        Ok(wrong)
    }
}
