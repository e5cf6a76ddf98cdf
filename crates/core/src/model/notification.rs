//! Notifications: audience, priority, state and counters.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{AccountId, EndpointId, Ext, NotificationId, Payload, Sender, Seq, Timestamp, Topic, Username};

/// How urgent a notification is. Order holds per account and priority; a higher
/// one overtakes a lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// May wait until the device is active (XEP-0352).
    Low,
    /// The default.
    #[default]
    Normal,
    /// Goes first.
    High,
}

impl Priority {
    /// All, most urgent first.
    pub const DESCENDING: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// Reads the name on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::DESCENDING.into_iter().find(|priority| priority.as_str() == text)
    }

    /// 0 for low, 1 for normal, 2 for high: an index into arrays of three.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The priority with this [`Priority::index`].
    pub fn from_index(index: usize) -> Option<Self> {
        [Self::Low, Self::Normal, Self::High].get(index).copied()
    }
}

/// Names that [`Audience`] shows of many.
const NAMES_SHOWN: usize = 20;

/// To whom a sender addresses a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Every account that exists at release.
    All,
    /// These accounts, by username or alias.
    Users(Vec<Username>),
    /// Every account subscribed at release.
    Topic(Topic),
    /// The account that has registered this endpoint.
    Endpoint(EndpointId),
}

/// For people, on one line; of many names the first 20.
impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("everyone"),
            Self::Topic(topic) => write!(f, "topic {topic}"),
            Self::Endpoint(id) => write!(f, "endpoint {id}"),
            Self::Users(names) => {
                for (index, name) in names.iter().take(NAMES_SHOWN).enumerate() {
                    write!(f, "{}{name}", if index > 0 { ", " } else { "" })?;
                }
                match names.len().saturating_sub(NAMES_SHOWN) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
        }
    }
}

/// To whom a stored notification goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Every account: stored once.
    All,
    /// A topic's subscribers: stored once.
    Topic(Topic),
    /// These accounts: a queue row each.
    Accounts(Vec<AccountId>),
}

/// A notification as it is stored and delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its number in the order of release.
    pub seq: Seq,
    /// Its public id.
    pub id: NotificationId,
    /// What is delivered.
    pub payload: Payload,
    /// What only one door understands.
    pub ext: Ext,
    /// Who sent it; not known of what was accepted before senders were noted.
    pub sender: Option<Sender>,
    /// How urgent.
    pub priority: Priority,
    /// The topic it was sent to, if it was.
    pub topic: Option<Topic>,
    /// The endpoint it was sent to, if it was.
    pub endpoint: Option<EndpointId>,
    /// A newer one of the same sender with the same key replaces it where it is still pending.
    pub collapse_key: Option<String>,
    /// When it was accepted, or released where it was scheduled.
    pub sent_at: Timestamp,
    /// After this moment it is not delivered any more.
    pub expires_at: Timestamp,
}

impl Notification {
    /// Bytes of what is delivered and shown, about.
    pub fn content_bytes(&self) -> usize {
        self.payload.len() + self.ext.iter().map(|(door, object)| door.len() + object.len()).sum::<usize>()
    }

    /// Whether it has a collapse key in common with an older one of the same sender. What is older
    /// than the noting of senders collapses with any that has its key.
    pub fn collapses_with(&self, older: &Self) -> bool {
        self.collapse_key.is_some()
            && self.collapse_key == older.collapse_key
            && match (&self.sender, &older.sender) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(sender), Some(older)) => sender.is_same(older),
            }
    }

    /// What a device finds those by that it replaces: the same for the same sender and collapse
    /// key, and a back end's keys and names cannot be read from it. 16 hexadecimal digits.
    pub fn collapse_mark(&self) -> Option<String> {
        let key = self.collapse_key.as_ref()?;
        let sender = self.sender.as_ref().map(Sender::identity).unwrap_or_default();
        let digest = Sha256::new().chain_update(sender).chain_update([0]).chain_update(key).finalize();
        Some(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Where a notification stands as a whole: one word for one state, wherever it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotificationState {
    /// Waits for its `send_at`.
    Scheduled,
    /// Released, and pending for an account.
    Live,
    /// Pending for nobody: copies were withdrawn, or replaced by a newer one with its collapse key.
    Cancelled,
    /// Pending for nobody: its time was over before some had it.
    Expired,
    /// Pending for nobody, and neither of these.
    Done,
}

impl NotificationState {
    /// Where one stands that was released. `withdrawn` says whether copies ended by being withdrawn
    /// or replaced; those of a removed account did not.
    pub fn of_released(counters: &Counters, withdrawn: bool) -> Self {
        match counters {
            _ if counters.pending() > 0 => Self::Live,
            _ if withdrawn => Self::Cancelled,
            Counters { expired: 1.., .. } => Self::Expired,
            _ => Self::Done,
        }
    }

    /// The name that the API shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Live => "live",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Done => "done",
        }
    }
}

/// `recipients = delivered + pending + expired + cancelled`, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Accounts it was for.
    pub recipients: u64,
    /// Accounts that acknowledged it.
    pub delivered: u64,
    /// Of those, accounts on which it was opened.
    pub opened: u64,
    /// Accounts whose copy outlived its time.
    pub expired: u64,
    /// Accounts whose copy was withdrawn or replaced.
    pub cancelled: u64,
}

impl Counters {
    /// Accounts that it still waits for.
    pub fn pending(&self) -> u64 {
        let ended = self.delivered.saturating_add(self.expired).saturating_add(self.cancelled);
        self.recipients.saturating_sub(ended)
    }
}
