//! Reads the open index from the database.

use rusqlite::Connection;
use tidings_core::model::Topic;

use super::convert;
use super::error::Result;
use crate::open_index::{CollapseKey, OpenBroadcast, OpenIndex};

impl OpenIndex {
    pub(super) fn load(connection: &Connection) -> Result<Self> {
        let mut open = Self::load_without_ended(connection)?;
        let mut statement = connection.prepare_cached("SELECT seq, priority, topic FROM ended")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let topic: String = row.get(2)?;
            let Ok(topic) = of_topic(&topic) else { continue };
            open.note_ended(convert::uint(row.get(0)?), convert::priority(row.get(1)?)?, topic);
        }
        Ok(open)
    }

    /// Only what is pending: also of a database that an older version made.
    pub(super) fn load_without_ended(connection: &Connection) -> Result<Self> {
        let mut open = Self::default();
        let mut statement = connection.prepare_cached(
            "SELECT seq, id, priority, topic, collapse_key, collapse_sender,
                recipients - delivered - expired - cancelled, size
             FROM notifications INDEXED BY open_shared WHERE open = 1 AND topic IS NOT NULL",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let topic: String = row.get(3)?;
            // Of a topic that cannot be read nobody is a subscriber.
            let Ok(topic) = of_topic(&topic) else { continue };
            let broadcast = OpenBroadcast {
                id: convert::id_from(row.get(1)?),
                priority: convert::priority(row.get(2)?)?,
                topic,
                collapse: match row.get(4)? {
                    Some(key) => Some(CollapseKey { key, sender: row.get(5)? }),
                    None => None,
                },
                pending: convert::uint(row.get(6)?),
                size: convert::uint(row.get(7)?),
            };
            open.insert(convert::uint(row.get(0)?), broadcast);
        }
        Ok(open)
    }
}

/// Reads the column `topic`: empty for all accounts.
fn of_topic(name: &str) -> Result<Option<Topic>> {
    if name.is_empty() { Ok(None) } else { convert::topic(name).map(Some) }
}
