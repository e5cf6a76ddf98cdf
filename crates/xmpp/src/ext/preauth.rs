//! XEP-0445: pre-authenticated in-band registration.

use crate::ns;
use crate::xml::Element;

/// The stream feature.
pub fn feature() -> Element {
    Element::new("register", ns::PRE_AUTH_FEATURE)
}

/// The payload with which a client presents its token, before it registers.
pub fn request(token: &str) -> Element {
    Element::new("preauth", ns::PRE_AUTH).with_attribute("token", token)
}

/// The token that a request presents; empty where the attribute is missing.
pub fn parse_request(payload: &Element) -> Option<&str> {
    payload.is("preauth", ns::PRE_AUTH).then(|| payload.attribute("token").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_arrives() {
        assert_eq!(parse_request(&request("t'1")), Some("t'1"));
        assert_eq!(parse_request(&Element::new("preauth", ns::PRE_AUTH)), Some(""));
        assert_eq!(parse_request(&Element::new("preauth", "urn:other")), None);
    }
}
