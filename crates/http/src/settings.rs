//! The section `[http]` of the settings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use tidings_core::source::Network;

/// `[http]`: what an operator may set. Spans are written in seconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How the outside reaches this server, such as `https://push.example.org`,
    /// without a slash at the end. With `https`, cookies are marked `Secure`.
    pub public_url: Option<String>,
    /// Who may read `/metrics`.
    pub metrics: MetricsAccess,
    /// Connections at once; where there are more, idle ones give way, or new ones wait in the listener's backlog.
    pub connections: usize,
    /// Those of one source address that is no trusted proxy; 0 = no limit. Past that its own idle ones
    /// give way, or new ones are closed.
    pub connections_per_address: usize,
    /// Requests at once; more are answered 503.
    pub requests: usize,
    /// Event streams at once; more are answered 503.
    pub streams: usize,
    /// Seconds for a request's head, and that an idle connection is kept.
    pub header_seconds: u64,
    /// Seconds until a request is answered, its body's arrival included.
    pub request_seconds: u64,
    /// Seconds that a client may leave its receive window shut before it is dropped.
    pub stall_seconds: u64,
    /// Seconds that requests under way are given at shutdown.
    pub drain_seconds: u64,
    /// Reverse proxies, addresses or networks, that are believed when they say whom a request comes from.
    pub trusted_proxies: Vec<Network>,
    /// Which header field they say it in.
    pub forwarded: Forwarded,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_url: None,
            metrics: MetricsAccess::Public,
            connections: 4096,
            connections_per_address: 1024,
            requests: 1024,
            streams: 256,
            header_seconds: 30,
            request_seconds: 30,
            stall_seconds: 30,
            drain_seconds: 5,
            trusted_proxies: [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
                .map(Network::from)
                .to_vec(),
            forwarded: Forwarded::XForwardedFor,
        }
    }
}

impl Settings {
    /// Whether the outside comes in over TLS.
    pub(crate) fn secure(&self) -> bool {
        self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }
}

/// The header field in which a proxy says whom a request comes from. Clients can send the other one
/// through a proxy that does not know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forwarded {
    /// `X-Forwarded-For`; `Forwarded` where that is missing.
    XForwardedFor,
    /// `Forwarded` (RFC 7239) alone.
    Forwarded,
}

/// Who may read `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricsAccess {
    /// Every client that reaches the port.
    Public,
    /// Clients with a key of scope read or admin.
    Key,
    /// No client on this port: see [`Http::serve_metrics`](crate::Http::serve_metrics).
    Off,
}
