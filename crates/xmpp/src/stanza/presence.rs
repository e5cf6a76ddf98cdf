//! Presence (RFC 6121 section 4).

use super::error::StanzaError;
use crate::ns;
use crate::xml::Element;

/// What a presence stanza is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PresenceKind {
    /// Can be reached (no `type`).
    #[default]
    Available,
    /// Can no longer be reached.
    Unavailable,
    /// Asks to see the addressee's presence.
    Subscribe,
    /// Allows it.
    Subscribed,
    /// No longer wants it.
    Unsubscribe,
    /// No longer allows it.
    Unsubscribed,
    /// A server asks.
    Probe,
    /// An answer that refuses.
    Error,
}

impl PresenceKind {
    const TYPED: [Self; 7] = [
        Self::Unavailable,
        Self::Subscribe,
        Self::Subscribed,
        Self::Unsubscribe,
        Self::Unsubscribed,
        Self::Probe,
        Self::Error,
    ];

    /// The `type` on the wire; none where it is available.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Available => None,
            Self::Unavailable => Some("unavailable"),
            Self::Subscribe => Some("subscribe"),
            Self::Subscribed => Some("subscribed"),
            Self::Unsubscribe => Some("unsubscribe"),
            Self::Unsubscribed => Some("unsubscribed"),
            Self::Probe => Some("probe"),
            Self::Error => Some("error"),
        }
    }
}

/// How available (RFC 6121 section 4.7.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Show {
    /// Wants to talk.
    Chat,
    /// Away for a while.
    Away,
    /// Away for long.
    Xa,
    /// Busy.
    Dnd,
}

impl Show {
    const ALL: [Self; 4] = [Self::Chat, Self::Away, Self::Xa, Self::Dnd];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Away => "away",
            Self::Xa => "xa",
            Self::Dnd => "dnd",
        }
    }

    /// Reads the name on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|show| show.as_str() == text)
    }
}

/// A presence stanza.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Presence {
    /// What it is.
    pub kind: PresenceKind,
    /// Its id, where it has one.
    pub id: Option<String>,
    /// To whom it is directed; without it, to all subscribers.
    pub to: Option<String>,
    /// The sender, where it is written.
    pub from: Option<String>,
    /// How available; none is plainly so.
    pub show: Option<Show>,
    /// -128 to 127; negative asks for no messages. 0 where it is absent or no such number.
    pub priority: i8,
    /// In people's words.
    pub status: Option<String>,
}

impl Presence {
    /// Whether the sender can be reached.
    pub fn available(&self) -> bool {
        self.kind == PresenceKind::Available
    }

    /// Reads a presence; a `show` that does not exist counts as none.
    ///
    /// # Errors
    /// `bad-request` where the type is unknown or the element is no presence.
    pub fn from_element(stanza: &Element) -> Result<Self, StanzaError> {
        if !stanza.is("presence", ns::CLIENT) {
            return Err(StanzaError::bad_request("not a presence"));
        }
        let kind = match stanza.attribute("type") {
            None => PresenceKind::Available,
            Some(name) => PresenceKind::TYPED
                .into_iter()
                .find(|kind| kind.as_str() == Some(name))
                .ok_or_else(|| StanzaError::bad_request("unknown type of presence"))?,
        };
        let text = |name| stanza.child_text(name, ns::CLIENT);
        let attribute = |name| stanza.attribute(name).map(str::to_owned);
        Ok(Self {
            kind,
            id: attribute("id"),
            to: attribute("to"),
            from: attribute("from"),
            show: text("show").and_then(|show| Show::parse(show.trim())),
            priority: text("priority").and_then(|number| number.trim().parse().ok()).unwrap_or(0),
            status: text("status"),
        })
    }

    /// The element as it is written.
    pub fn to_element(&self) -> Element {
        let mut stanza = Element::new("presence", ns::CLIENT);
        let attributes = [
            ("type", self.kind.as_str()),
            ("id", self.id.as_deref()),
            ("from", self.from.as_deref()),
            ("to", self.to.as_deref()),
        ];
        for (name, value) in attributes {
            if let Some(value) = value {
                stanza.set_attribute(name, value);
            }
        }
        if let Some(show) = self.show {
            stanza = stanza.with_field("show", show.as_str());
        }
        if let Some(status) = &self.status {
            stanza = stanza.with_field("status", status.as_str());
        }
        if self.priority != 0 {
            stanza = stanza.with_field("priority", self.priority.to_string());
        }
        stanza
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse_stanza;

    fn presence(text: &str) -> Result<Presence, StanzaError> {
        Presence::from_element(&parse_stanza(text.as_bytes()).unwrap())
    }

    #[test]
    fn the_shortest_presence_is_available() {
        let shortest = presence("<presence/>").unwrap();
        assert!(shortest.available());
        assert_eq!(shortest, Presence::default());
        assert_eq!(shortest.to_element().to_string(), "<presence/>");
    }

    #[test]
    fn reads_and_writes_everything() {
        let text =
            "<presence id='1' to='x'><show>dnd</show><status>late</status><priority>-5</priority></presence>";
        let full = presence(text).unwrap();
        assert_eq!((full.show, full.priority, full.status.as_deref()), (Some(Show::Dnd), -5, Some("late")));
        assert_eq!(full.to_element().to_string(), text);
        assert!(!presence("<presence type='unavailable'/>").unwrap().available());
    }

    #[test]
    fn nonsense_is_ignored_or_refused() {
        assert_eq!(
            presence("<presence><show>sleepy</show><priority>300</priority></presence>").unwrap(),
            Presence::default()
        );
        assert!(presence("<presence type='available'/>").is_err());
        assert!(presence("<iq/>").is_err());
    }
}
