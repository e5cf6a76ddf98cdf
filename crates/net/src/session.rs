//! What the driver asks of the layer above. The product implements it once, for
//! [`Connection`]; tests implement it with scripts.

use std::future::Future;
use std::sync::Arc;

use tidings_core::Core;
use tidings_core::config::Limits;
use tidings_core::refusals::Refusals;
use tidings_core::session::TlsBinding;
use tidings_core::session::{Connection, Control, Peer};
use tokio::time::Instant;

/// Makes a session for each connection.
pub(crate) trait SessionFactory: Send + Sync + 'static {
    type Session: Session;

    fn open(&self, peer: Peer, tls: Option<TlsBinding>, now: Instant) -> Self::Session;
    fn limits(&self) -> &Limits;
    fn refusals(&self) -> Arc<Refusals>;
}

/// One stream; the methods are those of [`Connection`].
pub(crate) trait Session: Send + Sync + 'static {
    fn receive(
        &mut self,
        bytes: &[u8],
        now: Instant,
        out: &mut Vec<u8>,
    ) -> impl Future<Output = Control> + Send;
    fn tls_started(&mut self, tls: TlsBinding);
    fn woken(&self) -> impl Future<Output = ()> + Send;
    fn wake(
        &mut self,
        pending_bytes: usize,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> impl Future<Output = Control> + Send;
    fn deadline(&self) -> Option<Instant>;
    fn timeout(&mut self, now: Instant, out: &mut Vec<u8>) -> impl Future<Output = Control> + Send;
    fn established(&self) -> bool;
    fn backpressured(&self) -> bool;
    fn paused_until(&self) -> Option<Instant>;
    fn shutdown(&mut self, out: &mut Vec<u8>);
    fn internal_error(&mut self, out: &mut Vec<u8>);
    fn closed(self, now: Instant);
}

/// Makes the product's sessions.
pub(crate) struct CoreSessionFactory(pub(crate) Arc<Core>);

impl SessionFactory for CoreSessionFactory {
    type Session = Connection;

    fn open(&self, peer: Peer, tls: Option<TlsBinding>, now: Instant) -> Connection {
        self.0.connect(peer, tls, now)
    }

    fn limits(&self) -> &Limits {
        &self.0.config.limits
    }

    fn refusals(&self) -> Arc<Refusals> {
        Arc::clone(self.0.auth.refusals())
    }
}

impl Session for Connection {
    fn receive(
        &mut self,
        bytes: &[u8],
        now: Instant,
        out: &mut Vec<u8>,
    ) -> impl Future<Output = Control> + Send {
        Self::receive(self, bytes, now, out)
    }

    fn tls_started(&mut self, tls: TlsBinding) {
        Self::tls_started(self, tls);
    }

    fn woken(&self) -> impl Future<Output = ()> + Send {
        Self::woken(self)
    }

    fn wake(
        &mut self,
        pending_bytes: usize,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> impl Future<Output = Control> + Send {
        Self::wake(self, pending_bytes, now, out)
    }

    fn deadline(&self) -> Option<Instant> {
        Self::deadline(self)
    }

    fn timeout(&mut self, now: Instant, out: &mut Vec<u8>) -> impl Future<Output = Control> + Send {
        Self::timeout(self, now, out)
    }

    fn established(&self) -> bool {
        Self::established(self)
    }

    fn backpressured(&self) -> bool {
        Self::backpressured(self)
    }

    fn paused_until(&self) -> Option<Instant> {
        Self::paused_until(self)
    }

    fn shutdown(&mut self, out: &mut Vec<u8>) {
        Self::shutdown(self, out);
    }

    fn internal_error(&mut self, out: &mut Vec<u8>) {
        Self::internal_error(self, out);
    }

    fn closed(self, now: Instant) {
        Self::closed(self, now);
    }
}
