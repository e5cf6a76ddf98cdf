//! The session manager: who is connected, and how each is handed a notification.
//!
//! [`Connection`] is one stream: bytes in, bytes out. [`SessionManager`] is the
//! registry that finds the sessions of an account. This is the only place where
//! XML words become product words.
//!
//! | file | holds |
//! | --- | --- |
//! | `connection`, `stanza_rate` | one stream from its first byte to its last; how much a peer may send |
//! | `context`, `sources` | what connections, and what bound sessions, need of the server |
//! | `negotiation` | the negotiation's questions, answered; who the peer has proven to be |
//! | `binding` | from an authenticated account to a session |
//! | `bound_session` | a bound session; its feed and its acknowledgements are files below |
//! | `lifecycle` | how a session ends, or waits for its client |
//! | `delivery` | a notification on its way to sessions, encoded once for all |
//! | `owed` | what a session is to get although another one has settled it |
//! | `collapse` | what a newer notification of the same batch has replaced |
//! | `sm` | XEP-0198: what is kept until it is acknowledged, and resumption ids |
//! | `hand_outs` | what clients have had again and again without acknowledging anything |
//! | `ping` | the ping rule, for sessions with neither XEP-0198 nor receipts |
//! | `address` | whether `from` and `to` may stand |
//! | `stanza`, `iq`, `outcome` | what a bound session's peer may send, and what that leads to |
//! | `siblings`, `presence_stanza`, `from_siblings` | what the sessions of one account see of each other, and leave for each other |
//! | `manager`, `broadcast_buffer` | what the API, the console and the other managers ask; how sessions are handed notifications |
//! | `managed` | what operators and the other managers do to sessions |
//! | `registry`, `session_entry`, `detached` | where each session is, and the mailbox that wakes it |
//! | `search` | pages of sessions and of who is online, sorted |

mod address;
mod binding;
mod bound_session;
mod broadcast_buffer;
mod collapse;
mod connection;
mod context;
mod delivery;
mod detached;
mod from_siblings;
mod hand_outs;
mod iq;
mod lifecycle;
mod managed;
mod manager;
mod negotiation;
mod outcome;
mod owed;
mod peer;
mod ping;
mod presence_stanza;
mod registry;
mod search;
mod session_entry;
mod siblings;
mod sm;
mod sources;
mod stanza;
mod stanza_rate;

use std::net::IpAddr;
use std::sync::OnceLock;

use tidings_xmpp::ext::caps;

pub use self::connection::{Connection, Control};
pub(crate) use self::context::Context;
#[cfg(test)]
pub(crate) use self::delivery::sized;
pub(crate) use self::delivery::{Delivery, encoded_len};
pub use self::manager::{SessionInfo, SessionManager};
pub use self::peer::Peer;
pub(crate) use self::registry::SWEEP_INTERVAL;
pub use self::search::{OnlineOrder, SessionOrder, SessionPlace, SessionQuery};
pub use tidings_xmpp::sasl::{Exporter, TlsBinding};

/// The node of our XEP-0115 caps.
const NODE: &str = "urn:tidings:server";

/// Our XEP-0115 node and verification string.
pub(crate) fn server_caps() -> &'static (String, String) {
    static CAPS: OnceLock<(String, String)> = OnceLock::new();
    CAPS.get_or_init(|| (NODE.to_owned(), caps::verification(&iq::server_info(None))))
}

/// Whether `host` means the served domain. Old clients put the address that
/// they connect to there.
fn serves(domain: &str, host: &str) -> bool {
    host.eq_ignore_ascii_case(domain)
        || host.eq_ignore_ascii_case("localhost")
        || host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}
