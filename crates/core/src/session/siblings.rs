//! What the sessions of one account see of each other, and of themselves (RFC 6121 sections 4.2.2
//! and 4.4.2, among the account's own resources only).
//!
//! A presence is state: who is told later is told the newest. So a session that cannot be told at
//! once, because it is detached or does not read, keeps only whose presence it has to hear of.

use std::sync::Arc;

use super::presence_stanza::PresenceStanza;
use super::session_entry::SessionEntry;

/// Has `siblings`, which are available, told of the presence of `entry`.
pub(super) fn tell(entry: &Arc<SessionEntry>, siblings: &[Arc<SessionEntry>]) {
    siblings.iter().for_each(|sibling| sibling.tell_presence(entry));
}

/// Appends the presence of `entry` as it is now, for the session `to`.
pub(super) fn write_presence(domain: &str, entry: &SessionEntry, to: &SessionEntry, out: &mut Vec<u8>) {
    let (stanza, show, priority) = entry.presence();
    let stanza = stanza.unwrap_or_else(|| PresenceStanza::plain(show, priority, &jid(domain, entry)));
    stanza.write(&to.to, out);
}

/// The full JID of `entry`.
pub(super) fn jid(domain: &str, entry: &SessionEntry) -> String {
    format!("{}@{domain}/{}", entry.username, entry.resource)
}
