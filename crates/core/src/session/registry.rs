//! The registry: finds sessions by account, id and topic, and hands notifications to them.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

use super::broadcast_buffer::BroadcastBuffer;
use super::delivery::Delivery;
use super::session_entry::{Command, EndReason, SessionEntry};
use crate::model::{AccountId, SessionId, Show, Status, Target, Timestamp, Topic, Username};
use crate::store::Store;

const SHARDS: usize = 64;

/// A session as the API and the console show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its number: listings are in this order.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// The account's username.
    pub username: Username,
    /// The bound resource.
    pub resource: String,
    /// `username@domain/resource`.
    pub jid: String,
    /// How far it has come.
    pub status: Status,
    /// Its presence.
    pub show: Show,
    /// Its presence priority.
    pub priority: i8,
    /// The client's address.
    pub client_ip: IpAddr,
    /// The TLS version, such as `TLSv1.3`.
    pub tls: &'static str,
    /// When it was bound.
    pub created_at: Timestamp,
}

/// The registry of sessions, sharded by account; see the [module's documentation](super).
pub struct SessionManager {
    store: Arc<dyn Store>,
    domain: String,
    pub(super) shards: Box<[Mutex<HashMap<AccountId, AccountEntry>>]>,
    pub(super) by_id: RwLock<BTreeMap<SessionId, Arc<SessionEntry>>>,
    /// Accounts with a session, by the topics that they subscribe to.
    pub(super) topics: RwLock<HashMap<Topic, HashSet<AccountId>>>,
    changing_topics: tokio::sync::Mutex<()>,
    pub(super) broadcasts: BroadcastBuffer,
    next_id: AtomicU64,
    online: AtomicUsize,
    /// Detached sessions by the end of their time, which is the same span for all.
    detached: Mutex<VecDeque<(Instant, Arc<SessionEntry>)>>,
}

#[derive(Default)]
pub(super) struct AccountEntry {
    pub(super) sessions: Vec<Arc<SessionEntry>>,
    topics: Option<Box<[Topic]>>,
}

impl AccountEntry {
    pub(super) fn online(&self) -> bool {
        self.sessions.iter().any(|session| session.status() == Status::Available)
    }

    /// Where the oldest is of those that wait to be resumed.
    fn oldest_detached(&self) -> Option<usize> {
        let detached =
            self.sessions.iter().enumerate().filter(|(_, session)| session.status() == Status::Detached);
        detached.min_by_key(|(_, session)| session.id).map(|(index, _)| index)
    }
}

/// What binding a resource displaced.
pub(crate) enum Claim {
    /// The session is registered.
    Registered,
    /// The account has as many sessions as it may.
    TooMany,
}

impl SessionManager {
    pub(crate) fn new(store: Arc<dyn Store>, domain: String) -> Self {
        Self {
            store,
            domain,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            by_id: RwLock::default(),
            topics: RwLock::default(),
            changing_topics: tokio::sync::Mutex::default(),
            broadcasts: BroadcastBuffer::default(),
            next_id: AtomicU64::new(1),
            online: AtomicUsize::new(0),
            detached: Mutex::default(),
        }
    }

    // ---- what the API, the console and the gateways ask ----

    /// One account's sessions.
    pub fn of(&self, account: AccountId) -> Vec<SessionInfo> {
        self.sessions(account).iter().map(|session| self.info(session)).collect()
    }

    /// Ends the session with this full JID, with stream error `<policy-violation/>`. False when there is none.
    pub fn end(&self, jid: &str) -> bool {
        let Some((bare, resource)) = jid.split_once('/') else { return false };
        let Some((username, domain)) = bare.split_once('@') else { return false };
        if !domain.eq_ignore_ascii_case(&self.domain) {
            return false;
        }
        let Ok(username) = Username::parse(username) else { return false };
        let found = self
            .by_id
            .read()
            .values()
            .find(|session| session.username == username && *session.resource == *resource)
            .map(Arc::clone);
        found.is_some_and(|session| {
            self.end_entry(&session, EndReason::Operator);
            true
        })
    }

    /// Ends all sessions of an account: it was removed or disabled, or its password changed.
    pub fn end_account(&self, account: AccountId) {
        self.end_others(account, None);
    }

    /// How many sessions are connected or wait to be resumed.
    pub fn connected(&self) -> usize {
        self.by_id.read().len()
    }

    /// How many accounts have an available session.
    pub fn online(&self) -> usize {
        self.online.load(Ordering::Relaxed)
    }

    /// Whether an account has an available session, and its best presence.
    pub fn presence(&self, account: AccountId) -> Show {
        let rank = |show: &Show| match show {
            Show::Chat => 5,
            Show::Available => 4,
            Show::Away => 3,
            Show::ExtendedAway => 2,
            Show::DoNotDisturb => 1,
            Show::Unavailable => 0,
        };
        let sessions = self.sessions(account);
        let available = sessions.iter().filter(|session| session.status() == Status::Available);
        available.map(|session| session.show()).max_by_key(rank).unwrap_or(Show::Unavailable)
    }

