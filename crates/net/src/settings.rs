//! What the listeners are told: addresses, rates, and when TLS starts.

use std::net::SocketAddr;

use tidings_core::source::Network;

/// Where to listen, and how fast to take connections.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The address for STARTTLS, usually port 5222. Port 0 picks a free one.
    pub xmpp: Option<SocketAddr>,
    /// The address for direct TLS (XEP-0368), usually port 5223.
    pub xmpps: Option<SocketAddr>,
    /// Balancers: a connection from there begins with a header of the PROXY protocol, and is the client's that
    /// the header names.
    pub proxies: Vec<Network>,
    /// Connections that there may be at once, as far as descriptors go; 0 = no limit but that of
    /// the settings.
    pub places: usize,
    /// Connections taken a second; 0 = by the number of processors. More wait in the
    /// kernel's queue.
    pub accepts_per_second: u32,
    /// Connections that may be logging in at once; 0 = a quarter of all, from
    /// 1,024 to 16,384. Silent ones make room for more.
    pub unauthenticated: usize,
}

/// When TLS starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// After `<starttls/>` (RFC 6120 section 5).
    StartTls,
    /// With the first byte (XEP-0368).
    Direct,
}
