//! A bound session: what it has been sent, what its peer has acknowledged, and
//! what it is fed next.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tidings_xmpp::ext::sm::{HandledCountTooHigh, Nonza};
use tidings_xmpp::ns;
use tokio::time::Instant;

use super::collapse::collapse;
use super::delivery::Delivery;
use super::ping::{self, PingRule};
use super::session_entry::SessionEntry;
use super::sm::{StreamManagement, resumption_id};
use crate::Core;
use crate::model::{Encoding, NotificationId, Priority, Seq};
use crate::store::{Feed, StoreError};

/// How long a session waits after the store failed before it reads again.
const RETRY: Duration = Duration::from_secs(2);
/// What follows `<enabled/>` waits so long when the session is fed already: some
/// clients (@xmpp/client is one) start to count only after they have handled all
/// that came in one piece with it.
const ENABLED_PAUSE: Duration = Duration::from_millis(200);

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
    /// The newest that was sent.
    sent_up_to: Seq,
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
    /// The driver's buffer was full: it calls again when that has drained.
    pub(super) backpressured: bool,
}

struct Outstanding {
    /// XEP-0198's count of sent stanzas, or this session's count of notifications.
    number: u32,
    seq: Seq,
    id: NotificationId,
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
            sent_up_to: Seq(0),
            next_broadcast: 0,
            settlements: 0,
            ping: PingRule::default(),
            sm: None,
            inactive: false,
            held_until: None,
            release_low: false,
            retry_at: None,
            backpressured: false,
        }
    }

    // ---- what is sent ----

    /// The session became available, or its feed must start over.
    pub(super) fn start_feed(&mut self) {
        self.feed = FeedState::Behind;
    }

    /// The session is not available any more.
    pub(super) fn stop_feed(&mut self) {
        self.feed = FeedState::Off;
        self.held_until = None;
        self.retry_at = None;
    }

    /// Sends what there is to send, as far as the window and the driver's buffer allow.
    pub(super) async fn pump(&mut self, core: &Core, now: Instant, out: &mut Vec<u8>) {
        let before = self.mark();
        loop {
            match self.feed {
                FeedState::Off => return,
                FeedState::Live => {
                    if self.drain_hints(core, now, out) {
                        break;
                    }
                    self.feed = FeedState::Behind;
                }
                FeedState::Behind => {
                    if !self.may_read(core, now, out) || !self.read_store(core, now, out).await {
                        break;
                    }
                }
            }
        }
        self.ask_for_acknowledgement(core, before, now, out);
    }

    /// Whether hints alone feed this session now: the caller may then use
    /// [`pump_hints`](Self::pump_hints), which never waits.
    pub(super) fn is_live(&self) -> bool {
        self.feed == FeedState::Live
    }

    /// Sends what came as hints. False when the store must be read.
    pub(super) fn pump_hints(&mut self, core: &Core, now: Instant, out: &mut Vec<u8>) -> bool {
        let before = self.mark();
        let done = self.drain_hints(core, now, out);
        if !done {
            self.feed = FeedState::Behind;
        }
        self.ask_for_acknowledgement(core, before, now, out);
        done
    }

    fn drain_hints(&mut self, core: &Core, now: Instant, out: &mut Vec<u8>) -> bool {
        let Some(batch) = self.take_hints(core) else { return false };
        let sent_up_to = self.sent_up_to;
        // One that is older than what was sent before must be read: the store knows its place and
        // whether it was replaced. (Hints of several nodes may overtake each other.) What comes
        // after one that must be read is read with it, in order.
        batch
            .iter()
            .all(|delivery| delivery.notification.seq > sent_up_to && self.offer(core, delivery, now, out))
    }

    /// What came as hints since the last time, in the order in which to send it. `None` when
    /// the store must be read.
    fn take_hints(&mut self, core: &Core) -> Option<Vec<Arc<Delivery>>> {
        let broadcasts = &core.session.broadcasts;
        // With each notification the batch has all that were handed out before it: first those
        // of the broadcasts until now, last those before the newest of the queued.
        let end = broadcasts.end();
        let mut batch = self.entry.take_queued()?;
        let direct_and_topics = batch.len();
        let newest = batch.iter().map(|delivery| delivery.notification.seq).max().unwrap_or_default();
        self.next_broadcast = broadcasts.read(self.next_broadcast, end, newest, &mut batch)?;
        if batch.len() > 1 {
            collapse(&mut batch, direct_and_topics)?;
            batch
                .sort_by_key(|delivery| (Reverse(delivery.notification.priority), delivery.notification.seq));
        }
        batch.retain(|delivery| delivery.notification.seq > self.head);
        Some(batch)
    }

    /// Sends one notification, or leaves it for later. False when the store must be read for it.
    fn offer(&mut self, core: &Core, delivery: &Delivery, now: Instant, out: &mut Vec<u8>) -> bool {
        if self.inactive {
            if delivery.notification.priority == Priority::Low {
                self.hold(core, now);
                return true;
            }
            if self.held_until.take().is_some() {
                // What was held back goes out with this one; the store has it all.
                self.release_low = true;
                return false;
            }
        }
        if !self.room(core) || self.buffer_full(core, out) {
            return false;
        }
        self.send(core, delivery, out);
        true
    }

    fn may_read(&mut self, core: &Core, now: Instant, out: &[u8]) -> bool {
        self.room(core) && !self.buffer_full(core, out) && self.retry_at.is_none_or(|at| at <= now)
    }

    /// Reads pending notifications from the store and sends them. True when
    /// there may be more to do at once.
    async fn read_store(&mut self, core: &Core, now: Instant, out: &mut Vec<u8>) -> bool {
        self.retry_at = None;
        // Hints up to here are in what the store answers; later ones come after it.
        drop(self.entry.take_queued());
        self.next_broadcast = core.session.broadcasts.end();
        let limit = core.config.session.window + 1;
        let feed = match self.pending(core, limit).await {
            Ok(feed) => feed,
            Err(error) => {
                // A busy store has said why; a crowd of sessions need not repeat it.
                match error {
                    StoreError::Busy => {}
                    error => {
                        tracing::warn!(%error, jid = %self.entry.username, "cannot read pending notifications; trying again");
                    }
                }
                self.retry_at = Some(now + RETRY);
                return false;
            }
        };
        self.head = feed.head;
        let mut complete = !feed.more;
        let releasing = self.release_low
            || self.held_until.is_some()
                && feed.pending.iter().any(|n| n.priority != Priority::Low && !self.in_flight(n.seq));
        for notification in feed.pending {
            if self.in_flight(notification.seq) {
                continue;
            }
            if self.inactive && notification.priority == Priority::Low && !releasing {
                self.hold(core, now);
                continue;
            }
            if !self.room(core) || self.buffer_full(core, out) {
                complete = false;
                break;
            }
            self.send(core, &Delivery::new(notification), out);
        }
        if releasing {
            self.held_until = None;
        }
        if complete {
            self.release_low = false;
            self.feed = FeedState::Live;
        }
        complete
    }

    /// What the store has for this session, which is found by its topics from then on.
    async fn pending(&self, core: &Core, limit: usize) -> Result<Feed, StoreError> {
        let account = self.entry.account;
        if !core.session.registry.knows_topics(account) {
            if let Some(head) = core.store.head_if_idle(account).await? {
                core.session.learn_topics(account, Vec::new());
                return Ok(Feed { pending: Vec::new(), more: false, head });
            }
            // Available first, indexed second, read third: what is sent meanwhile comes
            // as a hint or is read, and mostly both.
            core.session.index_topics(account).await?;
        }
        core.notification.feed(account, limit).await
    }

    fn send(&mut self, core: &Core, delivery: &Delivery, out: &mut Vec<u8>) {
        let notification = &delivery.notification;
        delivery.template(self.encoding, &core.config).write(&self.entry.to, out);
        let number = match &mut self.sm {
            Some(sm) => sm.count_sent(),
            None => self.ping.count_sent(),
        };
        self.sent_up_to = notification.seq.max(self.sent_up_to);
        self.outstanding.push_back(Outstanding { number, seq: notification.seq, id: notification.id });
    }

    fn in_flight(&self, seq: Seq) -> bool {
        self.outstanding.iter().any(|outstanding| outstanding.seq == seq)
    }

    fn room(&self, core: &Core) -> bool {
        self.outstanding.len() < core.config.session.window
    }

    fn buffer_full(&mut self, core: &Core, out: &[u8]) -> bool {
        let full = out.len() >= core.config.limits.outgoing_bytes;
        self.backpressured |= full;
        full
    }

    fn mark(&self) -> Option<u32> {
        self.outstanding.back().map(|outstanding| outstanding.number)
    }

    /// After new notifications: asks once for all of them, unless an answer is still awaited.
    fn ask_for_acknowledgement(&mut self, core: &Core, before: Option<u32>, now: Instant, out: &mut Vec<u8>) {
        if self.mark() != before {
            self.ask(core, now, out);
        }
    }

    fn ask(&mut self, core: &Core, now: Instant, out: &mut Vec<u8>) {
        if self.outstanding.is_empty() {
            return;
        }
        let room = self.room(core);
        match &mut self.sm {
            Some(sm) => sm.request(out),
            None => {
                if let Some(number) = self.ping.await_answer(room, now) {
                    self.write_ping(core, number, out);
                }
            }
        }
    }

    fn write_ping(&self, core: &Core, number: u32, out: &mut Vec<u8>) {
        let id = ping::id(number);
        out.extend_from_slice(
            format!("<iq type='get' id='{id}' from='{}' to='", core.config.domain).as_bytes(),
        );
        out.extend_from_slice(&self.entry.to);
        out.extend_from_slice(format!("'><ping xmlns='{}'/></iq>", ns::PING).as_bytes());
    }

    /// Asks whether the peer is still there.
    pub(super) fn probe(&mut self, core: &Core, out: &mut Vec<u8>) {
        match &mut self.sm {
            Some(sm) => sm.probe(out),
            None => self.write_ping(core, 0, out),
        }
    }

    // ---- what is acknowledged ----

    /// The peer has handled all stanzas up to `h` (XEP-0198 section 4).
    ///
    /// # Errors
    /// When that is more than was sent; nothing is settled then.
    pub(super) async fn acknowledged(
        &mut self,
        core: &Core,
        h: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), HandledCountTooHigh> {
        let Some(sm) = &mut self.sm else { return Ok(()) };
        let acknowledged = sm.acknowledged(h)?;
        let settled = self.pop(|number| acknowledged.covers(number));
        self.settle(core, settled).await;
        if !self.outstanding.is_empty()
            && let Some(sm) = &mut self.sm
        {
            sm.request_again(out);
        }
        Ok(())
    }

    /// An answer that may be one to a ping of ours.
    pub(super) async fn pong(&mut self, core: &Core, id: &str, now: Instant, out: &mut Vec<u8>) {
        let Some(number) = ping::number(id) else { return };
        if let Some(covers) = self.ping.answered(number) {
            let settled = self.pop(|number| covers.wrapping_sub(number) < u32::MAX / 2);
            self.settle(core, settled).await;
            self.ask(core, now, out);
        }
    }

    /// A XEP-0184 receipt, or androidpn's own, for notification `id`.
    pub(super) async fn receipt(&mut self, core: &Core, id: NotificationId, standard: bool) {
        if standard {
            self.ping.receipt();
        }
        match self.outstanding.iter().position(|outstanding| outstanding.id == id) {
            Some(index) => {
                let settled = self.outstanding.remove(index).map(|outstanding| outstanding.seq);
                self.settlements = self.settlements.wrapping_add(1);
                self.release_memory();
                self.settle(core, settled.into_iter().collect()).await;
            }
            None => {
                if let Err(error) = core.notification.receipt(self.entry.account, id).await {
                    tracing::warn!(%error, "a receipt was not written");
                }
            }
        }
    }

    /// Takes the acknowledged from the front.
    fn pop(&mut self, acknowledged: impl Fn(u32) -> bool) -> Vec<Seq> {
        let count =
            self.outstanding.iter().take_while(|outstanding| acknowledged(outstanding.number)).count();
        if count > 0 {
            self.settlements = self.settlements.wrapping_add(1);
        }
        let settled = self.outstanding.drain(..count).map(|outstanding| outstanding.seq).collect();
        self.release_memory();
        settled
    }

    async fn settle(&self, core: &Core, settled: Vec<Seq>) {
        if !settled.is_empty() {
            core.notification.settle(self.entry.account, settled).await;
        }
    }

    fn release_memory(&mut self) {
        if self.outstanding.is_empty() {
            // An idle session holds nothing.
            self.outstanding = VecDeque::new();
            self.ping.settled();
        }
    }

    // ---- activity, time ----

    /// XEP-0352. True when something held back may go out now.
    pub(super) fn set_inactive(&mut self, inactive: bool) -> bool {
        self.inactive = inactive;
        !inactive && self.release_held()
    }

    fn hold(&mut self, core: &Core, now: Instant) {
        let span = Duration::from_secs(core.config.session.inactive_hold_seconds);
        self.held_until.get_or_insert(now + span);
    }

    fn release_held(&mut self) -> bool {
        let held = self.held_until.take().is_some();
        if held && self.feed == FeedState::Live {
            self.feed = FeedState::Behind;
        }
        held
    }

    /// Whether the store should be read now.
    pub(super) fn wants_pump(&self, core: &Core, now: Instant) -> bool {
        self.feed == FeedState::Behind
            && !self.backpressured
            && self.room(core)
            && self.retry_at.is_none_or(|at| at <= now)
    }

    /// When [`due`](Self::due) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.held_until, self.retry_at, self.ping.deadline()].into_iter().flatten().min()
    }

    /// Time has passed: asks for what is overdue. Whether the session should be pumped.
    pub(super) fn due(&mut self, core: &Core, now: Instant, out: &mut Vec<u8>) -> bool {
        if let Some(number) = self.ping.due(now) {
            self.write_ping(core, number, out);
        }
        let retry = self.retry_at.is_some_and(|at| at <= now);
        if self.held_until.is_some_and(|at| at <= now) {
            self.release_low = self.release_held();
            return true;
        }
        retry
    }

    // ---- resumption ----

    /// How many of the peer's stanzas it has handled, where they are counted (XEP-0198).
    pub(super) fn handled(&self) -> Option<u32> {
        self.sm.as_ref().map(|sm| sm.received())
    }

    /// Whether the peer may resume it on another connection.
    pub(super) fn is_resumable(&self) -> bool {
        self.sm.as_ref().is_some_and(|sm| sm.resumable)
    }

    /// The peer resumed having handled `h`: what it has not goes out again, from
    /// the store, with new numbers. False when `h` is more than was sent.
    pub(super) async fn resumed(&mut self, core: &Core, h: u32) -> bool {
        let mut unused = Vec::new();
        if self.acknowledged(core, h, &mut unused).await.is_err() {
            return false;
        }
        self.outstanding = VecDeque::new();
        self.start_feed_over();
        true
    }
}

impl BoundSession {
    /// Turns stream management on, and answers what to tell the peer. What was sent before
    /// counting began is sent again, counted, rather than never acknowledged.
    pub(super) fn enable_management(&mut self, core: &Core, resume: bool, now: Instant) -> Nonza {
        let seconds = u32::try_from(core.config.session.resume_seconds).unwrap_or(u32::MAX);
        let resume = resume && seconds > 0;
        self.sm = Some(Box::new(StreamManagement::new(resume)));
        self.outstanding = VecDeque::new();
        self.ping.stop();
        if self.feed != FeedState::Off {
            self.start_feed_over();
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
            out.extend_from_slice(&stanza);
            sm.keep(&stanza);
        }
    }

    fn start_feed_over(&mut self) {
        if self.feed != FeedState::Off {
            self.feed = FeedState::Behind;
        }
    }
}
