//! What a driver and a [`Negotiation`](super::Negotiation) tell each other.

use std::fmt;

use super::{KnownFeatures, Pipelining};
use crate::sasl::{Mechanism, SaltedPassword, ScramSecret};

/// What a client wants of a stream.
#[derive(Clone)]
pub struct Options {
    /// The domain to ask for.
    pub domain: String,
    /// The account.
    pub username: String,
    /// Its password, or what was kept of it.
    pub secret: ScramSecret,
    /// Create the account first.
    pub registration: Option<Registration>,
    /// Whether the password may be sent as it is, under TLS, to a server that knows no SCRAM.
    pub allow_plain: bool,
    /// The resource to ask for by RFC 6120; the server makes one up where there is none.
    pub resource: Option<String>,
    /// Log in by XEP-0388 where the server offers it.
    pub sasl2: Option<Sasl2>,
    /// Turn stream management on (XEP-0198) where the server offers it; nothing can be resumed or sent ahead
    /// without it.
    pub stream_management: bool,
    /// A session to resume (XEP-0198); a new one is bound where the server has lost it.
    pub resume: Option<Resume>,
    /// Fresh random bytes for SCRAM.
    pub nonce: [u8; 24],
    /// Do not wait for what this server offered before. Of no effect where an account is
    /// to be created.
    pub pipelining: Option<Pipelining>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Options({}@{})", self.username, self.domain)
    }
}

/// What a login by XEP-0388 says of the client; the server makes its resource of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sasl2 {
    /// Which installation this is, best a UUID: it has one resource at a time, and a new
    /// session takes the place of the one before.
    pub user_agent: Option<String>,
    /// What the resource begins with.
    pub tag: Option<String>,
}

/// How an account is created.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registration {
    /// A registration key (XEP-0445).
    pub token: Option<String>,
    /// It was asked for before, and the answer is not known: the username is asked for no more, and
    /// that it is taken may be one's own doing.
    pub repeated: bool,
}

/// A session to resume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// What the server called it.
    pub id: String,
    /// How many of its stanzas were handled here.
    pub handled: u32,
}

/// What a driver does next. Bytes in `out` are to be written first, in every case.
#[derive(Debug)]
pub enum Step {
    /// Read more.
    More,
    /// Start TLS on the same socket, then call [`Negotiation::tls_started`](super::Negotiation::tls_started). What was
    /// read beyond this point must be dropped; it has been taken from the input.
    StartTls,
    /// The account is about to be created: store the credentials before writing `out`,
    /// then call [`Negotiation::receive`](super::Negotiation::receive) again.
    Registering,
    /// The account exists now. Write `out` and call [`Negotiation::receive`](super::Negotiation::receive) again.
    Registered,
    /// There is a session; [`Negotiation::finish`](super::Negotiation::finish) gives the reader for it.
    Ready(Box<Ready>),
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The full JID; `None` for a resumed session, which keeps its own.
    pub jid: Option<String>,
    /// The domain that the server answered as.
    pub domain: String,
    /// Stream management, where the server has it.
    pub management: Management,
    /// Whether the server says that it knows XEP-0352. It says nothing of it where a session
    /// is resumed by XEP-0388: what the session's own login said holds.
    pub client_state: bool,
    /// With which mechanism the login went.
    pub mechanism: Mechanism,
    /// May stand in for the password at the next login.
    pub salted: Option<SaltedPassword>,
    /// Lets the next login say things ahead, where the server allows it.
    pub known: Option<KnownFeatures>,
    /// Whether [`Pipelining::greeting`] has been said in this session.
    pub greeted: bool,
}

/// How far the server took stream management (XEP-0198).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Management {
    /// Not at all.
    Off,
    /// It counts; with an id the session can be resumed.
    Enabled {
        /// What to call the session when resuming.
        id: Option<String>,
        /// How long the server keeps it, in seconds.
        max_seconds: Option<u32>,
    },
    /// The session goes on; the server has handled this many of our stanzas.
    Resumed {
        /// Modulo 2^32.
        handled: u32,
    },
}
