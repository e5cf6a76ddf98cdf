//! XEP-0198: stream management.
//!
//! Acknowledgements are most of what a busy stream carries, so the usual spellings of
//! `<a/>` and `<r/>` are understood without a parser.

mod counters;

pub use self::counters::{AckWindow, Acknowledged, Counter, HandledCountTooHigh, HandledWindow};
use crate::ns;
use crate::stanza::Condition;
use crate::xml::Element;

/// `<r/>`, ready to be written.
pub const REQUEST: &[u8] = b"<r xmlns='urn:xmpp:sm:3'/>";

/// A first-level element of stream management.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nonza {
    /// A client turns it on.
    Enable {
        /// Whether it wants to be able to resume.
        resume: bool,
        /// For how many seconds at most.
        max: Option<u32>,
    },
    /// The server has turned it on.
    Enabled {
        /// What to resume with, where that is possible.
        id: Option<String>,
        /// Whether it is.
        resume: bool,
        /// For how many seconds.
        max: Option<u32>,
    },
    /// A client wants its former stream back.
    Resume {
        /// The id that it was given.
        previd: String,
        /// How many of the server's stanzas it has handled.
        h: u32,
    },
    /// The server gives it back.
    Resumed {
        /// The id that was asked for.
        previd: String,
        /// How many of the client's stanzas it has handled.
        h: u32,
    },
    /// The server does not.
    Failed {
        /// How many stanzas it had handled, where it still knows.
        h: Option<u32>,
        /// Why.
        condition: Condition,
    },
    /// Asks for an acknowledgement.
    Request,
    /// How many stanzas have been handled, modulo 2^32.
    Ack(u32),
}

impl Nonza {
    /// Reads a first-level element; `None` where it is none of these or lacks what it needs.
    pub fn from_element(element: &Element) -> Option<Self> {
        if element.ns() != ns::SM {
            return None;
        }
        let number = |name| element.attribute(name).and_then(parse_number);
        let flag = |name| matches!(element.attribute(name), Some("true" | "1"));
        let text = |name| element.attribute(name).map(str::to_owned);
        match element.name() {
            "enable" => Some(Self::Enable { resume: flag("resume"), max: number("max") }),
            "enabled" => Some(Self::Enabled { id: text("id"), resume: flag("resume"), max: number("max") }),
            "resume" => Some(Self::Resume { previd: text("previd")?, h: number("h")? }),
            "resumed" => Some(Self::Resumed { previd: text("previd")?, h: number("h")? }),
            "failed" => Some(Self::Failed {
                h: number("h"),
                condition: element
                    .children()
                    .filter(|child| child.ns() == ns::STANZAS)
                    .find_map(|child| Condition::parse(child.name()))
                    .unwrap_or(Condition::UndefinedCondition),
            }),
            "r" => Some(Self::Request),
            "a" => number("h").map(Self::Ack),
            _ => None,
        }
    }

    /// The first-level element.
    pub fn to_element(&self) -> Element {
        let with_flag = |element: Element, resume: &bool, max: &Option<u32>| {
            let element = if *resume { element.with_attribute("resume", "true") } else { element };
            match max {
                Some(max) => element.with_attribute("max", max.to_string()),
                None => element,
            }
        };
        let new = |name: &'static str| Element::new(name, ns::SM);
        match self {
            Self::Enable { resume, max } => with_flag(new("enable"), resume, max),
            Self::Enabled { id, resume, max } => {
                let enabled = match id {
                    Some(id) => new("enabled").with_attribute("id", id.as_str()),
                    None => new("enabled"),
                };
                with_flag(enabled, resume, max)
            }
            Self::Resume { previd, h } => {
                new("resume").with_attribute("previd", previd.as_str()).with_attribute("h", h.to_string())
            }
            Self::Resumed { previd, h } => {
                new("resumed").with_attribute("previd", previd.as_str()).with_attribute("h", h.to_string())
            }
            Self::Failed { h, condition } => {
                let failed = match h {
                    Some(h) => new("failed").with_attribute("h", h.to_string()),
                    None => new("failed"),
                };
                failed.with_child(Element::new(condition.as_str(), ns::STANZAS))
            }
            Self::Request => new("r"),
            Self::Ack(h) => new("a").with_attribute("h", h.to_string()),
        }
    }
}

