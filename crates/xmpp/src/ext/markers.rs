//! XEP-0333: displayed markers.

use crate::ns;
use crate::xml::Element;

/// The child that says that a person has seen the message `id`.
pub fn displayed(id: &str) -> Element {
    Element::new("displayed", ns::MARKERS).with_attribute("id", id)
}

/// The id of the message that this message says has been seen.
pub fn displayed_id(message: &Element) -> Option<&str> {
    message.child("displayed", ns::MARKERS)?.attribute("id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_names_its_message() {
        let marker = Element::new("message", ns::CLIENT).with_child(displayed("m1"));
        assert_eq!(displayed_id(&marker), Some("m1"));
        assert_eq!(displayed_id(&Element::new("message", ns::CLIENT)), None);
    }
}
