//! What one connection's task does: waits for whichever comes first of bytes, a
//! call from inside, a deadline and the server's end, and carries bytes between
//! the transport and the session.
//!
//! The future of [`Driver::run`] is what an idle connection costs, so it is kept
//! small: it holds the wait and nothing else. What follows an event is boxed for as
//! long as it runs, buffers belong to the thread, and the alarm clock is shared.

use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use tidings_core::session::{Control, Peer, TlsBinding};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::admission::{Admission, House, Stop};
use crate::certificate::Certificates;
use crate::link::{End, Incoming, Link};
use crate::parking::Place;
use crate::scratch;
use crate::server::Security;
use crate::session::{Door, Session};

/// How long a closing connection waits for the peer to close too.
const LINGER: Duration = Duration::from_secs(2);
/// How far a single answer may push what waits beyond the limit.
const SLACK: usize = 1024 * 1024;

/// What the connections of one server have in common.
pub(crate) struct Shared<D> {
    pub(crate) house: House,
    pub(crate) door: D,
    pub(crate) certificates: Arc<Certificates>,
}

/// One connection.
pub(crate) struct Driver<T, D: Door> {
    link: Link<T>,
    session: Option<D::Session>,
    seat: Seat<D>,
    /// Until there is a session.
    arrival: Option<Box<Arrival>>,
}

/// How a connection came.
struct Arrival {
    peer: Peer,
    security: Security,
}

/// A connection's place in the house, given back when it goes, however it goes.
struct Seat<D> {
    shared: Arc<Shared<D>>,
    admission: Admission,
    place: Place,
}

impl<D> Drop for Seat<D> {
    fn drop(&mut self) {
        self.shared.house.parking.leave(self.place);
        self.shared.house.depart(&mut self.admission);
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
    /// Everything is said: write it, and see the peer off.
    Close,
    /// There is nobody to talk to.
    Gone,
}

impl<T, D> Driver<T, D>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    D: Door,
{
    pub(crate) fn new(
        transport: T,
        peer: Peer,
        security: Security,
        shared: Arc<Shared<D>>,
        admission: Admission,
    ) -> Self {
        let place = shared.house.parking.enter();
        Self {
            link: Link::new(transport),
            session: None,
            seat: Seat { shared, admission, place },
            arrival: Some(Box::new(Arrival { peer, security })),
        }
    }

