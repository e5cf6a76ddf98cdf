//! XEP-0199: XMPP Ping.

use crate::ns;
use crate::xml::Element;

/// The payload of a request.
pub fn ping() -> Element {
    Element::new("ping", ns::PING)
}

/// Whether an iq's payload is a ping.
pub fn is_ping(payload: &Element) -> bool {
    payload.is("ping", ns::PING)
}
