//! What is said of a session: how it is handed notifications, and where it stands.

use serde::{Deserialize, Serialize};

/// A session's number in this process; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// How a session is handed a notification: the stanza that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// androidpn's IQ.
    Legacy,
    /// A headline message that carries the `urn:tidings:push:1` notification.
    Headline,
}

/// How far a session has come, in androidpn's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// A stream is open.
    Connected,
    /// The account is known; not available yet.
    Authenticated,
    /// Available: it gets notifications.
    Available,
    /// The connection is gone, the session waits to be resumed (XEP-0198).
    Detached,
}

impl Status {
    /// The name that the API and the console show.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Authenticated => "authenticated",
            Self::Available => "available",
            Self::Detached => "detached",
        }
    }
}

/// RFC 6121 section 4.7.2.1, with "available" and "unavailable" around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Show {
    /// No available presence.
    Unavailable,
    /// Available, nothing more said.
    Available,
    /// Interested in chatting.
    Chat,
    /// Away.
    Away,
    /// Away for long.
    ExtendedAway,
    /// Do not disturb.
    DoNotDisturb,
}

impl Show {
    /// The name that the API and the console show.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Available => "available",
            Self::Chat => "chat",
            Self::Away => "away",
            Self::ExtendedAway => "xa",
            Self::DoNotDisturb => "dnd",
        }
    }
}

/// Why a session is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EndReason {
    /// Another session took the resource.
    Conflict,
    /// An operator ended it.
    Operator,
    /// The account is gone or its password changed.
    Account,
}
