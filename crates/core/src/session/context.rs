//! What connections need of the server: the managers, and the ports of their own.

use std::sync::Arc;

use tidings_xmpp::stream::server::FeatureCache;

use super::manager::SessionManager;
use super::sources::Sources;
use crate::auth::AuthManager;
use crate::clock::{Clock, Random};
use crate::config::Config;
use crate::notification::NotificationManager;
use crate::presence::PresenceManager;

/// See the [module's documentation](self). All connections share one.
pub(crate) struct Context {
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    /// What negotiations offer.
    pub(crate) negotiation: Arc<FeatureCache>,
    pub(crate) auth: Arc<AuthManager>,
    pub(crate) session: Arc<SessionManager>,
    pub(crate) presence: Arc<PresenceManager>,
    pub(crate) notification: Arc<NotificationManager>,
    pub(crate) sources: Sources,
}

impl Context {
    pub(super) fn random_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        u64::from_ne_bytes(bytes)
    }
}
