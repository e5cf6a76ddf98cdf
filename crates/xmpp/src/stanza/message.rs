//! Messages (RFC 6121 section 5).

use crate::ns;
use crate::xml::Element;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MessageKind {
    /// On its own; also whatever is not known.
    #[default]
    Normal,
    /// Part of a conversation.
    Chat,
    /// In a room.
    Groupchat,
    /// An alert that expects no answer.
    Headline,
    /// An answer that refuses.
    Error,
}

impl MessageKind {
    const ALL: [Self; 5] = [Self::Normal, Self::Chat, Self::Groupchat, Self::Headline, Self::Error];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Chat => "chat",
            Self::Groupchat => "groupchat",
            Self::Headline => "headline",
            Self::Error => "error",
        }
    }
}

/// A message stanza, read in place.
#[derive(Debug, Clone, Copy)]
pub struct Message<'e> {
    element: &'e Element,
}

impl<'e> Message<'e> {
    /// Reads a message; `None` where the element is none.
    pub fn from_element(element: &'e Element) -> Option<Self> {
        element.is("message", ns::CLIENT).then_some(Self { element })
    }

    /// The stanza itself.
    pub fn element(&self) -> &'e Element {
        self.element
    }

    /// Its type.
    pub fn kind(&self) -> MessageKind {
        let kind = self.element.attribute("type").unwrap_or_default();
        MessageKind::ALL.into_iter().find(|known| known.as_str() == kind).unwrap_or_default()
    }

    /// Its id.
    pub fn id(&self) -> Option<&'e str> {
        self.element.attribute("id")
    }

    /// The recipient.
    pub fn to(&self) -> Option<&'e str> {
        self.element.attribute("to")
    }

    /// The sender.
    pub fn from(&self) -> Option<&'e str> {
        self.element.attribute("from")
    }

    /// The text for people.
    pub fn body(&self) -> Option<String> {
        self.element.child_text("body", ns::CLIENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse_stanza;

    #[test]
    fn reads_in_place() {
        let stanza =
            parse_stanza(b"<message type='headline' id='1' from='a' to='b'><body>x &amp; y</body></message>")
                .unwrap();
        let message = Message::from_element(&stanza).unwrap();
        assert_eq!(message.kind(), MessageKind::Headline);
        assert_eq!((message.id(), message.from(), message.to()), (Some("1"), Some("a"), Some("b")));
        assert_eq!(message.body().as_deref(), Some("x & y"));
        let other = parse_stanza(b"<message type='novel'/>").unwrap();
        assert_eq!(Message::from_element(&other).unwrap().kind(), MessageKind::Normal);
        assert!(Message::from_element(&parse_stanza(b"<iq/>").unwrap()).is_none());
    }
}
