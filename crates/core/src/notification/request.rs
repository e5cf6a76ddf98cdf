//! What a sender may ask for, and its bounds.

use std::time::Duration;

use thiserror::Error;

use crate::config::Config;
use crate::model::{Audience, Content, NotificationId, Priority, Timestamp};
use crate::store::StoreError;

/// Bytes of a notification's content once it is escaped as XML: with its
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

/// A field that is wrong: its name as in the API, and why, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// A path such as `to.users[3]`.
    pub field: String,
    /// Why.
    pub detail: String,
}

/// Why a notification was not accepted. Nothing was sent to anyone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AcceptError {
    /// Fields are wrong.
    #[error("{}", .0.iter().map(|e| format!("{}: {}", e.field, e.detail)).collect::<Vec<_>>().join("; "))]
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

    /// Every field that is out of bounds.
    pub(super) fn check(&self, config: &Config) -> Result<(), AcceptError> {
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
        if escaped_len(content) > CONTENT_BYTES {
            wrong("message", format!("the content is larger than {CONTENT_BYTES} bytes once encoded as XML"));
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

/// An upper bound of the content's size on the wire, the fallback body left out.
fn escaped_len(content: &Content) -> usize {
    let texts = [&content.title, &content.message, &content.uri, &content.image].into_iter().flatten();
    let data = content.data.iter().flat_map(|(key, value)| [key, value]);
    let escaped = |text: &String| -> usize {
        text.bytes()
            .map(|byte| match byte {
                b'<' | b'>' => 4,
                b'&' => 5,
                b'\'' | b'"' => 6,
                0..=8 | 11..=31 => 5,
                _ => 1,
            })
            .sum()
    };
    texts.chain(data).map(escaped).sum::<usize>() + content.data.len() * 24
}
