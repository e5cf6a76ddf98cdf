//! Who is at the other end of a connection.

use std::net::SocketAddr;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
}

impl Peer {
    /// The same, with an IPv4 address as one: a socket of both families has it within an IPv6 one.
    pub(super) fn canonical(self) -> Self {
        Self { address: SocketAddr::new(self.address.ip().to_canonical(), self.address.port()) }
    }
}
