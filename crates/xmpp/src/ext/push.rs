//! Tidings' own namespace, `urn:tidings:push:1`: the notification, and topics.

use super::{Template, receipts};
use crate::ns;
use crate::stanza::{IqKind, StanzaError};
use crate::xml::{Element, escape_attribute};

/// A notification on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PushMessage {
    /// Its id, the same at every delivery.
    pub id: String,
    /// A headline.
    pub title: Option<String>,
    /// The text.
    pub message: Option<String>,
    /// What opens on a tap.
    pub uri: Option<String>,
    /// A picture's address.
    pub image: Option<String>,
    /// What the app reads, in order.
    pub data: Vec<(String, String)>,
    /// What only one door understands: the door's name, and a JSON object.
    pub ext: Vec<(String, String)>,
    /// `low`, `normal` or `high`.
    pub priority: String,
    /// The topic that it was sent to.
    pub topic: Option<String>,
    /// When it was sent: RFC 3339, UTC.
    pub sent: String,
    /// When it is over: RFC 3339, UTC.
    pub expires: Option<String>,
    /// A newer notification with the same mark takes this one's place, also where it is shown already.
    pub collapse: Option<String>,
}

impl PushMessage {
    /// Reads a message stanza; `None` where it carries no notification with an id.
    pub fn from_element(message: &Element) -> Option<Self> {
        if !message.is("message", ns::CLIENT) {
            return None;
        }
        let push = message.child("notification", ns::PUSH)?;
        let attribute = |name| push.attribute(name).map(str::to_owned);
        let field = |name| push.child_text(name, ns::PUSH);
        let data = push
            .children()
            .filter(|child| child.is("data", ns::PUSH))
            .filter_map(|child| Some((child.attribute("key")?.to_owned(), child.text())));
        let ext = push
            .children()
            .filter(|child| child.is("ext", ns::PUSH))
            .filter_map(|child| Some((child.attribute("door")?.to_owned(), child.text())));
        Some(Self {
            id: attribute("id").filter(|id| !id.is_empty())?,
            title: field("title"),
            message: field("message"),
            uri: field("uri"),
            image: field("image"),
            data: data.collect(),
            ext: ext.collect(),
            priority: attribute("priority").unwrap_or_else(|| "normal".to_owned()),
            topic: attribute("topic"),
            sent: attribute("sent").unwrap_or_default(),
            expires: attribute("expires"),
            collapse: attribute("collapse"),
        })
    }

    /// The `<notification/>` child.
    pub fn to_element(&self) -> Element {
        let mut push = Element::new("notification", ns::PUSH).with_attribute("id", self.id.as_str());
        for (name, value) in [
            ("topic", self.topic.as_deref()),
            ("priority", Some(self.priority.as_str())),
            ("sent", Some(self.sent.as_str())),
            ("expires", self.expires.as_deref()),
            ("collapse", self.collapse.as_deref()),
        ] {
            if let Some(value) = value {
                push.set_attribute(name, value);
            }
        }
        for (name, value) in
            [("title", &self.title), ("message", &self.message), ("uri", &self.uri), ("image", &self.image)]
        {
            if let Some(value) = value {
                push = push.with_field(name, value.as_str());
            }
        }
        for (key, value) in &self.data {
            let data =
                Element::new("data", ns::PUSH).with_attribute("key", key.as_str()).with_text(value.as_str());
            push.push_child(data);
        }
        for (door, object) in &self.ext {
            let ext = Element::new("ext", ns::PUSH)
                .with_attribute("door", door.as_str())
                .with_text(object.as_str());
            push.push_child(ext);
        }
        push
    }

    /// The text that a messenger shows: title, message and uri, what is there, a line
    /// each; cut to `limit` bytes, since it only repeats what the notification says.
    fn body(&self, limit: usize) -> Option<String> {
        let parts: Vec<&str> =
            [&self.title, &self.message, &self.uri].into_iter().filter_map(Option::as_deref).collect();
        let mut body = (!parts.is_empty()).then(|| parts.join("\n"))?;
        // What the writer makes of any character is no longer.
        const LONGEST: usize = "&#13;".len();
        if body.len() * LONGEST <= limit {
            return Some(body);
        }
        let escaped = |c: char| if c < ' ' || matches!(c, '<' | '>' | '&') { LONGEST } else { c.len_utf8() };
        let mut size = 0;
        let cut = body.char_indices().find(|(_, c)| {
            size += escaped(*c);
            size > limit
        });
        if let Some((at, _)) = cut {
            body.truncate(at);
            body.push('…');
        }
        Some(body)
    }
}

