//! What one connection's task does: waits for whichever comes first of bytes, a
//! call from inside, a deadline and the server's end, and carries bytes between
//! the transport and the session.
//!
//! The future of [`Driver::run`] is what an idle connection costs, so it is kept
//! small: it holds the wait and nothing else. What follows an event is boxed for as
//! long as it runs, buffers belong to the thread, and all connections have one table of
//! deadlines.

use std::future::{Future, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use tidings_core::panics::{Panicked, caught};
use tidings_core::refusals::{Attempt, Refusals};
use tidings_core::session::{Control, Peer, TlsBinding};
use tidings_core::source::Network;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::admission::{Admission, ConnectionLimits, Stop};
use crate::certificate::Certificates;
use crate::link::{End, Incoming, Link};
use crate::scratch::Buffer;
use crate::session::{Session, SessionFactory};
use crate::settings::Security;

/// How long a closing connection waits for the peer to close too.
const LINGER: Duration = Duration::from_secs(2);
/// How far a single answer may push what waits beyond the limit.
const SLACK: usize = 1024 * 1024;

/// What the connections of one server have in common.
pub(crate) struct ServerState<F> {
    pub(crate) connections: ConnectionLimits,
    pub(crate) factory: F,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) refusals: Arc<Refusals>,
    /// Balancers, which say first whom a connection comes from.
    pub(crate) proxies: Vec<Network>,
    /// Connections of theirs that have not said so yet.
    pub(crate) unannounced: Arc<Semaphore>,
}

/// One connection.
pub(crate) struct Driver<T, F: SessionFactory> {
    link: Link<T>,
    stage: Stage<F::Session>,
    guard: ConnectionGuard<F>,
}

/// How far a connection has come.
enum Stage<S> {
    /// No session is opened yet.
    Accepted(Box<Accepted>),
    Serving(S),
    Over,
}

impl<S> Stage<S> {
    fn session(&self) -> Option<&S> {
        if let Self::Serving(session) = self { Some(session) } else { None }
    }

    fn session_mut(&mut self) -> Option<&mut S> {
        if let Self::Serving(session) = self { Some(session) } else { None }
    }

    fn accepted(&self) -> Option<&Accepted> {
        if let Self::Accepted(accepted) = self { Some(accepted) } else { None }
    }

    /// Takes the session; nothing comes after it.
    fn take_session(&mut self) -> Option<S> {
        let taken = std::mem::replace(self, Self::Over);
        if let Self::Serving(session) = taken { Some(session) } else { None }
    }
}

/// How a connection came.
struct Accepted {
    peer: Peer,
    security: Security,
    /// From then on it has time to log in, whenever TLS starts.
    at: Instant,
}

/// What a connection occupies: its share of the limits and its row among the deadlines.
/// Given back when it is dropped, however it ends.
struct ConnectionGuard<F> {
    state: Arc<ServerState<F>>,
    admission: Admission,
}

impl<F> Drop for ConnectionGuard<F> {
    fn drop(&mut self) {
        self.state.connections.depart(&mut self.admission);
    }
}

enum Event {
    Incoming(Incoming),
    /// The session asked to be called.
    Woken,
    /// What waited is written.
    Drained,
    Deadline,
    /// The peer has not read for too long, or too much waits for it.
    Stalled,
    Stop,
    StopNow,
    Broken(End),
}

enum After {
    Continue,
    /// Write what waits, and close.
    Close,
    /// The peer is gone: drop the connection.
    Gone,
}

impl<T, F> Driver<T, F>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: SessionFactory,
{
    pub(crate) fn new(
        transport: T,
        peer: Peer,
        security: Security,
        state: Arc<ServerState<F>>,
        admission: Admission,
    ) -> Self {
        Self {
            link: Link::new(transport),
            stage: Stage::Accepted(Box::new(Accepted { peer, security, at: Instant::now() })),
            guard: ConnectionGuard { state, admission },
        }
    }

    /// Runs until the connection is over. To be polled by one task from first to last.
    // Not an `async fn`: that would keep its argument twice.
    #[expect(clippy::manual_async_fn, reason = "the future is half the size")]
    pub(crate) fn run(mut self) -> impl Future<Output = ()> + Send {
        async move {
            let mut after = match self.stage.accepted().map(|accepted| accepted.security) {
                Some(Security::Direct) => Box::pin(self.handshake()).await,
                Some(Security::StartTls) | None => self.open(None),
            };
            while matches!(after, After::Continue) {
                let event = self.next().await;
                after = self.handle(event).await;
            }
            Box::pin(self.finish(after)).await;
        }
    }

