//! Invitations: made, used once, listed.

use rusqlite::{Connection, OptionalExtension, Row, params};
use tidings_core::model::{
    Account, Invitation, InvitationId, InvitationUse, NewAccount, Timestamp, Topic, Username,
};
use tidings_core::store::{InvitationRow, Page, StoreError};

use super::convert::{self, int, limit as sql_limit, uint};
use super::error::{Error, Result};
use super::writer::Writer;

const COLUMNS: &str = "position, id, hash, username, topics, created_at, expires_at, used_by, used_at";

impl Writer {
    pub fn create_invitation(&mut self, invitation: &Invitation) -> Result<()> {
        let topics: Vec<&str> = invitation.topics.iter().map(Topic::as_str).collect();
        self.connection
            .prepare_cached(
                "INSERT INTO invitations (id, hash, username, topics, created_at, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                invitation.id.0,
                invitation.hash,
                invitation.username.as_ref().map(Username::as_str),
                // Strings alone: this cannot fail.
                serde_json::to_string(&topics).unwrap_or_default(),
                invitation.created_at.0,
                invitation.expires_at.0,
            ])?;
        Ok(())
    }

    pub fn redeem_invitation(&mut self, hash: [u8; 32], new: NewAccount) -> Result<Account> {
        let invitation = by_hash(&self.connection, hash)?.ok_or(StoreError::NotFound)?;
        if invitation.used.as_ref().is_some_and(|used| used.by == new.username) {
            return Err(StoreError::Conflict.into());
        }
        let fits = invitation.username.as_ref().is_none_or(|username| *username == new.username);
        if !fits || !invitation.is_open(new.created_at) {
            return Err(StoreError::NotFound.into());
        }
        let account = self.create_account(new)?;
        for topic in &invitation.topics {
            self.subscribe(account.id, topic)?;
        }
        self.connection
            .prepare_cached("UPDATE invitations SET used_by = ?2, used_at = ?3 WHERE hash = ?1")?
            .execute(params![hash, account.username.as_str(), account.created_at.0])?;
        Ok(account)
    }

    pub fn remove_invitation(&mut self, id: &InvitationId) -> Result<bool> {
        let removed =
            self.connection.prepare_cached("DELETE FROM invitations WHERE id = ?1")?.execute([&id.0])?;
        Ok(removed > 0)
    }
}

pub(super) fn by_hash(connection: &Connection, hash: [u8; 32]) -> Result<Option<Invitation>> {
    let sql = format!("SELECT {COLUMNS} FROM invitations WHERE hash = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_row([hash], |row| Ok(row_from(row))).optional()?;
    Ok(found.transpose()?.map(|row| row.invitation))
}

pub(super) fn invitations(
    connection: &Connection,
    before: Option<u64>,
    limit: usize,
) -> Result<Page<InvitationRow, u64>> {
    let limit = limit.max(1);
    let sql =
        format!("SELECT {COLUMNS} FROM invitations WHERE position < ?1 ORDER BY position DESC LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows =
        statement.query(params![before.map_or(i64::MAX, int), sql_limit(limit.saturating_add(1))])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(row_from(row)?);
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|row| row.position);
    Ok(Page { items, next })
}

fn row_from(row: &Row<'_>) -> Result<InvitationRow> {
    let name = |text: Option<String>| text.map(|text| convert::username(&text)).transpose();
    let topics: Vec<String> =
        serde_json::from_str(&row.get::<_, String>(4)?).map_err(|_| Error::corrupt("invitation's topics"))?;
    let used = match (name(row.get(7)?)?, row.get::<_, Option<i64>>(8)?) {
        (Some(by), Some(at)) => Some(InvitationUse { by, at: Timestamp(at) }),
        _ => None,
    };
    let invitation = Invitation {
        id: InvitationId(row.get(1)?),
        hash: row.get(2)?,
        username: name(row.get(3)?)?,
        topics: topics.iter().map(|topic| convert::topic(topic)).collect::<Result<_>>()?,
        created_at: Timestamp(row.get(5)?),
        expires_at: Timestamp(row.get(6)?),
        used,
    };
    Ok(InvitationRow { position: uint(row.get(0)?), invitation })
}
