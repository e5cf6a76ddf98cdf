use std::net::SocketAddr;
use std::sync::Arc;

use tidings_xmpp::sasl::TlsBinding;
use tokio::time::Instant;

use crate::Core;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
}

/// What the driver does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Write what there is, and go on.
    Continue,
    /// Write what there is, then start TLS on the same socket and call
    /// [`Connection::tls_started`]. Bytes that came after `<starttls/>` are dropped.
    StartTls,
    /// Write what there is, then close.
    Close,
}

/// One XMPP stream, driven by whoever owns the socket.
///
/// The driver passes decrypted bytes to [`receive`](Self::receive), and waits
/// for whichever comes first: more bytes, [`woken`](Self::woken), or
/// [`deadline`](Self::deadline). Each step appends to `out` what is to be
/// written. When the transport is gone, the driver calls [`closed`](Self::closed).
pub struct Connection {}

#[expect(clippy::todo, unused_variables, clippy::unused_async, reason = "being written")]
impl Connection {
    /// A fresh connection. `tls` is set where TLS came first (direct TLS).
    pub fn new(core: Arc<Core>, peer: Peer, tls: Option<TlsBinding>) -> Self {
        todo!()
    }

    /// Takes bytes from the peer.
    pub async fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Control {
        todo!()
    }

    /// TLS is up; the client opens a new stream next.
    pub fn tls_started(&mut self, tls: TlsBinding) {
        todo!()
    }

    /// Resolves when [`wake`](Self::wake) should be called. Cancel-safe; pending
    /// for ever before login. It borrows nothing of `self` that the driver needs.
    pub async fn woken(&self) {
        todo!()
    }

    /// Something waits for this session: notifications, an order to end.
    /// Call it when [`woken`](Self::woken) resolved, and again after output drained
    /// following a call for which `writable` was false.
    ///
    /// `pending_bytes` is how many bytes the driver still holds unwritten: past
    /// the limit the session is fed no more until it drains.
    pub async fn wake(&mut self, pending_bytes: usize, out: &mut Vec<u8>) -> Control {
        todo!()
    }

    /// When [`timeout`](Self::timeout) should be called if nothing else happened.
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }

    /// The deadline passed.
    pub async fn timeout(&mut self, out: &mut Vec<u8>) -> Control {
        todo!()
    }

    /// Whether a login has completed: the driver may then shrink what it holds.
    pub fn established(&self) -> bool {
        todo!()
    }

    /// The server is stopping: says so to the peer. Write `out`, then close.
    pub async fn shutdown(&mut self, out: &mut Vec<u8>) {
        todo!()
    }

    /// The transport is gone (`clean` when the peer closed its stream first).
    /// The session is detached for resumption or ended.
    pub async fn closed(self) {
        todo!()
    }
}
