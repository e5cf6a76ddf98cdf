//! The wire: XMPP without a socket, a clock or a task.
//!
//! Bytes go in and events come out; events go in and bytes come out. The server
//! and the client SDK share this crate, so neither can drift from the other.
//! What it deliberately does not do: open sockets, keep time, look accounts up,
//! or know what a notification means.

pub mod ext;
pub mod ns;
pub mod resource;
pub mod sasl;
pub mod stanza;
pub mod stream;
pub mod xml;

pub use jid;
