//! XEP-0198: stream management, what goes over the wire and the counters behind it.

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

fn parse_number(text: &str) -> Option<u32> {
    // `u32::from_str` would take a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse_stanza;

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

    #[test]
    fn a_count_is_digits_and_fits() {
        let read = |h: &str| {
            let ack = format!("<a xmlns='urn:xmpp:sm:3' h='{h}'/>");
            Nonza::from_element(&parse_stanza(ack.as_bytes()).unwrap())
        };
        for h in [0, 77, u32::MAX] {
            assert_eq!(read(&h.to_string()), Some(Nonza::Ack(h)));
            let mut written = Vec::new();
            write_ack(h, &mut written);
            assert_eq!(parse_stanza(&written).unwrap(), Nonza::Ack(h).to_element());
        }
        for wrong in ["", "-5", "+5", "4294967296", "5 ", "0x5"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
