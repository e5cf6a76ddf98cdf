use std::sync::Arc;

use crate::auth::AuthManager;
use crate::clock::{Clock, Random};
use crate::config::Config;
use crate::events::Events;
use crate::notification::NotificationManager;
use crate::presence::PresenceManager;
use crate::session::SessionManager;
use crate::store::{Store, StoreError};

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
    /// What happens, for whoever watches.
    pub events: Events,
    /// Accounts, credentials, keys.
    pub auth: AuthManager,
    /// Who is connected.
    pub session: SessionManager,
    /// Who is available.
    pub presence: PresenceManager,
    /// What is sent.
    pub notification: NotificationManager,
}

#[expect(clippy::todo, unused_variables, clippy::unused_async, reason = "being written")]
impl Core {
    /// Wires the managers around a store and starts their tasks (scheduler,
    /// settlement writer, last-seen writer) on the current tokio runtime.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn start(
        config: Config,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Arc<Self>, StoreError> {
        todo!()
    }

    /// Finishes what is under way (settlements, last seen) and closes the store.
    /// Connections must have been closed before.
    pub async fn stop(&self) {
        todo!()
    }
}
