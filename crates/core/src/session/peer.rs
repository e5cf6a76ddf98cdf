//! Who is at the other end of a connection.

use std::net::SocketAddr;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
}
