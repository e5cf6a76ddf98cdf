//! Accounts: made, found, changed, removed, listed.

use std::cmp::Ordering;
use std::collections::HashSet;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use tidings_core::model::{Account, AccountId, Credentials, NewAccount, ScramKeys, Seq, Timestamp, Username};
use tidings_core::store::{
    AccountChange, AccountOrder, AccountQuery, AccountRow, AccountSortKey, Page, Seen, StoreError,
};

use super::account_cursor::AccountCursor;
use super::convert::{self, int, patterns_json, topic_patterns, uint};
use super::error::Result;
use super::feed::OpenBroadcastSeqs;
use super::writer::Writer;

/// With at most so many accounts asked for by number, they are looked up one by one.
const FEW: usize = 2000;
/// Accounts that one page looks through, at most: a search that finds no account must not
/// keep a reader from other queries. By username an index answers alone, four times as fast.
const LOOKED_THROUGH: usize = 25_000;
const LOOKED_THROUGH_BY_USERNAME: usize = 100_000;
/// Between the fields that a search looks at.
const SEPARATOR: char = '\u{1f}';

impl Writer {
    pub fn create_account(&mut self, new: NewAccount) -> Result<Account> {
        if let Some(id) = find(&self.connection, &new.username)? {
            // A username goes before an alias, which its holder loses.
            self.drop_alias(id, &new.username)?;
        }
        self.totals.last_account += 1;
        self.totals.current.accounts += 1;
        let account = Account {
            id: AccountId(int(self.totals.last_account)),
            username: new.username,
            alias: None,
            name: new.name,
            email: new.email,
            disabled: false,
            publish: Vec::new(),
            created_at: new.created_at,
            last_seen: None,
            last_offline: None,
            registered_at: Seq(self.totals.last),
        };
        self.connection
            .prepare_cached(
                "INSERT INTO accounts (id, username, name, email, disabled, created_at, registered_at, search)
                 VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7)",
            )?
            .execute(params![
                account.id.0,
                account.username.as_str(),
                account.name,
                account.email,
                account.created_at.0,
                int(account.registered_at.0),
                searchable(&account),
            ])?;
        self.put_credentials(account.id, &new.sha1, &new.sha256)?;
        Ok(account)
    }

    /// Takes an alias from the account that has it.
    fn drop_alias(&self, holder: AccountId, alias: &Username) -> Result<()> {
        let mut account = by_id(&self.connection, holder)?.ok_or(StoreError::NotFound)?;
        if account.alias.as_ref() != Some(alias) {
            return Err(StoreError::Conflict.into());
        }
        account.alias = None;
        self.connection
            .prepare_cached("UPDATE accounts SET alias = NULL, search = ?2 WHERE id = ?1")?
            .execute(params![holder.0, searchable(&account)])?;
        Ok(())
    }

    fn put_credentials(&self, id: AccountId, sha1: &ScramKeys, sha256: &ScramKeys) -> Result<()> {
        self.connection
            .prepare_cached("REPLACE INTO credentials VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
            .execute(params![
                id.0,
                sha1.salt,
                sha1.iterations,
                sha1.stored_key,
                sha1.server_key,
                sha256.salt,
                sha256.iterations,
                sha256.stored_key,
                sha256.server_key,
            ])?;
        Ok(())
    }

    pub fn change_account(&mut self, id: AccountId, change: AccountChange) -> Result<()> {
        let mut account = by_id(&self.connection, id)?.ok_or(StoreError::NotFound)?;
        if let Some(alias) = change.alias {
            let owner = alias.as_ref().map(|alias| find(&self.connection, alias)).transpose()?.flatten();
            if owner.is_some_and(|owner| owner != id) {
                return Err(StoreError::Conflict.into());
            }
            // One's own username adds nothing as an alias.
            account.alias = alias.filter(|alias| *alias != account.username);
        }
        if let Some(name) = change.name {
            account.name = name;
        }
        if let Some(email) = change.email {
            account.email = email;
        }
        if let Some(disabled) = change.disabled {
            account.disabled = disabled;
        }
        if let Some(publish) = change.publish {
            account.publish = publish;
        }
        if let Some((sha1, sha256)) = &change.keys {
            self.put_credentials(id, sha1, sha256)?;
        }
        self.connection
            .prepare_cached(
                "UPDATE accounts SET alias = ?2, name = ?3, email = ?4, disabled = ?5, search = ?6,
                    publish = ?7
                 WHERE id = ?1",
            )?
            .execute(params![
                id.0,
                account.alias.as_ref().map(Username::as_str),
                account.name,
                account.email,
                account.disabled,
                searchable(&account),
                (!account.publish.is_empty()).then(|| patterns_json(&account.publish)),
            ])?;
        Ok(())
    }

    pub fn remove_account(&mut self, id: AccountId) -> Result<bool> {
        let Some(cursor) = AccountCursor::load(&self.connection, id)? else { return Ok(false) };
        for seq in cursor.pending(&self.connection, &self.open_index)? {
            self.count_cancelled(seq)?;
        }
        let queued: Vec<u64> = self
            .connection
            .prepare_cached("SELECT seq FROM queue WHERE account = ?1")?
            .query_map([id.0], |row| row.get(0).map(uint))?
            .collect::<Result<_, _>>()?;
        for seq in queued {
            self.count_cancelled(seq)?;
        }
        for topic in cursor.subscriptions(&self.connection)? {
            self.leave_topic(&topic.0)?;
        }
        for sql in [
            "DELETE FROM queue WHERE account = ?1",
            "DELETE FROM subscriptions WHERE account = ?1",
            "DELETE FROM cursors WHERE account = ?1",
            "DELETE FROM skipped WHERE account = ?1",
            "DELETE FROM account_tokens WHERE account = ?1",
            "DELETE FROM endpoints WHERE account = ?1",
            "DELETE FROM credentials WHERE account = ?1",
            "DELETE FROM accounts WHERE id = ?1",
        ] {
            self.connection.prepare_cached(sql)?.execute([id.0])?;
        }
        self.totals.current.accounts -= 1;
        Ok(true)
    }

    pub fn touch_accounts(&mut self, mut seen: Vec<Seen>) -> Result<()> {
        // A stable sort: of two for one account the later stays the later.
        seen.sort_by_key(|seen| seen.account);
        let mut came = self.connection.prepare_cached("UPDATE accounts SET last_seen = ?2 WHERE id = ?1")?;
        // Only this one moves the account in an index.
        let mut left = self
            .connection
            .prepare_cached("UPDATE accounts SET last_seen = ?2, left_at = ?2 WHERE id = ?1")?;
        for seen in seen {
            let statement = if seen.offline { &mut left } else { &mut came };
            statement.execute([seen.account.0, seen.at.0])?;
        }
        Ok(())
    }
}

