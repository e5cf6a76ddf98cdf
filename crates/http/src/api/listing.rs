//! Pages of accounts as the API and the console list them: the store knows their
//! order, the session manager knows who is online.

use tidings_core::model::{AccountId, Show, Timestamp};
use tidings_core::session::OnlineOrder;
use tidings_core::store::{AccountOrder, AccountQuery, AccountRow, AccountSortKey, Page, StoreError};

use crate::request::cursor;
use crate::state::AppState;

/// The listing's name in cursors.
pub(crate) const LISTING: &str = "users";
/// Rows looked through for one page of those that are offline.
const LOOKED_THROUGH: usize = 5_000;
/// Accounts that are online and looked through at once in a search, and how many times for one page.
const SEARCHED: usize = 2_000;
const SEARCHES: usize = 10;

/// What accounts can be sorted by.
pub(crate) const SORTS: &[(&str, UserOrder)] =
    &[("username", UserOrder::Username), ("created", UserOrder::Created), ("last_seen", UserOrder::LastSeen)];

/// What a listing of accounts is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum UserOrder {
    #[default]
    Username,
    Created,
    /// Those that are online are the last seen, by username.
    LastSeen,
}

/// Which accounts a listing shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct UserFilter {
    pub contains: Option<String>,
    pub online: Option<bool>,
    pub order: UserOrder,
    /// Whether the last come first.
    pub descending: bool,
    pub after: Option<UserPlace>,
    pub limit: usize,
}

/// Where a listing of accounts goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserPlace {
    /// Sorted by [`UserOrder::LastSeen`]: whether it stands among those that are online.
    online: bool,
    /// `None`: before all of them.
    place: Option<AccountSortKey>,
}

impl UserPlace {
    /// The cursor of what comes after this place.
    pub fn cursor(&self) -> String {
        let place = self.place.as_ref().map_or_else(String::new, |place| {
            let left = place.last_offline.map_or(0, Timestamp::millis);
            format!(" {left} {} {}", place.id.0, place.username)
        });
        cursor::write(LISTING, &format!("{}{place}", u8::from(self.online)))
    }

    /// Reads a cursor's key.
    pub fn read(key: &str) -> Option<Self> {
        let mut words = key.splitn(4, ' ');
        let online = words.next()? == "1";
        let Some(left) = words.next() else { return Some(Self { online, place: None }) };
        let left: i64 = left.parse().ok()?;
        let id = AccountId(words.next()?.parse().ok()?);
        let last_offline = (left > 0).then_some(Timestamp(left));
        let place = AccountSortKey { username: words.next()?.to_owned(), id, last_offline };
        Some(Self { online, place: Some(place) })
    }
}

impl AppState {
    /// A page of accounts. Without filters one query; a filtered page looks
    /// through a bounded number of rows and may come back short.
    pub(crate) async fn users(
        &self,
        mut filter: UserFilter,
    ) -> Result<Page<AccountRow, UserPlace>, StoreError> {
        let after = filter.after.take();
        match (filter.online, filter.order) {
            (None, UserOrder::LastSeen) => self.users_last_seen(filter, after).await,
            (None, _) => {
                let page = self.core.auth.accounts(query(&filter, after)).await?;
                Ok(placed(page, false))
            }
            (Some(true), _) => Ok(placed(self.users_online(&filter, after).await?, true)),
            (Some(false), _) => Ok(placed(self.users_offline(&filter, after).await?, false)),
        }
    }

    /// The accounts that are online, then the offline ones by when they left.
    async fn users_last_seen(
        &self,
        mut filter: UserFilter,
        after: Option<UserPlace>,
    ) -> Result<Page<AccountRow, UserPlace>, StoreError> {
        let first = filter.descending;
        let online = after.as_ref().map_or(first, |place| place.online);
        let mut page = self.users_part(&filter, online, after).await?;
        if page.next.is_some() || online != first {
            return Ok(page);
        }
        // The first part is over.
        let start = UserPlace { online: !first, place: None };
        if page.items.len() >= filter.limit {
            page.next = Some(start);
            return Ok(page);
        }
        filter.limit -= page.items.len();
        let rest = self.users_part(&filter, !first, Some(start)).await?;
        page.items.extend(rest.items);
        page.next = rest.next;
        Ok(page)
    }

    async fn users_part(
        &self,
        filter: &UserFilter,
        online: bool,
        after: Option<UserPlace>,
    ) -> Result<Page<AccountRow, UserPlace>, StoreError> {
        let page = match online {
            true => self.users_online(filter, after).await?,
            false => self.users_offline(filter, after).await?,
        };
        Ok(placed(page, online))
    }

