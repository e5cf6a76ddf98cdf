//! The server for devices: its listeners, and how they start and stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidings_core::Core;
use tidings_core::config::Limits;
use tidings_core::panics::caught;
use tidings_core::session::Peer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinHandle};

use crate::admission::{AcceptRate, Bounds, ConnectionLimits, Stop};
use crate::certificate::Certificates;
use crate::connection::{Driver, ServerState};
use crate::deadlines;
use crate::listener;
use crate::session::{CoreSessionFactory, SessionFactory};
use crate::settings::{Security, Settings};

pub use crate::admission::Counts;

/// The part of all places that connections which are logging in may have, and the part of those that one
/// address may have.
const LOGGING_IN: usize = 4;
const OF_ONE_ADDRESS: usize = 4;
/// Connections of balancers that have not said yet whom they come from.
const UNANNOUNCED: usize = 1024;
/// Before a task that has panicked begins anew.
const RESTART: Duration = Duration::from_millis(100);
/// Handshakes and accepts that one processor can be asked for in a second, before
/// connected devices notice. A handshake takes it about 0.2 ms.
const ACCEPTS_PER_PROCESSOR: usize = 2500;

/// The addresses in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// STARTTLS.
    pub xmpp: Option<SocketAddr>,
    /// Direct TLS.
    pub xmpps: Option<SocketAddr>,
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// The running server. Dropping it drops every connection;
/// [`shutdown`](Self::shutdown) ends the streams first.
pub struct Server {
    running: Running<CoreSessionFactory>,
}

impl Server {
    /// Opens the listeners and takes connections. To be called on a tokio runtime.
    ///
    /// # Errors
    /// When an address cannot be listened on; then none is.
    pub fn start(
        core: Arc<Core>,
        settings: &Settings,
        certificates: Arc<Certificates>,
    ) -> Result<Self, NetError> {
        Ok(Self { running: Running::start(CoreSessionFactory(core), settings, certificates)? })
    }

    /// The addresses that are listened on, with the ports that were picked.
    pub fn addresses(&self) -> Addresses {
        self.running.addresses
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.running.state.connections.counts()
    }

    /// The same, for a caller that outlives the server; nothing once that is gone.
    pub fn counter(&self) -> impl Fn() -> Option<Counts> + Send + Sync + 'static {
        let state = Arc::downgrade(&self.running.state);
        move || Some(state.upgrade()?.connections.counts())
    }

    /// Serves one connection over any transport, in a task of its own, under the
    /// same limits as the others. `None` where a limit refuses it.
    pub fn attach<T>(&self, transport: T, peer: Peer, security: Security) -> Option<JoinHandle<()>>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.running.attach(transport, peer, security)
    }

    /// Stops: closes the listeners, tells every stream, writes what there is to
    /// write, and waits until all are closed or `time` is over; then drops what
    /// is left. Answers how many were dropped.
    pub async fn shutdown(self, time: Duration) -> usize {
        self.running.shutdown(time).await
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}

/// A server for the sessions of any factory.
pub(crate) struct Running<F> {
    pub(crate) state: Arc<ServerState<F>>,
    pub(crate) addresses: Addresses,
    listeners: Vec<AbortHandle>,
    sweeper: AbortHandle,
}

impl<F: SessionFactory> Running<F> {
    pub(crate) fn start(
        factory: F,
        settings: &Settings,
        certificates: Arc<Certificates>,
    ) -> Result<Self, NetError> {
        let bind = |address: Option<SocketAddr>| {
            address.map(listener_at).transpose().map(|bound| match bound {
                Some((listener, address)) => (Some(listener), Some(address)),
                None => (None, None),
            })
        };
        let (starttls, xmpp) = bind(settings.xmpp)?;
        let (direct, xmpps) = bind(settings.xmpps)?;

        let connections = ConnectionLimits::new(bounds(factory.limits(), settings));
        let state = Arc::new(ServerState {
            connections,
            refusals: factory.refusals(),
            factory,
            certificates,
            proxies: settings.proxies.clone(),
            unannounced: Arc::new(Semaphore::new(UNANNOUNCED)),
        });
        let rate = Arc::new(Mutex::new(AcceptRate::new(accepts_per_second(settings))));
        let listeners = [(starttls, Security::StartTls), (direct, Security::Direct)]
            .into_iter()
            .filter_map(|(listener, security)| Some((listener?, security)))
            .map(|(listener, security)| {
                let (state, rate) = (Arc::clone(&state), Arc::clone(&rate));
                tokio::spawn(async move {
                    restarted(|| listener::accept(&listener, security, &state, &rate)).await;
                })
                .abort_handle()
            })
            .collect();
        let swept = Arc::clone(&state);
        let sweeper = tokio::spawn(async move { restarted(|| sweep(&swept)).await }).abort_handle();
        Ok(Self { state, addresses: Addresses { xmpp, xmpps }, listeners, sweeper })
    }

