//! Counts everything again from rows and cursors.

use std::collections::HashMap;

use rusqlite::Connection;
use tidings_core::model::{AccountId, Counters, Priority};
use tidings_core::store::Totals;

use super::account_cursor::AccountCursor;
use super::convert::{self, state, uint};
use super::error::Result;
use super::recipient_index::RecipientIndex;
use super::totals::{StoredTotals, add};
use super::writer::Writer;
use crate::open_index::OpenIndex;

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
    let stored = StoredTotals::load(connection)?;
    let accounts = connection.query_row("SELECT count(*) FROM accounts", [], |row| row.get(0).map(uint))?;
    let mut counted = Totals {
        accounts,
        notifications: stored.current.notifications,
        counters: stored.purged,
        scheduled: 0,
    };
    let mut statement = connection.prepare(
        "SELECT n.seq, n.id, n.state, n.open, n.recipients, n.delivered, n.opened, n.expired, n.cancelled,
            (SELECT count(*) FROM openings o WHERE o.seq = n.seq)
         FROM notifications n",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = convert::id_from(row.get(1)?);
        let state: i64 = row.get(2)?;
        let counters = Counters {
            recipients: uint(row.get(4)?),
            delivered: uint(row.get(5)?),
            opened: uint(row.get(6)?),
            expired: uint(row.get(7)?),
            cancelled: uint(row.get(8)?),
        };
        if convert::released(state) {
            add(&mut counted.counters, &counters);
        }
        counted.scheduled += u64::from(state == state::SCHEDULED);
        let waiting = pending.get(&uint(row.get(0)?)).copied().unwrap_or(0);
        let ended = counters.delivered + counters.expired + counters.cancelled;
        if state != state::SCHEDULED && ended + waiting != counters.recipients {
            wrong.push(format!("{id}: kept {counters:?}, {waiting} pending"));
        }
        if row.get::<_, bool>(3)? != (state == state::LIVE && ended < counters.recipients) {
            wrong.push(format!("{id}: open is kept wrongly"));
        }
        let openings = uint(row.get(9)?);
        if openings != counters.opened || openings > counters.delivered {
            wrong.push(format!("{id}: kept {counters:?}, {openings} opened"));
        }
    }
    if counted != stored.current {
        wrong.push(format!("totals: kept {:?}, counted {counted:?}", stored.current));
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
