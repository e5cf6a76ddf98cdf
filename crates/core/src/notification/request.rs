//! What a sender may ask for, and its bounds.

use std::time::Duration;

use thiserror::Error;

use crate::config::Config;
use crate::error::{FieldError, in_words};
use crate::model::{Audience, Content, NotificationId, Priority, Timestamp};
use crate::store::StoreError;

/// Bytes of a notification's content once it is written as XML: with its
/// envelope it stays below the 64 KiB of a stanza.
const CONTENT_BYTES: usize = 60 * 1024;
const TITLE_BYTES: usize = 1024;
const URI_BYTES: usize = 2048;
const COLLAPSE_KEY_BYTES: usize = 128;
const DATA_KEYS: usize = 64;
const DATA_KEY_BYTES: usize = 128;
const IDEMPOTENCY_KEY_BYTES: usize = 512;

/// What a sender asks for. Lengths and characters are checked by
/// [`NotificationManager::accept`](super::NotificationManager::accept).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// To whom.
    pub audience: Audience,
    /// What the person sees.
    pub content: Content,
    /// How urgent.
    pub priority: Priority,
    /// How long it may wait; `None` for the default. More than the maximum is cut down to it.
    pub ttl: Option<Duration>,
    /// Replaces what is pending with the same key.
    pub collapse_key: Option<String>,
    /// When to release it; now, when that is past.
    pub send_at: Option<Timestamp>,
    /// The caller's idempotency key, scoped to the caller, with a SHA-256 of its request.
    pub idempotency: Option<(String, [u8; 32])>,
}

/// The answer to a [`Request`]: it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The notification's id.
    pub id: NotificationId,
    /// How many accounts it is for; for a scheduled one, how many it would be for now.
    pub recipients: u64,
}

/// Why a notification was not accepted. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AcceptError {
    /// Fields are wrong.
    #[error("{}", in_words(.0))]
    Invalid(Vec<FieldError>),
    /// The idempotency key came with another request before.
    #[error("this Idempotency-Key was used with another request")]
    IdempotencyMismatch,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Request {
    /// A notification with nothing but its audience and content set.
    pub fn new(audience: Audience, content: Content) -> Self {
        Self {
            audience,
            content,
            priority: Priority::default(),
            ttl: None,
            collapse_key: None,
            send_at: None,
            idempotency: None,
        }
    }

    /// See [`NotificationManager::check`](super::NotificationManager::check). `encoded_len` says
    /// how long a content is as a stanza's.
    pub(super) fn check(
        &self,
        config: &Config,
        encoded_len: impl Fn(&Content) -> usize,
    ) -> Result<(), AcceptError> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, detail: String| errors.push(FieldError { field: field.into(), detail });
        let content = &self.content;
        if content.title.is_none() && content.message.is_none() && content.data.is_empty() {
            wrong("message", "one of title, message and data is required".into());
        }
        for (field, value, limit) in [
            ("title", &content.title, TITLE_BYTES),
            ("uri", &content.uri, URI_BYTES),
            ("image", &content.image, URI_BYTES),
            ("collapse_key", &self.collapse_key, COLLAPSE_KEY_BYTES),
        ] {
            if value.as_ref().is_some_and(|value| value.len() > limit) {
                wrong(field, format!("longer than {limit} bytes"));
            }
        }
        if self.collapse_key.as_ref().is_some_and(String::is_empty) {
            wrong("collapse_key", "empty; leave it out instead".into());
        }
        if content.data.len() > DATA_KEYS {
            wrong("data", format!("more than {DATA_KEYS} keys"));
        }
        if let Some(key) = content.data.keys().find(|key| key.is_empty() || key.len() > DATA_KEY_BYTES) {
            let shown: String = key.chars().take(16).collect();
            wrong("data", format!("key '{shown}' is not 1 to {DATA_KEY_BYTES} bytes long"));
        }
        let size = encoded_len(content);
        if size > CONTENT_BYTES {
            let what = "title, message, uri, image and data together";
            wrong("message", format!("{what} are {size} bytes as XML; at most {CONTENT_BYTES} fit a stanza"));
        }
        match &self.audience {
            Audience::Users(users) if users.is_empty() => wrong("to.users", "names nobody".into()),
            Audience::Users(users) if users.len() > config.limits.users_per_notification => wrong(
                "to.users",
                format!("more than {} users; use a topic", config.limits.users_per_notification),
            ),
            _ => {}
        }
        if self.idempotency.as_ref().is_some_and(|(key, _)| key.len() > IDEMPOTENCY_KEY_BYTES) {
            wrong("Idempotency-Key", format!("longer than {IDEMPOTENCY_KEY_BYTES} bytes"));
        }
        if errors.is_empty() { Ok(()) } else { Err(AcceptError::Invalid(errors)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Encoding, Notification, Seq, Topic};
    use crate::session::{Delivery, encoded_len};

    const ODD: &[&str] = &["a", "&", "<", "\"", "'", "\n", "\t", "\r", "\u{1}", "é", "\u{ffff}"];

    fn is_accepted(content: &Content) -> bool {
        Request::new(Audience::All, content.clone()).check(&Config::default(), encoded_len).is_ok()
    }

    #[test]
    fn the_largest_content_fits_into_a_stanza_whatever_it_is_made_of() {
        let limit = Config::default().limits.stanza_bytes;
        for unit in ODD {
            let small = Content {
                title: Some(unit.repeat(TITLE_BYTES / unit.len())),
                uri: Some(unit.repeat(URI_BYTES / unit.len())),
                image: Some(unit.repeat(URI_BYTES / unit.len())),
                data: [(unit.repeat(DATA_KEY_BYTES / unit.len()), (*unit).to_owned())].into(),
                ..Content::default()
            };
            let room = CONTENT_BYTES - encoded_len(&small);
            let with = |message: String| Content { message: Some(message), ..Content::default() };
            let times = room / encoded_len(&with((*unit).to_owned()));
            let full = Content { message: Some(unit.repeat(times)), ..small.clone() };
            assert!(is_accepted(&full), "{unit:?}");
            assert!(!is_accepted(&Content { message: Some(unit.repeat(times + 1)), ..small }), "{unit:?}");
            for encoding in [Encoding::Headline, Encoding::Legacy] {
                let mut stanza = Vec::new();
                let to = format!("{}@localhost/{}", "u".repeat(255), "r".repeat(255));
                let delivery = Delivery::new(notification(full.clone()));
                delivery.template(encoding, &Config::default()).write(to.as_bytes(), &mut stanza);
                assert!(stanza.len() <= limit, "{unit:?} {encoding:?}: {}", stanza.len());
            }
        }
    }

    fn notification(content: Content) -> Notification {
        Notification {
            seq: Seq(1),
            id: NotificationId::new(Timestamp(1), [1; 10]),
            content,
            priority: Priority::Normal,
            topic: Topic::parse(&"t".repeat(128)).ok(),
            collapse_key: None,
            sent_at: Timestamp(1),
            expires_at: Timestamp(2),
        }
    }
}
