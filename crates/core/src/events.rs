//! What happens, for those that watch it: `/v1/events` and the console.

use tokio::sync::broadcast;

use crate::model::{NotificationId, Priority, Show, Username};

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A session's availability changed.
    Presence {
        /// The account.
        username: Username,
        /// The session's resource.
        resource: String,
        /// Its new state; [`Show::Unavailable`] when it ended.
        show: Show,
    },
    /// A notification was accepted (or a scheduled one released).
    Accepted {
        /// Its id.
        id: NotificationId,
        /// How many accounts it is for.
        recipients: u64,
        /// How urgent.
        priority: Priority,
    },
    /// Accounts acknowledged a notification.
    Delivered {
        /// Its id.
        id: NotificationId,
        /// How many, since the last such event.
        accounts: u64,
    },
    /// An account opened a notification.
    Opened {
        /// Its id.
        id: NotificationId,
        /// The account.
        username: Username,
    },
    /// A notification's time was over for the accounts it was still pending for.
    Expired {
        /// Its id.
        id: NotificationId,
        /// How many.
        accounts: u64,
    },
    /// A notification was cancelled while pending.
    Cancelled {
        /// Its id.
        id: NotificationId,
        /// For how many accounts.
        accounts: u64,
    },
}

/// A hub without memory: a subscriber gets what is sent while it listens, and is told when it was too slow.
#[derive(Debug, Clone)]
pub struct Events(broadcast::Sender<Event>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::channel(1024).0)
    }
}

impl Events {
    /// Tells every subscriber. Never blocks.
    pub fn send(&self, event: Event) {
        // An error means that there is no subscriber.
        let _ = self.0.send(event);
    }

    /// Whether there is a subscriber: costly events need not be made otherwise.
    pub fn watched(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}
