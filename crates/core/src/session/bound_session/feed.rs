//! What a session is fed: hints while they tell all there is, the store otherwise.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{BoundSession, FeedState, Number, Outstanding};
use crate::model::{Notification, Priority, Seq};
use crate::session::collapse::collapse;
use crate::session::delivery::{Delivery, fits, payloads};
use crate::session::owed::{Due, Owed, Place};
use crate::session::sources::Sources;
use crate::store::{Feed, StoreError};

/// How long a session waits after the store failed before it reads again.
const RETRY: Duration = Duration::from_secs(2);

/// What is to be sent, in order.
struct Batch {
    notifications: Vec<Notification>,
    /// Those that are not pending any more.
    from_owed: HashSet<Seq>,
    /// Nothing follows.
    complete: bool,
}

impl BoundSession {
    /// The session became available, or its feed must start over.
    pub(in crate::session) fn start_feed(&mut self) {
        self.feed = FeedState::Behind;
    }

    /// The session is not available any more.
    pub(in crate::session) fn stop_feed(&mut self) {
        self.feed = FeedState::Off;
        self.owed = Owed::default();
        self.held_until = None;
        self.retry_at = None;
    }

    /// Sends what there is to send, as far as the window and the driver's buffer allow.
    pub(in crate::session) async fn pump(&mut self, sources: &Sources, now: Instant, out: &mut Vec<u8>) {
        let before = self.mark();
        loop {
            match self.feed {
                FeedState::Off => return,
                FeedState::Live => {
                    if self.drain_hints(sources, now, out) {
                        break;
                    }
                    self.feed = FeedState::Behind;
                }
                FeedState::Behind => {
                    if !self.may_read(sources, now, out) || !self.read_store(sources, now, out).await {
                        break;
                    }
                }
            }
        }
        self.ask_for_acknowledgement(sources, before, now, out);
    }

    /// Whether hints alone feed this session now: the caller may then use
    /// [`pump_hints`](Self::pump_hints), which never waits.
    pub(in crate::session) fn is_live(&self) -> bool {
        self.feed == FeedState::Live
    }

