//! A released notification on its way to sessions, with its encoded stanzas.

use std::sync::OnceLock;

use tidings_xmpp::ext::push::PushMessage;
use tidings_xmpp::ext::{Template, androidpn, push};

use crate::config::Config;
use crate::model::{Content, Encoding, Ext, Notification, Payload};
use crate::store::Payloads;

/// A notification ready to be handed to sessions: read once, encoded once for each [`Encoding`].
#[derive(Debug)]
pub struct Delivery {
    /// The notification.
    pub(crate) notification: Notification,
    headline: OnceLock<Template>,
    legacy: OnceLock<Template>,
}

impl Delivery {
    /// Wraps a notification; nothing is encoded yet.
    pub(crate) fn new(notification: Notification) -> Self {
        Self { notification, headline: OnceLock::new(), legacy: OnceLock::new() }
    }

    /// What it takes in memory, roughly.
    pub(crate) fn size(&self) -> usize {
        let payload = match &self.notification.payload {
            Payload::Text(content) => {
                let texts = [&content.title, &content.message, &content.uri, &content.image];
                let data = content.data.iter().map(|(key, value)| key.len() + value.len());
                texts.into_iter().flatten().map(String::len).chain(data).sum()
            }
            Payload::Bytes(bytes) => bytes.len(),
        };
        let ext = self.notification.ext.iter().map(|(door, object)| door.len() + object.len());
        payload + ext.sum::<usize>() + 256
    }

    /// Whether it can be handed to a session in `encoding`.
    pub(crate) fn fits(&self, encoding: Encoding) -> bool {
        fits(&self.notification, encoding)
    }

    /// The stanza in `encoding`, but for its `to`; without a content where it does not
    /// [`fit`](Self::fits).
    pub(crate) fn template(&self, encoding: Encoding, config: &Config) -> &Template {
        match encoding {
            Encoding::Headline => self.headline.get_or_init(|| {
                let message = self.message();
                push::headline_template(&message, &config.domain, &message.id)
            }),
            Encoding::Legacy => self.legacy.get_or_init(|| {
                let message = self.message();
                androidpn::iq_template(&message, &message.id, &config.legacy.api_key)
            }),
        }
    }

    fn message(&self) -> PushMessage {
        let notification = &self.notification;
        let nothing = Content::default();
        let content = notification.payload.text().unwrap_or(&nothing);
        let owned = |(one, other): (&str, &str)| (one.to_owned(), other.to_owned());
        PushMessage {
            id: notification.id.to_string(),
            title: content.title.clone(),
            message: content.message.clone(),
            uri: content.uri.clone(),
            image: content.image.clone(),
            data: content.data.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            ext: notification.ext.iter().map(owned).collect(),
            priority: notification.priority.as_str().to_owned(),
            topic: notification.topic.as_ref().map(ToString::to_string),
            sent: notification.sent_at.whole_seconds().to_string(),
            expires: Some(notification.expires_at.whole_seconds().to_string()),
            collapse: notification.collapse_mark(),
        }
    }
}

/// Whether a notification can be handed to a session in `encoding`.
pub(super) fn fits(notification: &Notification, encoding: Encoding) -> bool {
    match encoding {
        Encoding::Legacy | Encoding::Headline => notification.payload.text().is_some(),
    }
}

/// What a session in this encoding can be handed: the same as [`fits`].
pub(super) fn payloads(encoding: Encoding) -> Payloads {
    match encoding {
        Encoding::Legacy | Encoding::Headline => Payloads::Text,
    }
}

/// The size on the wire of a content and of what doors add to it. The address comes twice
/// (XEP-0066); the fallback body takes what room there is.
pub(crate) fn encoded_len(content: &Content, ext: &Ext) -> usize {
    let texts = [&content.title, &content.message, &content.uri, &content.uri, &content.image];
    let texts: usize = texts.into_iter().flatten().map(|text| escaped_len(text, false)).sum();
    let data = content.data.iter().map(|(key, value)| {
        escaped_len(key, true) + escaped_len(value, false) + "<data key=''></data>".len()
    });
    let ext = ext.iter().map(|(door, object)| {
        escaped_len(door, true) + escaped_len(object, false) + "<ext door=''></ext>".len()
    });
    texts + data.chain(ext).sum::<usize>()
}

/// What [`tidings_xmpp::xml::escape_text`] or, in an attribute, `escape_attribute` makes of it.
fn escaped_len(text: &str, attribute: bool) -> usize {
    let escaped = |byte| match byte {
        b'<' | b'>' => "&lt;".len(),
        b'&' => "&amp;".len(),
        b'\'' | b'"' if attribute => "&quot;".len(),
        b'\n' if attribute => "&#10;".len(),
        b'\t' if attribute => "&#9;".len(),
        b'\'' | b'"' | b'\n' | b'\t' => 1,
        b'\r' => "&#13;".len(),
        0..0x20 => "\u{fffd}".len(),
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

/// A notification with this number and a text of so many bytes, for tests of what keeps deliveries.
#[cfg(test)]
pub(crate) fn sized(seq: u64, bytes: usize) -> std::sync::Arc<Delivery> {
    use crate::model::{Content, Ext, NotificationId, Priority, Seq, Timestamp};
    std::sync::Arc::new(Delivery::new(Notification {
        seq: Seq(seq),
        id: NotificationId(u128::from(seq)),
        payload: Content { message: Some("x".repeat(bytes)), ..Content::default() }.into(),
        ext: Ext::default(),
        sender: None,
        endpoint: None,
        priority: Priority::Normal,
        topic: None,
        collapse_key: None,
        sent_at: Timestamp(0),
        expires_at: Timestamp(1),
    }))
}

#[cfg(test)]
mod tests {
    use tidings_xmpp::xml::{escape_attribute, escape_text};

    use super::*;

    #[test]
    fn lengths_are_those_of_the_writer() {
        for text in ["a", "&", "<", "\"", "'", "\n", "\t", "\r", "\u{1}", "é", "\u{ffff}"] {
            let (mut plain, mut quoted) = (Vec::new(), Vec::new());
            escape_text(text, &mut plain);
            escape_attribute(text, &mut quoted);
            assert_eq!(escaped_len(text, false), plain.len(), "{text:?}");
            assert_eq!(escaped_len(text, true), quoted.len(), "{text:?}");
        }
    }
}
