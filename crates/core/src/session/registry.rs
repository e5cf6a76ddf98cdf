//! The registry: where each session is. It finds sessions by account and topic, and keeps
//! those whose connection is gone until they are resumed or their time is over.
//!
//! A session is in one place at any time: with a connection, or here. [`Registry::detach`]
//! brings it here and [`Registry::resume`] takes it out again; each step is taken under the
//! lock of the account's shard, so two connections never have the same session.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::bound_session::BoundSession;
use super::detached::DetachedSessions;
use super::owed::Due;
use super::presence_stanza::PresenceStanza;
use super::session_entry::{Command, SessionEntry};
use super::sources::SessionIndex;
use super::{siblings, sm};
use crate::model::{AccountId, EndReason, SessionId, Show, Status, Topic};

const SHARDS: usize = 64;
/// How long a connection has to give up its session to one that resumes it.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(5);
/// How often [`Registry::end_expired`] is to be called.
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// See the [module's documentation](self).
pub(crate) struct Registry {
    domain: String,
    shards: Box<[Mutex<Shard>]>,
    /// Accounts with a session, by the topics that they subscribe to. Taken within a shard's
    /// lock, never the other way round.
    topics: RwLock<HashMap<Topic, HashSet<AccountId>>>,
    next_id: AtomicU64,
    topics_reads: AtomicU64,
    connected: AtomicUsize,
    online: AtomicUsize,
}

/// The sessions of some of the accounts.
#[derive(Default)]
pub(super) struct Shard {
    pub(super) accounts: HashMap<AccountId, AccountSessions>,
    /// The same sessions in the order of binding, for listings.
    pub(super) by_id: BTreeMap<SessionId, Arc<SessionEntry>>,
    detached: DetachedSessions<Box<BoundSession>>,
}

/// An account that has sessions.
#[derive(Default)]
pub(super) struct AccountSessions {
    pub(super) sessions: Vec<Arc<SessionEntry>>,
    topics: Option<Box<[Topic]>>,
    /// Which reading of the store they are from; 0 is a session's own.
    topics_read: u64,
}

impl AccountSessions {
    pub(super) fn online(&self) -> bool {
        self.sessions.iter().any(|session| session.status() == Status::Available)
    }

    /// After one has come or gone.
    fn tell_of_siblings(&self) {
        let several = self.sessions.len() > 1;
        self.sessions.iter().for_each(|session| session.set_siblings(several));
    }
}

/// What became of a claim to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The session is registered.
    Registered,
    /// The account has as many sessions as it may.
    TooMany,
}

/// Where a session is that is to be resumed.
enum Whereabouts {
    /// It waited here.
    Taken(Box<BoundSession>),
    /// A connection has it, and was asked to give it up: look again once this resolves.
    Asked(oneshot::Receiver<()>),
    /// There is none of this id.
    Unknown,
}

impl Registry {
    pub(super) fn new(domain: String) -> Self {
        Self {
            domain,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            topics: RwLock::default(),
            next_id: AtomicU64::new(1),
            topics_reads: AtomicU64::new(0),
            connected: AtomicUsize::new(0),
            online: AtomicUsize::new(0),
        }
    }

    pub(super) fn domain(&self) -> &str {
        &self.domain
    }

    // ---- sessions come and go ----

