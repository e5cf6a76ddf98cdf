//! XEP-0203: delayed delivery.

use crate::ns;
use crate::xml::Element;

/// When a stanza was sent first, and who held it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delay {
    /// XEP-0082, UTC: `2026-01-02T03:04:05Z`.
    pub stamp: String,
    /// Who held it back.
    pub from: Option<String>,
}

impl Delay {
    /// Reads what a stanza says of itself.
    pub fn of(stanza: &Element) -> Option<Self> {
        let delay = stanza.child("delay", ns::DELAY)?;
        Some(Self {
            stamp: delay.attribute("stamp")?.to_owned(),
            from: delay.attribute("from").map(str::to_owned),
        })
    }

    /// The child of a delayed stanza.
    pub fn to_element(&self) -> Element {
        let delay = Element::new("delay", ns::DELAY).with_attribute("stamp", self.stamp.as_str());
        match &self.from {
            Some(from) => delay.with_attribute("from", from.as_str()),
            None => delay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_wire() {
        let delay = Delay { stamp: "2026-01-02T03:04:05Z".to_owned(), from: Some("example.org".to_owned()) };
        assert_eq!(
            Delay::of(&Element::new("message", ns::CLIENT).with_child(delay.to_element())),
            Some(delay)
        );
    }
}