/// The account with this username or alias.
pub(super) fn find(connection: &Connection, name: &Username) -> Result<Option<AccountId>> {
    for sql in ["SELECT id FROM accounts WHERE username = ?1", "SELECT id FROM accounts WHERE alias = ?1"] {
        let mut statement = connection.prepare_cached(sql)?;
        let id = statement.query_row([name.as_str()], |row| row.get(0).map(AccountId)).optional()?;
        if id.is_some() {
            return Ok(id);
        }
    }
    Ok(None)
}

pub(super) fn account(connection: &Connection, name: &Username) -> Result<Option<Account>> {
    match find(connection, name)? {
        Some(id) => by_id(connection, id),
        None => Ok(None),
    }
}

pub(super) fn by_id(connection: &Connection, id: AccountId) -> Result<Option<Account>> {
    let mut statement = connection.prepare_cached(
        "SELECT username, alias, name, email, disabled, created_at, last_seen, registered_at, left_at,
            publish
         FROM accounts WHERE id = ?1",
    )?;
    let mut rows = statement.query([id.0])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let alias: Option<String> = row.get(1)?;
    let publish: Option<String> = row.get(9)?;
    Ok(Some(Account {
        id,
        username: convert::username(&row.get::<_, String>(0)?)?,
        alias: alias.as_deref().map(convert::username).transpose()?,
        name: row.get(2)?,
        email: row.get(3)?,
        disabled: row.get(4)?,
        publish: publish.as_deref().map(topic_patterns).transpose()?.unwrap_or_default(),
        created_at: Timestamp(row.get(5)?),
        last_seen: row.get::<_, Option<i64>>(6)?.map(Timestamp),
        last_offline: last_offline_from(row.get(8)?),
        registered_at: Seq(uint(row.get(7)?)),
    }))
}

