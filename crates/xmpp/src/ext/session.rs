//! RFC 3921 section 3: session establishment, a request that old clients still make.

use crate::ns;
use crate::xml::Element;

/// The payload of the request.
pub fn request() -> Element {
    Element::new("session", ns::SESSION)
}

/// The stream feature; says that the request may be left out.
pub fn feature() -> Element {
    Element::new("session", ns::SESSION).with_child(Element::new("optional", ns::SESSION))
}

/// Whether an iq's payload is the request.
pub fn is_request(payload: &Element) -> bool {
    payload.is("session", ns::SESSION)
}
