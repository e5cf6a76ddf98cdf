//! XEP-0184: message delivery receipts.

use crate::ns;
use crate::xml::Element;

/// The child that asks for a receipt.
pub fn request() -> Element {
    Element::new("request", ns::RECEIPTS)
}

/// The child that says that the message `id` has arrived.
pub fn received(id: &str) -> Element {
    Element::new("received", ns::RECEIPTS).with_attribute("id", id)
}

/// Whether a message asks for a receipt.
pub fn is_requested(message: &Element) -> bool {
    message.child("request", ns::RECEIPTS).is_some()
}

/// The id of the message that this message is the receipt for.
pub fn received_id(message: &Element) -> Option<&str> {
    message.child("received", ns::RECEIPTS)?.attribute("id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_names_its_message() {
        let asking = Element::new("message", ns::CLIENT).with_child(request());
        let receipt = Element::new("message", ns::CLIENT).with_child(received("m1"));
        assert!(is_requested(&asking) && !is_requested(&receipt));
        assert_eq!((received_id(&asking), received_id(&receipt)), (None, Some("m1")));
    }
}
