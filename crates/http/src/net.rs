//! Sockets: hyper by hand instead of `axum::serve`, so that everything that a
//! client can drag out has a bound.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::Response;
use futures_util::FutureExt as _;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};

use crate::peer::{self, PeerAddress};
use crate::places::{Full, Occupied, Places};
use crate::repoll::RepollOnSelfWake;
use crate::state::App;

/// Bytes of a request's head.
const HEAD_BYTES: usize = 16 * 1024;
/// Header fields of a request.
const HEADERS: usize = 64;
/// Bytes that one connection buffers.
const BUFFER_BYTES: usize = 64 * 1024;
/// Bytes and time that a client may still send into a connection that is over.
const LINGER_BYTES: usize = 16 * 1024 * 1024;
const LINGER: Duration = Duration::from_secs(5);
/// How long to accept nothing while the machine is out of descriptors.
const EXHAUSTED: Duration = Duration::from_millis(250);
/// And after a connection was lost before it was taken, so that an error that stays does not keep a
/// processor busy.
const LOST: Duration = Duration::from_millis(1);
/// When all places are taken: how often to look for one that has become idle.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What becomes of a request.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// What a listener serves.
pub(crate) trait Site: Clone + Send + Sync + Unpin + 'static {
    /// Answers a request.
    fn answer(&self, request: Request<Incoming>) -> Answer;
}

/// Serves a listener until `shutdown` resolves. Nothing else ends it.
pub(crate) async fn serve(
    app: &App,
    site: impl Site,
    listener: TcpListener,
    places: Arc<Places>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let mut shutdown = pin!(shutdown);
    let mut connections = JoinSet::new();
    let mut exhausted = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            // Never ready while the set is empty, so that it does not spin.
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                if std::mem::take(&mut exhausted) {
                    tracing::info!("HTTP connections are accepted again");
                }
                let entered = tokio::select! {
                    biased;
                    () = &mut shutdown => break,
                    entered = enter(app, &places, peer) => entered,
                };
                // Closing the socket is the whole answer to one too many of one address.
                let Some(place) = entered else { continue };
                let connection = connection(app.clone(), site.clone(), stream, peer, place);
                connections.spawn(RepollOnSelfWake::new(connection));
            }
            // Other connections end, and give their descriptors back.
            Err(error) if is_exhaustion(&error) => {
                if !std::mem::replace(&mut exhausted, true) {
                    tracing::error!(%error, "cannot accept HTTP connections for now");
                }
                places.end_one();
                sleep(EXHAUSTED).await;
            }
            // A client that was gone at once.
            Err(error) => {
                tracing::debug!(%error, "a connection was lost before it was accepted");
                sleep(LOST).await;
            }
        }
    }
    drop(listener);
    app.stopping.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(Duration::from_secs(app.settings.drain_seconds), drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections cut at shutdown");
        connections.shutdown().await;
    }
}

/// A place for a connection, once there is one; `None` where its address has its share.
async fn enter(app: &App, places: &Arc<Places>, client: SocketAddr) -> Option<Occupied> {
    let address = client.ip().to_canonical();
    // A proxy has the connections of all who come through it.
    let source = (!peer::is_trusted(&app.settings, address)).then_some(address);
    loop {
        match places.enter(source) {
            Ok(place) => return Some(place),
            Err(Full::Source) => return None,
            // More connections wait in the kernel's queue until one ends or was idle for long enough.
            Err(Full::All) => drop(timeout(LOOK_AGAIN, places.freed()).await),
        }
    }
}

/// Whether the machine, not the peer, is the reason.
fn is_exhaustion(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let reasons = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    reasons.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

async fn connection(app: App, site: impl Site, stream: TcpStream, peer: SocketAddr, place: Occupied) {
    // Answers are written whole: waiting for more only delays them.
    let _ = stream.set_nodelay(true);
    let place = Arc::new(place);
    let limit = Duration::from_secs(app.settings.stall_seconds);
    let io = StallTimeout::new(stream, limit, Arc::clone(&place));
    let used = Arc::clone(&place);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let in_use = used.in_use();
        request.extensions_mut().insert(PeerAddress(peer));
        // For an answer that goes on.
        request.extensions_mut().insert(in_use.clone());
        site.answer(request).map(move |answer| {
            drop(in_use);
            answer
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(app.settings.header_seconds))
        .max_header_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(io), service);
    let outcome = loop {
        tokio::select! {
            outcome = poll_fn(|context| connection.poll_without_shutdown(context)) => break outcome,
            () = app.stopped() => {
                Pin::new(&mut connection).graceful_shutdown();
                break poll_fn(|context| connection.poll_without_shutdown(context)).await;
            }
            () = place.place.ended() => {
                // A request that has come meanwhile is answered.
                if !place.place.is_in_use() {
                    return;
                }
            }
        }
    };
    match outcome {
        Ok(()) => tokio::select! {
            () = linger(connection.into_parts().io.into_inner()) => {}
            () = app.stopped() => {}
            () = place.place.ended() => {}
        },
        Err(error) => tracing::debug!(%peer, %error, "a connection ended early"),
    }
}

/// Ends our side, and takes for a while what the client still sends: closing over
/// unread bytes resets the connection, and the client would never read the answer
/// that says why (RFC 9112 section 9.6).
async fn linger(mut socket: StallTimeout) {
    if socket.shutdown().await.is_err() {
        return;
    }
    let rest = async {
        let (mut scrap, mut taken) = (vec![0; 8 * 1024], 0);
        while let Ok(count @ 1..) = socket.read(&mut scrap).await {
            taken += count;
            if taken > LINGER_BYTES {
                break;
            }
        }
    };
    // A client that has not finished by then is cut off.
    let _ = timeout(LINGER, rest).await;
}

/// A socket whose writes fail when the peer takes nothing for too long.
struct StallTimeout {
    socket: TcpStream,
    limit: Duration,
    /// Runs while a write is blocked.
    alarm: Option<Pin<Box<Sleep>>>,
    place: Arc<Occupied>,
}

impl StallTimeout {
    fn new(socket: TcpStream, limit: Duration, place: Arc<Occupied>) -> Self {
        Self { socket, limit, alarm: None, place }
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.alarm = None;
            // Who takes an answer is not idle.
            self.place.touch();
            return outcome;
        }
        let limit = self.limit;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(limit)));
        match alarm.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for StallTimeout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for StallTimeout {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.watch(context, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.socket).poll_shutdown(context);
        self.watch(context, outcome)
    }
}
