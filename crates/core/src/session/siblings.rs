//! What the sessions of one account see of each other (RFC 6121 section 4.2.2, among the
//! account's own resources only).

use std::sync::Arc;

use tidings_xmpp::ns;
use tidings_xmpp::xml::Element;

use super::session_entry::{Command, SessionEntry};
use crate::model::Show;

/// Passes a presence of `entry` on to `siblings`, which are available.
pub(super) fn tell(domain: &str, entry: &SessionEntry, siblings: &[Arc<SessionEntry>], presence: &Element) {
    if siblings.is_empty() {
        return;
    }
    let own = presence.clone().with_attribute("from", jid(domain, entry));
    for sibling in siblings {
        let to_sibling = own.clone().with_attribute("to", jid(domain, sibling));
        sibling.command(Command::Stanza(to_sibling.to_bytes().into()));
    }
}

/// Tells `siblings` that `entry` is not available any more.
pub(super) fn tell_gone(domain: &str, entry: &SessionEntry, siblings: &[Arc<SessionEntry>]) {
    tell(domain, entry, siblings, &presence(Show::Unavailable, 0));
}

/// The presence of `entry`, for a sibling that has just become available.
pub(super) fn presence_of(domain: &str, entry: &SessionEntry, sibling: &SessionEntry) -> Element {
    presence(entry.show(), entry.priority())
        .with_attribute("from", jid(domain, entry))
        .with_attribute("to", jid(domain, sibling))
}

fn presence(show: Show, priority: i8) -> Element {
    let mut presence = Element::new("presence", ns::CLIENT);
    match show {
        Show::Unavailable => presence.set_attribute("type", "unavailable"),
        Show::Available => {}
        _ => presence.push_child(Element::new("show", ns::CLIENT).with_text(show.as_str())),
    }
    if priority != 0 {
        presence.push_child(Element::new("priority", ns::CLIENT).with_text(priority.to_string()));
    }
    presence
}

fn jid(domain: &str, entry: &SessionEntry) -> String {
    format!("{}@{domain}/{}", entry.username, entry.resource)
}
