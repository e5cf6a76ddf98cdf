//! Entity time (XEP-0202).

use crate::ns;
use crate::xml::Element;

/// The payload of the answer to a request for the time; `utc` as XEP-0082 writes it, with a `Z`.
pub fn answer(utc: &str) -> Element {
    Element::new("time", ns::TIME).with_field("tzo", "+00:00").with_field("utc", utc)
}
