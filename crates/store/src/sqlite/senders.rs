//! The history of one sender.

use rusqlite::Connection;
use tidings_core::model::SenderFilter;
use tidings_core::store::{NotificationRecord, Page};

use super::contents::sender_at;
use super::convert::{int, uint};
use super::damaged::Damaged;
use super::error::Result;
use super::records::{Filled, read_into};

/// Notifications that a page looks through, at most: one that finds none must not keep a reader from
/// other queries.
const LOOKED_THROUGH: usize = 5000;

pub(super) fn notifications_by(
    connection: &Connection,
    damaged: &Damaged,
    filter: &SenderFilter,
    before: Option<u64>,
    limit: usize,
) -> Result<Page<NotificationRecord, u64>> {
    let mut statement = connection.prepare_cached(
        "SELECT n.position, n.seq, n.id, c.sender_kind, c.sender, c.sender_key
         FROM notifications n CROSS JOIN contents c ON c.position = n.position
         WHERE n.position < ?1 ORDER BY n.position DESC",
    )?;
    let mut rows = statement.query([int(before.unwrap_or(u64::MAX))])?;
    let mut filled = Filled::new(limit.max(1));
    let (mut page, mut last, mut looked) = (Page { items: Vec::new(), next: None }, None, 0_usize);
    while let Some(row) = rows.next()? {
        if looked == LOOKED_THROUGH || filled.is_full() {
            page.next = last;
            break;
        }
        looked += 1;
        last = Some(uint(row.get(0)?));
        // A sender that cannot be read is nobody; the other rows are shown all the same.
        if !sender_at(row, 3).unwrap_or_default().is_some_and(|sender| filter.matches(&sender)) {
            continue;
        }
        read_into(&mut page.items, &mut filled, connection, damaged, row)?;
    }
    Ok(page)
}