    /// Subscribes an account; its sessions get what is sent to the topic from now on.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn subscribe(&self, account: AccountId, topic: Topic) -> crate::store::Result<bool> {
        let new = self.store.subscribe(account, topic).await?;
        if new {
            self.topics_changed(account).await?;
        }
        Ok(new)
    }

    /// Ends a subscription; what was pending by it is cancelled.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn unsubscribe(&self, account: AccountId, topic: Topic) -> crate::store::Result<bool> {
        let was = self.store.unsubscribe(account, topic).await?;
        if was {
            self.topics_changed(account).await?;
        }
        Ok(was)
    }

    // ---- what connections ask ----

    pub(crate) fn next_id(&self) -> SessionId {
        SessionId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// Registers a session; one that holds the same resource is ended with `<conflict/>`. Where
    /// the account has as many as it may, one that waits to be resumed gives way: a client that
    /// chooses another resource each time leaves one behind whenever the network goes.
    pub(crate) fn claim(&self, session: &Arc<SessionEntry>, limit: usize) -> Claim {
        let displaced = {
            let mut shard = self.shard(session.account).lock();
            let entry = shard
                .entry(session.account)
                .or_insert_with(|| AccountEntry { sessions: Vec::with_capacity(1), topics: None });
            let same = entry.sessions.iter().position(|other| other.resource == session.resource);
            let gives_way = match same {
                None if entry.sessions.len() >= limit => match entry.oldest_detached() {
                    None => return Claim::TooMany,
                    oldest => oldest,
                },
                same => same,
            };
            let was_online = entry.online();
            let displaced = gives_way.map(|index| entry.sessions.swap_remove(index));
            entry.sessions.push(Arc::clone(session));
            self.count_online(was_online, entry.online());
            displaced
        };
        let mut by_id = self.by_id.write();
        by_id.insert(session.id, Arc::clone(session));
        if let Some(displaced) = &displaced {
            by_id.remove(&displaced.id);
        }
        drop(by_id);
        if let Some(displaced) = displaced {
            self.end_entry(&displaced, EndReason::Conflict);
        }
        Claim::Registered
    }

    /// Forgets a session. Its account's other sessions, and a newer one with the
    /// same resource, stay.
    pub(crate) fn remove(&self, session: &SessionEntry) {
        session.end();
        let gone = {
            let mut shard = self.shard(session.account).lock();
            match shard.entry(session.account) {
                Entry::Vacant(_) => None,
                Entry::Occupied(mut occupied) => {
                    let entry = occupied.get_mut();
                    let was_online = entry.online();
                    entry.sessions.retain(|other| other.id != session.id);
                    self.count_online(was_online, entry.online());
                    if entry.sessions.is_empty() { occupied.remove().topics } else { None }
                }
            }
        };
        self.by_id.write().remove(&session.id);
        if let Some(topics) = gone {
            self.unindex(session.account, &topics);
        }
    }

    /// Changes a session's presence, and keeps the count of accounts online.
    /// Gives its presence before.
    pub(crate) fn set_presence(&self, session: &SessionEntry, show: Show, priority: i8) -> Show {
        let shard = self.shard(session.account).lock();
        let entry = shard.get(&session.account);
        let was_online = entry.is_some_and(AccountEntry::online);
        let (_, before) = session.set_presence(show, priority);
        self.count_online(was_online, entry.is_some_and(AccountEntry::online));
        before
    }

    /// Detaches (or attaches again) a session by `change`, keeping the count.
    pub(crate) fn change<T>(&self, session: &SessionEntry, change: impl FnOnce() -> T) -> T {
        let shard = self.shard(session.account).lock();
        let entry = shard.get(&session.account);
        let was_online = entry.is_some_and(AccountEntry::online);
        let result = change();
        self.count_online(was_online, entry.is_some_and(AccountEntry::online));
        result
    }

    pub(crate) fn sessions(&self, account: AccountId) -> Vec<Arc<SessionEntry>> {
        self.shard(account).lock().get(&account).map(|entry| entry.sessions.clone()).unwrap_or_default()
    }

    /// Ends an account's sessions but for one.
    pub(crate) fn end_others(&self, account: AccountId, except: Option<SessionId>) {
        for session in self.sessions(account) {
            if Some(session.id) != except {
                self.end_entry(&session, EndReason::Account);
            }
        }
    }

    /// Whether an account's sessions are found by its topics.
    pub(crate) fn knows_topics(&self, account: AccountId) -> bool {
        self.shard(account).lock().get(&account).is_some_and(|entry| entry.topics.is_some())
    }

    /// Looks an account's topics up so that its sessions are found by them.
    pub(crate) async fn index_topics(&self, account: AccountId) -> crate::store::Result<()> {
        let topics = self.store.subscriptions(account).await?;
        self.learn_topics(account, topics);
        Ok(())
    }

    /// Takes an account's topics as the store had them. Where they are known already, a
    /// change that came since has brought newer ones.
    pub(crate) fn learn_topics(&self, account: AccountId, topics: Vec<Topic>) {
        self.set_topics(account, topics, false);
    }

    async fn topics_changed(&self, account: AccountId) -> crate::store::Result<()> {
        if self.sessions(account).is_empty() {
            return Ok(());
        }
        // One at a time: of two that read, the older must not be the last to write.
        let turn = self.changing_topics.lock().await;
        let topics = self.store.subscriptions(account).await?;
        self.set_topics(account, topics, true);
        drop(turn);
        // Something may have been sent between the subscription and its index entry.
        self.sessions(account).iter().for_each(|session| session.resync());
        Ok(())
    }

    fn set_topics(&self, account: AccountId, topics: Vec<Topic>, again: bool) {
        let old = {
            let mut shard = self.shard(account).lock();
            let Some(entry) = shard.get_mut(&account) else { return };
            if entry.topics.is_some() && !again {
                return;
            }
            // Indexed while the entry is held, so that removal cannot come between.
            if !topics.is_empty() {
                let mut index = self.topics.write();
                for topic in &topics {
                    index.entry(topic.clone()).or_default().insert(account);
                }
            }
            let old = entry.topics.replace(topics.clone().into());
            old.unwrap_or_default()
        };
        let gone: Vec<Topic> = old.iter().filter(|topic| !topics.contains(topic)).cloned().collect();
        self.unindex(account, &gone);
    }

    fn unindex(&self, account: AccountId, topics: &[Topic]) {
        if topics.is_empty() {
            return;
        }
        let mut index = self.topics.write();
        for topic in topics {
            if let Some(accounts) = index.get_mut(topic) {
                accounts.remove(&account);
                if accounts.is_empty() {
                    index.remove(topic);
                }
            }
        }
    }

    // ---- handing out ----

    /// Hands a released notification to the sessions that it is for. In order:
    /// one caller at a time (the dispatcher task).
    pub(crate) async fn hand_out(&self, delivery: &Arc<Delivery>, target: &Target) {
        match target {
            Target::All => {
                self.broadcasts.push(Arc::clone(delivery));
                self.wake_available().await;
            }
            Target::Topic(topic) => {
                let accounts: Vec<AccountId> = self
                    .topics
                    .read()
                    .get(topic)
                    .map(|set| set.iter().copied().collect())
                    .unwrap_or_default();
                self.deliver(delivery, &accounts).await;
            }
            Target::Accounts(accounts) => self.deliver(delivery, accounts).await,
        }
    }

    /// Hints were lost: every session reads from the store.
    pub(crate) async fn resync_all(&self) {
        for shard in &self.shards {
            shard.lock().values().flat_map(|entry| &entry.sessions).for_each(|session| session.resync());
            tokio::task::yield_now().await;
        }
    }

    async fn deliver(&self, delivery: &Arc<Delivery>, accounts: &[AccountId]) {
        for chunk in accounts.chunks(1024) {
            for account in chunk {
                if let Some(entry) = self.shard(*account).lock().get(account) {
                    entry.sessions.iter().for_each(|session| session.deliver(delivery));
                }
            }
            if accounts.len() > chunk.len() {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn wake_available(&self) {
        for shard in &self.shards {
            shard.lock().values().flat_map(|entry| &entry.sessions).for_each(|session| session.wake());
            tokio::task::yield_now().await;
        }
    }

    // ---- detached sessions ----

    /// Remembers to end a detached session when its time is over.
    pub(crate) fn detach_until(&self, session: Arc<SessionEntry>, until: Instant) {
        self.detached.lock().push_back((until, session));
    }

    /// Detached sessions whose time is over.
    pub(crate) fn take_expired(&self, now: Instant) -> Vec<Arc<SessionEntry>> {
        let mut detached = self.detached.lock();
        let mut expired = Vec::new();
        while detached.front().is_some_and(|(until, _)| *until <= now) {
            expired.extend(detached.pop_front().map(|(_, session)| session));
        }
        expired
    }

    // ---- private ----

    fn end_entry(&self, session: &Arc<SessionEntry>, reason: EndReason) {
        match session.take_detached() {
            Some(_session) => self.remove(session),
            None => {
                session.command(Command::End(reason));
            }
        }
    }

    fn count_online(&self, before: bool, after: bool) {
        match (before, after) {
            (false, true) => self.online.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.online.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
    }

    fn shard(&self, account: AccountId) -> &Mutex<HashMap<AccountId, AccountEntry>> {
        let index = usize::try_from(account.0.unsigned_abs() % SHARDS as u64).unwrap_or(0);
        &self.shards[index]
    }

    pub(super) fn info(&self, session: &SessionEntry) -> SessionInfo {
        let (client_ip, tls) = session.peer();
        SessionInfo {
            id: session.id,
            account: session.account,
            username: session.username.clone(),
            resource: session.resource.to_string(),
            jid: format!("{}@{}/{}", session.username, self.domain, session.resource),
            status: session.status(),
            show: session.show(),
            priority: session.priority(),
            client_ip,
            tls,
            created_at: session.created_at,
        }
    }
}

/// How often the sweep for detached sessions runs.
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
