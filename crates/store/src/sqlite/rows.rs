//! Reads every row as the server would, for `tidings doctor`: what cannot be read, what is missing, and
//! times that cannot be.

use rusqlite::{Connection, Row};
use tidings_core::model::{AccountId, NotificationId, Timestamp};

use super::error::{Error, Result};
use super::{accounts, admin, convert, records};
use crate::cursor::Cursor;
use crate::varint;

/// Faults that are named of one kind; more are counted.
const NAMED: usize = 20;

/// What is wrong with the rows of one kind.
struct Faults {
    what: &'static str,
    named: Vec<String>,
    more: usize,
}

impl Faults {
    fn new(what: &'static str) -> Self {
        Self { what, named: Vec::new(), more: 0 }
    }

    fn note(&mut self, which: &dyn std::fmt::Display, why: &str) {
        if self.named.len() < NAMED {
            self.named.push(format!("{} {which}: {why}", self.what));
        } else {
            self.more += 1;
        }
    }

    /// Notes damage; anything else ends the examination.
    fn check<T>(&mut self, which: &dyn std::fmt::Display, read: Result<T>) -> Result<()> {
        match read {
            Ok(_) => Ok(()),
            Err(error) => match error.damage() {
                Some(why) => {
                    self.note(which, &why);
                    Ok(())
                }
                None => Err(error),
            },
        }
    }

    fn into_lines(self) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("{} more of the kind: {}", self.more, self.what));
        self.named.into_iter().chain(more).collect()
    }
}

/// Everything that cannot be read.
pub(super) fn unreadable(connection: &Connection) -> Result<Vec<String>> {
    let mut lines = notifications(connection)?;
    lines.extend(contents_of_nothing(connection)?);
    lines.extend(accounts_and_cursors(connection)?);
    let mut faults = Faults::new("API keys");
    faults.check(&"as a whole", admin::keys(connection))?;
    lines.extend(faults.into_lines());
    let mut faults = Faults::new("operators");
    faults.check(&"as a whole", admin::operators(connection))?;
    lines.extend(faults.into_lines());
    Ok(lines)
}

fn notifications(connection: &Connection) -> Result<Vec<String>> {
    let mut faults = Faults::new("notification");
    let mut statement = connection.prepare(
        "SELECT n.seq, n.position, n.id, n.created_at, n.send_at, n.sent_at, n.expires_at,
            c.position IS NOT NULL, n.topic IS NULL
         FROM notifications n LEFT JOIN contents c ON c.position = n.position",
    )?;
    let mut members = connection.prepare("SELECT members FROM contents WHERE position = ?1")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = records::id_in(row, 2);
        if id == NotificationId(0) {
            faults.note(&id, "its id cannot be read");
        }
        if !row.get::<_, bool>(7)? {
            faults.note(&id, "its content is missing");
            continue;
        }
        faults.check(&id, times(row))?;
        let position: i64 = row.get(1)?;
        faults.check(&id, records::at(connection, convert::uint(position)))?;
        if row.get(8)? {
            let named = members.query_row([position], |row| row.get::<_, Option<Vec<u8>>>(0));
            let named = named.map_err(Error::from).and_then(|packed| {
                varint::decode(&packed.unwrap_or_default()).ok_or_else(|| Error::corrupt("audience"))
            });
            faults.check(&id, named)?;
        }
    }
    Ok(faults.into_lines())
}

/// Whether a notification's times can be written.
fn times(row: &Row<'_>) -> Result<()> {
    for (column, what) in [
        (3, "created_at: it cannot be written"),
        (4, "send_at: it cannot be written"),
        (5, "sent_at: it cannot be written"),
        (6, "expires_at: it cannot be written"),
    ] {
        let at: Option<i64> = row.get(column)?;
        if at.is_some_and(|at| !Timestamp(at).can_be_written()) {
            return Err(Error::corrupt(what));
        }
    }
    Ok(())
}

/// Contents without a notification take room for ever.
fn contents_of_nothing(connection: &Connection) -> Result<Vec<String>> {
    let count: i64 = connection.query_row(
        "SELECT count(*) FROM contents c
         WHERE NOT EXISTS (SELECT 1 FROM notifications n WHERE n.position = c.position)",
        [],
        |row| row.get(0),
    )?;
    Ok((count > 0).then(|| format!("{count} contents belong to no notification")).into_iter().collect())
}

fn accounts_and_cursors(connection: &Connection) -> Result<Vec<String>> {
    let mut faults = Faults::new("account");
    let mut statement = connection.prepare(
        "SELECT a.id, k.account IS NOT NULL, c.low, c.normal, c.high, c.acked_beyond, s.seqs,
            a.created_at, a.last_seen
         FROM accounts a LEFT JOIN credentials k ON k.account = a.id LEFT JOIN cursors c ON c.account = a.id
            LEFT JOIN skipped s ON s.account = a.id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = AccountId(row.get(0)?);
        let shown = id.0;
        faults.check(&shown, accounts::by_id(connection, id))?;
        if !row.get::<_, bool>(1)? {
            faults.note(&shown, "its password's keys are missing");
        }
        let beyond: Option<Vec<u8>> = row.get(5)?;
        if Cursor::decode([0; 3], beyond.as_deref()).is_none() {
            faults.note(&shown, "what it has settled beyond its cursor cannot be read");
        }
        let skipped: Option<Vec<u8>> = row.get(6)?;
        if varint::decode(&skipped.unwrap_or_default()).is_none() {
            faults.note(&shown, "what its cursor skipped cannot be read");
        }
        for column in [7, 8] {
            let at: Option<i64> = row.get(column)?;
            if at.is_some_and(|at| !Timestamp(at).can_be_written()) {
                faults.note(&shown, "a time of it cannot be written");
            }
        }
    }
    Ok(faults.into_lines())
}
