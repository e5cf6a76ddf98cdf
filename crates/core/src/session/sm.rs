//! Stream management (XEP-0198), the server's side of one session.

use std::collections::VecDeque;

use tidings_xmpp::ext::sm::{AckWindow, Acknowledged, Counter, HandledCountTooHigh, REQUEST};

use crate::model::SessionId;

/// Stanzas other than notifications that are kept until they are acknowledged. The peer is
/// asked at half of that. Notifications need no copy here: the store has them.
const REPLAY_STANZAS: usize = 128;
const REPLAY_BYTES: usize = 64 * 1024;

pub(crate) struct StreamManagement {
    /// Stanzas of the peer, each handled before the next is read.
    handled: Counter,
    outbound: AckWindow,
    /// How many were sent when we last asked; the answer is awaited while `asking`.
    asked_at: u32,
    asking: bool,
    resume: bool,
    replay: VecDeque<(u32, Box<[u8]>)>,
    replay_bytes: usize,
    /// The newest that is kept no more although it was not acknowledged.
    dropped: Option<u32>,
}

impl StreamManagement {
    /// `resume`: the peer wants to be able to resume.
    pub(super) fn new(resume: bool) -> Self {
        Self {
            handled: Counter::default(),
            outbound: AckWindow::default(),
            asked_at: 0,
            asking: false,
            resume,
            replay: VecDeque::new(),
            replay_bytes: 0,
            dropped: None,
        }
    }

    pub(super) fn count_received(&mut self) {
        self.handled.advance();
    }

    pub(super) fn received(&self) -> u32 {
        self.handled.get()
    }

    /// A stanza goes out; its number.
    pub(super) fn count_sent(&mut self) -> u32 {
        self.outbound.send()
    }

    /// Whether the peer may resume: it asked for that, and all is there that it has not handled.
    pub(super) fn is_resumable(&self) -> bool {
        self.resume && self.dropped.is_none()
    }

    /// A stanza that no store has was written to `out`, from `start` on: it is kept until
    /// acknowledged. Once much is kept the peer is asked. One that does not answer for long cannot
    /// resume until it does.
    pub(super) fn keep(&mut self, start: usize, out: &mut Vec<u8>) {
        let number = self.count_sent();
        if !self.resume {
            return;
        }
        let stanza: Box<[u8]> = out.get(start..).unwrap_or_default().into();
        self.replay_bytes += stanza.len();
        self.replay.push_back((number, stanza));
        while self.replay.len() > REPLAY_STANZAS || self.replay_bytes > REPLAY_BYTES {
            let Some((number, stanza)) = self.replay.pop_front() else { break };
            self.replay_bytes -= stanza.len();
            self.dropped = Some(number);
        }
        if self.replay.len() >= REPLAY_STANZAS / 2 || self.replay_bytes >= REPLAY_BYTES / 2 {
            self.request(out);
        }
    }

    /// The peer has handled everything up to `h`. What that acknowledges anew.
    pub(super) fn acknowledged(&mut self, h: u32) -> Result<Acknowledged, HandledCountTooHigh> {
        let acknowledged = self.outbound.acknowledge(h)?;
        self.asking = false;
        self.dropped = self.dropped.filter(|number| !acknowledged.covers(*number));
        while let Some((number, stanza)) = self.replay.front() {
            if !acknowledged.covers(*number) {
                break;
            }
            self.replay_bytes -= stanza.len();
            self.replay.pop_front();
        }
        if self.replay.is_empty() {
            self.replay = VecDeque::new();
        }
        Ok(acknowledged)
    }

    /// Asks for an acknowledgement, unless one is awaited.
    pub(super) fn request(&mut self, out: &mut Vec<u8>) {
        if !self.asking {
            self.probe(out);
        }
    }

    /// Asks again when something was sent after the last time.
    pub(super) fn request_again(&mut self, out: &mut Vec<u8>) {
        if self.asked_at != self.outbound.sent() {
            self.request(out);
        }
    }

    /// Asks in any case: is the peer there?
    pub(super) fn probe(&mut self, out: &mut Vec<u8>) {
        self.asking = true;
        self.asked_at = self.outbound.sent();
        out.extend_from_slice(REQUEST);
    }

    /// After a resumption with `h`: what is sent from now on follows `h`. The
    /// stanzas that the peer has not handled and no store has.
    pub(super) fn restart(&mut self) -> Vec<Box<[u8]>> {
        self.outbound.rewind();
        self.asked_at = self.outbound.sent();
        self.asking = false;
        self.replay_bytes = 0;
        std::mem::take(&mut self.replay).into_iter().map(|(_, stanza)| stanza).collect()
    }
}

