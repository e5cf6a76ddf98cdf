//! How a session ends, or is left by its connection to wait for its client.

use std::time::Duration;

use tokio::time::Instant;

use super::bound_session::BoundSession;
use super::context::Context;
use super::session_entry::SessionEntry;
use super::siblings;
use crate::model::Show;

/// A session's connection is gone: it waits for its client where that asked for it.
pub(super) fn detach_or_end(context: &Context, session: Box<BoundSession>, now: Instant) {
    let until = now + Duration::from_secs(context.config.session.resume_seconds);
    let announce = |entry: &SessionEntry| {
        let before = entry.show();
        context.presence.changed(entry.account, &entry.username, &entry.resource, before, Show::Unavailable);
    };
    if let Err(session) = context.session.registry.detach(session, until, announce) {
        end(context, &session);
    }
}

/// A session that a connection has is over: its siblings and the watchers are told.
pub(super) fn end(context: &Context, session: &BoundSession) {
    let (entry, registry) = (&session.entry, &context.session.registry);
    let before = registry.set_presence(entry, Show::Unavailable, 0, None);
    if before != Show::Unavailable {
        context.presence.changed(entry.account, &entry.username, &entry.resource, before, Show::Unavailable);
        siblings::tell(entry, &registry.siblings(entry));
    }
    registry.remove(entry);
}
