//! The ping rule: how a session is asked that has neither XEP-0198 nor receipts.
//!
//! Streams keep their order, so the answer to a ping (XEP-0199) proves that all that was
//! sent before it has arrived. A receipt proves as much and costs no stanza: the first
//! ping waits a moment for one, and where receipts come there is no ping at all. Where the
//! peer answered that ping and sent no receipt, the next ones go out with the notifications:
//! one write either way.

use std::time::Duration;

use tokio::time::Instant;

/// How long a receipt may take before its session is asked. The driver's clock is coarse,
/// so the ping goes out up to two seconds later than this.
pub(super) const RECEIPT_GRACE: Duration = Duration::from_secs(1);

/// The stanza id of a ping, but for its number.
const ID: &str = "tidings-ping-";

/// The rule's state for one session. Without notifications on their way it has nothing to do.
#[derive(Debug, Default)]
pub(super) struct PingRule {
    state: State,
    /// Notifications sent.
    sent: u32,
    /// The number of the last ping.
    last: u32,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Idle,
    /// Receipts may come until then.
    Grace(Instant),
    /// The last ping is out. Its answer covers what was sent up to this count.
    Asked { covers: u32 },
    /// Nothing is on its way. The peer answered a ping, and sends no receipts.
    NoReceipts,
    /// The peer sends XEP-0184 receipts: a ping's answer proves nothing to it any more.
    Receipts,
}

impl PingRule {
    /// A notification goes out; its number.
    pub(super) fn count_sent(&mut self) -> u32 {
        self.sent = self.sent.wrapping_add(1);
        self.sent
    }

    /// Notifications are on their way. Where there is `room` for more, receipts have their
    /// time; a full window holds up what follows, so the peer is asked at once, as is one
    /// that sends no receipts. The ping to send now, if any.
    pub(super) fn await_answer(&mut self, room: bool, now: Instant) -> Option<u32> {
        match self.state {
            State::Idle | State::Grace(_) if !room => Some(self.ask()),
            State::NoReceipts => Some(self.ask()),
            State::Idle => {
                self.state = State::Grace(now + RECEIPT_GRACE);
                None
            }
            State::Grace(_) | State::Asked { .. } | State::Receipts => None,
        }
    }

    /// When [`due`](Self::due) has a ping to send.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Grace(until) => Some(until),
            State::Idle | State::Asked { .. } | State::NoReceipts | State::Receipts => None,
        }
    }

    /// The ping to send by `now`, if any.
    pub(super) fn due(&mut self, now: Instant) -> Option<u32> {
        match self.state {
            State::Grace(until) if until <= now => Some(self.ask()),
            State::Idle | State::Grace(_) | State::Asked { .. } | State::NoReceipts | State::Receipts => None,
        }
    }

    /// The peer answered ping `number`. What it has handled so, as a count of notifications.
    pub(super) fn answered(&mut self, number: u32) -> Option<u32> {
        let State::Asked { covers } = self.state else { return None };
        if number != self.last {
            return None;
        }
        self.state = State::NoReceipts;
        Some(covers)
    }

    /// Whether a ping is out that was not answered.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.state, State::Asked { .. })
    }

    /// The peer sent a XEP-0184 receipt: no ping is needed from now on.
    pub(super) fn receipt(&mut self) {
        self.state = State::Receipts;
    }

    /// Nothing is on its way any more: a ping that has not gone out is not needed.
    pub(super) fn settled(&mut self) {
        if let State::Grace(_) = self.state {
            self.state = State::Idle;
        }
    }

    /// What was sent is asked for by XEP-0198, which counts from now on: no ping is needed.
    pub(super) fn stop(&mut self) {
        self.state = State::Idle;
    }

    fn ask(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.state = State::Asked { covers: self.sent };
        self.last
    }
}

/// A ping's stanza id.
pub(super) fn id(number: u32) -> String {
    format!("{ID}{number}")
}

