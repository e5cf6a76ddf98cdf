//! What a sender may ask for, and its bounds.

use std::time::Duration;

use thiserror::Error;

use crate::auth::Grant;
use crate::config::Config;
use crate::error::{FieldError, in_words};
use crate::model::uri::{check_image, check_uri};
use crate::model::{
    Audience, Content, Ext, NotificationId, Payload, Priority, SendRights, Sender, Timestamp,
};
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
/// How far a `send_at` may be past: the sender's clock may be behind.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// What a sender asks for. Lengths and characters are checked by
/// [`NotificationManager::accept`](super::NotificationManager::accept).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub sender: Sender,
    /// Whom they may send to.
    pub rights: SendRights,
    /// To whom.
    pub audience: Audience,
    /// What is delivered. Bytes go to an endpoint, and nothing else goes there.
    pub payload: Payload,
    /// What only one door understands.
    pub ext: Ext,
    /// How urgent.
    pub priority: Priority,
    /// How long it may wait; `None` for the default. More than the maximum is cut down to it.
    pub ttl: Option<Duration>,
    /// Replaces what is pending of the same sender with the same key.
    pub collapse_key: Option<String>,
    /// When to release it; at most a minute past, which is now.
    pub send_at: Option<Timestamp>,
    /// The sender's idempotency key, with a SHA-256 of its request. Another sender's is another.
    pub idempotency: Option<(String, [u8; 32])>,
}

/// The answer to a [`Request`]: it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The notification's id.
    pub id: NotificationId,
    /// How many accounts it is for; for a scheduled one, how many it would be for now.
    pub recipients: u64,
    /// How long it may wait, from its release on: what was asked for, or the most there is.
    pub ttl: Duration,
    /// After this moment it is not delivered any more.
    pub expires_at: Timestamp,
}

/// Why a notification was not accepted. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AcceptError {
    /// Fields are wrong.
    #[error("{}", in_words(.0))]
    Invalid(Vec<FieldError>),
    /// The sender may not send to this audience.
    #[error("this key may not send to {0}")]
    Forbidden(String),
    /// The idempotency key came with another request before.
    #[error("this Idempotency-Key was used with another request")]
    IdempotencyMismatch,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Request {
    /// A notification that a back end sends with an API key, within the key's rights.
    pub fn by_key(grant: Grant, audience: Audience, payload: impl Into<Payload>) -> Self {
        let Grant { id, name, rights, .. } = grant;
        Self { rights, ..Self::new(Sender::Key { id, name }, audience, payload) }
    }

    /// A notification with nothing but its sender, audience and payload set. Its sender may send to
    /// everyone.
    pub fn new(sender: Sender, audience: Audience, payload: impl Into<Payload>) -> Self {
        Self {
            sender,
            rights: SendRights::Everyone,
            audience,
            payload: payload.into(),
            ext: Ext::default(),
            priority: Priority::default(),
            ttl: None,
            collapse_key: None,
            send_at: None,
            idempotency: None,
        }
    }

    /// How long it may wait.
    pub(super) fn granted_ttl(&self, config: &Config) -> Duration {
        let bounds = &config.notifications;
        let ttl = self.ttl.unwrap_or(Duration::from_secs(bounds.default_ttl_seconds));
        ttl.min(Duration::from_secs(bounds.max_ttl_seconds))
    }

    /// What is wrong with its times, where it is accepted at `now`. This alone may be wrong with a
    /// repeat of what was right once.
    pub(super) fn check_times(&self, config: &Config, now: Timestamp) -> Result<(), FieldError> {
        let release = match self.send_at {
            Some(at) if !at.can_be_written() => {
                return Err(FieldError::new("send_at", "must be in the years 0000 to 9999, in UTC"));
            }
            Some(at) if now.since(at) > CLOCK_SLACK => {
                return Err(FieldError::new("send_at", format!("is past; it is {now} here")));
            }
            Some(at) => at.max(now),
            None => now,
        };
        if !release.plus(self.granted_ttl(config)).can_be_written() {
            let field = if self.send_at.is_some() { "send_at" } else { "ttl" };
            return Err(FieldError::new(field, "it would expire after the year 9999"));
        }
        Ok(())
    }

    /// What is wrong with it whenever it is accepted. `encoded_len` says how long a content and what
    /// doors add to it are as a stanza's.
    pub(super) fn check(
        &self,
        config: &Config,
        encoded_len: impl Fn(&Content, &Ext) -> usize,
    ) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, detail: String| errors.push(FieldError { field: field.into(), detail });
        match &self.payload {
            Payload::Text(content) => {
                check_content(content, config, &mut wrong);
                let size = encoded_len(content, &self.ext);
                if size > CONTENT_BYTES {
                    let what = "title, message, uri, image, data and ext together";
                    let most = format!("at most {CONTENT_BYTES} fit a stanza");
                    wrong("message", format!("{what} are {size} bytes as XML; {most}"));
                }
            }
            Payload::Bytes(bytes) => {
                if !(1..=Payload::MAX_BYTES).contains(&bytes.len()) {
                    wrong("bytes", format!("not 1 to {} bytes", Payload::MAX_BYTES));
                }
                if !self.ext.is_empty() {
                    wrong("ext", "bytes go alone".into());
                }
            }
        }
        if self.payload.bytes().is_some() != matches!(self.audience, Audience::Endpoint(_)) {
            wrong("to", "bytes go to an endpoint, and nothing else goes there".into());
        }
        if self.collapse_key.as_ref().is_some_and(|key| key.len() > COLLAPSE_KEY_BYTES) {
            wrong("collapse_key", format!("longer than {COLLAPSE_KEY_BYTES} bytes"));
        }
        if self.collapse_key.as_ref().is_some_and(String::is_empty) {
            wrong("collapse_key", "empty; leave it out instead".into());
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
        errors
    }
}

