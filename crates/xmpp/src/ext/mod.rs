//! One file an extension: what each reads from and writes to the wire, on both sides.

pub mod androidpn;
pub mod auth0078;
pub mod bind;
pub mod blocking;
pub mod caps;
pub mod csi;
pub mod disco;
pub mod entity_time;
pub mod limits;
pub mod markers;
pub mod ping;
pub mod preauth;
pub mod private;
pub mod push;
pub mod receipts;
pub mod register;
pub mod roster;
pub mod sasl2;
pub mod session;
pub mod sm;
mod template;
pub mod version;

pub use template::Template;
