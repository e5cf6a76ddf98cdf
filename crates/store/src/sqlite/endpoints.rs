//! Endpoints: registered, found, revoked, listed.

use rusqlite::{Connection, OptionalExtension, Row, params};
use tidings_core::model::{AccountId, Endpoint, EndpointId, Timestamp};
use tidings_core::store::{EndpointQuery, EndpointRow, NewEndpoint, Page, StoreError};

use super::account_cursor::registered_at;
use super::convert::{self, endpoint_bytes, int, limit as sql_limit, uint};
use super::error::Result;
use super::expiry::End;
use super::writer::Writer;

/// The columns that [`endpoint_from`] reads, of `endpoints e`.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT e.id, e.account, e.application, e.instance, e.resource, e.token_hash, e.created_at,
                e.last_used, e.expires_at, e.revoked_at, e.position FROM endpoints e ",
            $rest
        )
    };
}

impl Writer {
    pub fn register_endpoint(&mut self, new: NewEndpoint) -> Result<Endpoint> {
        if registered_at(&self.connection, new.account)?.is_none() {
            return Err(StoreError::NotFound.into());
        }
        let known = registered(&self.connection, new.account, &new.application, &new.instance)?;
        if let Some(known) = known {
            let expires_at = known.expires_at.max(new.expires_at);
            self.connection
                .prepare_cached("UPDATE endpoints SET resource = ?2, expires_at = ?3 WHERE id = ?1")?
                .execute(params![endpoint_bytes(known.id), new.resource, expires_at.0])?;
            return Ok(Endpoint { resource: new.resource, expires_at, ..known });
        }
        self.connection
            .prepare_cached(
                "INSERT INTO endpoints (id, account, application, instance, resource, token_hash, created_at,
                    expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                endpoint_bytes(new.id),
                new.account.0,
                &new.application,
                &new.instance,
                &new.resource,
                &new.token_hash,
                new.created_at.0,
                new.expires_at.0,
            ])?;
        Ok(new.into())
    }

    pub fn revoke_endpoint(&mut self, id: EndpointId, now: Timestamp) -> Result<bool> {
        let revoked = self
            .connection
            .prepare_cached("UPDATE endpoints SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")?
            .execute(params![endpoint_bytes(id), now.0])?;
        if revoked == 0 {
            return Ok(false);
        }
        let waiting: Vec<u64> = self
            .connection
            .prepare_cached(
                "SELECT seq FROM notifications INDEXED BY open_by_endpoint
                 WHERE open = 1 AND endpoint IS NOT NULL AND endpoint = ?1",
            )?
            .query_map([endpoint_bytes(id)], |row| row.get(0).map(uint))?
            .collect::<Result<_, _>>()?;
        for seq in waiting {
            self.end(seq, End::Cancelled)?;
        }
        Ok(true)
    }

    pub fn touch_endpoints(&mut self, used: &[(EndpointId, Timestamp)]) -> Result<()> {
        let mut statement =
            self.connection.prepare_cached("UPDATE endpoints SET last_used = ?2 WHERE id = ?1")?;
        for (id, at) in used {
            statement.execute(params![endpoint_bytes(*id), at.0])?;
        }
        Ok(())
    }
}

pub(super) fn by_id(connection: &Connection, id: EndpointId) -> Result<Option<Endpoint>> {
    let mut statement = connection.prepare_cached(select!("WHERE e.id = ?1"))?;
    Ok(statement.query_row([endpoint_bytes(id)], endpoint_from).optional()?)
}

pub(super) fn by_token(connection: &Connection, hash: [u8; 32]) -> Result<Option<Endpoint>> {
    let mut statement = connection.prepare_cached(select!("WHERE e.token_hash = ?1"))?;
    Ok(statement.query_row([hash], endpoint_from).optional()?)
}

pub(super) fn registered(
    connection: &Connection,
    account: AccountId,
    application: &str,
    instance: &str,
) -> Result<Option<Endpoint>> {
    let mut statement = connection.prepare_cached(select!(
        "WHERE e.account = ?1 AND e.application = ?2 AND e.instance = ?3 AND e.revoked_at IS NULL"
    ))?;
    Ok(statement.query_row(params![account.0, application, instance], endpoint_from).optional()?)
}

/// The statements that page through endpoints: ?1 is the position to begin behind, ?2 the limit,
/// ?3 the account.
pub(super) const PAGE: &str = select!("WHERE e.position > ?1 ORDER BY e.position LIMIT ?2");
pub(super) const PAGE_OF_ACCOUNT: &str =
    select!("WHERE e.account = ?3 AND e.position > ?1 ORDER BY e.position LIMIT ?2");

pub(super) fn endpoints(connection: &Connection, query: &EndpointQuery) -> Result<Page<EndpointRow, u64>> {
    let limit = query.limit.max(1);
    let (after, most) = (int(query.after.unwrap_or(0)), sql_limit(limit.saturating_add(1)));
    let mut statement =
        connection.prepare_cached(if query.account.is_some() { PAGE_OF_ACCOUNT } else { PAGE })?;
    let mut rows = match query.account {
        Some(account) => statement.query(params![after, most, account.0])?,
        None => statement.query(params![after, most])?,
    };
    let mut usernames = connection.prepare_cached("SELECT username FROM accounts WHERE id = ?1")?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        let endpoint = endpoint_from(row)?;
        let username: String = usernames.query_row([endpoint.account.0], |row| row.get(0))?;
        items.push(EndpointRow {
            position: uint(row.get(10)?),
            username: convert::username(&username)?,
            pending: pending(connection, endpoint.id)?,
            endpoint,
        });
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|row: &EndpointRow| row.position);
    Ok(Page { items, next })
}

/// How many notifications wait for an endpoint: each is for one account.
pub(super) const PENDING: &str = "SELECT count(*) FROM notifications INDEXED BY open_by_endpoint
     WHERE open = 1 AND endpoint IS NOT NULL AND endpoint = ?1";

fn pending(connection: &Connection, id: EndpointId) -> Result<u64> {
    let mut statement = connection.prepare_cached(PENDING)?;
    Ok(statement.query_row([endpoint_bytes(id)], |row| row.get(0).map(uint))?)
}

fn endpoint_from(row: &Row<'_>) -> rusqlite::Result<Endpoint> {
    Ok(Endpoint {
        id: convert::endpoint_from(row.get(0)?),
        account: AccountId(row.get(1)?),
        application: row.get(2)?,
        instance: row.get(3)?,
        resource: row.get(4)?,
        token_hash: row.get(5)?,
        created_at: Timestamp(row.get(6)?),
        last_used: row.get::<_, Option<i64>>(7)?.map(Timestamp),
        expires_at: Timestamp(row.get(8)?),
        revoked_at: row.get::<_, Option<i64>>(9)?.map(Timestamp),
    })
}
