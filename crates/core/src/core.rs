//! Wires the managers, their ports and their tasks together.

mod dispatcher;
mod hint_tracker;
mod release_cache;

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tidings_xmpp::stream::server::{FeatureCache, RegisterOffer, Settings};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use self::dispatcher::Dispatcher;
use crate::audit::AuditLog;
use crate::auth::AuthManager;
use crate::bus::{Bus, LocalBus, Publisher};
use crate::clock::{Clock, Random};
use crate::cluster::{Cluster, LocalCluster, Node, NodeStatus};
use crate::config::{Config, RegistrationPolicy};
use crate::events::Events;
use crate::notification::{Dependencies, NotificationManager};
use crate::panics::caught;
use crate::presence::PresenceManager;
use crate::session::{self, Connection, Peer, SessionManager, TlsBinding};
use crate::store::{Store, StoreError};

/// How often small things are written: last seen, keys' last use.
const FLUSH_INTERVAL: Duration = Duration::from_secs(10);

/// What a core needs from outside.
pub struct Ports {
    /// What must survive.
    pub store: Arc<dyn Store>,
    /// Hints to and from the nodes that share the store.
    pub bus: Arc<dyn Bus>,
    /// The nodes that share the store; `None`: this one is the only one.
    pub cluster: Option<Arc<dyn Cluster>>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

impl Ports {
    /// For a process that has its store for itself.
    pub fn local(store: Arc<dyn Store>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { store, bus: Arc::new(LocalBus::default()), cluster: None, clock, random }
    }
}

/// The managers and their ports, wired together; the doors hold it by `Arc`.
pub struct Core {
    /// What the operator set.
    pub config: Arc<Config>,
    /// What must survive. The managers own its rules; doors ask them.
    pub(crate) store: Arc<dyn Store>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// What happens, for the API and the console.
    pub events: Events,
    /// Accounts, credentials, keys.
    pub auth: Arc<AuthManager>,
    /// Who is connected.
    pub session: Arc<SessionManager>,
    /// Who is available.
    pub presence: Arc<PresenceManager>,
    /// What is sent.
    pub notification: Arc<NotificationManager>,
    /// The nodes that serve together, and which of them this one is.
    pub cluster: Arc<dyn Cluster>,
    /// What connections need of all this.
    connections: Arc<session::Context>,
    tasks: Mutex<Tasks>,
}

#[derive(Default)]
struct Tasks {
    /// They end by themselves once told, when their work is done.
    finishing: Vec<JoinHandle<()>>,
    /// They can be cut off at any time.
    background: Vec<JoinHandle<()>>,
}

impl Core {
    /// Wires the managers around a store and starts their tasks (scheduler,
    /// settlement writer, dispatcher, sweeps) on the current tokio runtime.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn start(config: Config, ports: Ports) -> Result<Arc<Self>, StoreError> {
        let bus = Arc::clone(&ports.bus);
        // Both before anything is read: what changes from here on is heard of.
        let (commits, messages) = (ports.store.watch(), bus.subscribe());
        let (core, publisher) = Self::wire(config, ports).await?;
        let dispatcher = Dispatcher::new(Arc::downgrade(&core), commits, bus, messages, publisher);
        *core.tasks.lock() = Tasks {
            finishing: core.notification.spawn_tasks(),
            background: vec![
                tokio::spawn(dispatcher.run()),
                tokio::spawn(sweep(Arc::downgrade(&core))),
                tokio::spawn(flush(Arc::downgrade(&core))),
            ],
        };
        Ok(core)
    }

