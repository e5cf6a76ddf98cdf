//! Blocking command (XEP-0191), as far as the list goes: nobody is blocked where nobody can write.

use crate::ns;
use crate::xml::Element;

/// The answer to a request for the list. `None` where the payload is no such request.
pub fn empty(request: &Element) -> Option<Element> {
    request.is("blocklist", ns::BLOCKING).then(|| Element::new("blocklist", ns::BLOCKING))
}
