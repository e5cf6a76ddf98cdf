//! One XMPP stream from its first byte to its last: frames in, phases, stream errors.

use std::sync::Arc;
use std::time::Duration;

use tidings_xmpp::ext::sm::Nonza;
use tidings_xmpp::sasl::TlsBinding;
use tidings_xmpp::stream::server::Question;
use tidings_xmpp::stream::{StreamCondition, StreamError};
use tidings_xmpp::xml::{
    Element, Frame, FrameLimits, FrameReader, StreamContext, StreamHeader, parse_open, parse_stanza_with,
};
use tokio::time::Instant;

use super::bound_session::BoundSession;
use super::context::Context;
use super::lifecycle;
use super::negotiation::{Advance, NegotiationDriver, Transition};
use super::outcome::Outcome;
use super::peer::Peer;
use super::session_entry::Command;
use super::stanza;
use super::stanza_rate::StanzaRate;
use crate::model::EndReason;
use crate::refusals::Attempt;

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

/// One XMPP stream, driven by the owner of the socket.
///
/// The driver passes decrypted bytes to [`receive`](Self::receive), and waits
/// for whichever comes first: more bytes, [`woken`](Self::woken), or
/// [`deadline`](Self::deadline). Each step takes the time, as the driver's clock has
/// it, and appends to `out` what is to be written. When the transport is gone, the
/// driver calls [`closed`](Self::closed).
pub struct Connection {
    context: Arc<Context>,
    reader: FrameReader,
    /// Prefixes that the stream's header declared.
    prefixes: StreamContext,
    phase: Phase,
    /// When the peer was last heard, or probed since.
    since: Instant,
    /// It was asked whether it is still there, and has been silent since.
    probed: bool,
    rate: StanzaRate,
}

enum Phase {
    Negotiating(Box<NegotiationDriver>),
    Bound(Box<BoundSession>),
    Over,
}

/// What the framer found in the bytes of the peer, owned.
enum Inbound {
    Open(StreamHeader),
    Stanza(Element),
    /// `<a/>` of XEP-0198, the one stanza that every device sends for every notification.
    Acknowledgement(u32),
    Close,
}

/// What something inbound leads to.
enum Dispatch {
    Control(Control),
    /// Of the negotiation, for the auth manager or the registry.
    Question(Question),
    /// For the session.
    Stanza(Element),
}

impl Connection {
    /// A fresh connection. `tls` is set where TLS came first (direct TLS).
    pub(crate) fn new(context: Arc<Context>, peer: Peer, tls: Option<TlsBinding>, now: Instant) -> Self {
        let reader = FrameReader::new(frame_limits(&context, false));
        let negotiating = NegotiationDriver::new(&context, peer.canonical(), tls, now);
        Self {
            reader,
            prefixes: StreamContext::default(),
            phase: Phase::Negotiating(Box::new(negotiating)),
            since: now,
            probed: false,
            rate: StanzaRate::default(),
            context,
        }
    }

    /// Takes bytes from the peer.
    pub async fn receive(&mut self, bytes: &[u8], now: Instant, out: &mut Vec<u8>) -> Control {
        self.since = now;
        self.probed = false;
        let mut input = bytes;
        loop {
            let inbound = match self.next_inbound(&mut input) {
                Ok(Some(inbound)) => inbound,
                Ok(None) => break,
                Err(error) => return self.fail(error, None, out),
            };
            let settlements = self.settlements();
            let control = match (&mut self.phase, inbound) {
                (Phase::Bound(session), Inbound::Acknowledgement(h)) => {
                    match stanza::acknowledged(session, &self.context, h, out).await {
                        Outcome::Continue => Control::Continue,
                        Outcome::Fail(error, detail) => return self.fail(error, detail, out),
                    }
                }
                (_, inbound) => match self.dispatch(inbound, out) {
                    Dispatch::Control(control) => control,
                    // Boxed: what happens seldom should not make every connection's future large.
                    Dispatch::Question(question) => Box::pin(self.question(question, now, out)).await,
                    Dispatch::Stanza(element) => Box::pin(self.stanza(element, now, out)).await,
                },
            };
            if self.settlements() != settlements {
                self.rate.give_back(self.context.config.limits.stanzas_per_second);
            }
            if control != Control::Continue {
                return control;
            }
        }
        if let Phase::Negotiating(negotiating) = &mut self.phase {
            negotiating.extend_deadline(&self.context, now);
        }
        self.pump_if_wanted(now, out).await;
        Control::Continue
    }

