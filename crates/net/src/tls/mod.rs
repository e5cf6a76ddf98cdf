//! TLS 1.2 and 1.3 by rustls, through its unbuffered interface: a connection at
//! rest holds keys and nothing else.

mod binding;
mod provider;
mod stream;

pub(crate) use self::binding::{ExporterCapture, end_point};
pub use self::provider::provider;
pub(crate) use self::provider::ticketer;
pub use self::stream::{Received, TlsError, TlsStream};

/// A TLS configuration together with what a channel binding needs of its certificate.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    pub(crate) config: std::sync::Arc<rustls::ServerConfig>,
    pub(crate) end_point: Option<std::sync::Arc<[u8]>>,
}
