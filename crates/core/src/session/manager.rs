//! The session manager: what the other managers, the API and the console ask of sessions,
//! and how notifications are handed to them. Where each session is, the
//! [registry](super::registry) knows.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::broadcast_buffer::BroadcastBuffer;
use super::delivery::Delivery;
use super::hand_outs::HandOuts;
use super::registry::{Registry, Shard};
use super::session_entry::SessionEntry;
use super::sources::Sources;
use crate::audit::AuditLog;
use crate::bus::Publisher;
use crate::config::Config;
use crate::model::{AccountId, EndReason, SessionId, Show, Status, Target, Timestamp, Username};
use crate::notification::NotificationManager;
use crate::store::Store;

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

/// See the [module's documentation](super).
pub struct SessionManager {
    pub(super) store: Arc<dyn Store>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) audit: AuditLog,
    pub(super) registry: Arc<Registry>,
    pub(super) broadcasts: Arc<BroadcastBuffer>,
    hand_outs: Arc<HandOuts>,
}

impl SessionManager {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        publisher: Arc<Publisher>,
        audit: AuditLog,
        domain: String,
    ) -> Self {
        Self {
            store,
            publisher,
            audit,
            registry: Arc::new(Registry::new(domain)),
            broadcasts: Arc::default(),
            hand_outs: Arc::default(),
        }
    }

    // ---- what the API, the console and the gateways ask ----

    /// One account's sessions.
    pub fn of(&self, account: AccountId) -> Vec<SessionInfo> {
        self.registry.sessions(account).iter().map(|session| self.info(session)).collect()
    }

    /// How many sessions are connected or wait to be resumed.
    pub fn connected(&self) -> usize {
        self.registry.connected()
    }

    /// How many accounts have an available session.
    pub fn online(&self) -> usize {
        self.registry.online()
    }

    /// How many of an account's pending notifications its clients have had again and again without
    /// acknowledging any: they wait for a client that does.
    pub fn withheld(&self, account: AccountId) -> usize {
        self.hand_outs.withheld(account).len()
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
        let sessions = self.registry.sessions(account);
        let available = sessions.iter().filter(|session| session.status() == Status::Available);
        available.map(|session| session.show()).max_by_key(rank).unwrap_or(Show::Unavailable)
    }

    /// Ends the sessions that have waited long enough to be resumed, by `now`. To be called
    /// every second.
    pub(crate) fn end_expired(&self, now: Instant) {
        self.registry.end_expired(now);
    }

    /// What sessions are fed from, with these.
    pub(crate) fn sources(&self, config: Arc<Config>, notification: Arc<NotificationManager>) -> Sources {
        Sources {
            config,
            store: Arc::clone(&self.store),
            notification,
            broadcasts: Arc::clone(&self.broadcasts),
            sessions: Arc::clone(&self.registry) as _,
            hand_outs: Arc::clone(&self.hand_outs),
        }
    }

    // ---- what connections ask ----

    /// Another node says that sessions of an account are to end: those with this resource, or all.
    pub(crate) fn end_here(&self, account: AccountId, resource: Option<&str>, reason: EndReason) {
        for session in self.registry.sessions(account) {
            if resource.is_none_or(|resource| *session.resource == *resource) {
                self.registry.end(&session, reason);
            }
        }
    }

    /// An account's topics have changed, here or on another node.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn reindex_topics(&self, account: AccountId) -> crate::store::Result<()> {
        if self.registry.sessions(account).is_empty() {
            return Ok(());
        }
        // Of two that read, the one that began later has seen every change that the other has.
        let read = self.registry.next_topics_read();
        let topics = self.store.subscriptions(account).await?;
        self.registry.set_topics(account, topics, Some(read));
        // Something may have been sent between the subscription and its index entry.
        self.registry.sessions(account).iter().for_each(|session| session.resync());
        Ok(())
    }

    // ---- handing out ----

    /// Hands a released notification to the sessions that it is for. In order:
    /// one caller at a time (the dispatcher task).
    pub(crate) async fn hand_out(&self, delivery: &Arc<Delivery>, target: &Target) {
        match target {
            Target::All => {
                self.broadcasts.push(Arc::clone(delivery));
                self.each_session(SessionEntry::wake).await;
            }
            Target::Topic(topic) => {
                self.each_of(&self.registry.subscribers(topic), |session| session.deliver(delivery)).await;
            }
            Target::Accounts(accounts) => self.each_of(accounts, |session| session.deliver(delivery)).await,
        }
    }

    /// As [`hand_out`](Self::hand_out), where only the store has the notification.
    pub(crate) async fn resync(&self, target: &Target) {
        match target {
            Target::All => self.resync_all().await,
            Target::Topic(topic) => {
                self.each_of(&self.registry.subscribers(topic), SessionEntry::resync).await;
            }
            Target::Accounts(accounts) => self.each_of(accounts, SessionEntry::resync).await,
        }
    }

    /// Hints were lost: every session reads from the store.
    pub(crate) async fn resync_all(&self) {
        self.each_session(SessionEntry::resync).await;
    }

    async fn each_of(&self, accounts: &[AccountId], tell: impl Fn(&SessionEntry)) {
        for chunk in accounts.chunks(1024) {
            for account in chunk {
                if let Some(entry) = self.registry.shard(*account).accounts.get(account) {
                    entry.sessions.iter().for_each(|session| tell(session));
                }
            }
            if accounts.len() > chunk.len() {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn each_session(&self, tell: impl Fn(&SessionEntry)) {
        let sessions = |shard: &Shard| {
            shard.accounts.values().flat_map(|account| &account.sessions).for_each(|session| tell(session));
        };
        self.registry.each_shard(sessions).await;
    }

    pub(super) fn info(&self, session: &SessionEntry) -> SessionInfo {
        let (client_ip, tls) = session.peer();
        SessionInfo {
            id: session.id,
            account: session.account,
            username: session.username.clone(),
            resource: session.resource.to_string(),
            jid: format!("{}@{}/{}", session.username, self.registry.domain(), session.resource),
            status: session.status(),
            show: session.show(),
            priority: session.priority(),
            client_ip,
            tls,
            created_at: session.created_at,
        }
    }
}
