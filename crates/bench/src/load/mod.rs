//! The load: worker processes that hold connections, and the fleet that commands them.

mod account;
mod device_loop;
mod fleet;
mod login;
mod tls;
pub(crate) mod worker;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub(crate) use self::account::{PASSWORD, username};
pub(crate) use self::fleet::Fleet;
use crate::hist::Packed;

/// What a worker's connections are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Whom they connect to.
    pub address: SocketAddr,
    /// What they do there.
    pub kind: Kind,
    /// The second number of the source addresses: 127.N.….
    pub net: u8,
}

/// What a connection does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// TLS and nothing on it; `answer`: each record is answered with one.
    Bare {
        /// Whether to answer.
        answer: bool,
    },
    /// XMPP, until the account is registered (XEP-0077).
    Registration {
        /// As for a device.
        direct: bool,
        /// The served domain.
        domain: String,
    },
    /// XMPP.
    Device {
        /// TLS from the first byte (XEP-0368), or STARTTLS.
        direct: bool,
        /// The served domain.
        domain: String,
        /// How it behaves.
        habits: Habits,
    },
}

/// What devices may do one way or another.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Habits {
    /// Turn on XEP-0198, and acknowledge.
    pub acks: bool,
    /// How they log in.
    pub flow: Flow,
}

/// The order of a login's questions and answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Flow {
    /// Each answer is waited for; with XEP-0388 and XEP-0386, where the server offers them.
    #[default]
    Offered,
    /// Each answer is waited for, as RFC 6120 has it.
    Rfc6120,
    /// Ahead of the answers (XEP-0305).
    Ahead,
}

/// What a worker is reported, a line each.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WorkerRequest {
    /// Open connections with the numbers `first` to `first + count`.
    Connect {
        /// What they are.
        plan: Plan,
        /// The first one's number, by which its account is named.
        first: usize,
        /// How many.
        count: usize,
        /// How many may be under way at once.
        at_once: usize,
        /// How often an attempt that failed is made again.
        attempts: usize,
    },
    /// Forget what was counted.
    Mark,
    /// Wait until so many notifications (or records) came since the last mark.
    Await {
        /// How many.
        count: u64,
        /// For how long at most.
        seconds: f64,
    },
    /// Close all connections without a word.
    Drop,
}

/// What it answers, a line each.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Connections that are open.
    pub open: usize,
    /// Attempts that failed at this request.
    pub failed: usize,
    /// Why the last one failed.
    pub why: Option<String>,
    /// How long logins took.
    pub logins: Packed,
    /// Notifications (or records) since the mark.
    pub received: u64,
    /// Bytes of plaintext since the mark.
    pub bytes: u64,
    /// When the first of them came, on the machine's clock.
    pub first: u64,
    /// When the last of them came.
    pub last: u64,
    /// How long those took that carried their time of departure.
    pub delays: Packed,
    /// Only progress: the request is still being worked on.
    pub in_progress: bool,
}