pub(super) fn credentials(connection: &Connection, username: &Username) -> Result<Option<Credentials>> {
    let mut statement = connection.prepare_cached(
        "SELECT a.id, a.disabled, c.* FROM accounts a JOIN credentials c ON c.account = a.id
         WHERE a.username = ?1",
    )?;
    let keys = |row: &Row<'_>, first: usize| {
        Ok::<_, rusqlite::Error>(ScramKeys {
            salt: row.get(first)?,
            iterations: row.get(first + 1)?,
            stored_key: row.get(first + 2)?,
            server_key: row.get(first + 3)?,
        })
    };
    let found = statement.query_row([username.as_str()], |row| {
        Ok(Credentials {
            id: AccountId(row.get(0)?),
            username: username.clone(),
            disabled: row.get(1)?,
            sha1: keys(row, 3)?,
            sha256: keys(row, 7)?,
        })
    });
    Ok(found.optional()?)
}

pub(super) fn accounts(
    connection: &Connection,
    query: &AccountQuery,
) -> Result<Page<AccountRow, AccountSortKey>> {
    let limit = query.limit.max(1);
    let Found { ids, stopped_at } = match &query.only {
        Some(only) if only.len() <= FEW => among(connection, query, only)?,
        _ => scan(connection, query, limit)?,
    };
    let more = ids.len() > limit;
    let mut items = Vec::with_capacity(ids.len().min(limit));
    let broadcasts = OpenBroadcastSeqs::load(connection)?;
    for id in ids.into_iter().take(limit) {
        if let Some(account) = by_id(connection, id)? {
            items.push(AccountRow { pending: broadcasts.pending_count(connection, id)?, account });
        }
    }
    let last = items.last().map(|row| AccountSortKey::of(&row.account));
    Ok(Page { items, next: last.filter(|_| more).or(stopped_at) })
}

/// Accounts that match: up to one more than there is room for.
#[derive(Default)]
struct Found {
    ids: Vec<AccountId>,
    /// The last one looked at, where more were left unseen.
    stopped_at: Option<AccountSortKey>,
}

/// The matching ones of a few accounts, in the order asked for.
fn among(connection: &Connection, query: &AccountQuery, only: &[AccountId]) -> Result<Found> {
    let matches = Matcher::new(query);
    let mut statement =
        connection.prepare_cached("SELECT id, search, username, left_at FROM accounts WHERE id = ?1")?;
    let mut found = Vec::new();
    for id in only {
        let mut rows = statement.query([id.0])?;
        let Some(row) = rows.next()? else { continue };
        let key = sort_key(row)?;
        let beyond = query.after.as_ref().is_none_or(|after| compare(query, &key, after).is_gt());
        if beyond && matches.matches(*id, row.get_ref(1)?.as_str().unwrap_or_default()) {
            found.push(key);
        }
    }
    found.sort_unstable_by(|a, b| compare(query, a, b));
    found.dedup();
    Ok(Found { ids: found.into_iter().map(|key| key.id).collect(), stopped_at: None })
}

fn compare(query: &AccountQuery, a: &AccountSortKey, b: &AccountSortKey) -> Ordering {
    let order = match query.order {
        AccountOrder::Username => a.username.cmp(&b.username),
        AccountOrder::Created => a.id.cmp(&b.id),
        AccountOrder::LastOffline => (a.last_offline, a.id).cmp(&(b.last_offline, b.id)),
    };
    if query.descending { order.reverse() } else { order }
}

