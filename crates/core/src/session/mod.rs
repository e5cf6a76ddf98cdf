//! The session manager: who is connected, and how each is handed a notification.
//!
//! [`Connection`] is one stream: bytes in, bytes out. [`SessionManager`] is the
//! registry that finds the sessions of an account.

mod connection;
mod registry;

pub use self::connection::{Connection, Control, Peer};
pub use self::registry::{SessionInfo, SessionManager};
