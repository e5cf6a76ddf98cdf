//! Private XML storage (XEP-0049), which is always empty: messengers look there for bookmarks.

use crate::ns;
use crate::xml::Element;

/// The answer to a request for what is stored: the same, empty. `None` where the payload is no
/// such request.
pub fn empty(request: &Element) -> Option<Element> {
    if !request.is("query", ns::PRIVATE) {
        return None;
    }
    let mut children = request.children();
    let (wanted, None) = (children.next()?, children.next()) else { return None };
    let wanted = Element::new(wanted.name().to_owned(), wanted.ns().to_owned());
    Some(Element::new("query", ns::PRIVATE).with_child(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse_stanza;

    #[test]
    fn whatever_is_asked_for_is_empty() {
        let bookmarks =
            "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>x</storage></query>";
        let empty = empty(&parse_stanza(bookmarks.as_bytes()).unwrap()).unwrap();
        assert_eq!(
            empty.to_string(),
            "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>"
        );
        for not in ["<query xmlns='jabber:iq:private'/>", "<query xmlns='jabber:iq:version'><a/></query>"] {
            assert_eq!(super::empty(&parse_stanza(not.as_bytes()).unwrap()), None, "{not}");
        }
    }
}
