//! RFC 6121 section 2: rosters. Accounts have no contacts here, so every roster is empty.

use crate::ns;
use crate::xml::Element;

/// The payload of the answer to a request for the roster.
pub fn empty() -> Element {
    Element::new("query", ns::ROSTER)
}
