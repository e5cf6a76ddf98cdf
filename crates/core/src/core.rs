//! Wires the managers, their ports and their tasks together.

use std::sync::Arc;
use std::sync::Weak;
use std::time::Duration;

use parking_lot::Mutex;
use tidings_xmpp::stream::server::{FeatureCache, RegisterOffer, Settings};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::auth::AuthManager;
use crate::bus::{Hint, Hints, LocalBus};
use crate::clock::{Clock, Random};
use crate::config::{Config, RegistrationPolicy};
use crate::events::Events;
use crate::notification::NotificationManager;
use crate::presence::PresenceManager;
use crate::session::{self, SessionManager};
use crate::store::{CommitFeed, Next, Store, StoreError};

/// How often small things are written: last seen, keys' last use.
const FLUSH_INTERVAL: Duration = Duration::from_secs(10);

/// The managers and their ports, wired together; the doors hold it by `Arc`.
pub struct Core {
    /// What the operator set.
    pub config: Arc<Config>,
    /// What must survive.
    pub store: Arc<dyn Store>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// What happens, for the API and the console.
    pub events: Events,
    /// Accounts, credentials, keys.
    pub auth: AuthManager,
    /// Who is connected.
    pub session: SessionManager,
    /// Who is available.
    pub presence: PresenceManager,
    /// What is sent.
    pub notification: NotificationManager,
    /// What negotiations offer.
    pub(crate) negotiation: Arc<FeatureCache>,
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
    pub async fn start(
        config: Config,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Arc<Self>, StoreError> {
        let config = Arc::new(config);
        let events = Events::default();
        let commits = store.watch();
        let (bus, hints) = LocalBus::new();
        let auth = AuthManager::open(
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&random),
            Arc::clone(&config),
        )
        .await?;
        let notification = NotificationManager::new(
            Arc::clone(&config),
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&random),
            events.clone(),
            Arc::new(bus),
            session::encoded_len,
        );
        let core = Arc::new(Self {
            session: SessionManager::new(Arc::clone(&store), config.domain.clone()),
            presence: PresenceManager::new(Arc::clone(&store), Arc::clone(&clock), events.clone()),
            negotiation: Arc::new(FeatureCache::new(negotiation_settings(&config))),
            auth,
            notification,
            events,
            config,
            store,
            clock,
            random,
            tasks: Mutex::default(),
        });
        *core.tasks.lock() = Tasks {
            finishing: core.notification.spawn_tasks(),
            background: vec![
                tokio::spawn(dispatch(Arc::downgrade(&core), commits, hints)),
                tokio::spawn(sweep(Arc::downgrade(&core))),
                tokio::spawn(flush(Arc::downgrade(&core))),
            ],
        };
        Ok(core)
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

    pub(crate) fn random_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        u64::from_ne_bytes(bytes)
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
        stream_management: true,
        caps: Some((node.clone(), ver.clone())),
        stanza_bytes: config.limits.stanza_bytes,
        idle_seconds: config.limits.idle_seconds,
    }
}

/// Brings what the store commits to the sessions, in order.
async fn dispatch(core: Weak<Core>, mut commits: CommitFeed, mut hints: Hints) {
    loop {
        tokio::select! {
            biased;
            Some(hint) = hints.queue.recv() => {
                let Some(core) = core.upgrade() else { return };
                let Hint::Released(delivery, target) = hint;
                core.session.hand_out(&delivery, &target).await;
                if hints.take_lost() {
                    tracing::warn!("hints were lost; all sessions read their queues");
                    core.session.resync_all().await;
                }
            }
            next = commits.next() => {
                let (Some(next), Some(core)) = (next, core.upgrade()) else { return };
                match next {
                    Next::Committed(committed) => core.notification.committed(committed),
                    Next::Lost => {
                        tracing::warn!("the store's commits came too fast; all sessions read their queues");
                        core.notification.commits_were_lost();
                        core.session.resync_all().await;
                    }
                }
            }
        }
    }
}

async fn sweep(core: Weak<Core>) {
    let mut ticks = interval(session::SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(core) = core.upgrade() else { return };
        core.session.end_expired(Instant::now());
    }
}

async fn flush(core: Weak<Core>) {
    let mut ticks = interval(FLUSH_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(core) = core.upgrade() else { return };
        if let Err(error) = core.write_small_things().await {
            tracing::debug!(%error, "last seen was not written; trying again");
        }
    }
}
