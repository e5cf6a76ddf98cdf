//! The two counters of stream management (XEP-0198 section 4), modulo 2^32.

use std::collections::VecDeque;

use tidings_xmpp::ext::sm::newly_acknowledged;

/// What came from the server. `h` says that everything up to a stanza was handled, so a
/// stanza counts only when all before it do.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    handled: u32,
    /// For each stanza after `handled`: whether it has been handled itself.
    after: VecDeque<bool>,
}

impl Inbound {
    /// A stanza came; returns its number.
    pub(crate) fn received(&mut self) -> u32 {
        self.after.push_back(false);
        // The queue is as long as the server's window, far below 2^32.
        self.handled.wrapping_add(self.after.len() as u32)
    }

    /// The stanza of that number has been handled.
    pub(crate) fn complete(&mut self, number: u32) {
        let at = number.wrapping_sub(self.handled).wrapping_sub(1) as usize;
        if let Some(done) = self.after.get_mut(at) {
            *done = true;
        }
        while self.after.front() == Some(&true) {
            self.after.pop_front();
            self.handled = self.handled.wrapping_add(1);
        }
    }

    /// `h`.
    pub(crate) fn handled(&self) -> u32 {
        self.handled
    }

    /// How many stanzas came that `h` does not include.
    pub(crate) fn outstanding(&self) -> usize {
        self.after.len()
    }

    /// The session is resumed: the server sends everything after `h` again.
    pub(crate) fn rewind(&mut self) {
        self.after.clear();
    }
}

/// What went to the server and may have to go again.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    acknowledged: u32,
    sent: VecDeque<Sent>,
}

/// A stanza that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) bytes: Vec<u8>,
    /// The notification that it says was opened: worth saying again in another session.
    pub(crate) opened: Option<String>,
}

/// The server acknowledged what was never sent, or took an acknowledgement back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooHigh;

impl Outbound {
    pub(crate) fn push(&mut self, sent: Sent) {
        self.sent.push_back(sent);
    }

    /// The server has handled this many.
    pub(crate) fn acknowledge(&mut self, h: u32) -> Result<(), TooHigh> {
        let in_flight = u32::try_from(self.sent.len()).unwrap_or(u32::MAX);
        let newly = newly_acknowledged(self.acknowledged, h, in_flight).ok_or(TooHigh)?;
        self.sent.drain(..newly as usize);
        self.acknowledged = h;
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Stanzas come and are handled in any order, across the wrap at 2^32; `h` is
        /// always the length of the longest handled beginning.
        #[test]
        fn h_is_the_longest_handled_beginning(
            start in prop_oneof![Just(u32::MAX - 3), Just(0), any::<u32>()],
            steps in prop::collection::vec(prop::option::weighted(0.6, any::<prop::sample::Index>()), 1..200),
        ) {
            let mut inbound = Inbound { handled: start, after: VecDeque::new() };
            let mut model: Vec<(u32, bool)> = Vec::new();
            for step in steps {
                match step {
                    None => model.push((inbound.received(), false)),
                    Some(index) if !model.is_empty() => {
                        let at = index.index(model.len());
                        model[at].1 = true;
                        inbound.complete(model[at].0);
                    }
                    Some(_) => {}
                }
                let handled = model.iter().take_while(|(_, done)| *done).count();
                prop_assert_eq!(inbound.handled(), start.wrapping_add(handled as u32));
                prop_assert_eq!(inbound.outstanding(), model.len() - handled);
            }
            for (at, (number, _)) in model.iter().enumerate() {
                prop_assert_eq!(*number, start.wrapping_add(at as u32 + 1));
            }
        }

        /// After a resumption the same stanzas come again under the same numbers.
        #[test]
        fn numbers_are_the_same_after_a_rewind(start in any::<u32>(), before in 0_u32..50, done in 0_u32..50) {
            let mut inbound = Inbound { handled: start, after: VecDeque::new() };
            let numbers: Vec<u32> = (0..before).map(|_| inbound.received()).collect();
            for number in numbers.iter().take(done as usize) {
                inbound.complete(*number);
            }
            inbound.rewind();
            let again: Vec<u32> = (done.min(before)..before).map(|_| inbound.received()).collect();
            prop_assert_eq!(again, &numbers[done.min(before) as usize..]);
        }

        /// Only what was sent can be acknowledged, across the wrap.
        #[test]
        fn an_acknowledgement_takes_what_was_sent_and_no_more(
            start in prop_oneof![Just(u32::MAX - 3), Just(0), any::<u32>()],
            sent in 0_u32..40,
            claimed in 0_u32..60,
        ) {
            let mut outbound = Outbound { acknowledged: start, sent: VecDeque::new() };
            for n in 0..sent {
                outbound.push(Sent { bytes: n.to_le_bytes().to_vec(), opened: None });
            }
            let result = outbound.acknowledge(start.wrapping_add(claimed));
            if claimed <= sent {
                prop_assert_eq!(result, Ok(()));
                let left: Vec<_> = outbound.in_flight().map(|sent| sent.bytes.clone()).collect();
                let expected: Vec<_> = (claimed..sent).map(|n| n.to_le_bytes().to_vec()).collect();
                prop_assert_eq!(left, expected);
            } else {
                prop_assert_eq!(result, Err(TooHigh));
                prop_assert_eq!(outbound.in_flight().len(), sent as usize);
            }
        }
    }

    #[test]
    fn an_acknowledgement_is_not_taken_back() {
        let mut outbound = Outbound::default();
        outbound.push(Sent { bytes: Vec::new(), opened: None });
        outbound.acknowledge(1).unwrap();
        assert_eq!(outbound.acknowledge(0), Err(TooHigh));
    }

    #[test]
    fn a_number_that_is_not_outstanding_changes_nothing() {
        let mut inbound = Inbound::default();
        let one = inbound.received();
        inbound.complete(one);
        for number in [one, 0, 2, u32::MAX] {
            inbound.complete(number);
        }
        assert_eq!((inbound.handled(), inbound.outstanding()), (1, 0));
    }
}
