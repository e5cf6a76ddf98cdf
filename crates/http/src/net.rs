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
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};

use crate::peer::PeerAddress;
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

/// What becomes of a request.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// What a listener serves.
pub(crate) trait Site: Clone + Send + Sync + Unpin + 'static {
    /// Answers a request.
    fn answer(&self, request: Request<Incoming>) -> Answer;
}

pub(crate) async fn serve(
    app: &App,
    site: impl Site,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let mut shutdown = pin!(shutdown);
    let permits = Arc::new(Semaphore::new(app.settings.connections));
    let mut connections = JoinSet::new();
    let mut failures = 0u32;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            // Never ready while the set is empty, so that it does not spin.
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &permits) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                failures = 0;
                let connection = connection(app.clone(), site.clone(), stream, peer);
                connections.spawn(RepollOnSelfWake::new(async move {
                    connection.await;
                    drop(permit);
                }));
            }
            // Out of descriptors, or a peer that was gone at once: both pass.
            Err(error) if failures < 100 => {
                failures += 1;
                tracing::warn!(%error, "a connection was not accepted");
                sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(error),
        }
    }
    drop(listener);
    app.stopping.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(Duration::from_secs(app.settings.drain_seconds), drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections cut at shutdown");
        connections.shutdown().await;
    }
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

async fn connection(app: App, site: impl Site, stream: TcpStream, peer: SocketAddr) {
    // Answers are written whole: waiting for more only delays them.
    let _ = stream.set_nodelay(true);
    let io = StallTimeout::new(stream, Duration::from_secs(app.settings.stall_seconds));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(PeerAddress(peer));
        site.answer(request)
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(app.settings.header_seconds))
        .max_header_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(io), service);
    let outcome = tokio::select! {
        outcome = poll_fn(|context| connection.poll_without_shutdown(context)) => outcome,
        () = app.stopped() => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    match outcome {
        Ok(()) => tokio::select! {
            () = linger(connection.into_parts().io.into_inner()) => {}
            () = app.stopped() => {}
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
}

impl StallTimeout {
    fn new(socket: TcpStream, limit: Duration) -> Self {
        Self { socket, limit, alarm: None }
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.alarm = None;
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
