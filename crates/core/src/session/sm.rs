//! Stream management (XEP-0198), the server's side of one session.

use std::collections::VecDeque;

use crate::model::SessionId;

/// Stanzas other than notifications that are kept until they are acknowledged.
/// Notifications need no copy here: the store has them.
const REPLAY_STANZAS: usize = 128;
const REPLAY_BYTES: usize = 64 * 1024;

pub(crate) struct StreamManagement {
    /// Stanzas handled, modulo 2^32.
    inbound: u32,
    /// Stanzas sent, modulo 2^32.
    outbound: u32,
    /// The last `h` of the peer.
    acknowledged: u32,
    /// `outbound` when we last asked; the answer is awaited while `asking`.
    asked_at: u32,
    asking: bool,
    pub(super) resumable: bool,
    replay: VecDeque<(u32, Box<[u8]>)>,
    replay_bytes: usize,
}

const REQUEST: &[u8] = b"<r xmlns='urn:xmpp:sm:3'/>";

impl StreamManagement {
    pub(super) fn new(resumable: bool) -> Self {
        Self {
            inbound: 0,
            outbound: 0,
            acknowledged: 0,
            asked_at: 0,
            asking: false,
            resumable,
            replay: VecDeque::new(),
            replay_bytes: 0,
        }
    }

    pub(super) fn count_received(&mut self) {
        self.inbound = self.inbound.wrapping_add(1);
    }

    pub(super) fn received(&self) -> u32 {
        self.inbound
    }

    pub(super) fn sent(&self) -> u32 {
        self.outbound
    }

    /// A stanza goes out; its number.
    pub(super) fn count_sent(&mut self) -> u32 {
        self.outbound = self.outbound.wrapping_add(1);
        self.outbound
    }

    /// A stanza goes out that no store has: it is kept until acknowledged. A
    /// peer that acknowledges nothing for long loses the right to resume.
    pub(super) fn keep(&mut self, stanza: &[u8]) {
        let number = self.count_sent();
        if !self.resumable {
            return;
        }
        self.replay_bytes += stanza.len();
        self.replay.push_back((number, stanza.into()));
        if self.replay.len() > REPLAY_STANZAS || self.replay_bytes > REPLAY_BYTES {
            self.resumable = false;
            self.replay = VecDeque::new();
            self.replay_bytes = 0;
        }
    }

    /// The peer has handled everything up to `h`. The `h` before it, or `None`
    /// when that is more than was sent.
    pub(super) fn acknowledged(&mut self, h: u32) -> Option<u32> {
        let base = self.acknowledged;
        if h.wrapping_sub(base) > self.outbound.wrapping_sub(base) {
            return None;
        }
        self.acknowledged = h;
        self.asking = false;
        while let Some((number, stanza)) = self.replay.front() {
            if number.wrapping_sub(base) > h.wrapping_sub(base) {
                break;
            }
            self.replay_bytes -= stanza.len();
            self.replay.pop_front();
        }
        if self.replay.is_empty() {
            self.replay = VecDeque::new();
        }
        Some(base)
    }

    /// Asks for an acknowledgement, unless one is awaited.
    pub(super) fn request(&mut self, out: &mut Vec<u8>) {
        if !self.asking {
            self.probe(out);
        }
    }

    /// Asks again when something was sent after the last time.
    pub(super) fn request_again(&mut self, out: &mut Vec<u8>) {
        if self.asked_at != self.outbound {
            self.request(out);
        }
    }

    /// Asks in any case: is the peer there?
    pub(super) fn probe(&mut self, out: &mut Vec<u8>) {
        self.asking = true;
        self.asked_at = self.outbound;
        out.extend_from_slice(REQUEST);
    }

    /// After a resumption with `h`: what is sent from now on follows `h`. The
    /// stanzas that the peer has not handled and no store has.
    pub(super) fn restart(&mut self) -> Vec<Box<[u8]>> {
        self.outbound = self.acknowledged;
        self.asked_at = self.outbound;
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

    #[test]
    fn counts_wrap_around() {
        let mut sm = StreamManagement::new(true);
        sm.outbound = u32::MAX - 1;
        sm.acknowledged = u32::MAX - 1;
        let first = sm.count_sent();
        sm.keep(b"<iq/>");
        sm.keep(b"<presence/>");
        assert_eq!((first, sm.outbound), (u32::MAX, 1));
        assert_eq!(sm.acknowledged(0), Some(u32::MAX - 1));
        assert_eq!(sm.replay.len(), 1);
        assert_eq!(sm.acknowledged(2), None, "more than was sent");
        assert_eq!(sm.acknowledged(u32::MAX), None, "less than was acknowledged");
        assert_eq!(sm.acknowledged(1), Some(0));
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
        sm.acknowledged(1);
        sm.request_again(&mut out);
        assert_eq!(out, REQUEST);
        out.clear();
        sm.acknowledged(2);
        sm.request_again(&mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn a_peer_that_acknowledges_nothing_cannot_resume() {
        let mut sm = StreamManagement::new(true);
        (0..=REPLAY_STANZAS).for_each(|_| sm.keep(b"<iq/>"));
        assert!(!sm.resumable);
        assert_eq!(sm.replay_bytes, 0);
    }
}