fn check_content(content: &Content, config: &Config, wrong: &mut impl FnMut(&str, String)) {
    if content.title.is_none() && content.message.is_none() && content.data.is_empty() {
        wrong("message", "one of title, message and data is required".into());
    }
    for (field, value, limit) in [
        ("title", &content.title, TITLE_BYTES),
        ("uri", &content.uri, URI_BYTES),
        ("image", &content.image, URI_BYTES),
    ] {
        if value.as_ref().is_some_and(|value| value.len() > limit) {
            wrong(field, format!("longer than {limit} bytes"));
        }
    }
    if let Some(Err(why)) = content.uri.as_ref().map(|uri| check_uri(uri, &config.notifications.uri_schemes))
    {
        wrong("uri", why);
    }
    if let Some(Err(why)) = content.image.as_deref().map(check_image) {
        wrong("image", why);
    }
    if content.data.len() > DATA_KEYS {
        wrong("data", format!("more than {DATA_KEYS} keys"));
    }
    if let Some(key) = content.data.keys().find(|key| key.is_empty() || key.len() > DATA_KEY_BYTES) {
        let shown: String = key.chars().take(16).collect();
        wrong("data", format!("key '{shown}' is not 1 to {DATA_KEY_BYTES} bytes long"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Encoding, EndpointId, Notification, Seq, Topic};
    use crate::session::{Delivery, encoded_len};

    const ODD: &[&str] = &["a", "&", "<", "\"", "'", "\n", "\t", "\r", "\u{1}", "é", "\u{ffff}"];

    fn is_accepted(content: &Content) -> bool {
        let request = Request::new(Sender::Operator("ada".into()), Audience::All, content.clone());
        request.check(&Config::default(), encoded_len).is_empty()
    }

    #[test]
    fn the_largest_content_fits_into_a_stanza_whatever_it_is_made_of() {
        let limit = Config::default().limits.stanza_bytes;
        for unit in ODD {
            // An address has no control characters.
            let in_address = if unit.contains(char::is_control) { "&" } else { *unit };
            let address = |scheme: &str| {
                let room = URI_BYTES - scheme.len() - 1;
                format!("{scheme}a{}", in_address.repeat(room / in_address.len()))
            };
            let small = Content {
                title: Some(unit.repeat(TITLE_BYTES / unit.len())),
                uri: Some(address("tel:")),
                image: Some(address("https://")),
                data: [(unit.repeat(DATA_KEY_BYTES / unit.len()), (*unit).to_owned())].into(),
                ..Content::default()
            };
            let room = CONTENT_BYTES - encoded_len(&small, &Ext::default());
            let with = |message: String| Content { message: Some(message), ..Content::default() };
            let times = room / encoded_len(&with((*unit).to_owned()), &Ext::default());
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

    fn errors(request: &Request) -> Vec<String> {
        let errors = request.check(&Config::default(), encoded_len);
        errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn addresses_are_checked() {
        let with = |uri: &str, image: &str| {
            let content = Content {
                title: Some("t".into()),
                uri: Some(uri.into()),
                image: Some(image.into()),
                ..Content::default()
            };
            errors(&Request::new(Sender::Operator("ada".into()), Audience::All, content))
        };
        assert_eq!(with("https://example.org/", "https://example.org/i.png"), Vec::<String>::new());
        assert_eq!(with("javascript:alert(1)", "data:image/png,x"), ["uri", "image"]);
        assert_eq!(with("not a uri", "i.png"), ["uri", "image"]);
    }

    #[test]
    fn times_are_writable_and_not_past() {
        const MINUTE: i64 = 60_000;
        let config = Config::default();
        let now = Timestamp(1_767_323_045_000);
        let wrong = |send_at: Option<i64>, ttl: Option<u64>| {
            let content = Content { title: Some("t".into()), ..Content::default() };
            let mut request = Request::new(Sender::Operator("ada".into()), Audience::All, content);
            request.send_at = send_at.map(Timestamp);
            request.ttl = ttl.map(Duration::from_secs);
            request.check_times(&config, now).err().map(|error| error.field)
        };
        for fine in [None, Some(now.0), Some(now.0 - MINUTE), Some(now.0 + 365 * 24 * 60 * MINUTE)] {
            assert_eq!(wrong(fine, None), None, "{fine:?}");
        }
        let last = Timestamp::LAST.0;
        for send_at in [now.0 - MINUTE - 1, 0, i64::MIN, last, last + 1, i64::MAX] {
            assert_eq!(wrong(Some(send_at), None).as_deref(), Some("send_at"), "{send_at}");
        }
        assert_eq!(wrong(Some(last - 5000), Some(5)), None);
        assert_eq!(wrong(Some(last - 5000), Some(6)).as_deref(), Some("send_at"));
        // More than the maximum is cut down to it.
        assert_eq!(wrong(None, Some(u64::MAX)), None);
    }

    #[test]
    fn what_doors_add_counts_as_what_the_stanza_has() {
        let content = Content { message: Some("m".repeat(50 * 1024)), ..Content::default() };
        let mut request = Request::new(Sender::Operator("ada".into()), Audience::All, content);
        assert_eq!(errors(&request), Vec::<String>::new());
        let object = format!("{{\"a\":\"{}\"}}", "&".repeat(4 * 1024));
        request.ext.insert("ntfy", &object).unwrap();
        assert_eq!(errors(&request), ["message"]);
        request.payload = Content { message: Some("m".into()), ..Content::default() }.into();
        assert_eq!(errors(&request), Vec::<String>::new());
        let mut stanza = Vec::new();
        let Payload::Text(content) = request.payload else { panic!("bytes") };
        let notification = Notification { ext: request.ext, ..notification(content) };
        let delivery = Delivery::new(notification);
        delivery.template(Encoding::Headline, &Config::default()).write(b"u@localhost/r", &mut stanza);
        let stanza = String::from_utf8(stanza).unwrap();
        let written = object.replace('&', "&amp;");
        assert!(stanza.contains(&format!("<ext door='ntfy'>{written}</ext>")), "{stanza}");
    }

    #[test]
    fn bytes_go_to_an_endpoint_and_alone() {
        let endpoint = || Audience::Endpoint(EndpointId(1));
        let request =
            |audience, payload: Payload| Request::new(Sender::Endpoint(EndpointId(1)), audience, payload);
        let text = || Content { title: Some("t".into()), ..Content::default() };
        assert_eq!(errors(&request(endpoint(), Payload::Bytes(vec![0; 4096]))), Vec::<String>::new());
        assert_eq!(errors(&request(endpoint(), Payload::Bytes(vec![0; 4097]))), ["bytes"]);
        assert_eq!(errors(&request(endpoint(), Payload::Bytes(Vec::new()))), ["bytes"]);
        assert_eq!(errors(&request(Audience::All, Payload::Bytes(vec![0]))), ["to"]);
        assert_eq!(errors(&request(endpoint(), text().into())), ["to"]);
        let mut with_ext = request(endpoint(), Payload::Bytes(vec![0]));
        with_ext.ext.insert("ntfy", "{}").unwrap();
        assert_eq!(errors(&with_ext), ["ext"]);
    }

    fn notification(content: Content) -> Notification {
        Notification {
            seq: Seq(1),
            id: NotificationId::new(Timestamp(1), [1; 10]),
            payload: content.into(),
            ext: Ext::default(),
            sender: None,
            endpoint: None,
            priority: Priority::Normal,
            topic: Topic::parse(&"t".repeat(128)).ok(),
            collapse_key: None,
            sent_at: Timestamp(1),
            expires_at: Timestamp(2),
        }
    }
}
