//! The network side: listeners, TLS, buffers and limits. It knows bytes only, and
//! drives [`tidings_core::session::Connection`] over them.
//!
//! | module | holds |
//! | --- | --- |
//! | [`tls`] | rustls without buffers of its own, channel bindings |
//! | [`certificate`] | the server's certificate: configured or self-signed, reloaded in place |
//! | [`server`] | the listeners, what they admit, how they stop |
//! | `connection` | the loop that one connection's task runs |
//! | `link` | a transport with TLS on it and what is not yet written |
//!
//! An idle connection owns no buffer: what is read lands in scratch memory of the
//! thread, and only a partial record or unwritten output is kept.

mod admission;
pub mod certificate;
mod connection;
mod deadlines;
mod link;
mod listener;
mod proxy_header;
mod scratch;
pub mod server;
mod session;
mod settings;
mod strangers;
#[cfg(test)]
mod testing;
pub mod tls;

pub use self::certificate::{CertificateError, CertificateSource, Certificates, Doubt};
pub use self::server::{Addresses, Counts, NetError, Server};
pub use self::settings::{Security, Settings};