    /// Sends what came as hints. False when the store must be read.
    pub(in crate::session) fn pump_hints(
        &mut self,
        sources: &Sources,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> bool {
        let before = self.mark();
        let done = self.drain_hints(sources, now, out);
        if !done {
            self.feed = FeedState::Behind;
        }
        self.ask_for_acknowledgement(sources, before, now, out);
        done
    }

    fn drain_hints(&mut self, sources: &Sources, now: Instant, out: &mut Vec<u8>) -> bool {
        let Some(batch) = self.take_hints(sources) else { return false };
        self.take_settled();
        if self.owes_beside(&batch) {
            if !self.holds_all_owed() {
                return false;
            }
            self.hold(sources, now);
        }
        let sent_up_to = self.sent_up_to.newest();
        // One that is older than what was sent before must be read: the store knows its place and
        // whether it was replaced. (Hints of several nodes may overtake each other.) What comes
        // after one that must be read is read with it, in order.
        batch
            .iter()
            .all(|delivery| delivery.notification.seq > sent_up_to && self.offer(sources, delivery, now, out))
    }

    /// What came as hints since the last time, in the order in which to send it. `None` when
    /// the store must be read.
    fn take_hints(&mut self, sources: &Sources) -> Option<Vec<Arc<Delivery>>> {
        let broadcasts = &sources.broadcasts;
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
        // What this session cannot be handed stays pending, for one that can.
        batch.retain(|delivery| delivery.notification.seq > self.head && delivery.fits(self.encoding));
        Some(batch)
    }

    /// Sends one notification, or leaves it for later. False when the store must be read for it.
    fn offer(&mut self, sources: &Sources, delivery: &Delivery, now: Instant, out: &mut Vec<u8>) -> bool {
        if self.inactive {
            if delivery.notification.priority == Priority::Low {
                self.hold(sources, now);
                return true;
            }
            if self.held_until.take().is_some() {
                // What was held back goes out with this one; the store has it all.
                self.release_low = true;
                return false;
            }
        }
        if !self.room(sources) || self.buffer_full(sources, out) {
            return false;
        }
        self.send(sources, delivery, out);
        true
    }

    fn may_read(&mut self, sources: &Sources, now: Instant, out: &[u8]) -> bool {
        self.room(sources) && !self.buffer_full(sources, out) && self.retry_at.is_none_or(|at| at <= now)
    }

    /// Reads pending notifications from the store and sends them. True when
    /// there may be more to do at once.
    async fn read_store(&mut self, sources: &Sources, now: Instant, out: &mut Vec<u8>) -> bool {
        self.retry_at = None;
        // Hints up to here are in what the store answers; later ones come after it.
        drop(self.entry.take_queued());
        self.next_broadcast = sources.broadcasts.end();
        let withheld = match self.sm {
            Some(_) => HashSet::new(),
            None => sources.hand_outs.withheld(self.entry.account),
        };
        let limit = sources.config.session.window + 1 + withheld.len();
        let feed = match self.pending(sources, limit).await {
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
        // What another session settled before that was read is known by now.
        self.take_settled();
        let head = feed.head;
        let Batch { notifications, from_owed, complete } = match self.with_owed(sources, feed, limit).await {
            Ok(batch) => batch,
            Err(error) => {
                tracing::warn!(%error, jid = %self.entry.username, "cannot read what a session is owed; trying again");
                self.retry_at = Some(now + RETRY);
                return false;
            }
        };
        self.head = head;
        let mut complete = complete;
        let releasing = self.release_low
            || self.held_until.is_some()
                && notifications.iter().any(|n| n.priority != Priority::Low && !self.in_flight(n.seq));
        let mut withholds = false;
        for notification in notifications {
            let seq = notification.seq;
            if withheld.contains(&seq) {
                withholds = true;
                continue;
            }
            // What is owed may have been replaced by what was sent before it.
            if self.in_flight(seq) || from_owed.contains(&seq) && !self.owed.contains(seq) {
                continue;
            }
            if self.inactive && notification.priority == Priority::Low && !releasing {
                self.hold(sources, now);
                continue;
            }
            if !self.room(sources) || self.buffer_full(sources, out) {
                complete = false;
                break;
            }
            self.send(sources, &Delivery::new(notification), out);
        }
        if releasing {
            self.held_until = None;
        }
        // Perhaps this client acknowledges.
        if withholds
            && !self.acknowledged
            && let Some(number) = self.ping.await_answer(true, now)
        {
            self.write_ping(sources, number, out);
        }
        if complete {
            self.release_low = false;
            self.feed = FeedState::Live;
        }
        complete
    }

    /// What the store has for this session, which is found by its topics from then on.
    async fn pending(&self, sources: &Sources, limit: usize) -> Result<Feed, StoreError> {
        let account = self.entry.account;
        if !sources.sessions.knows_topics(account) {
            if let Some(head) = sources.store.head_if_idle(account).await? {
                sources.sessions.learn_topics(account, Vec::new());
                return Ok(Feed { pending: Vec::new(), more: false, head, damaged: Vec::new() });
            }
            // Available first, indexed second, read third: what is sent meanwhile comes
            // as a hint or is read, and mostly both.
            let topics = sources.store.subscriptions(account).await?;
            sources.sessions.learn_topics(account, topics);
        }
        sources.notification.feed(account, payloads(self.encoding), limit).await
    }

    fn send(&mut self, sources: &Sources, delivery: &Delivery, out: &mut Vec<u8>) {
        let notification = &delivery.notification;
        delivery.template(self.encoding, &sources.config).write(&self.entry.to, out);
        let number = match &mut self.sm {
            Some(sm) => Number::Stanza(sm.count_sent()),
            None => Number::Notification(self.ping.count_sent()),
        };
        let mut due = Due::of(notification);
        due.settled = self.owed.sent(&due);
        self.sent_up_to.sent(&due);
        self.outstanding.push_back(Outstanding { number, id: notification.id, due });
    }

    fn in_flight(&self, seq: Seq) -> bool {
        self.outstanding.iter().any(|outstanding| outstanding.due.seq == seq)
    }

    // ---- what other sessions have settled ----

    /// Notes what other sessions of the account have settled: what of it was not sent here is owed.
    pub(super) fn take_settled(&mut self) {
        let (settled, overflowed) = self.entry.take_settled_elsewhere();
        if overflowed {
            self.owed.overflow();
        }
        for due in settled {
            match self.outstanding.iter_mut().find(|outstanding| outstanding.due.seq == due.seq) {
                Some(outstanding) => outstanding.due.settled = true,
                None if due.seq > self.sent_up_to.of(due.priority) || self.owed.contains(due.seq) => {
                    self.owed.add(due);
                }
                None => {}
            }
        }
    }

    /// Whether the session is owed anything but what is in this batch.
    fn owes_beside(&self, batch: &[Arc<Delivery>]) -> bool {
        let in_batch = |due: &Due| batch.iter().any(|delivery| delivery.notification.seq == due.seq);
        self.owed.iter().any(|due| !in_batch(due))
    }

    /// Whether all that is owed waits for the client to become active.
    fn holds_all_owed(&self) -> bool {
        self.inactive && !self.release_low && self.owed.iter().all(|due| due.priority == Priority::Low)
    }

    /// What was read of the store, and what is owed beside it, in order. Where one of them goes on,
    /// the batch ends there: what follows must not overtake.
    async fn with_owed(&mut self, sources: &Sources, feed: Feed, limit: usize) -> Result<Batch, StoreError> {
        let mut batch =
            Batch { notifications: feed.pending, from_owed: HashSet::new(), complete: !feed.more };
        if self.owed.is_empty() {
            return Ok(batch);
        }
        let place = |notification: &Notification| (Reverse(notification.priority), notification.seq);
        let end: Option<Place> = match feed.more {
            true => batch.notifications.last().map(place),
            false => None,
        };
        let pending: HashSet<Seq> = batch.notifications.iter().map(|notification| notification.seq).collect();
        let mut wanted: Vec<Due> = self.owed.iter().copied().collect();
        wanted.retain(|due| !pending.contains(&due.seq) && end.is_none_or(|end| due.place() < end));
        let cut = wanted.get(limit).map(Due::place);
        wanted.truncate(limit);
        if wanted.is_empty() {
            return Ok(batch);
        }
        let seqs = wanted.iter().map(|due| due.seq).collect();
        let mut found = sources.notification.released_to(self.entry.account, seqs).await?;
        found.retain(|notification| fits(notification, self.encoding));
        batch.from_owed = found.iter().map(|notification| notification.seq).collect();
        let found_seqs = &batch.from_owed;
        self.owed.forget(|seq| wanted.iter().any(|due| due.seq == seq) && !found_seqs.contains(&seq));
        if let Some(cut) = cut {
            batch.notifications.retain(|notification| place(notification) < cut);
            batch.complete = false;
        }
        batch.notifications.append(&mut found);
        batch.notifications.sort_by_key(place);
        Ok(batch)
    }

    pub(super) fn room(&self, sources: &Sources) -> bool {
        self.outstanding.len() < sources.config.session.window
    }

    fn buffer_full(&mut self, sources: &Sources, out: &[u8]) -> bool {
        let full = out.len() >= sources.config.limits.outgoing_bytes;
        self.backpressured |= full;
        full
    }

    pub(super) fn mark(&self) -> Option<Number> {
        self.outstanding.back().map(|outstanding| outstanding.number)
    }

    /// XEP-0352. True when something held back may go out now.
    pub(in crate::session) fn set_inactive(&mut self, inactive: bool) -> bool {
        self.inactive = inactive;
        !inactive && self.release_held()
    }

    fn hold(&mut self, sources: &Sources, now: Instant) {
        let span = Duration::from_secs(sources.config.session.inactive_hold_seconds);
        self.held_until.get_or_insert(now + span);
    }

    pub(super) fn release_held(&mut self) -> bool {
        let held = self.held_until.take().is_some();
        if held && self.feed == FeedState::Live {
            self.feed = FeedState::Behind;
        }
        held
    }

    /// Whether the store should be read now.
    pub(in crate::session) fn wants_pump(&self, sources: &Sources, now: Instant) -> bool {
        self.feed == FeedState::Behind
            && !self.backpressured
            && self.room(sources)
            && self.retry_at.is_none_or(|at| at <= now)
    }

    /// What there is to send is read again, unless the session is not available.
    pub(super) fn start_feed_over(&mut self) {
        if self.feed != FeedState::Off {
            self.feed = FeedState::Behind;
        }
    }
}
