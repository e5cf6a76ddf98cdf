//! A notification as the application gets it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use serde::{Serialize, Serializer};
use tidings_xmpp::ext::push::PushMessage;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};
use tokio::sync::mpsc::UnboundedSender;

/// What a back end sent to this device.
///
/// It is the application's until [`ack`](Self::ack): one that was dropped is offered
/// again when the program next starts, and until then the server counts neither it nor
/// those after it as delivered.
///
/// As JSON it is an object with these fields, without those that are empty; times are RFC
/// 3339 in UTC.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct Notification {
    /// Its id, the same at every delivery.
    pub id: String,
    /// A headline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What opens on a tap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// A picture's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What the app reads.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
    /// How urgent it is.
    pub priority: Priority,
    /// The topic that it was sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// When it was sent; a whole second.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339")]
    pub sent_at: Option<SystemTime>,
    /// When it is over.
    #[serde(skip)]
    pub expires_at: Option<SystemTime>,
    #[serde(skip)]
    acks: UnboundedSender<String>,
}

/// How urgent a notification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Priority {
    /// May wait until the device is in use.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// At once.
    High,
}

impl Priority {
    /// The name on the wire; whatever is not known is normal.
    fn from_name(name: &str) -> Self {
        match name {
            "low" => Self::Low,
            "high" => Self::High,
            _ => Self::Normal,
        }
    }
}

impl Notification {
    pub(crate) fn new(push: PushMessage, acks: UnboundedSender<String>) -> Self {
        Self {
            id: push.id,
            title: push.title,
            message: push.message,
            uri: push.uri,
            image: push.image,
            data: push.data.into_iter().collect(),
            priority: Priority::from_name(&push.priority),
            topic: push.topic,
            sent_at: moment(&push.sent),
            expires_at: push.expires.as_deref().and_then(moment),
            acks,
        }
    }

    /// The application has it, stored or shown: the server may forget it. A process that
    /// dies right after this call may be offered it once more.
    pub fn ack(self) {
        // The driver has ended: the server will offer it again.
        let _ = self.acks.send(self.id);
    }
}

/// A moment as it stands in a stanza; `None` where it cannot be read, or not be written in UTC.
fn moment(text: &str) -> Option<SystemTime> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)?;
    (0..=9999).contains(&at.year()).then(|| SystemTime::from(at))
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn rfc3339<S: Serializer>(moment: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = moment.and_then(|moment| OffsetDateTime::from(moment).format(&Rfc3339).ok());
    text.serialize(serializer)
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("id", &self.id)
            .field("title", &self.title)
            .field("priority", &self.priority)
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_what_is_there_in_the_order_of_the_contract() {
        let (acks, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();
        let push = PushMessage {
            id: "1".into(),
            title: Some("T".into()),
            data: vec![("k".into(), "v".into())],
            priority: "high".into(),
            sent: "2026-01-02T03:04:05Z".into(),
            expires: Some("2026-01-03T03:04:05Z".into()),
            ..PushMessage::default()
        };
        let notification = Notification::new(push, acks.clone());
        let day = std::time::Duration::from_secs(86_400);
        assert_eq!(notification.expires_at, notification.sent_at.map(|sent| sent + day));
        assert_eq!(
            serde_json::to_string(&notification).unwrap(),
            r#"{"id":"1","title":"T","data":{"k":"v"},"priority":"high","sent_at":"2026-01-02T03:04:05Z"}"#
        );
        notification.ack();
        assert_eq!(acknowledged.try_recv().unwrap(), "1");

        let bare = PushMessage { id: "2".into(), ..PushMessage::default() };
        let json = serde_json::to_string(&Notification::new(bare, acks)).unwrap();
        assert_eq!(json, r#"{"id":"2","priority":"normal"}"#);
    }
}
