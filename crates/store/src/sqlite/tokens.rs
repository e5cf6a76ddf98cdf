//! Tokens of accounts.

use rusqlite::{Connection, OptionalExtension, Row, params};
use tidings_core::model::{Account, AccountId, AccountToken, Timestamp, TokenId};
use tidings_core::store::StoreError;

use super::account_cursor::registered_at;
use super::accounts;
use super::error::Result;
use super::writer::Writer;

impl Writer {
    pub fn create_token(&mut self, token: &AccountToken) -> Result<()> {
        if registered_at(&self.connection, token.account)?.is_none() {
            return Err(StoreError::NotFound.into());
        }
        self.connection
            .prepare_cached(
                "INSERT INTO account_tokens (id, account, label, hash, created_at, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                token.id.0,
                token.account.0,
                token.label,
                token.hash,
                token.created_at.0,
                token.expires_at.map(Timestamp::millis),
            ])?;
        Ok(())
    }

    pub fn remove_token(&mut self, account: AccountId, id: &TokenId) -> Result<bool> {
        let removed = self
            .connection
            .prepare_cached("DELETE FROM account_tokens WHERE id = ?1 AND account = ?2")?
            .execute(params![id.0, account.0])?;
        Ok(removed > 0)
    }
}

pub(super) fn tokens(connection: &Connection, account: AccountId) -> Result<Vec<AccountToken>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, account, label, hash, created_at, expires_at FROM account_tokens
         WHERE account = ?1 ORDER BY created_at, id",
    )?;
    let tokens = statement.query_map([account.0], token_from)?;
    Ok(tokens.collect::<Result<_, _>>()?)
}

pub(super) fn owner(connection: &Connection, hash: [u8; 32], now: Timestamp) -> Result<Option<Account>> {
    let mut statement = connection.prepare_cached(
        "SELECT account FROM account_tokens WHERE hash = ?1 AND (expires_at IS NULL OR expires_at > ?2)",
    )?;
    let owner = statement.query_row(params![hash, now.0], |row| row.get(0).map(AccountId)).optional()?;
    match owner {
        Some(id) => accounts::by_id(connection, id),
        None => Ok(None),
    }
}

fn token_from(row: &Row<'_>) -> rusqlite::Result<AccountToken> {
    Ok(AccountToken {
        id: TokenId(row.get(0)?),
        account: AccountId(row.get(1)?),
        label: row.get(2)?,
        hash: row.get(3)?,
        created_at: Timestamp(row.get(4)?),
        expires_at: row.get::<_, Option<i64>>(5)?.map(Timestamp),
    })
}