    pub(super) fn next_id(&self) -> SessionId {
        SessionId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// Registers a session; one that holds the same resource is ended with `<conflict/>`. Where
    /// the account has as many as it may, one that waits to be resumed gives way: a client that
    /// chooses another resource each time leaves one behind whenever the network goes.
    pub(super) fn claim(&self, session: &Arc<SessionEntry>, limit: usize) -> Claim {
        let mut shard = self.shard(session.account);
        let Shard { accounts, by_id, detached } = &mut *shard;
        let account = accounts.entry(session.account).or_insert_with(|| AccountSessions {
            sessions: Vec::with_capacity(1),
            topics: None,
            topics_read: 0,
        });
        let same = account.sessions.iter().find(|other| other.resource == session.resource);
        let gives_way = match same {
            None if account.sessions.len() >= limit => {
                let waiting = account.sessions.iter().filter(|other| detached.contains(other.id));
                match waiting.min_by_key(|other| other.id) {
                    None => return Claim::TooMany,
                    oldest => oldest,
                }
            }
            same => same,
        };
        let displaced = gives_way.cloned();
        let was_online = account.online();
        account.sessions.push(Arc::clone(session));
        by_id.insert(session.id, Arc::clone(session));
        account.tell_of_siblings();
        self.count_online(was_online, account.online());
        self.connected.fetch_add(1, Ordering::Relaxed);
        if let Some(displaced) = displaced {
            let detached = shard.detached.take(displaced.id);
            self.forget(&mut shard, &displaced);
            match detached {
                Some(_session) => self.end_detached(shard, &displaced),
                None => {
                    displaced.command(Command::End(EndReason::Conflict));
                }
            }
        }
        Claim::Registered
    }

    /// Forgets a session that is over. Its account's other sessions, and a newer one with
    /// the same resource, stay.
    pub(super) fn remove(&self, session: &SessionEntry) {
        session.end();
        self.forget(&mut self.shard(session.account), session);
    }

    /// Ends a session, whether a connection has it or it waits to be resumed.
    pub(super) fn end(&self, session: &Arc<SessionEntry>, reason: EndReason) {
        let mut shard = self.shard(session.account);
        match shard.detached.take(session.id) {
            Some(_session) => {
                self.forget(&mut shard, session);
                self.end_detached(shard, session);
            }
            None => {
                session.command(Command::End(reason));
            }
        }
    }

    /// Changes a session's presence, and keeps the count of accounts online.
    /// Gives its presence before.
    pub(super) fn set_presence(
        &self,
        session: &SessionEntry,
        show: Show,
        priority: i8,
        stanza: Option<PresenceStanza>,
    ) -> Show {
        let (_, before) = self.change(session, || session.set_presence(show, priority, stanza));
        before
    }

    // ---- connections come and go ----

    /// Takes a session whose connection is gone or gives it up, until `until`. It is handed
    /// back where it is over, or its client may not resume it. `announce` is called in
    /// between, so that what it tells comes before what [`reattach`](Self::reattach) tells.
    pub(super) fn detach(
        &self,
        session: Box<BoundSession>,
        until: Instant,
        announce: impl FnOnce(&SessionEntry),
    ) -> Result<(), Box<BoundSession>> {
        let entry = Arc::clone(&session.entry);
        let mut shard = self.shard(entry.account);
        let Shard { accounts, detached, .. } = &mut *shard;
        let Some(account) = accounts.get(&entry.account) else { return Err(session) };
        let was_online = account.online();
        let waiting = match session.is_resumable() {
            true => entry.detach(),
            false => None,
        };
        let Some(waiting) = waiting else { return Err(session) };
        self.count_online(was_online, account.online());
        detached.insert(entry.id, until, session);
        announce(&entry);
        drop(shard);
        // Those that wait to resume it look again.
        drop(waiting);
        Ok(())
    }

    /// Takes the session of this account that the client of a new connection names by its
    /// resumption id, for that connection. One that another connection still has is asked
    /// for; `None` where there is none, or that connection does not give it up in time.
    ///
    /// The caller has the session when this returns, and [reattaches](Self::reattach),
    /// detaches or [ends](Self::end_taken) it.
    pub(super) async fn resume(&self, account: AccountId, previd: &str) -> Option<Box<BoundSession>> {
        let taken = async {
            loop {
                match self.look_for(account, previd) {
                    Whereabouts::Taken(session) => return Some(session),
                    // Answered or dropped: either way it is elsewhere now.
                    Whereabouts::Asked(given_up) => drop(given_up.await),
                    Whereabouts::Unknown => return None,
                }
            }
        };
        timeout(TRANSFER_TIMEOUT, taken).await.ok().flatten()
    }

    fn look_for(&self, account: AccountId, previd: &str) -> Whereabouts {
        let mut shard = self.shard(account);
        let Shard { accounts, detached, .. } = &mut *shard;
        // Only among the account's own: another's id means nothing here.
        let mut sessions = accounts.get(&account).into_iter().flat_map(|account| &account.sessions);
        let Some(entry) = sessions.find(|entry| sm::is_resumption_id(entry.id, &entry.secret, previd)) else {
            return Whereabouts::Unknown;
        };
        if let Some(session) = detached.take(entry.id) {
            return Whereabouts::Taken(session);
        }
        let (give_up, given_up) = oneshot::channel();
        match entry.command(Command::Transfer(give_up)) {
            true => Whereabouts::Asked(given_up),
            false => Whereabouts::Unknown,
        }
    }

    /// A session that was taken runs on a connection again. `announce`: see
    /// [`detach`](Self::detach).
    pub(super) fn reattach(
        &self,
        session: &SessionEntry,
        peer: IpAddr,
        tls: &'static str,
        announce: impl FnOnce(),
    ) {
        self.change(session, || {
            session.reattach(peer, tls);
            announce();
        });
    }

    /// Ends a session that was taken and cannot go on.
    pub(super) fn end_taken(&self, session: &BoundSession) {
        let mut shard = self.shard(session.entry.account);
        self.forget(&mut shard, &session.entry);
        self.end_detached(shard, &session.entry);
    }

    /// Ends the detached sessions whose time is over by `now`.
    pub(crate) fn end_expired(&self, now: Instant) {
        for place in &self.shards {
            loop {
                let mut shard = place.lock();
                let Some(session) = shard.detached.take_expired(now) else { break };
                self.forget(&mut shard, &session.entry);
                self.end_detached(shard, &session.entry);
            }
        }
    }

    /// A session without a connection is over, and forgotten: its siblings are told. Watchers
    /// were when its connection went.
    fn end_detached(&self, shard: MutexGuard<'_, Shard>, session: &Arc<SessionEntry>) {
        let before = session.show();
        session.end();
        if before == Show::Unavailable {
            return;
        }
        let siblings = available_siblings(&shard, session);
        drop(shard);
        siblings::tell(session, &siblings);
    }

    // ---- finding sessions ----

    /// How many sessions a connection has or wait to be resumed.
    pub(super) fn connected(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }

    /// How many accounts have an available session.
    pub(super) fn online(&self) -> usize {
        self.online.load(Ordering::Relaxed)
    }

    pub(super) fn sessions(&self, account: AccountId) -> Vec<Arc<SessionEntry>> {
        self.shard(account).accounts.get(&account).map(|entry| entry.sessions.clone()).unwrap_or_default()
    }

    /// The account's other sessions that are available.
    pub(super) fn siblings(&self, session: &SessionEntry) -> Vec<Arc<SessionEntry>> {
        available_siblings(&self.shard(session.account), session)
    }

    /// The shards one after the other, each locked as long as it is looked at. Other tasks
    /// run in between.
    pub(super) async fn each_shard(&self, mut look: impl FnMut(&Shard)) {
        for shard in &self.shards {
            look(&shard.lock());
            tokio::task::yield_now().await;
        }
    }

    // ---- topics ----

    /// The accounts with a session that subscribe to a topic.
    pub(super) fn subscribers(&self, topic: &Topic) -> Vec<AccountId> {
        self.topics.read().get(topic).map(|accounts| accounts.iter().copied().collect()).unwrap_or_default()
    }

    /// How many accounts that are subscribed to this topic have a session.
    pub(super) fn connected_to(&self, topic: &Topic) -> usize {
        self.topics.read().get(topic).map_or(0, HashSet::len)
    }

    /// The number of a reading of an account's topics that is about to begin, after a change.
    pub(super) fn next_topics_read(&self) -> u64 {
        self.topics_reads.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Takes an account's topics. `read`: the [number](Self::next_topics_read) of the reading,
    /// which a later one goes before; `None` for a session's own, before which any other goes.
    pub(super) fn set_topics(&self, account: AccountId, topics: Vec<Topic>, read: Option<u64>) {
        // Indexed while the shard is held, so that removal cannot come between.
        let mut shard = self.shard(account);
        let Some(entry) = shard.accounts.get_mut(&account) else { return };
        if entry.topics.is_some() && read.is_none_or(|read| read < entry.topics_read) {
            return;
        }
        entry.topics_read = read.unwrap_or(0);
        if !topics.is_empty() {
            let mut index = self.topics.write();
            for topic in &topics {
                index.entry(topic.clone()).or_default().insert(account);
            }
        }
        let old = entry.topics.replace(topics.clone().into()).unwrap_or_default();
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

    // ---- private ----

    /// Takes a session out of its account's list, and the account out of the shard with the last.
    fn forget(&self, shard: &mut Shard, session: &SessionEntry) {
        shard.by_id.remove(&session.id);
        let Entry::Occupied(mut occupied) = shard.accounts.entry(session.account) else { return };
        let account = occupied.get_mut();
        let Some(place) = account.sessions.iter().position(|other| other.id == session.id) else { return };
        let was_online = account.online();
        account.sessions.swap_remove(place);
        account.tell_of_siblings();
        self.count_online(was_online, account.online());
        self.connected.fetch_sub(1, Ordering::Relaxed);
        if account.sessions.is_empty()
            && let Some(topics) = occupied.remove().topics
        {
            self.unindex(session.account, &topics);
        }
    }

    /// Changes a session by `change`, keeping the count of accounts online.
    fn change<T>(&self, session: &SessionEntry, change: impl FnOnce() -> T) -> T {
        let shard = self.shard(session.account);
        let account = shard.accounts.get(&session.account);
        let was_online = account.is_some_and(AccountSessions::online);
        let result = change();
        self.count_online(was_online, account.is_some_and(AccountSessions::online));
        result
    }

    fn count_online(&self, before: bool, after: bool) {
        match (before, after) {
            (false, true) => self.online.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.online.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
    }

    pub(super) fn shard(&self, account: AccountId) -> MutexGuard<'_, Shard> {
        let index = usize::try_from(account.0.unsigned_abs() % SHARDS as u64).unwrap_or(0);
        #[expect(clippy::indexing_slicing, reason = "a remainder by the number of shards")]
        self.shards[index].lock()
    }
}

impl SessionIndex for Registry {
    fn knows_topics(&self, account: AccountId) -> bool {
        self.shard(account).accounts.get(&account).is_some_and(|entry| entry.topics.is_some())
    }

    fn learn_topics(&self, account: AccountId, topics: Vec<Topic>) {
        self.set_topics(account, topics, None);
    }

    fn settled_by(&self, session: &SessionEntry, settled: &[Due]) {
        let shard = self.shard(session.account);
        let sessions = shard.accounts.get(&session.account).into_iter().flat_map(|account| &account.sessions);
        sessions.filter(|other| other.id != session.id).for_each(|other| other.settled_elsewhere(settled));
    }
}

fn available_siblings(shard: &Shard, session: &SessionEntry) -> Vec<Arc<SessionEntry>> {
    let sessions = shard.accounts.get(&session.account).into_iter().flat_map(|account| &account.sessions);
    sessions
        .filter(|other| other.id != session.id && other.show() != Show::Unavailable)
        .map(Arc::clone)
        .collect()
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