    /// Until when nothing is to be read from the peer, which has sent more stanzas than it
    /// may: it is read more slowly.
    pub fn paused_until(&self) -> Option<Instant> {
        self.rate.paused_until()
    }

    /// TLS is up; the client opens a new stream next.
    pub fn tls_started(&mut self, tls: TlsBinding) {
        self.reader.reset();
        if let Phase::Negotiating(negotiating) = &mut self.phase {
            negotiating.tls_started(tls);
        }
    }

    /// Resolves when [`wake`](Self::wake) should be called. Cancel-safe; pending
    /// for ever before login.
    pub async fn woken(&self) {
        match &self.phase {
            Phase::Bound(session) => session.entry.woken().await,
            Phase::Negotiating(_) | Phase::Over => std::future::pending().await,
        }
    }

    /// Something waits for this session: notifications, a command to end. Call it
    /// when [`woken`](Self::woken) resolved, and when all output was written
    /// while the session is [`backpressured`](Self::backpressured).
    ///
    /// `unwritten` is how many bytes the driver still holds: past the limit the
    /// session is fed no more until they are written.
    pub async fn wake(&mut self, unwritten: usize, now: Instant, out: &mut Vec<u8>) -> Control {
        let Phase::Bound(session) = &mut self.phase else { return Control::Continue };
        let commands = session.entry.commands();
        if !commands.is_empty() {
            let control = self.apply(commands, now, out);
            if control != Control::Continue {
                return control;
            }
        }
        let Phase::Bound(session) = &mut self.phase else { return Control::Close };
        if unwritten >= self.context.config.limits.outgoing_bytes {
            session.backpressured = true;
            return Control::Continue;
        }
        session.backpressured = false;
        stanza::write_from_siblings(session, &self.context, out);
        if session.is_live() && session.pump_hints(&self.context.sources, now, out) {
            return Control::Continue;
        }
        self.pump_if_wanted(now, out).await;
        Control::Continue
    }

    /// Whether the session stopped because the driver had much to write:
    /// [`wake`](Self::wake) it once that is written.
    pub fn backpressured(&self) -> bool {
        matches!(&self.phase, Phase::Bound(session) if session.backpressured)
    }