    pub(crate) fn attach<T>(&self, transport: T, peer: Peer, security: Security) -> Option<JoinHandle<()>>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let admission = self.state.connections.admit(peer.address.ip()).ok()?;
        let driver = Driver::new(transport, peer, security, Arc::clone(&self.state), admission);
        Some(tokio::spawn(driver.run()))
    }

    pub(crate) async fn shutdown(self, time: Duration) -> usize {
        for listener in &self.listeners {
            listener.abort();
        }
        let connections = &self.state.connections;
        connections.set_stop(Stop::Graceful);
        if tokio::time::timeout(time, emptied(connections)).await.is_ok() {
            return 0;
        }
        let left = connections.open();
        tracing::warn!(left, "connections are dropped: they did not close in time");
        connections.set_stop(Stop::Now);
        // A connection that waits for the store does not notice the order; `shutdown` does not
        // wait for it.
        let _ = tokio::time::timeout(Duration::from_millis(500), emptied(connections)).await;
        left
    }
}

impl<F> Drop for Running<F> {
    fn drop(&mut self) {
        for listener in &self.listeners {
            listener.abort();
        }
        self.sweeper.abort();
        self.state.connections.set_stop(Stop::Now);
    }
}

/// Resolves when no connection is left.
async fn emptied(connections: &ConnectionLimits) {
    loop {
        let notified = connections.empty.notified();
        if connections.open() == 0 {
            return;
        }
        notified.await;
    }
}

/// Runs a task that has no end. Where it panics, it begins anew.
async fn restarted<T: Future<Output = ()>>(task: impl Fn() -> T) {
    while caught(task()).await.is_err() {
        tokio::time::sleep(RESTART).await;
    }
}

async fn sweep<F: SessionFactory>(state: &ServerState<F>) {
    loop {
        tokio::time::sleep(deadlines::PERIOD).await;
        state.connections.deadlines.sweep();
    }
}

fn listener_at(address: SocketAddr) -> Result<(TcpListener, SocketAddr), NetError> {
    let failed = |source| NetError::Listen { address, source };
    let listener = listener::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn bounds(limits: &Limits, settings: &Settings) -> Bounds {
    let places = match settings.places {
        0 => usize::MAX,
        places => places,
    };
    let connections = match limits.connections {
        0 => places,
        limit => limit.min(places),
    };
    let unauthenticated = match settings.unauthenticated {
        0 => (connections / LOGGING_IN).clamp(1024, 16_384).min(connections),
        limit => limit,
    };
    // What one address may take leaves the better part to the others, however few places there are.
    let most = (unauthenticated / OF_ONE_ADDRESS).max(1);
    let unauthenticated_per_address = match limits.unauthenticated_per_address {
        0 => 0,
        limit => limit.min(most),
    };
    Bounds {
        connections,
        per_address: limits.connections_per_address,
        unauthenticated,
        unauthenticated_per_address,
    }
}

fn accepts_per_second(settings: &Settings) -> u32 {
    match settings.accepts_per_second {
        0 => {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            u32::try_from(processors.saturating_mul(ACCEPTS_PER_PROCESSOR)).unwrap_or(u32::MAX)
        }
        rate => rate,
    }
}

/// Raises the process's soft limit of open descriptors to its hard limit, and
/// answers what it is then.
#[must_use]
pub fn raise_descriptor_limit() -> usize {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
        let current = match setrlimit(Resource::Nofile, wanted) {
            Ok(()) => limit.maximum,
            Err(_) => limit.current,
        };
        // No limit at all is written as none.
        current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(1 << 20)
    }
    #[cfg(not(unix))]
    {
        1 << 14
    }
}