/// The stream feature.
pub fn feature() -> Element {
    Element::new("sm", ns::SM)
}

/// `<failed/>`, with the count of handled stanzas where it is known.
pub fn failed(condition: Condition, h: Option<u32>) -> Element {
    Nonza::Failed { h, condition }.to_element()
}

/// Appends `<a/>`.
pub fn write_ack(h: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<a xmlns='urn:xmpp:sm:3' h='");
    out.extend_from_slice(h.to_string().as_bytes());
    out.extend_from_slice(b"'/>");
}

/// The count of an `<a/>` in one of its usual spellings. `None` says nothing: parse it then.
pub fn parse_ack(bytes: &[u8]) -> Option<u32> {
    let found = attributes(bytes, b'a')?;
    if found.ns? != ns::SM.as_bytes() {
        return None;
    }
    parse_number(std::str::from_utf8(found.h?).ok()?)
}

/// Whether this is an `<r/>` in one of its usual spellings. `false` says nothing: parse it then.
pub fn is_request(bytes: &[u8]) -> bool {
    matches!(attributes(bytes, b'r'), Some(Attributes { ns: Some(ns), h: None }) if ns == ns::SM.as_bytes())
}

fn parse_number(text: &str) -> Option<u32> {
    // `u32::from_str` would take a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

struct Attributes<'a> {
    ns: Option<&'a [u8]>,
    h: Option<&'a [u8]>,
}

