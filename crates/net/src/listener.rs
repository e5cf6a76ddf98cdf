//! Listening sockets, and the loop that takes connections from one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use socket2::{SockRef, TcpKeepalive};
use tidings_core::refusals::Attempt;
use tidings_core::session::Peer;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::admission::AcceptRate;
use crate::connection::{Driver, ServerState};
use crate::proxy_header;
use crate::session::SessionFactory;
use crate::settings::Security;

/// Connections that wait in the kernel to be taken.
const BACKLOG: u32 = 4096;
/// How long to accept nothing while too many connections are logging in, and while the
/// machine is out of descriptors.
const PAUSE: Duration = Duration::from_millis(50);
const EXHAUSTED: Duration = Duration::from_millis(250);
/// And after a connection was lost before it was taken, so that an error that stays does not keep a
/// processor busy.
const LOST: Duration = Duration::from_millis(1);
/// How long a balancer may take to say whom a connection comes from.
const PROXY_HEADER: Duration = Duration::from_secs(5);
/// Between two lines of the log that say the same.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// Opens a listening socket. What it is set to, accepted sockets inherit.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    adjust(&SockRef::from(&socket))?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Small stanzas leave at once, and the kernel notices a peer that vanished even
/// where the stream is never probed.
fn adjust(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(30 * 60));
    #[cfg(not(windows))]
    let keepalive = keepalive.with_interval(Duration::from_secs(60)).with_retries(5);
    socket.set_tcp_keepalive(&keepalive)
}

/// Takes connections for ever, each into a task of its own. Ends by a panic alone.
pub(crate) async fn accept<F: SessionFactory>(
    listener: &TcpListener,
    security: Security,
    state: &Arc<ServerState<F>>,
    rate: &Mutex<AcceptRate>,
) {
    let mut exhausted = false;
    // When it was said last that too many are logging in.
    let mut saturated: Option<Instant> = None;
    loop {
        while state.connections.is_saturated() {
            if saturated.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
                saturated = Some(Instant::now());
                tracing::warn!("too many connections are logging in: silent ones give way, new ones wait");
            }
            state.connections.make_room_to_log_in();
            tokio::time::sleep(PAUSE).await;
        }
        // Bound first: a lock that lives as long as the loop's condition would be
        // held while waiting.
        let mut wait = rate.lock().take();
        while let Some(time) = wait {
            tokio::time::sleep(time).await;
            wait = rate.lock().take();
        }
        match listener.accept().await {
            Ok((socket, address)) => {
                if std::mem::take(&mut exhausted) {
                    tracing::info!("connections are accepted again");
                }
                admit(socket, address, security, state);
            }
            Err(error) if is_exhaustion(&error) => {
                if !std::mem::replace(&mut exhausted, true) {
                    tracing::error!(%error, "cannot accept connections for now");
                }
                state.connections.make_room_to_log_in();
                tokio::time::sleep(EXHAUSTED).await;
            }
            // The peer of that one connection gave up before it was taken.
            Err(error) => {
                tracing::debug!(%error, "a connection was lost before it was accepted");
                tokio::time::sleep(LOST).await;
            }
        }
    }
}

fn admit<F: SessionFactory>(
    mut socket: TcpStream,
    address: SocketAddr,
    security: Security,
    state: &Arc<ServerState<F>>,
) {
    if !state.proxies.iter().any(|proxy| proxy.contains(address.ip())) {
        return serve(socket, address, security, state);
    }
    let Ok(unannounced) = Arc::clone(&state.unannounced).try_acquire_owned() else { return };
    let state = Arc::clone(state);
    tokio::spawn(async move {
        let announced = tokio::time::timeout(PROXY_HEADER, proxy_header::read(&mut socket)).await;
        drop(unannounced);
        match announced {
            Ok(Ok(client)) => serve(socket, client.unwrap_or(address), security, &state),
            Ok(Err(error)) => drop(state.refusals.note(Attempt::ProxyHeader, address.ip(), None, error)),
            Err(late) => drop(state.refusals.note(Attempt::ProxyHeader, address.ip(), None, late)),
        }
    });
}

/// Serves a connection, if there is a place for it.
fn serve<F: SessionFactory>(
    socket: TcpStream,
    address: SocketAddr,
    security: Security,
    state: &Arc<ServerState<F>>,
) {
    // Closing the socket is the whole answer: a flood gets no bytes.
    let Ok(admission) = state.connections.admit(address.ip()) else { return };
    if cfg!(not(target_os = "linux")) {
        // Elsewhere the listener's settings may not be inherited; the connection works without.
        let _ = adjust(&SockRef::from(&socket));
    }
    let driver = Driver::new(socket, Peer { address }, security, Arc::clone(state), admission);
    tokio::spawn(driver.run());
}

/// Whether the machine, not the peer, is the reason.
fn is_exhaustion(error: &io::Error) -> bool {
    use rustix::io::Errno;
    error.raw_os_error().is_some_and(|code| {
        [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
            .iter()
            .any(|errno| errno.raw_os_error() == code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn being_out_of_descriptors_is_not_the_peers_fault() {
        assert!(is_exhaustion(&io::Error::from_raw_os_error(24)));
        assert!(!is_exhaustion(&io::ErrorKind::ConnectionAborted.into()));
    }

    #[tokio::test]
    async fn accepted_sockets_inherit_what_the_listener_is_set_to() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        if cfg!(target_os = "linux") {
            assert!(server.nodelay().unwrap());
            assert!(SockRef::from(&server).keepalive().unwrap());
        }
        drop(client);
    }
}
