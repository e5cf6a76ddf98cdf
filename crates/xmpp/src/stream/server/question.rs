//! What the negotiation asks of its driver, and what the driver answers.

use std::fmt;

use crate::ext::sm::Nonza;
use crate::sasl::{ScramHash, ScramKeys};
use crate::stanza::StanzaError;

/// What the driver does next, after it has written what was appended.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Go on reading.
    Continue,
    /// The peer opens a new stream next: reset the frame reader.
    NewStream,
    /// The login succeeded, and the stream goes on (XEP-0388).
    Authenticated,
    /// Start TLS on the same socket, then call
    /// [`tls_started`](super::Negotiation::tls_started). Bytes that came after
    /// `<starttls/>` are dropped.
    StartTls,
    /// The driver answers this before it passes any other input.
    Ask(Question),
    /// The negotiation is over: this is a session now.
    Bound(Bound),
    /// Close the connection; the end of the stream has been written.
    Close,
}

/// What the negotiation cannot know. Usernames come as the peer spelt them, and are
/// valid local parts of a JID.
#[derive(Clone, PartialEq, Eq)]
pub enum Question {
    /// A SCRAM exchange begins. For an unknown user answer with made-up keys.
    /// → [`Answer::Scram`] or [`Answer::Refused`].
    Scram {
        /// Whose keys.
        username: String,
        /// Which of them.
        hash: ScramHash,
    },
    /// The SCRAM proof fits the keys that were given. → [`Answer::Password`]: refuse
    /// here accounts that are unknown or disabled.
    ScramSucceeded {
        /// The username.
        username: String,
    },
    /// The SCRAM proof does not fit: count it. → [`Answer::Password`]; whatever the
    /// verdict, this is a failure.
    AuthFailed {
        /// The username that the client claimed.
        username: String,
    },
    /// SASL PLAIN. → [`Answer::Password`].
    Password {
        /// The username.
        username: String,
        /// The password.
        password: String,
    },
    /// XEP-0078. → [`Answer::Password`]; when accepted the session is bound at once.
    IqAuth {
        /// The username.
        username: String,
        /// The password.
        password: String,
        /// The resource that the client wants, and gets.
        resource: String,
    },
    /// What a peer that has presented a token (XEP-0445) is to fill in. → [`Answer::Invited`].
    Invited {
        /// The token.
        token: String,
    },
    /// XEP-0077 before login. → [`Answer::Registered`].
    Register {
        /// The wanted username.
        username: String,
        /// The password.
        password: String,
        /// A display name.
        name: Option<String>,
        /// An e-mail address.
        email: Option<String>,
        /// A registration key or XEP-0445 token.
        token: Option<String>,
    },
    /// Resource binding. → [`Answer::Bind`].
    Bind {
        /// The resource that the client wants; `None`: make one up.
        resource: Option<String>,
    },
    /// Turn stream management on for what has just been bound. → [`Answer::Enabled`].
    Enable {
        /// Whether the client wants to be able to resume.
        resume: bool,
    },
    /// XEP-0198 resumption. → [`Answer::Resume`].
    Resume {
        /// The id of the stream that is to be resumed.
        previd: String,
        /// How many stanzas of it the client has handled.
        h: u32,
    },
}

impl fmt::Debug for Question {
    /// Shows no password and no token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scram { username, hash } => write!(f, "Scram({username:?}, {hash:?})"),
            Self::ScramSucceeded { username } => write!(f, "ScramSucceeded({username:?})"),
            Self::AuthFailed { username } => write!(f, "AuthFailed({username:?})"),
            Self::Password { username, .. } => write!(f, "Password({username:?})"),
            Self::IqAuth { username, resource, .. } => write!(f, "IqAuth({username:?}, {resource:?})"),
            Self::Invited { .. } => write!(f, "Invited"),
            Self::Register { username, .. } => write!(f, "Register({username:?})"),
            Self::Bind { resource } => write!(f, "Bind({resource:?})"),
            Self::Enable { resume } => write!(f, "Enable({resume})"),
            Self::Resume { h, .. } => write!(f, "Resume(h={h})"),
        }
    }
}

/// The reply to a [`Question`].
#[derive(Debug, Clone)]
pub enum Answer {
    /// The keys; `None` when they cannot be had now (`temporary-auth-failure`).
    Scram(Option<ScramKeys>),
    /// No keys, and why.
    Refused(Verdict),
    /// What became of a login.
    Password(Verdict),
    /// The username that the token is good for, where it is for one alone.
    Invited(Result<Option<String>, StanzaError>),
    /// What became of a registration.
    Registered(Result<(), StanzaError>),
    /// The full JID that was bound.
    Bind(Result<String, StanzaError>),
    /// [`Nonza::Enabled`], with what the client can resume with.
    Enabled(Nonza),
    /// Whether the session is resumed. If so the driver writes what the client missed, after
    /// what the negotiation writes. If not: how many stanzas of that session were handled,
    /// where it is known; the negotiation writes `<failed/>` and goes on.
    Resume(Result<Resumed, Option<u32>>),
}

/// A session that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// Its full JID.
    pub jid: String,
    /// How many of the client's stanzas it has handled.
    pub handled: u32,
}

/// What became of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Let in.
    Accepted,
    /// Unknown user or wrong password.
    NotAuthorized,
    /// The right password of an account that is locked.
    Disabled,
    /// Too many failures; later perhaps.
    Throttled,
    /// The store does not answer.
    Unavailable,
}

/// How a negotiation ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// A resource is bound.
    Resource {
        /// The full JID.
        jid: String,
        /// Its resource.
        resource: String,
        /// By XEP-0078.
        legacy: bool,
    },
    /// A session goes on (XEP-0198).
    Resumed,
}