/// What a stanza may have (RFC 6120 section 13.12 leaves it to the server), less its envelope.
const STANZA_BYTES: usize = 62 * 1024;

/// The headline message (`docs/app-developers.md`), but for its `to`.
pub fn headline_template(push: &PushMessage, domain: &str, stanza_id: &str) -> Template {
    let mut before = b"<message type='headline' id='".to_vec();
    escape_attribute(stanza_id, &mut before);
    before.extend_from_slice(b"' from='");
    escape_attribute(domain, &mut before);
    before.extend_from_slice(b"' to='");
    let mut after = b"'>".to_vec();
    push.to_element().write(&mut after, ns::CLIENT);
    let mut rest = Vec::with_capacity(256);
    if let Some(uri) = &push.uri {
        Element::new("x", ns::OOB).with_field("url", uri.as_str()).write(&mut rest, ns::CLIENT);
    }
    receipts::request().write(&mut rest, ns::CLIENT);
    rest.extend_from_slice(b"</message>");
    let room = STANZA_BYTES.saturating_sub(after.len() + rest.len()).max(256);
    if let Some(body) = push.body(room) {
        Element::new("body", ns::CLIENT).with_text(body).write(&mut after, ns::CLIENT);
    }
    after.extend_from_slice(&rest);
    Template { before_to: before.into(), after_to: after.into() }
}

/// What a device asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// It understands the notification of this namespace.
    Enable,
    /// It wants what is sent to this topic.
    Subscribe(String),
    /// It no longer does.
    Unsubscribe(String),
    /// Which topics it has.
    Subscriptions,
}

impl Request {
    /// Reads the payload of an iq in this namespace. Topics are not checked further.
    ///
    /// # Errors
    /// `bad-request` where a topic is missing; `feature-not-implemented` for anything else.
    pub fn from_payload(kind: IqKind, payload: &Element) -> Result<Self, StanzaError> {
        if payload.ns() != ns::PUSH {
            return Err(StanzaError::feature_not_implemented());
        }
        let topic = || {
            let topic = payload.attribute("topic").filter(|topic| !topic.is_empty());
            topic.map(str::to_owned).ok_or_else(|| StanzaError::bad_request("topic is missing"))
        };
        match (kind, payload.name()) {
            (IqKind::Set, "enable") => Ok(Self::Enable),
            (IqKind::Set, "subscribe") => Ok(Self::Subscribe(topic()?)),
            (IqKind::Set, "unsubscribe") => Ok(Self::Unsubscribe(topic()?)),
            (IqKind::Get, "subscriptions") => Ok(Self::Subscriptions),
            _ => Err(StanzaError::feature_not_implemented()),
        }
    }

    /// The kind of iq that carries it, and its payload.
    pub fn to_payload(&self) -> (IqKind, Element) {
        let topical =
            |name: &'static str, topic: &str| Element::new(name, ns::PUSH).with_attribute("topic", topic);
        match self {
            Self::Enable => (IqKind::Set, Element::new("enable", ns::PUSH)),
            Self::Subscribe(topic) => (IqKind::Set, topical("subscribe", topic)),
            Self::Unsubscribe(topic) => (IqKind::Set, topical("unsubscribe", topic)),
            Self::Subscriptions => (IqKind::Get, Element::new("subscriptions", ns::PUSH)),
        }
    }
}