    /// When [`timeout`](Self::timeout) should be called if nothing else happened.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Negotiating(negotiating) => Some(negotiating.deadline),
            Phase::Bound(session) => {
                let idle = self.idle_deadline();
                Some(session.deadline().map_or(idle, |due| due.min(idle)))
            }
            Phase::Over => None,
        }
    }

    /// The deadline passed. Before it did, this does nothing.
    pub async fn timeout(&mut self, now: Instant, out: &mut Vec<u8>) -> Control {
        let idle = self.idle_deadline();
        let error = match &mut self.phase {
            Phase::Negotiating(negotiating) if negotiating.deadline <= now => {
                StreamError::with_text(StreamCondition::ConnectionTimeout, "not authenticated in time")
            }
            Phase::Bound(session) => {
                let pump = session.due(&self.context.sources, now, out);
                if idle <= now && self.probed {
                    StreamError::with_text(StreamCondition::ConnectionTimeout, "no answer to a ping")
                } else {
                    if idle <= now {
                        session.probe(&self.context.sources, out);
                        self.probed = true;
                        // An alarm may ring late, after a pause of the whole machine very
                        // late: the peer has its time from the question on.
                        self.since = now;
                    }
                    if pump {
                        self.pump_if_wanted(now, out).await;
                    }
                    return Control::Continue;
                }
            }
            _ => return Control::Continue,
        };
        // A peer that fell silent may come back and resume; only this connection ends.
        self.write_error(error, None, out);
        Control::Close
    }

    /// Whether a login has completed: the driver may then shrink what it holds.
    pub fn established(&self) -> bool {
        matches!(self.phase, Phase::Bound(_))
    }

    /// The server is stopping: says so to the peer. Write `out`, then close.
    pub fn shutdown(&mut self, out: &mut Vec<u8>) {
        self.write_error(StreamCondition::SystemShutdown.into(), None, out);
    }

    /// Something in this server went wrong while it worked for the peer: says so. Write `out`, then drop the
    /// connection, which may be half-way in whatever it was at.
    pub fn internal_error(&mut self, out: &mut Vec<u8>) {
        self.write_error(StreamCondition::InternalServerError.into(), None, out);
    }

    /// The transport is gone. The session waits to be resumed where its peer
    /// asked for that, and ends otherwise.
    ///
    /// A connection that is dropped without this call ends its session: the driver's
    /// task was aborted or has panicked, and may have left the session half-way.
    pub fn closed(mut self, now: Instant) {
        if let Some(session) = self.take_session() {
            lifecycle::detach_or_end(&self.context, session, now);
        }
    }

    // ---- private ----

    fn next_inbound(&mut self, input: &mut &[u8]) -> Result<Option<Inbound>, StreamError> {
        let bound = match &self.phase {
            Phase::Bound(session) => Some(session.sm.is_some()),
            _ => None,
        };
        let Some(frame) = self.reader.read(input)? else { return Ok(None) };
        if bound.is_some() {
            self.rate.take(self.context.config.limits.stanzas_per_second, self.since);
        }
        Ok(Some(match frame {
            Frame::Open(bytes) => Inbound::Open(parse_open(bytes)?),
            Frame::Stanza(bytes) => {
                let element = parse_stanza_with(bytes, &self.prefixes)?;
                match Nonza::from_element(&element) {
                    Some(Nonza::Ack(h)) if bound == Some(true) => Inbound::Acknowledgement(h),
                    _ => Inbound::Stanza(element),
                }
            }
            Frame::Close => Inbound::Close,
        }))
    }

    /// Does what can be done without waiting for a manager or the store.
    fn dispatch(&mut self, inbound: Inbound, out: &mut Vec<u8>) -> Dispatch {
        match &mut self.phase {
            Phase::Negotiating(negotiating) => {
                let advance = match inbound {
                    Inbound::Open(header) => {
                        self.prefixes = header.context.clone();
                        negotiating.open(&self.context, &header, out)
                    }
                    Inbound::Stanza(element) => negotiating.stanza(&self.context, element, out),
                    Inbound::Close => negotiating.close(out),
                    Inbound::Acknowledgement(_) => return Dispatch::Control(Control::Continue),
                };
                match advance {
                    Advance::Transition(transition) => Dispatch::Control(self.transition(transition)),
                    Advance::Question(question) => Dispatch::Question(question),
                }
            }
            Phase::Bound(_) => Dispatch::Control(match inbound {
                Inbound::Stanza(element) => return Dispatch::Stanza(element),
                Inbound::Close => {
                    // A peer that says goodbye does not mean to resume.
                    out.extend_from_slice(b"</stream:stream>");
                    if let Some(session) = self.take_session() {
                        session.note_unacknowledged(&self.context.sources, self.context.clock.now());
                        lifecycle::end(&self.context, &session);
                    }
                    Control::Close
                }
                Inbound::Open(_) => {
                    let error =
                        StreamError::with_text(StreamCondition::InvalidXml, "the stream is open already");
                    self.fail(error, None, out)
                }
                Inbound::Acknowledgement(_) => Control::Continue,
            }),
            Phase::Over => Dispatch::Control(Control::Close),
        }
    }

    async fn question(&mut self, question: Question, now: Instant, out: &mut Vec<u8>) -> Control {
        let Phase::Negotiating(negotiating) = &mut self.phase else { return Control::Continue };
        let transition = negotiating.answered(&self.context, question, now, out).await;
        self.transition(transition)
    }

    async fn stanza(&mut self, element: Element, now: Instant, out: &mut Vec<u8>) -> Control {
        let Phase::Bound(session) = &mut self.phase else { return Control::Continue };
        match stanza::handle(session, &self.context, element, now, out).await {
            Outcome::Continue => Control::Continue,
            Outcome::Fail(error, detail) => self.fail(error, detail, out),
        }
    }

    fn transition(&mut self, transition: Transition) -> Control {
        let Phase::Negotiating(negotiating) = &mut self.phase else { return Control::Continue };
        match transition {
            Transition::Continue => Control::Continue,
            Transition::NewStream => {
                self.reader.reset();
                if negotiating.authenticated() {
                    self.reader.set_limits(frame_limits(&self.context, true));
                }
                Control::Continue
            }
            Transition::Authenticated => {
                self.reader.set_limits(frame_limits(&self.context, true));
                Control::Continue
            }
            Transition::StartTls => Control::StartTls,
            Transition::Bound(session) => {
                self.reader.set_limits(frame_limits(&self.context, true));
                self.phase = Phase::Bound(session);
                Control::Continue
            }
            Transition::Close => {
                self.phase = Phase::Over;
                Control::Close
            }
        }
    }

    fn apply(&mut self, commands: Vec<Command>, now: Instant, out: &mut Vec<u8>) -> Control {
        let mut commands = commands.into_iter();
        while let Some(command) = commands.next() {
            match command {
                Command::End(reason) => {
                    let error = match reason {
                        EndReason::Conflict => StreamError::with_text(
                            StreamCondition::Conflict,
                            "another connection took this resource",
                        ),
                        EndReason::Operator => {
                            StreamError::with_text(StreamCondition::PolicyViolation, "ended by an operator")
                        }
                        EndReason::Account => StreamError::with_text(
                            StreamCondition::NotAuthorized,
                            "the account was removed or its password changed",
                        ),
                    };
                    return self.fail(error, None, out);
                }
                // The connection that asked has gone meanwhile.
                Command::Transfer(waiting) if waiting.is_closed() => {}
                Command::Transfer(waiting) => {
                    let error = StreamError::with_text(
                        StreamCondition::Conflict,
                        "the session was resumed on another connection",
                    );
                    self.write_error(error, None, out);
                    if let Some(session) = self.take_session() {
                        // What comes after it is for the connection that gets the session.
                        session.entry.put_back(commands.collect());
                        lifecycle::detach_or_end(&self.context, session, now);
                    }
                    drop(waiting);
                    return Control::Close;
                }
            }
        }
        Control::Continue
    }

    async fn pump_if_wanted(&mut self, now: Instant, out: &mut Vec<u8>) {
        if let Phase::Bound(session) = &mut self.phase
            && session.wants_pump(&self.context.sources, now)
        {
            Box::pin(session.pump(&self.context.sources, now, out)).await;
        }
    }

    /// Ends the stream with an error, and the session with it.
    fn fail(&mut self, error: StreamError, detail: Option<Element>, out: &mut Vec<u8>) -> Control {
        self.note_limit(&error);
        self.write_error(error, detail, out);
        self.end();
        Control::Close
    }

    /// The log has who was cut off by a limit, and by which.
    fn note_limit(&self, error: &StreamError) {
        if error.condition != StreamCondition::PolicyViolation {
            return;
        }
        let (address, account) = match &self.phase {
            Phase::Negotiating(negotiating) => (negotiating.address(), None),
            Phase::Bound(session) => (session.entry.peer().0, Some(session.entry.username.as_str())),
            Phase::Over => return,
        };
        let reason = error.text.as_deref().unwrap_or("policy-violation");
        self.context.auth.refusals().note(Attempt::Stanza, address, account, reason);
    }

    fn write_error(&mut self, error: StreamError, detail: Option<Element>, out: &mut Vec<u8>) {
        match (&mut self.phase, detail) {
            (Phase::Negotiating(negotiating), _) => negotiating.fail(error, out),
            (Phase::Bound(_), None) => error.write(out),
            (Phase::Bound(_), Some(detail)) => error.write_with(detail, out),
            (Phase::Over, _) => {}
        }
    }

    /// The session is over, not to be resumed.
    fn end(&mut self) {
        if let Some(session) = self.take_session() {
            lifecycle::end(&self.context, &session);
        }
    }

    /// Takes the session from a connection that is over from then on. One that was bound
    /// and has not begun, because the peer left that moment, counts like any other.
    fn take_session(&mut self) -> Option<Box<BoundSession>> {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Bound(session) => Some(session),
            Phase::Negotiating(negotiating) => negotiating.into_session(),
            Phase::Over => None,
        }
    }

    fn settlements(&self) -> u8 {
        match &self.phase {
            Phase::Bound(session) => session.settlements,
            Phase::Negotiating(_) | Phase::Over => 0,
        }
    }

    fn idle_deadline(&self) -> Instant {
        let limits = &self.context.config.limits;
        let span = if self.probed { limits.ping_timeout_seconds } else { limits.idle_seconds };
        self.since + Duration::from_secs(span.min(365 * 86_400))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end();
    }
}

fn frame_limits(context: &Context, authenticated: bool) -> FrameLimits {
    let limits = &context.config.limits;
    FrameLimits {
        bytes: if authenticated { limits.stanza_bytes } else { limits.stanza_bytes_before_auth },
        depth: limits.depth,
        attributes: limits.attributes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::session_entry::SessionEntry;

    /// What an idle session owns: there is one of each for every device.
    #[test]
    fn an_idle_session_stays_small() {
        let sizes = [size_of::<Connection>(), size_of::<BoundSession>(), size_of::<SessionEntry>()];
        assert!(sizes[0] <= 152 && sizes[1] <= 184 && sizes[2] <= 248, "{sizes:?}");
    }
}
