//! How many stanzas a peer may send.

use tokio::time::Instant;

/// What a peer may send at once, in seconds of its rate.
const BURST_SECONDS: u32 = 10;

/// Stanzas of one peer, bounded by a rate a second and the burst that it adds up to.
#[derive(Default)]
pub(super) struct StanzaRate {
    /// Stanzas that were taken, and not yet given back by time.
    taken: u32,
    since: Option<Instant>,
}

impl StanzaRate {
    /// Takes one stanza. False when that is one too many; 0 a second is no limit.
    pub(super) fn take(&mut self, per_second: u32, now: Instant) -> bool {
        if per_second == 0 {
            return true;
        }
        let since = *self.since.get_or_insert(now);
        let refill = now.saturating_duration_since(since).as_secs().saturating_mul(u64::from(per_second));
        if refill > 0 {
            self.taken = self.taken.saturating_sub(u32::try_from(refill).unwrap_or(u32::MAX));
            self.since = Some(now);
        }
        self.taken = self.taken.saturating_add(1);
        self.taken <= per_second.saturating_mul(BURST_SECONDS)
    }

    /// A stanza that settles what was sent is one that the server asked for.
    pub(super) fn give_back(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_taken_and_time_gives_it_back() {
        let (mut rate, now) = (StanzaRate::default(), Instant::now());
        assert!((0..50).all(|_| rate.take(5, now)));
        assert!(!rate.take(5, now));
        rate.give_back();
        // 50 are taken still; two seconds give back ten.
        let later = now + Duration::from_secs(2);
        assert!((0..10).all(|_| rate.take(5, later)));
        assert!(!rate.take(5, later));
    }

    #[test]
    fn what_the_server_asked_for_costs_nothing() {
        let (mut rate, now) = (StanzaRate::default(), Instant::now());
        for _ in 0..1000 {
            assert!(rate.take(1, now));
            rate.give_back();
        }
    }

    #[test]
    fn no_limit_is_no_limit() {
        let mut rate = StanzaRate::default();
        let now = Instant::now();
        assert!((0..100_000).all(|_| rate.take(0, now)));
    }
}