/// The values of `xmlns` and `h` of an empty element with a name of one letter and no
/// other attribute, none of them escaped.
fn attributes(bytes: &[u8], name: u8) -> Option<Attributes<'_>> {
    let mut rest = bytes.strip_prefix(b"<")?.strip_prefix(&[name])?;
    let mut found = Attributes { ns: None, h: None };
    loop {
        let trimmed = rest.trim_ascii_start();
        let end = trimmed.strip_prefix(b"/>").or_else(|| {
            trimmed
                .strip_prefix(b"></")
                .and_then(|end| end.strip_prefix(&[name]))
                .and_then(|end| end.strip_prefix(b">"))
        });
        if let Some(after) = end {
            return after.is_empty().then_some(found);
        }
        if trimmed.len() == rest.len() {
            return None;
        }
        let (slot, value) = match trimmed.strip_prefix(b"xmlns=") {
            Some(value) => (&mut found.ns, value),
            None => (&mut found.h, trimmed.strip_prefix(b"h=")?),
        };
        let (quote, value) = value.split_first()?;
        if slot.is_some() || !matches!(quote, b'"' | b'\'') {
            return None;
        }
        let length = value.iter().position(|byte| byte == quote)?;
        let (value, after) = value.split_at_checked(length)?;
        if value.iter().any(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b':')) {
            return None;
        }
        *slot = Some(value);
        rest = after.get(1..)?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::xml::parse_stanza;

    #[test]
    fn the_usual_spellings_need_no_parser() {
        for spelling in [
            "<a xmlns='urn:xmpp:sm:3' h='5'/>",
            "<a xmlns=\"urn:xmpp:sm:3\" h=\"5\"/>",
            "<a h='5' xmlns='urn:xmpp:sm:3' />",
            "<a xmlns='urn:xmpp:sm:3' h='5'></a>",
            "<a\n\th='5' xmlns=\"urn:xmpp:sm:3\"/>",
        ] {
            assert_eq!(parse_ack(spelling.as_bytes()), Some(5), "{spelling}");
        }
        assert_eq!(parse_ack(b"<a xmlns='urn:xmpp:sm:3' h='4294967295'/>"), Some(u32::MAX));
        assert!(is_request(REQUEST));
        assert!(is_request(b"<r xmlns=\"urn:xmpp:sm:3\" />"));
        assert!(is_request(b"<r xmlns='urn:xmpp:sm:3'></r>"));
        let mut written = Vec::new();
        write_ack(77, &mut written);
        assert_eq!(parse_ack(&written), Some(77));
    }

    #[test]
    fn anything_unusual_is_left_to_the_parser() {
        for spelling in [
            "<a xmlns='urn:xmpp:sm:2' h='5'/>",
            "<a h='5'/>",
            "<a xmlns='urn:xmpp:sm:3'/>",
            "<a xmlns='urn:xmpp:sm:3' h='-5'/>",
            "<a xmlns='urn:xmpp:sm:3' h='+5'/>",
            "<a xmlns='urn:xmpp:sm:3' h='4294967296'/>",
            "<a xmlns='urn:xmpp:sm:3' h=''/>",
            "<a xmlns='urn:xmpp:sm:3'h='5'/>",
            "<a xmlns='urn:xmpp:sm:3' h='5' h='6'/>",
            "<a xmlns='urn:xmpp:sm:3' h='5\"/>",
            "<a xmlns='urn:xmpp:sm:3' h='5'/><a/>",
            "<a xmlns='urn:xmpp:sm:3' h='5'></r>",
            "<a xmlns='urn:xmpp:sm:3' h='5'",
            "<ab xmlns='urn:xmpp:sm:3' h='5'/>",
            "<r xmlns='urn:xmpp:sm:3'/>",
            "<a",
            "",
        ] {
            assert_eq!(parse_ack(spelling.as_bytes()), None, "{spelling}");
        }
        assert!(!is_request(b"<r/>"));
        assert!(!is_request(b"<r xmlns='urn:xmpp:sm:3' h='1'/>"));
    }

    #[test]
    fn every_nonza_survives_the_wire() {
        for nonza in [
            Nonza::Enable { resume: true, max: Some(600) },
            Nonza::Enable { resume: false, max: None },
            Nonza::Enabled { id: Some("x'y".to_owned()), resume: true, max: Some(600) },
            Nonza::Enabled { id: None, resume: false, max: None },
            Nonza::Resume { previd: "p".to_owned(), h: 7 },
            Nonza::Resumed { previd: "p".to_owned(), h: u32::MAX },
            Nonza::Failed { h: Some(3), condition: Condition::ItemNotFound },
            Nonza::Failed { h: None, condition: Condition::UnexpectedRequest },
            Nonza::Request,
            Nonza::Ack(0),
        ] {
            let read = Nonza::from_element(&parse_stanza(&nonza.to_element().to_bytes()).unwrap());
            assert_eq!(read, Some(nonza));
        }
        assert_eq!(Nonza::from_element(&parse_stanza(b"<a xmlns='urn:xmpp:sm:3'/>").unwrap()), None);
        assert_eq!(Nonza::from_element(&parse_stanza(b"<a h='1'/>").unwrap()), None);
    }

    fn spellings() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "<a",
            "<r",
            " ",
            "\n",
            "xmlns=",
            "h=",
            "'urn:xmpp:sm:3'",
            "\"urn:xmpp:sm:3\"",
            "'1'",
            "\"23\"",
            "'",
            "/>",
            ">",
            "</a>",
            "</r>",
        ]);
        prop::collection::vec(part, 0..9).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn the_short_cut_agrees_with_the_parser(tail in spellings(), ack in any::<bool>()) {
            let text = format!("{}{tail}", if ack { "<a xmlns='urn:xmpp:sm:3'" } else { "<r" });
            let parsed = parse_stanza(text.as_bytes()).ok().and_then(|element| Nonza::from_element(&element));
            if let Some(h) = parse_ack(text.as_bytes()) {
                prop_assert_eq!(&parsed, &Some(Nonza::Ack(h)));
            }
            if is_request(text.as_bytes()) {
                prop_assert_eq!(&parsed, &Some(Nonza::Request));
            }
        }
    }
}