    /// Opens the session.
    fn open(&mut self, tls: Option<TlsBinding>) -> After {
        let Stage::Accepted(accepted) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return After::Gone;
        };
        self.stage = Stage::Serving(self.guard.state.factory.open(accepted.peer, tls, accepted.at));
        After::Continue
    }

    /// The TLS handshake where it comes first: no session is opened before it is done.
    async fn handshake(&mut self) -> After {
        let settings = self.guard.state.certificates.direct();
        if let Err(error) = self.link.start_tls(&settings) {
            tracing::error!(%error, "cannot start TLS");
            return After::Gone;
        }
        let patience = Duration::from_secs(self.guard.state.factory.limits().auth_seconds);
        let since = self.stage.accepted().map_or_else(Instant::now, |accepted| accepted.at);
        let until = since + patience;
        let incoming = poll_fn(|cx| {
            let connections = &self.guard.state.connections;
            connections.deadlines.arm(&mut self.guard.admission.slot, cx.waker(), Some(until));
            if connections.stop() != Stop::Running || connections.gives_way(&self.guard.admission) {
                return Poll::Ready(None);
            }
            if Instant::now() >= until {
                let late = End::Transport(std::io::ErrorKind::TimedOut.into());
                return Poll::Ready(Some(Incoming::End(Buffer::default(), late)));
            }
            if let Poll::Ready(Err(error)) = self.link.poll_flush(cx) {
                return Poll::Ready(Some(Incoming::End(Buffer::default(), End::Transport(error))));
            }
            self.link.poll_incoming(cx).map(Some)
        })
        .await;
        match incoming {
            Some(Incoming::Secured(binding, bytes)) => match self.open(Some(binding)) {
                After::Continue => self.receive(&bytes).await,
                after => after,
            },
            Some(Incoming::End(_, end)) => self.ended(&end),
            _ => After::Gone,
        }
    }

    /// Waits for what happens next.
    async fn next(&mut self) -> Event {
        let Self { link, stage, guard } = self;
        let Some(session) = stage.session() else { return Event::StopNow };
        let mut woken = pin!(session.woken());
        // What is cheap to look up is looked up each time: all that lives here is
        // there once a connection.
        poll_fn(move |cx| {
            let state = &guard.state;
            let limits = state.factory.limits();
            let (limit, stall) = (limits.outgoing_bytes, Duration::from_secs(limits.stall_seconds));
            let deadline = session.deadline();
            // The waker is left in the slot before the order to stop is looked for: an order
            // that is given afterwards finds it.
            let stuck = link.stuck_since().map(|since| since + stall);
            let paused = session.paused_until().filter(|until| *until > Instant::now());
            let wanted = [deadline, stuck, paused].into_iter().flatten().min();
            state.connections.deadlines.arm(&mut guard.admission.slot, cx.waker(), wanted);
            match state.connections.stop() {
                Stop::Now => return Poll::Ready(Event::StopNow),
                Stop::Graceful if !guard.admission.shutdown_sent => return Poll::Ready(Event::Stop),
                Stop::Graceful | Stop::Running => {}
            }
            if state.connections.gives_way(&guard.admission) {
                return Poll::Ready(Event::StopNow);
            }
            if link.pending() > 0 {
                match link.poll_flush(cx) {
                    Poll::Ready(Ok(())) => return Poll::Ready(Event::Drained),
                    Poll::Ready(Err(error)) => return Poll::Ready(Event::Broken(End::Transport(error))),
                    Poll::Pending if link.pending() > limit + SLACK => return Poll::Ready(Event::Stalled),
                    Poll::Pending => {}
                }
            }
            // The socket may have taken at once what the session waits to see written.
            if link.pending() == 0 && session.backpressured() {
                return Poll::Ready(Event::Drained);
            }
            // A peer that does not read its answers is not read from either, nor one that talks too
            // much, for a while.
            if link.pending() <= limit
                && paused.is_none()
                && let Poll::Ready(incoming) = link.poll_incoming(cx)
            {
                return Poll::Ready(Event::Incoming(incoming));
            }
            if woken.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Woken);
            }
            let now = Instant::now();
            if link.stuck_since().is_some_and(|since| now >= since + stall) {
                return Poll::Ready(Event::Stalled);
            }
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Poll::Ready(Event::Deadline);
            }
            Poll::Pending
        })
        .await
    }

    /// What follows an event, boxed as small as each is: nothing of the event is kept
    /// that is not needed.
    fn handle(&mut self, event: Event) -> Pin<Box<dyn Future<Output = After> + Send + '_>> {
        let after = match event {
            Event::Incoming(Incoming::Bytes(bytes)) => return Box::pin(self.on_bytes(bytes)),
            Event::Incoming(Incoming::Secured(binding, bytes)) => {
                if let Some(session) = self.stage.session_mut() {
                    session.tls_started(binding);
                }
                return Box::pin(self.on_bytes(bytes));
            }
            Event::Incoming(Incoming::End(bytes, end)) => return Box::pin(self.on_eof(bytes, end)),
            Event::Broken(end) => self.ended(&end),
            Event::Woken => return Box::pin(self.wake()),
            Event::Drained => match self.stage.session() {
                Some(session) if session.backpressured() => return Box::pin(self.wake()),
                _ => After::Continue,
            },
            Event::Deadline => return Box::pin(self.timeout()),
            Event::Stalled => {
                self.guard.state.connections.stalled.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(pending = self.link.pending(), "dropped: it does not read");
                After::Gone
            }
            Event::Stop => return Box::pin(self.stop()),
            Event::StopNow => After::Gone,
        };
        Box::pin(ready(after))
    }

    async fn on_bytes(&mut self, bytes: Buffer) -> After {
        self.receive(&bytes).await
    }

    /// The last bytes may be the stream's end, which settles what it acknowledges.
    async fn on_eof(&mut self, bytes: Buffer, end: End) -> After {
        match self.receive(&bytes).await {
            After::Continue => self.ended(&end),
            after => after,
        }
    }

    async fn timeout(&mut self) -> After {
        let mut out = Buffer::take();
        let Some(session) = self.stage.session_mut() else { return After::Gone };
        let control = caught(session.timeout(Instant::now(), &mut out)).await;
        self.write_and_apply(control, &mut out).await
    }

    /// The server ends.
    async fn stop(&mut self) -> After {
        self.guard.admission.shutdown_sent = true;
        let mut out = Buffer::take();
        let Some(session) = self.stage.session_mut() else { return After::Gone };
        let control = caught(async {
            session.shutdown(&mut out);
            Control::Close
        });
        let control = control.await;
        self.write_and_apply(control, &mut out).await
    }

    async fn receive(&mut self, bytes: &[u8]) -> After {
        if bytes.is_empty() {
            return After::Continue;
        }
        let mut out = Buffer::take();
        let Some(session) = self.stage.session_mut() else { return After::Gone };
        let connections = &self.guard.state.connections;
        connections.at_work(&self.guard.admission);
        let control = caught(session.receive(bytes, Instant::now(), &mut out)).await;
        if session.established() {
            connections.authenticated(&mut self.guard.admission);
        }
        connections.heard(&self.guard.admission);
        self.write_and_apply(control, &mut out).await
    }

    async fn wake(&mut self) -> After {
        let mut out = Buffer::take();
        let Some(session) = self.stage.session_mut() else { return After::Gone };
        let control = caught(session.wake(self.link.pending(), Instant::now(), &mut out)).await;
        self.write_and_apply(control, &mut out).await
    }

    /// Writes what the session said, and does what it asked for.
    async fn write_and_apply(&mut self, control: Result<Control, Panicked>, out: &mut Vec<u8>) -> After {
        let control = control.unwrap_or_else(|Panicked| {
            self.give_up(out);
            Control::Close
        });
        if !out.is_empty() {
            let out = out.as_slice();
            let sent = poll_fn(|cx| Poll::Ready(self.link.send(cx, out))).await;
            if let Err(end) = sent {
                return self.ended(&end);
            }
        }
        match control {
            Control::Continue => After::Continue,
            Control::Close => After::Close,
            Control::StartTls => {
                // Everything read so far went to the session, which dropped what came
                // after <starttls/>: nothing said in the clear survives (RFC 6120, 5.4.3.3).
                match self.link.start_tls(&self.guard.state.certificates.starttls()) {
                    Ok(()) => After::Continue,
                    Err(error) => {
                        tracing::error!(%error, "cannot start TLS");
                        After::Gone
                    }
                }
            }
        }
    }

    /// The session has panicked, and its state may be half-way: its peer is told, and it is
    /// dropped, which ends it. What it was owed is in the store.
    fn give_up(&mut self, out: &mut Vec<u8>) {
        let Some(mut session) = self.stage.take_session() else { return };
        // What it was about to say may be cut off in the midst of a stanza.
        out.clear();
        let said = catch_unwind(AssertUnwindSafe(|| session.internal_error(out)));
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(session)));
        if said.is_err() || dropped.is_err() {
            out.clear();
        }
    }

    /// Nothing more comes from the peer.
    fn ended(&self, end: &End) -> After {
        if self.link.is_handshaking() {
            self.guard.state.connections.handshake_failures.fetch_add(1, Ordering::Relaxed);
            let address = self.guard.admission.address();
            tracing::debug!(?address, ?end, "TLS handshake failed");
            if let (Some(address), End::Tls(error)) = (address, end) {
                self.guard.state.refusals.note(Attempt::Tls, address, None, error);
            }
        }
        match end {
            End::Closed | End::Tls(_) => After::Close,
            End::Transport(_) => After::Gone,
        }
    }

    /// Sends `close_notify` and ends the session.
    async fn finish(&mut self, after: After) {
        if let After::Close = after {
            poll_fn(|cx| {
                self.link.send_close(cx);
                Poll::Ready(())
            })
            .await;
        }
        if let Some(session) = self.stage.take_session() {
            session.closed(Instant::now());
        }
        if let After::Close = after {
            self.linger().await;
        }
    }

    /// Writes what is left and waits for the peer to close, within limits.
    async fn linger(&mut self) {
        let stall = Duration::from_secs(self.guard.state.factory.limits().stall_seconds);
        let mut until = Instant::now() + stall;
        let mut written = false;
        let mut drained = 0;
        poll_fn(|cx| {
            let over = self.link.poll_linger(cx, &mut drained).is_ready();
            if !written && self.link.pending() == 0 {
                written = true;
                until = until.min(Instant::now() + LINGER);
            }
            let connections = &self.guard.state.connections;
            connections.deadlines.arm(&mut self.guard.admission.slot, cx.waker(), Some(until));
            if over || connections.stop() == Stop::Now || Instant::now() >= until {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
