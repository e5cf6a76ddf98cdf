//! How a device is doing, for the application to follow.

use std::time::Duration;

use tokio::sync::watch;

/// How a device is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It is connecting or logging in.
    Connecting,
    /// It receives notifications.
    Online {
        /// Its full JID.
        jid: String,
        /// Whether an earlier session goes on.
        resumed: bool,
    },
    /// It has no connection, and tries again.
    Waiting {
        /// Why.
        error: String,
        /// When, from now.
        retry_in: Duration,
    },
    /// It has ended: it was closed, or an error keeps it from trying again.
    Ended,
}

/// A device's [`Status`], from one change to the next. Changes that come faster than they
/// are looked at are passed over: what counts is how it is now.
#[derive(Debug, Clone)]
pub struct StatusUpdates(watch::Receiver<Status>);

impl StatusUpdates {
    pub(crate) fn new(status: watch::Receiver<Status>) -> Self {
        Self(status)
    }

    /// How the device is doing now. [`changed`](Self::changed) waits for what comes after it.
    pub fn current(&mut self) -> Status {
        self.0.borrow_and_update().clone()
    }

    /// The next status that has not been looked at; `None` once the device has ended and
    /// [`Status::Ended`] was seen. Cancel-safe.
    pub async fn changed(&mut self) -> Option<Status> {
        self.0.changed().await.ok()?;
        Some(self.current())
    }

    /// The first status, from the current one on, that is `wanted`; `None` where the device
    /// ends before. Cancel-safe.
    pub async fn wait_for(&mut self, wanted: impl FnMut(&Status) -> bool) -> Option<Status> {
        self.0.wait_for(wanted).await.ok().map(|status| status.clone())
    }
}
