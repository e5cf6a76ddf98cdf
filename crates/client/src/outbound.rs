//! Stanzas that went to the server and may have to go again (XEP-0198 section 5).

use std::collections::VecDeque;

use tidings_xmpp::ext::sm::{AckWindow, HandledCountTooHigh};

/// The unacknowledged stanzas, with the counters that say which they are.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    window: AckWindow,
    sent: VecDeque<Sent>,
}

/// A stanza that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) bytes: Vec<u8>,
    /// The notification that it says was opened: worth saying again in another session.
    pub(crate) opened: Option<String>,
}

impl Outbound {
    pub(crate) fn push(&mut self, sent: Sent) {
        self.window.send();
        self.sent.push_back(sent);
    }

    /// The server has handled this many.
    pub(crate) fn acknowledge(&mut self, h: u32) -> Result<(), HandledCountTooHigh> {
        let newly = self.window.acknowledge(h)?.len() as usize;
        self.sent.drain(..newly.min(self.sent.len()));
        Ok(())
    }

    pub(crate) fn in_flight(&self) -> impl ExactSizeIterator<Item = &Sent> {
        self.sent.iter()
    }

    /// What no other session will send again by itself.
    pub(crate) fn into_opened(self) -> impl Iterator<Item = String> {
        self.sent.into_iter().filter_map(|sent| sent.opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_takes_what_was_sent_and_no_more() {
        let mut outbound = Outbound { window: AckWindow::at(u32::MAX - 1), sent: VecDeque::new() };
        for n in 0..3 {
            outbound.push(Sent { bytes: vec![n], opened: None });
        }
        let left = |outbound: &Outbound| -> Vec<u8> {
            outbound.in_flight().flat_map(|sent| sent.bytes.clone()).collect()
        };
        outbound.acknowledge(0).unwrap();
        assert_eq!(left(&outbound), [2]);
        assert!(outbound.acknowledge(2).is_err());
        assert!(outbound.acknowledge(u32::MAX).is_err(), "it is not taken back");
        assert_eq!(left(&outbound), [2]);
        outbound.acknowledge(1).unwrap();
        assert_eq!(outbound.in_flight().len(), 0);
    }
}