    /// Runs until the connection is over. To be polled by one task from first to last.
    // Not an `async fn`: that would keep its argument twice.
    #[expect(clippy::manual_async_fn, reason = "the future is half the size")]
    pub(crate) fn run(mut self) -> impl Future<Output = ()> + Send {
        async move {
            let mut after = match self.arrival.as_ref().map(|arrival| arrival.security) {
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
        let Some(arrival) = self.arrival.take() else { return After::Gone };
        self.session = Some(self.seat.shared.door.open(arrival.peer, tls));
        After::Continue
    }

    /// The TLS handshake where it comes first: no session is opened before it is done.
    async fn handshake(&mut self) -> After {
        let settings = self.seat.shared.certificates.direct();
        if let Err(error) = self.link.start_tls(&settings) {
            tracing::error!(%error, "cannot start TLS");
            return After::Gone;
        }
        let patience = Duration::from_secs(self.seat.shared.door.limits().auth_seconds);
        let until = Instant::now() + self.seat.shared.house.patience(patience);
        let incoming = poll_fn(|cx| {
            let house = &self.seat.shared.house;
            house.parking.arm(&mut self.seat.place, cx.waker(), Some(until));
            if house.stop() != Stop::Running {
                return Poll::Ready(None);
            }
            if Instant::now() >= until {
                let late = End::Transport(std::io::ErrorKind::TimedOut.into());
                return Poll::Ready(Some(Incoming::End(Vec::new(), late)));
            }
            if let Poll::Ready(Err(error)) = self.link.poll_flush(cx) {
                return Poll::Ready(Some(Incoming::End(Vec::new(), End::Transport(error))));
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
        let Self { link, session, seat, .. } = self;
        let Some(session) = session.as_ref() else { return Event::StopNow };
        let mut woken = pin!(session.woken());
        // What is cheap to look up is looked up each time: all that lives here is
        // there once a connection.
        poll_fn(move |cx| {
            let shared = &seat.shared;
            let limits = shared.door.limits();
            let (limit, stall) = (limits.outgoing_bytes, Duration::from_secs(limits.stall_seconds));
            let deadline = session.deadline();
            // The place is taken before the order to stop is looked for: whoever gives
            // the order afterwards finds the waker.
            let stuck = link.stuck_since().map(|since| since + stall);
            let wanted = [deadline, stuck].into_iter().flatten().min();
            shared.house.parking.arm(&mut seat.place, cx.waker(), wanted);
            match shared.house.stop() {
                Stop::Now => return Poll::Ready(Event::StopNow),
                Stop::Graceful if !seat.admission.told => return Poll::Ready(Event::Stop),
                Stop::Graceful | Stop::Running => {}
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
            // Whoever does not read its answers is not asked for more.
            if link.pending() <= limit
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
            Event::Incoming(Incoming::Bytes(bytes)) => return Box::pin(self.hear(bytes)),
            Event::Incoming(Incoming::Secured(binding, bytes)) => {
                if let Some(session) = &mut self.session {
                    session.tls_started(binding);
                }
                return Box::pin(self.hear(bytes));
            }
            Event::Incoming(Incoming::End(bytes, end)) => return Box::pin(self.last_words(bytes, end)),
            Event::Broken(end) => self.ended(&end),
            Event::Woken => return Box::pin(self.wake()),
            Event::Drained => match &self.session {
                Some(session) if session.backpressured() => return Box::pin(self.wake()),
                _ => After::Continue,
            },
            Event::Deadline => return Box::pin(self.timeout()),
            Event::Stalled => {
                self.seat.shared.house.stalled.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(pending = self.link.pending(), "dropped: it does not read");
                After::Gone
            }
            Event::Stop => return Box::pin(self.stop()),
            Event::StopNow => After::Gone,
        };
        Box::pin(ready(after))
    }

    async fn hear(&mut self, bytes: Vec<u8>) -> After {
        let after = self.receive(&bytes).await;
        scratch::give_back(bytes);
        after
    }

    /// The last words may be the stream's end, which settles what it acknowledges.
    async fn last_words(&mut self, bytes: Vec<u8>, end: End) -> After {
        match self.receive(&bytes).await {
            After::Continue => self.ended(&end),
            after => after,
        }
    }

    async fn timeout(&mut self) -> After {
        let mut out = scratch::words();
        let Some(session) = &mut self.session else { return After::Gone };
        let control = session.timeout(&mut out).await;
        self.conclude(control, &out).await
    }

    /// The server ends.
    async fn stop(&mut self) -> After {
        self.seat.admission.told = true;
        let mut out = scratch::words();
        let Some(session) = &mut self.session else { return After::Gone };
        session.shutdown(&mut out);
        self.conclude(Control::Close, &out).await
    }

    async fn receive(&mut self, bytes: &[u8]) -> After {
        if bytes.is_empty() {
            return After::Continue;
        }
        let mut out = scratch::words();
        let Some(session) = &mut self.session else { return After::Gone };
        let control = session.receive(bytes, &mut out).await;
        if session.established() {
            self.seat.shared.house.authenticated(&mut self.seat.admission);
        }
        let after = self.conclude(control, &out).await;
        scratch::give_back(out);
        after
    }

    async fn wake(&mut self) -> After {
        let mut out = scratch::words();
        let Some(session) = &mut self.session else { return After::Gone };
        let control = session.wake(self.link.pending(), &mut out).await;
        let after = self.conclude(control, &out).await;
        scratch::give_back(out);
        after
    }

    /// Writes what the session said, and does what it asked for.
    async fn conclude(&mut self, control: Control, out: &[u8]) -> After {
        if !out.is_empty() {
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
                match self.link.start_tls(&self.seat.shared.certificates.starttls()) {
                    Ok(()) => After::Continue,
                    Err(error) => {
                        tracing::error!(%error, "cannot start TLS");
                        After::Gone
                    }
                }
            }
        }
    }

    /// Nothing more comes from the peer.
    fn ended(&self, end: &End) -> After {
        if self.link.is_handshaking() {
            self.seat.shared.house.handshake_failures.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(peer = ?self.arrival.as_ref().map(|arrival| arrival.peer.address), ?end, "TLS handshake failed");
        }
        match end {
            End::Closed | End::Tls(_) => After::Close,
            End::Transport(_) => After::Gone,
        }
    }

    /// Says goodbye and leaves.
    async fn finish(&mut self, after: After) {
        if let After::Close = after {
            poll_fn(|cx| {
                self.link.send_close(cx);
                Poll::Ready(())
            })
            .await;
        }
        if let Some(session) = self.session.take() {
            session.closed();
        }
        if let After::Close = after {
            self.linger().await;
        }
    }

    /// Writes what is left and waits for the peer to close, within limits.
    async fn linger(&mut self) {
        let stall = Duration::from_secs(self.seat.shared.door.limits().stall_seconds);
        let mut until = Instant::now() + stall;
        let mut written = false;
        let mut drained = 0;
        poll_fn(|cx| {
            let over = self.link.poll_linger(cx, &mut drained).is_ready();
            if !written && self.link.pending() == 0 {
                written = true;
                until = until.min(Instant::now() + LINGER);
            }
            let house = &self.seat.shared.house;
            house.parking.arm(&mut self.seat.place, cx.waker(), Some(until));
            if over || house.stop() == Stop::Now || Instant::now() >= until {
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