/// The statements that walk accounts in an order, one after the other. Each follows an
/// index from the sort key where it begins, which is what makes a page cost the same
/// anywhere: ?1 is the key's number, ?2 its username or the moment.
pub(super) fn walk(order: AccountOrder, descending: bool) -> &'static [&'static str] {
    match (order, descending) {
        // This index alone answers: `left_at` is not in it, and not needed in this order.
        (AccountOrder::Username, false) => {
            &["SELECT id, search, username, 0 FROM accounts WHERE username > ?2 ORDER BY username"]
        }
        (AccountOrder::Username, true) => {
            &["SELECT id, search, username, 0 FROM accounts WHERE username < ?2 ORDER BY username DESC"]
        }
        // Numbers are given out in order, and none twice.
        (AccountOrder::Created, false) => {
            &["SELECT id, search, username, left_at FROM accounts WHERE id > ?1 ORDER BY id"]
        }
        (AccountOrder::Created, true) => {
            &["SELECT id, search, username, left_at FROM accounts WHERE id < ?1 ORDER BY id DESC"]
        }
        // Of a million at the same moment only those beyond the key are looked at: in one
        // statement, SQLite would begin at the first of them.
        (AccountOrder::LastOffline, false) => &[
            "SELECT id, search, username, left_at FROM accounts WHERE left_at = ?2 AND id > ?1 ORDER BY id",
            "SELECT id, search, username, left_at FROM accounts WHERE left_at > ?2 ORDER BY left_at, id",
        ],
        (AccountOrder::LastOffline, true) => &[
            "SELECT id, search, username, left_at FROM accounts WHERE left_at = ?2 AND id < ?1 ORDER BY id DESC",
            "SELECT id, search, username, left_at FROM accounts WHERE left_at < ?2 ORDER BY left_at DESC, id DESC",
        ],
    }
}

/// One more than `limit`, walking an index.
fn scan(connection: &Connection, query: &AccountQuery, limit: usize) -> Result<Found> {
    let matches = Matcher::new(query);
    let after = query.after.as_ref();
    let end = if query.descending { i64::MAX } else { -1 };
    let id = Value::Integer(after.map_or(end, |key| key.id.0));
    let start = match (query.order, after) {
        (AccountOrder::Username, Some(after)) => Value::Text(after.username.clone()),
        // Every text is less than every blob.
        (AccountOrder::Username, None) if query.descending => Value::Blob(Vec::new()),
        (AccountOrder::Username, None) => Value::Text(String::new()),
        (_, Some(after)) => Value::Integer(after.last_offline.map_or(0, Timestamp::millis)),
        (_, None) => Value::Integer(end),
    };
    let most = match query.order {
        AccountOrder::Username => LOOKED_THROUGH_BY_USERNAME,
        AccountOrder::Created | AccountOrder::LastOffline => LOOKED_THROUGH,
    };
    let mut found = Found::default();
    let mut looked_at = 0;
    for sql in walk(query.order, query.descending) {
        let mut statement = connection.prepare_cached(sql)?;
        // A statement has as many parameters as the largest number in it.
        let used = statement.parameter_count();
        let mut rows = statement.query(params_from_iter([&id, &start].into_iter().take(used)))?;
        while found.ids.len() <= limit
            && let Some(row) = rows.next()?
        {
            let id = AccountId(row.get(0)?);
            if matches.matches(id, row.get_ref(1)?.as_str().unwrap_or_default()) {
                found.ids.push(id);
            }
            looked_at += 1;
            if looked_at >= most && found.ids.len() <= limit {
                found.stopped_at = Some(sort_key(row)?);
                return Ok(found);
            }
        }
    }
    Ok(found)
}

/// Reads what [`walk`] selects.
fn sort_key(row: &Row<'_>) -> Result<AccountSortKey> {
    Ok(AccountSortKey {
        id: AccountId(row.get(0)?),
        username: row.get(2)?,
        last_offline: last_offline_from(row.get(3)?),
    })
}

/// `accounts.left_at`.
fn last_offline_from(millis: i64) -> Option<Timestamp> {
    (millis > 0).then_some(Timestamp(millis))
}

/// What an [`AccountQuery`] asks of an account, apart from its sort key.
struct Matcher {
    contains: Option<String>,
    only: Option<HashSet<AccountId>>,
}

impl Matcher {
    fn new(query: &AccountQuery) -> Self {
        Self {
            contains: query.contains.as_ref().map(|text| text.to_lowercase()),
            only: query.only.as_ref().map(|ids| ids.iter().copied().collect()),
        }
    }

    fn matches(&self, id: AccountId, search: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&id))
            && self.contains.as_ref().is_none_or(|text| search.contains(text.as_str()))
    }
}

fn searchable(account: &Account) -> String {
    let mut search = account.username.as_str().to_lowercase();
    let more =
        [account.alias.as_ref().map(Username::as_str), account.name.as_deref(), account.email.as_deref()];
    for field in more.into_iter().flatten() {
        search.push(SEPARATOR);
        search.push_str(&field.to_lowercase());
    }
    search
}