/// The payload of the answer to [`Request::Subscriptions`].
pub fn subscriptions<'t>(topics: impl IntoIterator<Item = &'t str>) -> Element {
    topics
        .into_iter()
        .fold(Element::new("subscriptions", ns::PUSH), |list, topic| list.with_field("topic", topic))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::xml::parse_stanza;

    fn full() -> PushMessage {
        PushMessage {
            id: "01".to_owned(),
            title: Some("Tea & cake".to_owned()),
            message: Some("at <five>".to_owned()),
            uri: Some("https://example.org/?a=1&b=2".to_owned()),
            image: Some("https://example.org/i.png".to_owned()),
            data: vec![("k".to_owned(), "v".to_owned()), ("l'".to_owned(), String::new())],
            ext: vec![("ntfy".to_owned(), "{ \"tags\":[\"<&\"]}".to_owned())],
            priority: "high".to_owned(),
            topic: Some("news".to_owned()),
            sent: "2026-01-02T03:04:05Z".to_owned(),
            expires: Some("2026-01-03T03:04:05Z".to_owned()),
            collapse: Some("0a1b".to_owned()),
        }
    }

    fn written(push: &PushMessage) -> Vec<u8> {
        let mut out = Vec::new();
        headline_template(push, "example.org", &push.id).write(b"ana@example.org/phone", &mut out);
        out
    }

    #[test]
    fn the_message_is_the_one_of_the_contract() {
        assert_eq!(
            String::from_utf8_lossy(&written(&full())),
            "<message type='headline' id='01' from='example.org' to='ana@example.org/phone'>\
             <notification xmlns='urn:tidings:push:1' id='01' topic='news' priority='high' \
             sent='2026-01-02T03:04:05Z' expires='2026-01-03T03:04:05Z' collapse='0a1b'><title>Tea &amp; cake</title>\
             <message>at &lt;five&gt;</message><uri>https://example.org/?a=1&amp;b=2</uri>\
             <image>https://example.org/i.png</image><data key='k'>v</data><data key='l&apos;'/><ext door='ntfy'>{ \"tags\":[\"&lt;&amp;\"]}</ext></notification>\
             <body>Tea &amp; cake\nat &lt;five&gt;\nhttps://example.org/?a=1&amp;b=2</body>\
             <x xmlns='jabber:x:oob'><url>https://example.org/?a=1&amp;b=2</url></x>\
             <request xmlns='urn:xmpp:receipts'/></message>"
        );
        assert_eq!(PushMessage::from_element(&parse_stanza(&written(&full())).unwrap()), Some(full()));
    }

    #[test]
    fn absent_fields_are_left_out() {
        let push = PushMessage {
            id: "2".to_owned(),
            data: vec![("k".to_owned(), "v".to_owned())],
            priority: "normal".to_owned(),
            sent: "t".to_owned(),
            ..PushMessage::default()
        };
        assert_eq!(
            String::from_utf8_lossy(&written(&push)),
            "<message type='headline' id='2' from='example.org' to='ana@example.org/phone'>\
             <notification xmlns='urn:tidings:push:1' id='2' priority='normal' sent='t'><data key='k'>v</data>\
             </notification><request xmlns='urn:xmpp:receipts'/></message>"
        );
    }

    #[test]
    fn requests_survive_the_wire() {
        for request in [
            Request::Enable,
            Request::Subscribe("a/b".to_owned()),
            Request::Unsubscribe("a".to_owned()),
            Request::Subscriptions,
        ] {
            let (kind, payload) = request.to_payload();
            assert_eq!(Request::from_payload(kind, &payload), Ok(request));
        }
        assert!(Request::from_payload(IqKind::Set, &Element::new("subscribe", ns::PUSH)).is_err());
        assert!(Request::from_payload(IqKind::Get, &Element::new("enable", ns::PUSH)).is_err());
        assert_eq!(
            subscriptions(["a", "b"]).to_string(),
            "<subscriptions xmlns='urn:tidings:push:1'><topic>a</topic><topic>b</topic></subscriptions>"
        );
    }

    #[test]
    fn a_message_without_a_notification_is_none() {
        for other in ["<message/>", "<message><notification xmlns='urn:tidings:push:1'/></message>", "<iq/>"]
        {
            assert_eq!(PushMessage::from_element(&parse_stanza(other.as_bytes()).unwrap()), None);
        }
    }

    proptest! {
        #[test]
        fn no_content_can_break_the_stanza(title in any::<String>(), key in any::<String>(), value in any::<String>()) {
            let push = PushMessage {
                id: "1".to_owned(),
                title: Some(title.clone()),
                data: vec![(key, value)],
                priority: "low".to_owned(),
                ..PushMessage::default()
            };
            let read = PushMessage::from_element(&parse_stanza(&written(&push)).unwrap()).unwrap();
            let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
            let expected: String = title.chars().map(|c| if allowed(c) { c } else { '\u{fffd}' }).collect();
            prop_assert_eq!(read.title, Some(expected));
            let mut legacy = Vec::new();
            crate::ext::androidpn::iq_template(&push, "1", "k").write(b"a@b", &mut legacy);
            prop_assert!(parse_stanza(&legacy).is_ok());
        }
    }
}
