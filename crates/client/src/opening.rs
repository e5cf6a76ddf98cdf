//! What a new session says first: the same whether its server has answered or will.

use tidings_xmpp::ext::csi::ClientState;
use tidings_xmpp::ext::push::Request;
use tidings_xmpp::ext::sm;
use tidings_xmpp::ns;
use tidings_xmpp::stanza::{Iq, IqKind};
use tidings_xmpp::stream::client::KnownFeatures;
use tidings_xmpp::xml::Element;

/// How the next session would begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening {
    /// Which connection of the device it is.
    pub(crate) connection: u64,
    /// Whether a person is using the device (XEP-0352).
    pub(crate) active: bool,
}

impl Opening {
    /// All of it for a server that is known: to be said ahead of its answers (XEP-0305).
    pub(crate) fn to_bytes(self, known: &KnownFeatures) -> Vec<u8> {
        let mut bytes = enable(stanza_id(self.connection, 1)).to_bytes();
        if known.client_state() && !self.active {
            ClientState::Inactive.to_element().write(&mut bytes, ns::CLIENT);
        }
        presence().write(&mut bytes, ns::CLIENT);
        bytes.extend_from_slice(sm::REQUEST);
        bytes
    }
}

/// The id of a session's stanza of that number.
pub(crate) fn stanza_id(connection: u64, number: u64) -> String {
    format!("c{connection}-{number}")
}

/// The request for notifications in our own form.
fn enable(id: String) -> Element {
    let (kind, payload) = Request::Enable.to_payload();
    debug_assert!(kind == IqKind::Set);
    Iq::set(id, payload).into_element()
}

pub(crate) fn presence() -> Element {
    Element::new("presence", ns::CLIENT)
}
