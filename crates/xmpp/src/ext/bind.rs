//! RFC 6120 section 7: resource binding.

use crate::ns;
use crate::xml::Element;

/// The stream feature.
pub fn feature() -> Element {
    Element::new("bind", ns::BIND)
}

/// The payload of a client's request; without a resource the server chooses one.
pub fn request(resource: Option<&str>) -> Element {
    let bind = Element::new("bind", ns::BIND);
    match resource {
        Some(resource) => bind.with_field("resource", resource),
        None => bind,
    }
}

/// The payload of the server's answer.
pub fn result(jid: &str) -> Element {
    Element::new("bind", ns::BIND).with_field("jid", jid)
}

/// The resource that a request wants: `None` where the payload is no request,
/// `Some(None)` where the server is to choose.
pub fn parse_request(payload: &Element) -> Option<Option<String>> {
    payload
        .is("bind", ns::BIND)
        .then(|| payload.child_text("resource", ns::BIND).filter(|resource| !resource.is_empty()))
}

/// The full JID that the server's answer carries.
pub fn parse_result(payload: &Element) -> Option<String> {
    payload.is("bind", ns::BIND).then(|| payload.child_text("jid", ns::BIND)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_understand_each_other() {
        assert_eq!(parse_request(&request(Some("phone"))), Some(Some("phone".to_owned())));
        assert_eq!(parse_request(&request(None)), Some(None));
        assert_eq!(parse_request(&request(Some(""))), Some(None));
        assert_eq!(parse_request(&crate::ext::session::request()), None);
        assert_eq!(parse_result(&result("a@b/c")).as_deref(), Some("a@b/c"));
    }
}
