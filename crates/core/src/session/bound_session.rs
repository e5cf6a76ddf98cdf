//! A session that is bound: what of a connection outlives it when the peer may resume.
//! What it is fed and what its peer acknowledges have files of their own below.

mod acknowledgements;
mod feed;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tidings_xmpp::ext::sm::Nonza;
use tokio::time::Instant;

use super::owed::{Due, Owed, SentUpTo};
use super::ping::PingRule;
use super::session_entry::SessionEntry;
use super::sm::{StreamManagement, resumption_id};
use super::sources::Sources;
use crate::model::{Encoding, NotificationId, Seq, Timestamp};

/// What follows `<enabled/>` waits so long when the session is fed already: some
/// clients (@xmpp/client is one) start to count only after they have handled all
/// that came in one piece with it.
const ENABLED_PAUSE: Duration = Duration::from_millis(200);

/// A session that was shorter gave its peer no time to answer.
const TIME_TO_ANSWER: Duration = Duration::from_secs(30);

/// The part of a connection that outlives it when the peer may resume.
pub(crate) struct BoundSession {
    pub(super) entry: Arc<SessionEntry>,
    pub(super) encoding: Encoding,
    /// Notifications sent and not acknowledged, oldest first.
    outstanding: VecDeque<Outstanding>,
    feed: FeedState,
    /// The newest notification that the last reading of the store saw: hints
    /// about older ones are old news.
    head: Seq,
    sent_up_to: SentUpTo,
    /// What it is to get although another session of the account has settled it, and what it was
    /// sent before it was resumed.
    owed: Owed,
    /// The number of the next broadcast to read from the buffer.
    next_broadcast: u64,
    /// Stanzas of the peer that acknowledged something; only that it changes matters.
    pub(super) settlements: u8,
    /// Asks a session without XEP-0198.
    ping: PingRule,
    pub(super) sm: Option<Box<StreamManagement>>,
    inactive: bool,
    /// Low-priority notifications wait for the client to become active, at most until then.
    held_until: Option<Instant>,
    /// They have waited long enough.
    release_low: bool,
    retry_at: Option<Instant>,
    /// The peer has acknowledged something.
    acknowledged: bool,
    /// The driver's buffer was full: it calls again when that has drained.
    pub(super) backpressured: bool,
}

struct Outstanding {
    number: Number,
    id: NotificationId,
    due: Due,
}

/// Which notification of a session it was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Number {
    /// XEP-0198's count of sent stanzas.
    Stanza(u32),
    /// The session's count of notifications; of one without XEP-0198, or before it was enabled.
    Notification(u32),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FeedState {
    /// No available presence with a non-negative priority.
    Off,
    /// Fed by hints: all that was pending has been sent.
    Live,
    /// More is pending than has been sent: the store is read when there is room.
    Behind,
}

impl BoundSession {
    /// `legacy`: logged in by XEP-0078, or androidpn's client by its resource.
    pub(super) fn new(entry: Arc<SessionEntry>, legacy: bool) -> Self {
        Self {
            entry,
            encoding: if legacy { Encoding::Legacy } else { Encoding::Headline },
            outstanding: VecDeque::new(),
            feed: FeedState::Off,
            head: Seq(0),
            sent_up_to: SentUpTo::default(),
            owed: Owed::default(),
            next_broadcast: 0,
            settlements: 0,
            ping: PingRule::default(),
            sm: None,
            inactive: false,
            held_until: None,
            release_low: false,
            retry_at: None,
            acknowledged: false,
            backpressured: false,
        }
    }

    /// When [`due`](Self::due) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.held_until, self.retry_at, self.ping.deadline()].into_iter().flatten().min()
    }

    /// Time has passed: asks for what is overdue. Whether the session should be pumped.
    pub(super) fn due(&mut self, sources: &Sources, now: Instant, out: &mut Vec<u8>) -> bool {
        if let Some(number) = self.ping.due(now) {
            match &mut self.sm {
                Some(sm) => {
                    self.ping.stop();
                    sm.request(out);
                }
                None => self.write_ping(sources, number, out),
            }
        }
        let retry = self.retry_at.is_some_and(|at| at <= now);
        if self.held_until.is_some_and(|at| at <= now) {
            self.release_low = self.release_held();
            return true;
        }
        retry
    }

    /// The peer ends its stream: notes what it was handed in vain, where that was all that it may be
    /// handed at once, and it had time to answer a ping and has not. A connection that breaks proves nothing: the peer may
    /// have seen none of it, and would get it out of order later.
    pub(super) fn note_unacknowledged(&self, sources: &Sources, now: Timestamp) {
        let had_time = now.since(self.entry.created_at) >= TIME_TO_ANSWER;
        let complete = self.feed == FeedState::Live || !self.room(sources);
        if self.sm.is_none() && had_time && self.ping.is_asked() && !self.acknowledged && complete {
            let copies = self.outstanding.iter().map(|outstanding| outstanding.due.seq);
            sources.hand_outs.unacknowledged(self.entry.account, copies);
        }
    }

    // ---- resumption ----

    /// How many of the peer's stanzas it has handled, where they are counted (XEP-0198).
    pub(super) fn handled(&self) -> Option<u32> {
        self.sm.as_ref().map(|sm| sm.received())
    }

    /// Whether the peer may resume it on another connection.
    pub(super) fn is_resumable(&self) -> bool {
        self.sm.as_ref().is_some_and(|sm| sm.is_resumable()) && !self.owed.overflowed()
    }

    /// The peer resumed having handled `h`: what it has not goes out again, from
    /// the store, with new numbers. It is active, whatever it was before (XEP-0352 section 5).
    /// False when `h` is more than was sent.
    pub(super) async fn resumed(&mut self, sources: &Sources, h: u32) -> bool {
        let mut unused = Vec::new();
        if self.acknowledged(sources, h, &mut unused).await.is_err() {
            return false;
        }
        self.inactive = false;
        self.held_until = None;
        self.take_settled();
        for outstanding in std::mem::take(&mut self.outstanding) {
            self.owed.add(outstanding.due);
        }
        self.start_feed_over();
        true
    }

    // ---- stream management ----

    /// Turns stream management on, and answers what to tell the peer. What was sent before
    /// counting began stays on its way: the answer to the ping that asked for it settles it, or
    /// the first acknowledgement, which the peer sends after it has read what came before.
    pub(super) fn enable_management(&mut self, sources: &Sources, resume: bool, now: Instant) -> Nonza {
        let seconds = u32::try_from(sources.config.session.resume_seconds).unwrap_or(u32::MAX);
        let resume = resume && seconds > 0;
        self.sm = Some(Box::new(StreamManagement::new(resume)));
        if self.feed == FeedState::Behind {
            self.retry_at = Some(now + ENABLED_PAUSE);
        }
        let id = resume.then(|| resumption_id(self.entry.id, &self.entry.secret));
        Nonza::Enabled { id, resume, max: resume.then_some(seconds) }
    }

    /// Once it has been said that the session goes on: what the peer has not handled that
    /// no store has. Notifications follow from the store.
    pub(super) fn replay_unacknowledged(&mut self, out: &mut Vec<u8>) {
        let Some(sm) = &mut self.sm else { return };
        for stanza in sm.restart() {
            let start = out.len();
            out.extend_from_slice(&stanza);
            sm.keep(start, out);
        }
    }
}
