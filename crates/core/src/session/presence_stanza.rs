//! A presence as it is told to other sessions: kept once, written to each with its own address.

use std::sync::Arc;

use tidings_xmpp::ns;
use tidings_xmpp::xml::Element;

use crate::model::Show;

/// A longer presence is passed on without what the account's other clients can do without.
const MAX_PRESENCE: usize = 8 * 1024;

/// What other sessions are told of a session, but for the address of the one that is told.
#[derive(Debug, Clone)]
pub(crate) struct PresenceStanza(Arc<[u8]>);

impl PresenceStanza {
    /// `presence` as the session's peer sent it, from `from`. `None` where it says no more than
    /// what [`plain`](Self::plain) makes of it, or too much.
    pub(super) fn of(presence: &Element, from: &str) -> Option<Self> {
        let is_plain =
            |child: &Element| child.ns() == ns::CLIENT && matches!(child.name(), "show" | "priority");
        if presence.children().all(is_plain) {
            return None;
        }
        let mut passed_on = Element::new("presence", ns::CLIENT).with_attribute("from", from);
        for (name, value) in presence.attributes().filter(|(name, _)| !matches!(*name, "from" | "to")) {
            passed_on.set_attribute(name.to_owned(), value);
        }
        presence.children().for_each(|child| passed_on.push_child(child.clone()));
        let bytes = passed_on.to_bytes();
        (bytes.len() <= MAX_PRESENCE).then(|| Self(bytes.into()))
    }

    /// What a session shows without a word beside.
    pub(super) fn plain(show: Show, priority: i8, from: &str) -> Self {
        let mut presence = Element::new("presence", ns::CLIENT).with_attribute("from", from);
        match show {
            Show::Unavailable => presence.set_attribute("type", "unavailable"),
            Show::Available => {}
            _ => presence.push_child(Element::new("show", ns::CLIENT).with_text(show.as_str())),
        }
        if priority != 0 {
            presence.push_child(Element::new("priority", ns::CLIENT).with_text(priority.to_string()));
        }
        Self(presence.to_bytes().into())
    }

    /// Appends the stanza for the session whose escaped full JID is `to`.
    pub(super) fn write(&self, to: &[u8], out: &mut Vec<u8>) {
        const START: &[u8] = b"<presence";
        let Some(rest) = self.0.strip_prefix(START) else { return };
        out.extend_from_slice(START);
        out.extend_from_slice(b" to='");
        out.extend_from_slice(to);
        out.push(b'\'');
        out.extend_from_slice(rest);
    }
}