/// The number of the ping that has this stanza id.
pub(super) fn number(id: &str) -> Option<u32> {
    id.strip_prefix(ID)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sends `count` notifications at once.
    fn send(rule: &mut PingRule, count: u32, room: bool, now: Instant) -> Option<u32> {
        (0..count).for_each(|_| {
            rule.count_sent();
        });
        rule.await_answer(room, now)
    }

    #[test]
    fn one_ping_after_the_grace_covers_all_that_was_sent_in_it() {
        let (mut rule, now) = (PingRule::default(), Instant::now());
        assert_eq!(rule.deadline(), None);
        assert_eq!(send(&mut rule, 1, true, now), None);
        assert_eq!(send(&mut rule, 1, true, now + RECEIPT_GRACE / 2), None);
        assert_eq!(rule.deadline(), Some(now + RECEIPT_GRACE), "from the first on");
        assert_eq!(rule.due(now + RECEIPT_GRACE - Duration::from_millis(1)), None);
        assert_eq!(rule.due(now + RECEIPT_GRACE), Some(1));
        assert_eq!(rule.deadline(), None);
        assert_eq!(send(&mut rule, 1, false, now + RECEIPT_GRACE), None, "one at a time");
        assert_eq!(rule.answered(7), None, "none of ours");
        assert_eq!(rule.answered(1), Some(2));
        assert_eq!(rule.answered(1), None, "once");
    }

    #[test]
    fn a_peer_that_answered_without_a_receipt_is_asked_with_the_next_notification() {
        let (mut rule, now) = (PingRule::default(), Instant::now());
        assert_eq!(send(&mut rule, 1, true, now), None);
        assert_eq!(rule.due(now + RECEIPT_GRACE), Some(1));
        assert_eq!(rule.answered(1), Some(1));
        assert_eq!(send(&mut rule, 1, true, now), Some(2));
        assert_eq!(send(&mut rule, 1, true, now), None, "one at a time");
        assert_eq!(rule.answered(2), Some(2));
        // It has learnt receipts since, or they were only late.
        rule.receipt();
        assert_eq!(send(&mut rule, 1, true, now), None);
    }

    #[test]
    fn a_full_window_does_not_wait() {
        let (mut rule, now) = (PingRule::default(), Instant::now());
        assert_eq!(send(&mut rule, 1, true, now), None);
        assert_eq!(send(&mut rule, 7, false, now), Some(1));
        assert_eq!(rule.answered(1), Some(8));
        assert_eq!(send(&mut rule, 8, false, now), Some(2));
    }

    #[test]
    fn a_receipt_makes_the_ping_needless_for_good() {
        let (mut rule, now) = (PingRule::default(), Instant::now());
        send(&mut rule, 1, true, now);
        rule.receipt();
        rule.settled();
        assert_eq!(rule.deadline(), None);
        assert_eq!(rule.due(now + RECEIPT_GRACE), None);
        assert_eq!(send(&mut rule, 8, false, now), None);
    }

    #[test]
    fn the_answer_to_a_ping_proves_nothing_once_receipts_come() {
        let (mut rule, now) = (PingRule::default(), Instant::now());
        assert_eq!(send(&mut rule, 1, false, now), Some(1));
        rule.receipt();
        assert_eq!(rule.answered(1), None);
    }

    #[test]
    fn what_was_settled_in_the_grace_is_not_asked_for() {
        let (mut rule, now) = (PingRule::default(), Instant::now());
        send(&mut rule, 1, true, now);
        rule.settled();
        assert_eq!(rule.deadline(), None);
        // The next one has a grace of its own.
        let later = now + RECEIPT_GRACE * 10;
        send(&mut rule, 1, true, later);
        assert_eq!(rule.deadline(), Some(later + RECEIPT_GRACE));
    }

    #[test]
    fn a_late_answer_settles_nothing_that_is_counted_otherwise() {
        let (mut rule, now) = (PingRule::default(), Instant::now());
        assert_eq!(send(&mut rule, 1, false, now), Some(1));
        rule.stop();
        assert_eq!(rule.answered(1), None);
    }

    #[test]
    fn an_id_names_its_number() {
        assert_eq!(number(&id(u32::MAX)), Some(u32::MAX));
        assert_eq!(number("tidings-ping-"), None);
        assert_eq!(number("other-1"), None);
    }

    #[test]
    fn an_idle_session_keeps_little_for_it() {
        assert!(size_of::<PingRule>() <= 24);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Send(u32),
        Pass(u64),
        Answer,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![(1..6u32).prop_map(Step::Send), (0..2500u64).prop_map(Step::Pass), Just(Step::Answer),]
    }

    proptest! {
        /// With a peer that answers every ping all is settled in the end, and the peer is
        /// asked no more often than there is something to settle.
        #[test]
        fn answers_to_pings_settle_everything(steps in prop::collection::vec(step(), 0..60), window in 1..8u32) {
            let (mut rule, mut now) = (PingRule::default(), Instant::now());
            let (mut sent, mut settled, mut under_way) = (0, 0, None);
            let end = [Step::Answer, Step::Pass(1000), Step::Answer, Step::Pass(1000), Step::Answer];
            for step in steps.into_iter().chain(end) {
                let ping = match step {
                    Step::Send(count) => {
                        let count = count.min(window - (sent - settled));
                        sent += count;
                        match count {
                            0 => None,
                            _ => send(&mut rule, count, sent - settled < window, now),
                        }
                    }
                    Step::Pass(milliseconds) => {
                        now += Duration::from_millis(milliseconds);
                        rule.due(now)
                    }
                    Step::Answer => match under_way.take() {
                        None => None,
                        Some(number) => {
                            settled = rule.answered(number).unwrap();
                            match sent > settled {
                                true => rule.await_answer(sent - settled < window, now),
                                false => {
                                    rule.settled();
                                    None
                                }
                            }
                        }
                    },
                };
                if let Some(number) = ping {
                    prop_assert!(sent > settled, "there is something to ask for");
                    prop_assert!(under_way.replace(number).is_none(), "one at a time");
                }
                // What is on its way is asked for, or will be.
                prop_assert!(sent == settled || under_way.is_some() || rule.deadline().is_some());
            }
            prop_assert_eq!(settled, sent);
        }
    }
}
