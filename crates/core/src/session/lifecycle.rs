//! How a session ends, or is left by its connection to wait for its client.

use std::time::Duration;

use tokio::time::Instant;

use super::bound_session::BoundSession;
use super::session_entry::SessionEntry;
use super::siblings;
use crate::Core;
use crate::model::Show;

/// A session's connection is gone: it waits for its client where that asked for it.
pub(super) fn detach_or_end(core: &Core, session: Box<BoundSession>, now: Instant) {
    let until = now + Duration::from_secs(core.config.session.resume_seconds);
    let announce = |entry: &SessionEntry| {
        let before = entry.show();
        core.presence.changed(entry.account, &entry.username, &entry.resource, before, Show::Unavailable);
    };
    if let Err(session) = core.session.registry.detach(session, until, announce) {
        end(core, &session);
    }
}

/// A session that a connection has is over: its siblings and the watchers are told.
pub(super) fn end(core: &Core, session: &BoundSession) {
    let (entry, registry) = (&session.entry, &core.session.registry);
    let before = registry.set_presence(entry, Show::Unavailable, 0);
    if before != Show::Unavailable {
        core.presence.changed(entry.account, &entry.username, &entry.resource, before, Show::Unavailable);
        siblings::tell_gone(&core.config.domain, entry, &registry.siblings(entry));
    }
    registry.remove(entry);
}
