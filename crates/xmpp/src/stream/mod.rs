//! Streams: headers, features, errors, and the negotiation on both sides.

pub mod client;
mod error;
mod features;
mod header;
pub mod server;

pub use self::error::{StreamCondition, StreamError};
pub use self::features::{Caps, Features, StartTls};
pub use self::header::{Opening, write_close, write_header};