    /// Wires the managers around a store and starts no task, for what is changed while no server
    /// runs: nothing is released, expires or is delivered by it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn open(config: Config, ports: Ports) -> Result<Arc<Self>, StoreError> {
        Ok(Self::wire(config, ports).await?.0)
    }

    async fn wire(config: Config, ports: Ports) -> Result<(Arc<Self>, Arc<Publisher>), StoreError> {
        let Ports { store, bus, cluster, clock, random } = ports;
        let config = Arc::new(config);
        let cluster = cluster
            .unwrap_or_else(|| Arc::new(LocalCluster::new(&config.node, clock.as_ref(), random.as_ref())));
        let events = Events::default();
        let publisher = Arc::new(Publisher::new(bus, cluster.epoch()));
        let audit = AuditLog::new(Arc::clone(&store), Arc::clone(&clock));
        let session = Arc::new(SessionManager::new(
            Arc::clone(&store),
            Arc::clone(&publisher),
            audit.clone(),
            config.domain.clone(),
        ));
        let auth = AuthManager::open(
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&random),
            Arc::clone(&config),
            Arc::clone(&publisher),
            audit.clone(),
            Arc::clone(&session) as _,
        )
        .await?;
        let notification = NotificationManager::new(Dependencies {
            config: Arc::clone(&config),
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            events: events.clone(),
            audit,
            sessions: Arc::clone(&session) as _,
            encoded_len: session::encoded_len,
        });
        let (auth, notification) = (Arc::new(auth), Arc::new(notification));
        let presence = PresenceManager::new(Arc::clone(&store), Arc::clone(&clock), events.clone());
        let presence = Arc::new(presence);
        let connections = session::Context {
            config: Arc::clone(&config),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            negotiation: Arc::new(FeatureCache::new(negotiation_settings(&config))),
            sources: session.sources(Arc::clone(&config), Arc::clone(&notification)),
            auth: Arc::clone(&auth),
            session: Arc::clone(&session),
            presence: Arc::clone(&presence),
            notification: Arc::clone(&notification),
        };
        let core = Arc::new(Self {
            connections: Arc::new(connections),
            cluster,
            session,
            presence,
            auth,
            notification,
            events,
            config,
            store,
            clock,
            random,
            tasks: Mutex::default(),
        });
        Ok((core, publisher))
    }

    /// Finishes what is under way (settlements, last seen) and closes the store.
    /// Connections must have been closed before.
    pub async fn stop(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock());
        self.notification.stop();
        for task in tasks.finishing {
            // A store that does not answer must not keep the process alive.
            let _ = timeout(Duration::from_secs(5), task).await;
        }
        tasks.background.iter().for_each(JoinHandle::abort);
        if let Err(error) = self.write_small_things().await {
            tracing::warn!(%error, "last seen was not written");
        }
        self.store.close().await;
    }

    /// A connection that has just been made. `tls` is set where TLS came first (direct TLS).
    pub fn connect(&self, peer: Peer, tls: Option<TlsBinding>, now: Instant) -> Connection {
        Connection::new(Arc::clone(&self.connections), peer, tls, now)
    }

    /// All nodes that serve together, by name.
    ///
    /// # Errors
    /// When the others are not to be asked.
    pub async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        let sessions = self.session.connected() as u64;
        self.cluster.nodes(NodeStatus { at: self.clock.now(), draining: false, sessions }).await
    }

    async fn write_small_things(&self) -> Result<(), StoreError> {
        self.presence.flush().await?;
        self.auth.flush().await
    }
}

fn negotiation_settings(config: &Config) -> Settings {
    let (node, ver) = session::server_caps();
    Settings {
        domain: config.domain.clone(),
        extra_domains: Vec::new(),
        register: match config.registration.policy {
            RegistrationPolicy::Open => RegisterOffer::Open,
            RegistrationPolicy::Token => RegisterOffer::Token,
            RegistrationPolicy::Closed => RegisterOffer::Closed,
        },
        iq_auth: config.legacy.iq_auth,
        channel_binding: config.channel_binding,
        stream_management: true,
        caps: Some((node.clone(), ver.clone())),
        stanza_bytes: config.limits.stanza_bytes,
        idle_seconds: config.limits.idle_seconds,
    }
}

async fn sweep(core: Weak<Core>) {
    let mut ticks = interval(session::SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(core) = core.upgrade() else { return };
        caught(async { core.session.end_expired(Instant::now()) }).await.ok();
    }
}

async fn flush(core: Weak<Core>) {
    let mut ticks = interval(FLUSH_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(core) = core.upgrade() else { return };
        if let Ok(Err(error)) = caught(core.write_small_things()).await {
            tracing::debug!(%error, "last seen was not written; trying again");
        }
    }
}
