//! The counters of stream management (XEP-0198 section 4), modulo 2^32: the arithmetic of
//! both directions, without the stanzas.

use std::collections::VecDeque;

use thiserror::Error;

use crate::ns;
use crate::xml::Element;

/// A count of stanzas. It starts at zero and wraps at 2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Counter(u32);

impl Counter {
    /// A counter that has come this far.
    pub fn at(count: u32) -> Self {
        Self(count)
    }

    /// Counts one stanza; returns its number, the first stanza's being 1.
    pub fn advance(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(1);
        self.0
    }

    /// The count as it goes over the wire.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// What was sent and has not been acknowledged: two counters, the second never ahead of
/// the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AckWindow {
    sent: Counter,
    acknowledged: Counter,
}

/// The peer acknowledged what was never sent, or took back an earlier acknowledgement
/// (section 4: `handled-count-too-high`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[error("{h} stanzas acknowledged, {sent} sent")]
pub struct HandledCountTooHigh {
    /// What the peer claims to have handled.
    pub h: u32,
    /// What was sent.
    pub sent: u32,
}

impl HandledCountTooHigh {
    /// The application condition of the stream error.
    pub fn to_element(self) -> Element {
        Element::new("handled-count-too-high", ns::SM)
            .with_attribute("h", self.h.to_string())
            .with_attribute("send-count", self.sent.to_string())
    }
}

/// The stanzas that an acknowledgement covers and the ones before it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    after: u32,
    upto: u32,
}

impl Acknowledged {
    /// How many stanzas.
    #[expect(clippy::len_without_is_empty, reason = "it is a count and no collection")]
    pub fn len(self) -> u32 {
        self.upto.wrapping_sub(self.after)
    }

    /// Whether the stanza of that number is acknowledged: now, for one that was still in
    /// flight.
    pub fn covers(self, number: u32) -> bool {
        let at = number.wrapping_sub(self.after);
        at != 0 && at <= self.len()
    }
}

impl AckWindow {
    /// Both counters at `count`: nothing is in flight.
    pub fn at(count: u32) -> Self {
        Self { sent: Counter::at(count), acknowledged: Counter::at(count) }
    }

    /// A stanza goes out; returns its number.
    pub fn send(&mut self) -> u32 {
        self.sent.advance()
    }

    /// How many stanzas were sent.
    pub fn sent(&self) -> u32 {
        self.sent.get()
    }

    /// The peer's last `h`.
    pub fn acknowledged(&self) -> u32 {
        self.acknowledged.get()
    }

    /// How many stanzas are unacknowledged.
    pub fn in_flight(&self) -> u32 {
        self.sent().wrapping_sub(self.acknowledged())
    }

    /// The peer has handled everything up to `h`.
    ///
    /// # Errors
    /// [`HandledCountTooHigh`] where `h` is not between the last `h` and what was sent; the
    /// window stays as it was.
    pub fn acknowledge(&mut self, h: u32) -> Result<Acknowledged, HandledCountTooHigh> {
        let newly = Acknowledged { after: self.acknowledged(), upto: h };
        if newly.len() > self.in_flight() {
            return Err(HandledCountTooHigh { h, sent: self.sent() });
        }
        self.acknowledged = Counter::at(h);
        Ok(newly)
    }

    /// The session is resumed: what was in flight is sent again, under the same numbers.
    pub fn rewind(&mut self) {
        self.sent = self.acknowledged;
    }
}

/// What came from the peer. `h` says that everything up to a stanza was handled, so a
/// stanza counts only once all before it do.
#[derive(Debug, Default)]
pub struct HandledWindow {
    handled: Counter,
    /// For each stanza after `handled`: whether it has been handled itself.
    after: VecDeque<bool>,
}

impl HandledWindow {
    /// A window behind `count` handled stanzas.
    pub fn at(count: u32) -> Self {
        Self { handled: Counter::at(count), after: VecDeque::new() }
    }

    /// A stanza came; returns its number.
    pub fn receive(&mut self) -> u32 {
        self.after.push_back(false);
        // The queue is as long as the peer's window, far below 2^32.
        self.handled().wrapping_add(self.after.len() as u32)
    }

    /// The stanza of that number has been handled. Of no effect for any other number.
    pub fn complete(&mut self, number: u32) {
        let at = number.wrapping_sub(self.handled()).wrapping_sub(1) as usize;
        if let Some(done) = self.after.get_mut(at) {
            *done = true;
        }
        while self.after.front() == Some(&true) {
            self.after.pop_front();
            self.handled.advance();
        }
    }

