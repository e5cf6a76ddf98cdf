//! Software version (XEP-0092).

use crate::ns;
use crate::xml::Element;

/// The payload of the answer to a request for name and version.
pub fn answer(name: &str, version: &str) -> Element {
    Element::new("query", ns::VERSION).with_field("name", name).with_field("version", version)
}