/// A resumption id: which session, and the proof that the peer enabled it.
pub(super) fn resumption_id(id: SessionId, secret: &[u8; 16]) -> String {
    use base64::Engine;
    let mut bytes = id.0.to_be_bytes().to_vec();
    bytes.extend_from_slice(secret);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// Whether `given` is this session's [`resumption_id`], compared in constant time.
pub(super) fn is_resumption_id(id: SessionId, secret: &[u8; 16], given: &str) -> bool {
    use subtle::ConstantTimeEq;
    resumption_id(id, secret).as_bytes().ct_eq(given.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a stanza; what is written behind it stays in `asked`.
    fn keep(sm: &mut StreamManagement, stanza: &[u8], asked: &mut Vec<u8>) {
        let mut out = stanza.to_vec();
        sm.keep(0, &mut out);
        asked.extend_from_slice(&out[stanza.len()..]);
    }

    #[test]
    fn what_is_acknowledged_is_not_kept_across_the_wrap() {
        let mut sm = StreamManagement::new(true);
        sm.outbound = AckWindow::at(u32::MAX - 1);
        let first = sm.count_sent();
        let mut out = Vec::new();
        keep(&mut sm, b"<iq/>", &mut out);
        keep(&mut sm, b"<presence/>", &mut out);
        assert_eq!((first, sm.outbound.sent()), (u32::MAX, 1));
        assert!(sm.acknowledged(0).unwrap().covers(first));
        assert_eq!(sm.replay.len(), 1);
        assert_eq!(sm.acknowledged(2), Err(HandledCountTooHigh { h: 2, sent: 1 }));
        assert!(sm.acknowledged(u32::MAX).is_err(), "less than was acknowledged");
        assert_eq!(sm.replay.len(), 1, "a false claim changes nothing");
        assert!(sm.acknowledged(1).is_ok());
        assert_eq!((sm.replay.len(), sm.replay_bytes), (0, 0));
    }

    #[test]
    fn what_is_sent_again_has_the_numbers_after_the_last_acknowledged() {
        let mut sm = StreamManagement::new(true);
        let mut out = Vec::new();
        (0..3).for_each(|_| keep(&mut sm, b"<iq/>", &mut out));
        sm.acknowledged(1).unwrap();
        let again = sm.restart();
        assert_eq!(again.len(), 2);
        again.iter().for_each(|stanza| keep(&mut sm, stanza, &mut out));
        assert_eq!(sm.outbound.sent(), 3);
        assert!(sm.acknowledged(3).is_ok());
    }

    #[test]
    fn asks_once_for_many() {
        let (mut sm, mut out) = (StreamManagement::new(false), Vec::new());
        sm.count_sent();
        sm.request(&mut out);
        sm.count_sent();
        sm.request(&mut out);
        assert_eq!(out, REQUEST);
        out.clear();
        sm.acknowledged(1).unwrap();
        sm.request_again(&mut out);
        assert_eq!(out, REQUEST);
        out.clear();
        sm.acknowledged(2).unwrap();
        sm.request_again(&mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn a_peer_that_acknowledges_nothing_cannot_resume_until_it_does() {
        let (mut sm, mut out) = (StreamManagement::new(true), Vec::new());
        for number in 1..=REPLAY_STANZAS {
            keep(&mut sm, b"<iq/>", &mut out);
            assert_eq!(out.is_empty(), number < REPLAY_STANZAS / 2, "asked at half the bound, once");
        }
        assert_eq!(out, REQUEST);
        assert!(sm.is_resumable());
        (0..10).for_each(|_| keep(&mut sm, b"<iq/>", &mut out));
        assert!(!sm.is_resumable());
        assert_eq!((sm.replay.len(), out.as_slice()), (REPLAY_STANZAS, REQUEST));
        sm.acknowledged(9).unwrap();
        assert!(!sm.is_resumable(), "the tenth is missing still");
        sm.acknowledged(10).unwrap();
        assert!(sm.is_resumable());
        assert_eq!(sm.restart().len(), REPLAY_STANZAS);
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes() {
        let (mut sm, mut out) = (StreamManagement::new(true), Vec::new());
        let stanza = vec![b' '; REPLAY_BYTES / 4 + 1];
        keep(&mut sm, &stanza, &mut out);
        assert!(out.is_empty());
        (0..8).for_each(|_| keep(&mut sm, &stanza, &mut out));
        assert!(sm.replay_bytes <= REPLAY_BYTES && !sm.is_resumable());
        assert_eq!(out, REQUEST);
        assert!(sm.acknowledged(6).is_ok() && sm.is_resumable());
    }
}
