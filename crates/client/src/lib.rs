//! The device SDK: an account on a Tidings server, a connection that is kept up, and a
//! stream of notifications.
//!
//! ```no_run
//! # async fn run() -> Result<(), tidings_client::ClientError> {
//! use tidings_client::Device;
//!
//! let mut device = Device::builder("push.example.org")
//!     .account_file("device.json") // registered on the first run
//!     .topic("news")
//!     .start()?;
//! loop {
//!     let notification = device.next().await?;
//!     println!("{}", notification.title.as_deref().unwrap_or_default());
//!     notification.ack(); // only now does the server count it as delivered
//! }
//! # }
//! ```
//!
//! What it sees to: registration, TLS and whom to trust, SCRAM with channel binding,
//! reconnecting with jitter, resuming (XEP-0198), dead links, acknowledging what the
//! application has and nothing else, and dropping what it had already.
//!
//! What it deliberately does not do: look servers up in the DNS, show anything, or keep
//! notifications for the application.

mod account;
mod backoff;
mod connect;
mod deliveries;
mod device;
mod driver;
mod error;
mod fingerprint;
mod invitation;
pub mod io_text;
mod notification;
mod opening;
mod outbound;
mod random;
mod seen;
mod session;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod tls;

pub use futures_core::Stream;

pub use self::account::{Account, AccountError, KnownBy, Pin};
pub use self::device::{Device, DeviceBuilder, DeviceHandle};
pub use self::error::{ClientError, LoginError, LoginErrorKind, Refusal};
pub use self::fingerprint::{Fingerprint, NoFingerprint};
pub use self::invitation::{InvalidInvitation, Invitation};
pub use self::notification::{Notification, Priority};
pub use self::random::{Random, SystemRandom};
pub use self::status::{Status, StatusUpdates};
pub use self::tls::{CertificateChanged, Trust};

/// The README's example is compiled, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
