//! Notices which hints were lost on the bus, by their numbers.

use std::collections::HashMap;

use crate::bus::{Hint, Message};

/// Processes whose numbers are kept. One that was forgotten, because so many others were heard
/// since, costs a reading of the store when it is heard again.
const MAX_ORIGINS: usize = 256;

/// What is known of the messages of each process.
#[derive(Debug, Default)]
pub(super) struct HintTracker {
    origins: HashMap<u64, Origin>,
    /// Counts the messages.
    clock: u64,
}

#[derive(Debug)]
struct Origin {
    /// The highest number that has come.
    last: u64,
    /// When, by `clock`.
    heard: u64,
}

/// How a message comes after those of its origin before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is the next.
    Next,
    /// Some before it have not come. They count as lost from now on: what they were about is
    /// found in the store, where it was before this one was published.
    Gap,
    /// It was here before, or counts as lost.
    Old,
}

impl HintTracker {
    pub(super) fn arrived(&mut self, message: &Message) -> Arrival {
        self.clock += 1;
        let heartbeat = matches!(message.hint, Hint::Heartbeat);
        if self.origins.len() >= MAX_ORIGINS && !self.origins.contains_key(&message.origin) {
            let longest_silent = self.origins.iter().min_by_key(|(_, origin)| origin.heard);
            if let Some(longest_silent) = longest_silent.map(|(number, _)| *number) {
                self.origins.remove(&longest_silent);
            }
        }
        let origin = self.origins.entry(message.origin).or_insert(Origin { last: 0, heard: 0 });
        origin.heard = self.clock;
        let next = if heartbeat { origin.last } else { origin.last + 1 };
        if message.number < next {
            return Arrival::Old;
        }
        origin.last = message.number;
        if message.number == next { Arrival::Next } else { Arrival::Gap }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(origin: u64, number: u64) -> Message {
        Message { origin, number, hint: Hint::Keys }
    }

    fn heartbeat(origin: u64, number: u64) -> Message {
        Message { origin, number, hint: Hint::Heartbeat }
    }

    #[test]
    fn a_heartbeat_shows_that_the_last_ones_are_missing() {
        let mut tracker = HintTracker::default();
        assert_eq!(tracker.arrived(&heartbeat(1, 0)), Arrival::Next);
        assert_eq!(tracker.arrived(&message(1, 1)), Arrival::Next);
        assert_eq!(tracker.arrived(&heartbeat(1, 1)), Arrival::Next);
        assert_eq!(tracker.arrived(&heartbeat(1, 3)), Arrival::Gap);
        assert_eq!(tracker.arrived(&message(1, 3)), Arrival::Old);
        assert_eq!(tracker.arrived(&heartbeat(1, 2)), Arrival::Old);
        assert_eq!(tracker.arrived(&message(1, 4)), Arrival::Next);
        assert_eq!(tracker.arrived(&message(2, 9)), Arrival::Gap, "this node came later than that one");
    }

    #[test]
    fn the_longest_silent_are_forgotten_and_that_is_safe() {
        let mut tracker = HintTracker::default();
        for origin in 0..2 * MAX_ORIGINS as u64 {
            assert_eq!(tracker.arrived(&message(origin, 1)), Arrival::Next);
            assert_eq!(tracker.arrived(&heartbeat(0, 1)), Arrival::Next, "heard all the time");
        }
        assert_eq!(tracker.origins.len(), MAX_ORIGINS);
        assert_eq!(tracker.arrived(&message(1, 2)), Arrival::Gap);
    }

    proptest! {
        /// Whatever a bus drops, repeats and reorders: no hint is handled twice, and each that is
        /// not handled is followed by a gap, which makes it good.
        #[test]
        fn what_is_not_handled_is_made_good(
            published in prop::collection::vec(0..3_u64, 1..40),
            arrivals in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..80),
        ) {
            let mut last = [0; 3];
            let messages: Vec<Message> = published
                .into_iter()
                .map(|origin| {
                    last[origin as usize] += 1;
                    message(origin, last[origin as usize])
                })
                .collect();
            let mut tracker = HintTracker::default();
            let (mut handled, mut good) = (Vec::new(), [0; 3]);
            let arrivals = arrivals.into_iter().map(|(index, beats)| {
                let message = index.get(&messages);
                // A heartbeat may say as much as the message after which it was published.
                if beats { heartbeat(message.origin, message.number) } else { message.clone() }
            });
            let last_heartbeats = (0..3).map(|origin| heartbeat(origin, last[origin as usize]));
            for message in arrivals.chain(last_heartbeats) {
                let origin = message.origin as usize;
                match tracker.arrived(&message) {
                    Arrival::Old => continue,
                    Arrival::Next => {}
                    // All before it, and where it is a heartbeat, the one of its number, too.
                    Arrival::Gap => good[origin] = message.number,
                }
                if message.hint != Hint::Heartbeat {
                    handled.push((message.origin, message.number));
                }
            }
            let mut once = handled.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), handled.len(), "handled twice");
            for message in &messages {
                let made_good = message.number <= good[message.origin as usize];
                prop_assert!(made_good || handled.contains(&(message.origin, message.number)), "{:?}", message);
            }
        }
    }
}
