//! Pages of sessions, and of accounts that are online, sorted. The registry's shards keep
//! no order but that of binding: another one is found by looking at every session and
//! keeping the first few, a shard at a time.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::manager::{SessionInfo, SessionManager};
use super::registry::Shard;
use super::session_entry::SessionEntry;
use crate::model::{AccountId, SessionId, Topic, Username};
use crate::store::Page;

/// What a listing of sessions is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SessionOrder {
    /// When they were bound.
    #[default]
    Created,
    /// The username.
    Username,
    /// The client's address.
    Address,
}

/// A session's place in listings, whatever they are sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPlace {
    /// For [`SessionOrder::Created`], and where nothing else tells two apart.
    pub id: SessionId,
    /// For [`SessionOrder::Username`].
    pub username: String,
    /// For [`SessionOrder::Address`].
    pub client_ip: IpAddr,
}

impl SessionPlace {
    /// The place of this session.
    pub fn of(info: &SessionInfo) -> Self {
        Self { id: info.id, username: info.username.to_string(), client_ip: info.client_ip }
    }
}

/// How to page through sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionQuery {
    /// Only where the username, the resource or the client's address contains this (case is ignored).
    pub contains: Option<String>,
    /// What to sort by.
    pub order: SessionOrder,
    /// Whether the last come first.
    pub descending: bool,
    /// Only what comes after this place.
    pub after: Option<SessionPlace>,
    /// At most so many.
    pub limit: usize,
}

/// What a listing of accounts that are online is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnlineOrder {
    /// The username.
    Username,
    /// The order of the accounts' creation.
    Created,
}

impl SessionManager {
    /// A page of sessions that match, sorted.
    pub async fn search(&self, query: &SessionQuery) -> Page<SessionInfo, SessionPlace> {
        let limit = query.limit.max(1);
        // One more than there is room for tells whether there are more.
        let sessions = match (query.order, &query.contains) {
            (SessionOrder::Created, None) => self.by_age(query, limit + 1).await,
            _ => self.by_key(query, limit + 1).await,
        };
        let items: Vec<_> = sessions.iter().take(limit).map(|session| self.info(session)).collect();
        let next = items.last().filter(|_| sessions.len() > limit).map(SessionPlace::of);
        Page { items, next }
    }

    /// Each shard has its sessions in this order: the first few of each are merged.
    async fn by_age(&self, query: &SessionQuery, limit: usize) -> Vec<Arc<SessionEntry>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = query.after.as_ref().map_or(Unbounded, |place| Excluded(place.id));
        let mut first = First::new(limit);
        let mut put = |(id, session): (&SessionId, &Arc<SessionEntry>)| {
            let key = Directed::new(*id, query.descending);
            let among = first.takes(&key);
            if among {
                first.put(key, Arc::clone(session));
            }
            among
        };
        let look = |shard: &Shard| {
            if query.descending {
                shard.by_id.range((Unbounded, after)).rev().all(&mut put);
            } else {
                shard.by_id.range((after, Unbounded)).all(&mut put);
            }
        };
        self.registry.each_shard(look).await;
        first.found.into_values().collect()
    }

    async fn by_key(&self, query: &SessionQuery, limit: usize) -> Vec<Arc<SessionEntry>> {
        let contains = query.contains.as_ref().map(|text| text.to_lowercase());
        let matches = |session: &SessionEntry| {
            contains.as_ref().is_none_or(|text| {
                session.username.as_str().to_lowercase().contains(text)
                    || session.resource.to_lowercase().contains(text)
                    || session.peer().0.to_string().contains(text)
            })
        };
        let key = |id: SessionId, username: &dyn Fn() -> Arc<str>, ip: &dyn Fn() -> IpAddr| {
            let key = match query.order {
                SessionOrder::Created => (None, None, id),
                SessionOrder::Username => (Some(username()), None, id),
                SessionOrder::Address => (None, Some(ip()), id),
            };
            Directed::new(key, query.descending)
        };
        let after = query.after.as_ref();
        let after = after.map(|place| key(place.id, &|| place.username.as_str().into(), &|| place.client_ip));
        let mut first = First::new(limit);
        let look = |shard: &Shard| {
            for session in shard.by_id.values() {
                let key = key(session.id, &|| session.username.shared(), &|| session.peer().0);
                if after.as_ref().is_none_or(|after| key > *after) && first.takes(&key) && matches(session) {
                    first.put(key, Arc::clone(session));
                }
            }
        };
        self.registry.each_shard(look).await;
        first.found.into_values().collect()
    }

    /// How many accounts that are subscribed to this topic have a session.
    pub fn connected_to(&self, topic: &Topic) -> usize {
        self.registry.connected_to(topic)
    }

    /// Accounts with an available session, beyond this one, at most `limit`.
    pub async fn online_after(
        &self,
        order: OnlineOrder,
        descending: bool,
        after: Option<(&str, AccountId)>,
        limit: usize,
    ) -> Vec<(Username, AccountId)> {
        let key = |username: Arc<str>, id: AccountId| {
            let key = match order {
                OnlineOrder::Username => (Some(username), id),
                OnlineOrder::Created => (None, id),
            };
            Directed::new(key, descending)
        };
        let after = after.map(|(username, id)| key(username.into(), id));
        let mut first = First::new(limit);
        let look = |shard: &Shard| {
            for (account, entry) in &shard.accounts {
                let Some(session) = entry.sessions.first() else { continue };
                let key = key(session.username.shared(), *account);
                if after.as_ref().is_none_or(|after| key > *after) && first.takes(&key) && entry.online() {
                    first.put(key, (session.username.clone(), *account));
                }
            }
        };
        self.registry.each_shard(look).await;
        first.found.into_values().collect()
    }
}

/// A key that sorts one way or the other; all in one listing the same way.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Directed<K> {
    Ascending(K),
    Descending(Reverse<K>),
}

impl<K> Directed<K> {
    fn new(key: K, descending: bool) -> Self {
        if descending { Self::Descending(Reverse(key)) } else { Self::Ascending(key) }
    }
}

/// The first few by key of many.
struct First<K, T> {
    limit: usize,
    found: BTreeMap<K, T>,
}

impl<K: Ord, T> First<K, T> {
    fn new(limit: usize) -> Self {
        Self { limit, found: BTreeMap::new() }
    }

    /// Whether this key is among the first so far.
    fn takes(&self, key: &K) -> bool {
        self.found.len() < self.limit || self.found.last_key_value().is_some_and(|(last, _)| key < last)
    }

    fn put(&mut self, key: K, value: T) {
        self.found.insert(key, value);
        if self.found.len() > self.limit {
            self.found.pop_last();
        }
    }
}