    /// `h`.
    pub fn handled(&self) -> u32 {
        self.handled.get()
    }

    /// How many stanzas came that `h` does not include.
    pub fn outstanding(&self) -> usize {
        self.after.len()
    }

    /// The session is resumed: the peer sends everything after `h` again.
    pub fn rewind(&mut self) {
        self.after.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn starts() -> impl Strategy<Value = u32> {
        prop_oneof![Just(u32::MAX - 3), Just(0), any::<u32>()]
    }

    proptest! {
        /// Stanzas come and are handled in any order, across the wrap at 2^32; `h` is
        /// always the length of the longest handled beginning.
        #[test]
        fn h_is_the_longest_handled_beginning(
            start in starts(),
            steps in prop::collection::vec(prop::option::weighted(0.6, any::<prop::sample::Index>()), 1..200),
        ) {
            let mut window = HandledWindow::at(start);
            let mut model: Vec<(u32, bool)> = Vec::new();
            for step in steps {
                match step {
                    None => model.push((window.receive(), false)),
                    Some(index) if !model.is_empty() => {
                        let at = index.index(model.len());
                        model[at].1 = true;
                        window.complete(model[at].0);
                    }
                    Some(_) => {}
                }
                let handled = model.iter().take_while(|(_, done)| *done).count();
                prop_assert_eq!(window.handled(), start.wrapping_add(handled as u32));
                prop_assert_eq!(window.outstanding(), model.len() - handled);
            }
            for (at, (number, _)) in model.iter().enumerate() {
                prop_assert_eq!(*number, start.wrapping_add(at as u32 + 1));
            }
        }

        /// After a resumption the same stanzas come again under the same numbers.
        #[test]
        fn received_numbers_are_the_same_after_a_rewind(start in starts(), before in 0_u32..50, done in 0_u32..50) {
            let mut window = HandledWindow::at(start);
            let numbers: Vec<u32> = (0..before).map(|_| window.receive()).collect();
            for number in numbers.iter().take(done as usize) {
                window.complete(*number);
            }
            window.rewind();
            let again: Vec<u32> = (done.min(before)..before).map(|_| window.receive()).collect();
            prop_assert_eq!(again, &numbers[done.min(before) as usize..]);
        }

        /// Sending, acknowledgements right and wrong, and resumptions, across the wrap: the
        /// window says what a list of the unacknowledged numbers says.
        #[test]
        fn a_window_is_a_list_of_unacknowledged_stanzas(
            start in starts(),
            steps in prop::collection::vec((0_u8..8, 0_u32..12), 1..100),
        ) {
            let mut window = AckWindow::at(start);
            let mut model: VecDeque<u32> = VecDeque::new();
            let mut acknowledged = start;
            for (kind, amount) in steps {
                match kind {
                    0..=3 => for _ in 0..amount {
                        let expected = model.back().unwrap_or(&acknowledged).wrapping_add(1);
                        prop_assert_eq!(window.send(), expected);
                        model.push_back(expected);
                    },
                    4 | 5 => {
                        let h = acknowledged.wrapping_add(amount);
                        let result = window.acknowledge(h);
                        if amount as usize <= model.len() {
                            let newly = result.unwrap();
                            prop_assert_eq!(newly.len(), amount);
                            let settled: Vec<u32> = model.drain(..amount as usize).collect();
                            prop_assert!(settled.iter().all(|number| newly.covers(*number)));
                            prop_assert!(!model.iter().any(|number| newly.covers(*number)));
                            prop_assert!(!newly.covers(acknowledged));
                            acknowledged = h;
                        } else {
                            let sent = acknowledged.wrapping_add(model.len() as u32);
                            prop_assert_eq!(result, Err(HandledCountTooHigh { h, sent }));
                        }
                    }
                    6 => {
                        // An acknowledgement is not taken back.
                        let h = acknowledged.wrapping_sub(amount + 1);
                        prop_assert!(window.acknowledge(h).is_err());
                    }
                    _ => {
                        window.rewind();
                        model.clear();
                    }
                }
                prop_assert_eq!(window.in_flight() as usize, model.len());
                prop_assert_eq!(window.acknowledged(), acknowledged);
                prop_assert_eq!(window.sent(), acknowledged.wrapping_add(model.len() as u32));
            }
        }
    }

    #[test]
    fn a_number_that_is_not_outstanding_changes_nothing() {
        let mut window = HandledWindow::default();
        let one = window.receive();
        window.complete(one);
        for number in [one, 0, 2, u32::MAX] {
            window.complete(number);
        }
        assert_eq!((window.handled(), window.outstanding()), (1, 0));
    }
}
