//! API keys, operators, console logins, the audit log and small settings.

use rusqlite::{Connection, OptionalExtension, params};
use tidings_core::model::{ApiKey, KeyId, Operator, Role, Scope, SendRights, Timestamp};
use tidings_core::store::{AuditEntry, Page, WebSession};

use super::convert::{int, limit as sql_limit, patterns_json, topic_patterns, uint, user_patterns};
use super::error::{Error, Result};
use super::writer::Writer;

impl Writer {
    pub fn create_key(&mut self, key: &ApiKey) -> Result<()> {
        let (topics, users) = match &key.rights {
            SendRights::Everyone => (None, None),
            SendRights::Only { topics, users } => (Some(patterns_json(topics)), Some(patterns_json(users))),
        };
        self.connection
            .prepare_cached(
                "INSERT INTO api_keys (id, name, scope, hash, created_at, last_used, topics, users)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                key.id.0,
                key.name,
                key.scope.as_str(),
                key.hash,
                key.created_at.0,
                key.last_used.map(Timestamp::millis),
                topics,
                users,
            ])?;
        Ok(())
    }

    pub fn revoke_key(&mut self, id: &KeyId) -> Result<bool> {
        Ok(self.connection.prepare_cached("DELETE FROM api_keys WHERE id = ?1")?.execute([&id.0])? > 0)
    }

    pub fn touch_keys(&mut self, used: &[(KeyId, Timestamp)]) -> Result<()> {
        let mut statement =
            self.connection.prepare_cached("UPDATE api_keys SET last_used = ?2 WHERE id = ?1")?;
        for (id, at) in used {
            statement.execute(params![id.0, at.0])?;
        }
        Ok(())
    }

    pub fn put_operator(&mut self, operator: &Operator) -> Result<()> {
        self.connection.prepare_cached("REPLACE INTO operators VALUES (?1, ?2, ?3, ?4)")?.execute(
            params![operator.name, operator.role.as_str(), operator.password_hash, operator.created_at.0],
        )?;
        Ok(())
    }

    pub fn remove_operator(&mut self, name: &str) -> Result<bool> {
        self.end_web_sessions(None, Some(name))?;
        Ok(self.connection.prepare_cached("DELETE FROM operators WHERE name = ?1")?.execute([name])? > 0)
    }

    pub fn put_web_session(&mut self, session: &WebSession) -> Result<()> {
        self.connection
            .prepare_cached("REPLACE INTO web_sessions VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![session.hash, session.operator, session.csrf, session.expires_at.0])?;
        Ok(())
    }

    pub fn end_web_sessions(&mut self, hash: Option<[u8; 32]>, operator: Option<&str>) -> Result<()> {
        // A comparison with null is never true.
        self.connection
            .prepare_cached("DELETE FROM web_sessions WHERE hash = ?1 OR operator = ?2")?
            .execute(params![hash, operator])?;
        Ok(())
    }

    pub fn audit(&mut self, at: Timestamp, actor: &str, action: &str, subject: &str) -> Result<()> {
        self.connection
            .prepare_cached("INSERT INTO audit (at, actor, action, subject) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![at.0, actor, action, subject])?;
        Ok(())
    }

    pub fn setting_or_insert(&mut self, key: &str, value: Vec<u8>) -> Result<Vec<u8>> {
        if let Some(kept) = setting(&self.connection, key)? {
            return Ok(kept);
        }
        self.put_setting(key, &value)?;
        Ok(value)
    }

    pub fn put_setting(&mut self, key: &str, value: &[u8]) -> Result<()> {
        self.connection
            .prepare_cached("REPLACE INTO settings (key, value) VALUES (?1, ?2)")?
            .execute(params![key, value])?;
        Ok(())
    }

    /// Writes something, so that the commit has something to make durable.
    pub fn probe(&mut self) -> Result<()> {
        self.connection.prepare_cached("UPDATE probe SET count = count + 1")?.execute([])?;
        Ok(())
    }
}

pub(super) fn keys(connection: &Connection) -> Result<Vec<ApiKey>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, name, scope, hash, created_at, last_used, topics, users FROM api_keys
         ORDER BY created_at, id",
    )?;
    let mut rows = statement.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let (topics, users): (Option<String>, Option<String>) = (row.get(6)?, row.get(7)?);
        keys.push(ApiKey {
            id: KeyId(row.get(0)?),
            name: row.get(1)?,
            scope: Scope::parse(&row.get::<_, String>(2)?).ok_or_else(|| Error::corrupt("scope"))?,
            rights: match (topics, users) {
                (None, None) => SendRights::Everyone,
                (topics, users) => SendRights::Only {
                    topics: topic_patterns(topics.as_deref().unwrap_or("[]"))?,
                    users: user_patterns(users.as_deref().unwrap_or("[]"))?,
                },
            },
            hash: row.get(3)?,
            created_at: Timestamp(row.get(4)?),
            last_used: row.get::<_, Option<i64>>(5)?.map(Timestamp),
        });
    }
    Ok(keys)
}

pub(super) fn operators(connection: &Connection) -> Result<Vec<Operator>> {
    let mut statement = connection
        .prepare_cached("SELECT name, role, password_hash, created_at FROM operators ORDER BY name")?;
    let mut rows = statement.query([])?;
    let mut operators = Vec::new();
    while let Some(row) = rows.next()? {
        operators.push(Operator {
            name: row.get(0)?,
            role: Role::parse(&row.get::<_, String>(1)?).ok_or_else(|| Error::corrupt("role"))?,
            password_hash: row.get(2)?,
            created_at: Timestamp(row.get(3)?),
        });
    }
    Ok(operators)
}

pub(super) fn web_session(
    connection: &Connection,
    hash: [u8; 32],
    now: Timestamp,
) -> Result<Option<WebSession>> {
    let mut statement = connection.prepare_cached(
        "SELECT operator, csrf, expires_at FROM web_sessions WHERE hash = ?1 AND expires_at > ?2",
    )?;
    let session = statement.query_row(params![hash, now.0], |row| {
        Ok(WebSession { hash, operator: row.get(0)?, csrf: row.get(1)?, expires_at: Timestamp(row.get(2)?) })
    });
    Ok(session.optional()?)
}

pub(super) fn audit_log(
    connection: &Connection,
    before: Option<u64>,
    limit: usize,
) -> Result<Page<AuditEntry, u64>> {
    let limit = limit.max(1);
    let mut statement = connection.prepare_cached(
        "SELECT position, at, actor, action, subject FROM audit WHERE position < ?1
         ORDER BY position DESC LIMIT ?2",
    )?;
    let before = int(before.unwrap_or(u64::MAX));
    let rows = statement.query_map(params![before, sql_limit(limit.saturating_add(1))], |row| {
        Ok(AuditEntry {
            position: uint(row.get(0)?),
            at: Timestamp(row.get(1)?),
            actor: row.get(2)?,
            action: row.get(3)?,
            subject: row.get(4)?,
        })
    })?;
    let mut items = rows.collect::<Result<Vec<_>, _>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|entry| entry.position);
    Ok(Page { items, next })
}

pub(super) fn setting(connection: &Connection, key: &str) -> Result<Option<Vec<u8>>> {
    let mut statement = connection.prepare_cached("SELECT value FROM settings WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}
