//! Stanzas: iq, message, presence, and their errors (RFC 6120 section 8, RFC 6121).

mod error;
mod iq;
mod message;
mod presence;

pub use error::{Condition, ErrorKind, InvalidStanza, StanzaError, error_reply, may_be_answered};
pub use iq::{Iq, IqKind};
pub use message::{Message, MessageKind};
pub use presence::{Presence, PresenceKind, Show};
