//! Brings what the store commits to the sessions that it is for, in the order of the commits.
//!
//! One task does all of it: it publishes a hint for each commit of this node, and hands out what
//! the hints of all nodes are about. For its own it has the content; what other nodes have
//! released, the sessions read.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Core;
use super::hint_tracker::{Arrival, HintTracker};
use super::release_cache::ReleaseCache;
use crate::bus::{Bus, Hint, Message, Publisher};
use crate::model::{AccountId, Target};
use crate::panics::caught;
use crate::session::Delivery;
use crate::store::{CommitFeed, Committed, Next, Released};

/// How often a node tells the number of its last hint: the longest that a lost one goes unnoticed
/// when nothing follows it.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// The pause before an account's topics are read again where the store failed.
const RETRY: Duration = Duration::from_secs(2);

pub(super) struct Dispatcher {
    core: Weak<Core>,
    commits: CommitFeed,
    bus: Arc<dyn Bus>,
    messages: mpsc::Receiver<Message>,
    publisher: Arc<Publisher>,
    tracker: HintTracker,
    released: ReleaseCache,
}

/// What the dispatcher does next.
#[expect(clippy::large_enum_variant, reason = "it lives for one turn of the loop")]
enum Turn {
    Message(Option<Message>),
    Commit(Option<Next>),
    Heartbeat,
}

impl Dispatcher {
    pub(super) fn new(
        core: Weak<Core>,
        commits: CommitFeed,
        bus: Arc<dyn Bus>,
        messages: mpsc::Receiver<Message>,
        publisher: Arc<Publisher>,
    ) -> Self {
        let (tracker, released) = Default::default();
        Self { core, commits, bus, messages, publisher, tracker, released }
    }

    /// Runs until the store is closed or the core is gone.
    pub(super) async fn run(mut self) {
        let mut heartbeats = interval(HEARTBEAT_INTERVAL);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let turn = tokio::select! {
                biased;
                message = self.messages.recv(), if !self.messages.is_closed() => Turn::Message(message),
                commit = self.commits.next() => Turn::Commit(commit),
                _ = heartbeats.tick() => Turn::Heartbeat,
            };
            let Some(core) = self.core.upgrade() else { return };
            if matches!(turn, Turn::Commit(None)) {
                return;
            }
            // What a panic has kept from being handed out, the sessions find in the store.
            if caught(self.turn(&core, turn)).await.is_err() {
                caught(core.session.resync_all()).await.ok();
            }
        }
    }

    async fn turn(&mut self, core: &Arc<Core>, turn: Turn) {
        match turn {
            Turn::Commit(None) => {}
            Turn::Commit(Some(next)) => self.committed(core, next).await,
            Turn::Message(Some(message)) => self.message(core, message).await,
            Turn::Message(None) => tracing::error!("the bus has ended a subscription"),
            Turn::Heartbeat => self.heartbeat(core).await,
        }
        // A bus within the process has brought already what was published.
        while let Ok(message) = self.messages.try_recv() {
            self.message(core, message).await;
        }
    }

    async fn committed(&mut self, core: &Core, next: Next) {
        match next {
            Next::Committed(committed) => {
                core.notification.committed(&committed);
                if let Committed::Released(released) = committed {
                    self.publish(released);
                }
            }
            Next::Lost => {
                tracing::warn!("the store's commits came too fast; all sessions read what is pending");
                core.notification.commits_were_lost();
                self.publisher.publish(Hint::Lost);
                core.session.resync_all().await;
            }
        }
    }

    fn publish(&mut self, released: Released) {
        let Released { notification, target, .. } = released;
        let (seq, priority) = (notification.seq, notification.priority);
        let hint = match target {
            Target::Accounts(accounts) => Hint::Direct { seq, priority, accounts },
            Target::Topic(topic) => Hint::Shared { seq, priority, topic: Some(topic) },
            Target::All => Hint::Shared { seq, priority, topic: None },
        };
        let number = self.publisher.publish(hint);
        self.released.insert(number, Arc::new(Delivery::new(notification)));
    }

    async fn message(&mut self, core: &Arc<Core>, message: Message) {
        match self.tracker.arrived(&message) {
            Arrival::Old => return,
            Arrival::Next => {}
            Arrival::Gap => {
                tracing::warn!(origin = message.origin, "hints were lost; all sessions read what is pending");
                core.session.resync_all().await;
            }
        }
        let own = message.origin == self.publisher.origin();
        let target = match message.hint {
            Hint::Direct { accounts, .. } => Target::Accounts(accounts),
            Hint::Shared { topic: Some(topic), .. } => Target::Topic(topic),
            Hint::Shared { topic: None, .. } => Target::All,
            // This process has done that when it published it.
            _ if own => return,
            Hint::Topics(account) => return drop(tokio::spawn(topics(Arc::downgrade(core), account))),
            Hint::End { account, resource, reason } => {
                return core.session.end_here(account, resource.as_deref(), reason);
            }
            Hint::Keys => return drop(tokio::spawn(keys(Arc::downgrade(core)))),
            Hint::Lost => return core.session.resync_all().await,
            Hint::Heartbeat => return,
        };
        match if own { self.released.take(message.number) } else { None } {
            Some(delivery) => core.session.hand_out(&delivery, &target).await,
            None => core.session.resync(&target).await,
        }
    }

    async fn heartbeat(&mut self, core: &Core) {
        if self.messages.is_closed() {
            self.messages = self.bus.subscribe();
            core.session.resync_all().await;
        }
        self.publisher.heartbeat();
    }
}

/// Another node has changed an account's topics.
async fn topics(core: Weak<Core>, account: AccountId) {
    while let Some(core) = core.upgrade() {
        match core.session.reindex_topics(account).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "cannot read an account's topics; trying again"),
        }
        drop(core);
        sleep(RETRY).await;
    }
}

/// Another node has made or revoked an API key.
async fn keys(core: Weak<Core>) {
    while let Some(core) = core.upgrade() {
        match core.auth.reload_keys().await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "cannot read the API keys; trying again"),
        }
        drop(core);
        sleep(RETRY).await;
    }
}
