//! What bound sessions are fed from, and where what their peers acknowledge is settled.

use std::sync::Arc;

use super::broadcast_buffer::BroadcastBuffer;
use super::hand_outs::HandOuts;
use super::owed::Due;
use super::session_entry::SessionEntry;
use crate::config::Config;
use crate::model::{AccountId, Topic};
use crate::notification::NotificationManager;
use crate::store::Store;

/// See the [module's documentation](self).
pub(crate) struct Sources {
    pub(super) config: Arc<Config>,
    pub(super) store: Arc<dyn Store>,
    pub(super) notification: Arc<NotificationManager>,
    pub(super) broadcasts: Arc<BroadcastBuffer>,
    pub(super) sessions: Arc<dyn SessionIndex>,
    pub(super) hand_outs: Arc<HandOuts>,
}

/// What concerns all sessions of an account: the registry's part that a session needs, which
/// is itself in the registry.
pub(super) trait SessionIndex: Send + Sync {
    /// Whether an account's sessions are found by its topics.
    fn knows_topics(&self, account: AccountId) -> bool;

    /// Takes an account's topics as the store had them. Where they are known already, a
    /// change that came since has brought newer ones.
    fn learn_topics(&self, account: AccountId, topics: Vec<Topic>);

    /// The peer of `session` is the first to acknowledge these: the account's other sessions are
    /// owed them still.
    fn settled_by(&self, session: &SessionEntry, settled: &[Due]);
}