    async fn users_online(
        &self,
        filter: &UserFilter,
        after: Option<UserPlace>,
    ) -> Result<Page<AccountRow, AccountSortKey>, StoreError> {
        // All of them are seen now: turned round, the names are turned round, too.
        let (order, descending) = match filter.order {
            UserOrder::Created => (OnlineOrder::Created, filter.descending),
            UserOrder::Username => (OnlineOrder::Username, filter.descending),
            UserOrder::LastSeen => (OnlineOrder::Username, !filter.descending),
        };
        let mut items = Vec::new();
        let mut after = after.and_then(|after| after.place);
        // Each time costs a look at every session: better few times many.
        let at_once = if filter.contains.is_some() { SEARCHED } else { filter.limit };
        for _ in 0..SEARCHES {
            let from = after.as_ref().map(|place| (place.username.as_str(), place.id));
            let online = self.core.session.online_after(order, descending, from, at_once).await;
            let Some((last, id)) = online.last() else { return Ok(Page { items, next: None }) };
            let reached = AccountSortKey { username: last.to_string(), id: *id, last_offline: None };
            let whole = online.len() < at_once;
            let query = AccountQuery {
                contains: filter.contains.clone(),
                only: Some(online.into_iter().map(|(_, id)| id).collect()),
                order: match order {
                    OnlineOrder::Username => AccountOrder::Username,
                    OnlineOrder::Created => AccountOrder::Created,
                },
                descending,
                limit: at_once,
                ..AccountQuery::default()
            };
            items.append(&mut self.core.auth.accounts(query).await?.items);
            after = if whole { None } else { Some(reached) };
            if whole || items.len() >= filter.limit {
                break;
            }
        }
        Ok(cut(items, after, filter.limit))
    }

    async fn users_offline(
        &self,
        filter: &UserFilter,
        after: Option<UserPlace>,
    ) -> Result<Page<AccountRow, AccountSortKey>, StoreError> {
        let mut items: Vec<AccountRow> = Vec::new();
        let mut query = query(filter, after);
        for _ in 0..LOOKED_THROUGH / filter.limit.max(1) {
            let page = self.core.auth.accounts(query.clone()).await?;
            query.after = page.next;
            // A search that went as far as it may comes back short.
            let short = page.items.len() < filter.limit;
            let offline = |row: &AccountRow| self.core.session.presence(row.account.id) == Show::Unavailable;
            items.extend(page.items.into_iter().filter(offline));
            if query.after.is_none() || short || items.len() >= filter.limit {
                break;
            }
        }
        Ok(cut(items, query.after, filter.limit))
    }
}

fn query(filter: &UserFilter, after: Option<UserPlace>) -> AccountQuery {
    AccountQuery {
        contains: filter.contains.clone(),
        order: match filter.order {
            UserOrder::Username => AccountOrder::Username,
            UserOrder::Created => AccountOrder::Created,
            UserOrder::LastSeen => AccountOrder::LastOffline,
        },
        descending: filter.descending,
        after: after.and_then(|after| after.place),
        limit: filter.limit,
        ..AccountQuery::default()
    }
}

/// At most `limit` rows; with more, the page goes on after the last that stays.
fn cut(
    mut items: Vec<AccountRow>,
    mut next: Option<AccountSortKey>,
    limit: usize,
) -> Page<AccountRow, AccountSortKey> {
    if items.len() > limit {
        items.truncate(limit);
        next = items.last().map(|row| AccountSortKey::of(&row.account));
    }
    Page { items, next }
}

fn placed(page: Page<AccountRow, AccountSortKey>, online: bool) -> Page<AccountRow, UserPlace> {
    let next = page.next.map(|place| UserPlace { online, place: Some(place) });
    Page { items: page.items, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_from_its_cursor() {
        let place =
            AccountSortKey { username: "zoë".into(), id: AccountId(7), last_offline: Some(Timestamp(5)) };
        for place in [None, Some(place.clone()), Some(AccountSortKey { last_offline: None, ..place })] {
            for online in [false, true] {
                let place = UserPlace { online, place: place.clone() };
                let key = cursor::read(LISTING, &place.cursor()).unwrap();
                assert_eq!(UserPlace::read(&key), Some(place));
            }
        }
        for wrong in ["0 x 1 a", "0 5", "0 5 6"] {
            assert_eq!(UserPlace::read(wrong), None, "{wrong}");
        }
    }
}
