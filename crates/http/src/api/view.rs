//! What several resources show.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use tidings_core::model::{Audience, Content, Ext, Payload, Sender, Timestamp};
use tidings_core::store::NotificationRecord;
use utoipa::ToSchema;

/// A moment as the API writes it.
pub(crate) fn moment(at: Timestamp) -> String {
    at.to_string()
}

/// To whom a notification is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Audience)]
#[serde(untagged)]
pub(crate) enum AudienceView {
    /// Every account that exists when it is released.
    All {
        /// Always true.
        all: bool,
    },
    /// One account.
    User {
        /// A username or an alias.
        user: String,
    },
    /// Several accounts.
    Users {
        /// Usernames or aliases; of a long list, answers show the first 100.
        users: Vec<String>,
    },
    /// Every account that is subscribed when it is released.
    Topic {
        /// The topic.
        topic: String,
    },
    /// The account that has registered this endpoint.
    Endpoint {
        /// Its id.
        endpoint: String,
    },
}

impl From<&Audience> for AudienceView {
    fn from(audience: &Audience) -> Self {
        match audience {
            Audience::All => Self::All { all: true },
            Audience::Users(names) => match names.as_slice() {
                [one] => Self::User { user: one.to_string() },
                many => Self::Users { users: many.iter().map(ToString::to_string).collect() },
            },
            Audience::Topic(topic) => Self::Topic { topic: topic.to_string() },
            Audience::Endpoint(id) => Self::Endpoint { endpoint: id.to_string() },
        }
    }
}

/// Who sent a notification.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sender)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SenderView {
    /// An API key, by its name.
    Key(String),
    /// An operator, in the console.
    Operator(String),
    /// An account, by its own login.
    User(String),
    /// The holder of an endpoint's address; the endpoint's id.
    Endpoint(String),
}

impl SenderView {
    /// Who it is, for people.
    pub fn words(&self) -> String {
        match self {
            Self::Key(name) => format!("API key {name}"),
            Self::Operator(name) => format!("operator {name}"),
            Self::User(name) => format!("user {name}"),
            Self::Endpoint(id) => format!("the holder of endpoint {id}"),
        }
    }
}

impl SenderView {
    /// What a listing of this one's notifications is asked by.
    pub fn filter(&self) -> String {
        match self {
            Self::Key(name) => format!("key:{name}"),
            Self::Operator(name) => format!("operator:{name}"),
            Self::User(name) => format!("user:{name}"),
            Self::Endpoint(id) => format!("endpoint:{id}"),
        }
    }
}

impl From<Sender> for SenderView {
    fn from(sender: Sender) -> Self {
        match sender {
            Sender::Key { name, .. } => Self::Key(name),
            Sender::Operator(name) => Self::Operator(name),
            Sender::User(name) => Self::User(name.to_string()),
            Sender::Endpoint(id) => Self::Endpoint(id.to_string()),
        }
    }
}

/// What doors have added, as they wrote it.
fn ext_view(ext: &Ext) -> BTreeMap<String, Box<RawValue>> {
    // An object is looked at when it is accepted: it is JSON.
    let raw = |object: &str| RawValue::from_string(object.to_owned()).ok();
    ext.iter().filter_map(|(door, object)| Some((door.to_owned(), raw(object)?))).collect()
}

/// A notification, and how far it has come.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notification)]
pub(crate) struct NotificationView {
    /// The notification's id.
    pub id: String,
    /// To whom it is.
    pub to: AudienceView,
    /// A short headline.
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
    /// How long it is, where it is opaque bytes (to an endpoint, mostly encrypted) and has no
    /// title, message, uri, image and data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// What only one door understands: for each a JSON object, as it was sent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Object>)]
    pub ext: BTreeMap<String, Box<RawValue>>,
    /// Who sent it; left out of what is older than this field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<SenderView>,
    /// `low`, `normal` or `high`.
    pub priority: &'static str,
    /// Seconds that it may wait for a device, from its release on.
    pub ttl: u64,
    /// A newer one with the same key replaces it where it is still pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collapse_key: Option<String>,
    /// `scheduled`; `live` while it is pending for somebody; then `cancelled` where copies were withdrawn
    /// or replaced, else `expired` where their time was over, else `done`.
    pub state: &'static str,
    /// When it was accepted.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it is to be released, if it was scheduled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub send_at: Option<String>,
    /// After this moment it is not delivered any more.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// Accounts it is for: the sum of delivered, pending, expired and cancelled.
    pub recipients: u64,
    /// Accounts that acknowledged it.
    pub delivered: u64,
    /// Of those, accounts on which it was opened.
    pub opened: u64,
    /// Accounts that it still waits for.
    pub pending: u64,
    /// Accounts whose copy outlived its time.
    pub expired: u64,
    /// Accounts whose copy was withdrawn, replaced, or removed with the account.
    pub cancelled: u64,
}

impl From<NotificationRecord> for NotificationView {
    fn from(record: NotificationRecord) -> Self {
        let counters = record.counters;
        let notification = record.notification;
        let (content, bytes) = match notification.payload {
            Payload::Text(content) => (content, None),
            Payload::Bytes(bytes) => (Content::default(), Some(bytes.len())),
        };
        Self {
            id: notification.id.to_string(),
            to: AudienceView::from(&record.audience),
            title: content.title,
            message: content.message,
            uri: content.uri,
            image: content.image,
            data: content.data,
            bytes,
            ext: ext_view(&notification.ext),
            sender: notification.sender.map(Into::into),
            priority: notification.priority.as_str(),
            ttl: notification.expires_at.since(record.send_at.unwrap_or(record.created_at)).as_secs(),
            collapse_key: notification.collapse_key,
            state: record.state.as_str(),
            created_at: moment(record.created_at),
            send_at: record.send_at.map(moment),
            expires_at: moment(notification.expires_at),
            recipients: counters.recipients,
            delivered: counters.delivered,
            opened: counters.opened,
            pending: counters.pending(),
            expired: counters.expired,
            cancelled: counters.cancelled,
        }
    }
}
