//! The presence manager: availability, last seen, what the console and
//! `/v1/events` show.
//!
//! A session's presence itself lives in its registry entry; here is what follows
//! from a change: watchers are told, siblings see each other, the account's last
//! sign of life is written down now and then.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::events::{Event, Events};
use crate::model::{Account, AccountId, Show, Timestamp, Username};
use crate::store::{Seen, Store, StoreError};

/// See the [module's documentation](self).
pub struct PresenceManager {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    events: Events,
    /// Last signs of life that are not written yet.
    seen: Mutex<HashMap<AccountId, Seen>>,
}

impl PresenceManager {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, events: Events) -> Self {
        Self { store, clock, events, seen: Mutex::default() }
    }

    /// A session's availability changed from `before` to `after`.
    pub(crate) fn changed(
        &self,
        account: AccountId,
        username: &Username,
        resource: &str,
        before: Show,
        after: Show,
    ) {
        if before == after {
            return;
        }
        let offline = after == Show::Unavailable;
        self.seen.lock().insert(account, Seen { account, at: self.clock.now(), offline });
        if self.events.watched() {
            let (username, resource) = (username.clone(), resource.to_owned());
            self.events.send(Event::Presence { username, resource, show: after });
        }
    }

    /// When the account was last known alive: now, while a session shows this of it.
    pub fn last_seen(&self, account: &Account, show: Show) -> Option<Timestamp> {
        if show != Show::Unavailable {
            return Some(self.clock.now());
        }
        // The store is told only every few seconds.
        let noted = self.seen.lock().get(&account.id).map(|seen| seen.at);
        noted.max(account.last_seen)
    }

    /// Writes last signs of life; called every few seconds and at the end.
    ///
    /// # Errors
    /// When the store does not answer; nothing is forgotten then.
    pub(crate) async fn flush(&self) -> Result<(), StoreError> {
        let seen: Vec<_> = self.seen.lock().values().copied().collect();
        if seen.is_empty() {
            return Ok(());
        }
        self.store.touch_accounts(seen.clone()).await?;
        let mut waiting = self.seen.lock();
        for written in seen {
            if waiting.get(&written.account) == Some(&written) {
                waiting.remove(&written.account);
            }
        }
        Ok(())
    }
}
