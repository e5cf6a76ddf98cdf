//! How many stanzas a peer may send.

use std::time::Duration;

use tokio::time::Instant;

/// What a peer may send at once, as the time in which its rate gives it back.
const BURST: Duration = Duration::from_secs(10);
/// One that has sent more is not read from until it may send so much again.
const RECOVERY: Duration = Duration::from_secs(2);

/// Stanzas of one peer, bounded by a rate a second and the burst that it adds up to.
#[derive(Debug, Default)]
pub(super) struct StanzaRate {
    /// When time will have given back all that was taken.
    even_at: Option<Instant>,
    paused_until: Option<Instant>,
}

impl StanzaRate {
    /// Takes one stanza; 0 a second is no limit.
    pub(super) fn take(&mut self, per_second: u32, now: Instant) {
        let Some(cost) = cost(per_second) else { return };
        let even_at = self.even_at.map_or(now, |at| at.max(now)) + cost;
        self.even_at = Some(even_at);
        if even_at > now + BURST {
            self.paused_until = even_at.checked_sub(BURST - RECOVERY);
        }
    }

    /// A stanza that settles what was sent is one that the server asked for.
    pub(super) fn give_back(&mut self, per_second: u32) {
        let Some(cost) = cost(per_second) else { return };
        self.even_at = self.even_at.and_then(|at| at.checked_sub(cost));
        self.paused_until = self.paused_until.and_then(|at| at.checked_sub(cost));
    }

    /// Until when nothing is to be read from the peer, if it has sent more than it may.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }
}

/// The time in which a rate gives back one stanza.
fn cost(per_second: u32) -> Option<Duration> {
    Duration::from_secs(1).checked_div(per_second)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_paused(rate: &StanzaRate, now: Instant) -> bool {
        rate.paused_until().is_some_and(|until| until > now)
    }

    #[test]
    fn a_burst_is_taken_and_time_gives_it_back() {
        let (mut rate, now) = (StanzaRate::default(), Instant::now());
        for _ in 0..50 {
            rate.take(5, now);
            assert!(!is_paused(&rate, now));
        }
        rate.take(5, now);
        // Until there is room for ten, and the one that was too many is given back.
        let until = now + RECOVERY + Duration::from_millis(200);
        assert_eq!(rate.paused_until(), Some(until));
        for _ in 0..10 {
            rate.take(5, until);
            assert!(!is_paused(&rate, until));
        }
        rate.take(5, until);
        assert!(is_paused(&rate, until));
    }

    #[test]
    fn what_the_server_asked_for_costs_nothing() {
        let (mut rate, now) = (StanzaRate::default(), Instant::now());
        for _ in 0..1000 {
            rate.take(1, now);
            rate.give_back(1);
            assert!(!is_paused(&rate, now));
        }
    }

    #[test]
    fn no_limit_is_no_limit() {
        let mut rate = StanzaRate::default();
        let now = Instant::now();
        (0..100_000).for_each(|_| rate.take(0, now));
        assert_eq!(rate.paused_until(), None);
    }

    #[test]
    fn fractions_of_a_second_count() {
        // 41 a second in bursts, for ten minutes.
        let (mut rate, mut now) = (StanzaRate::default(), Instant::now());
        for _ in 0..300 {
            (0..80).for_each(|_| rate.take(50, now));
            assert!(!is_paused(&rate, now));
            now += Duration::from_millis(1950);
        }
        // And 49, one by one.
        for _ in 0..30_000 {
            rate.take(50, now);
            assert!(!is_paused(&rate, now));
            now += Duration::from_micros(1_000_000 / 49);
        }
    }

    proptest! {
        /// Who is not read from while it is paused sends no more than its rate and one burst.
        #[test]
        fn the_rate_holds_over_any_time(
            per_second in 1..100u32,
            gaps in prop::collection::vec(0..2000u64, 1..400),
        ) {
            let (mut rate, start) = (StanzaRate::default(), Instant::now());
            let (mut now, mut taken) = (start, 0u32);
            for gap in gaps {
                now += Duration::from_millis(gap);
                now = now.max(rate.paused_until().unwrap_or(now));
                rate.take(per_second, now);
                taken += 1;
                let allowed = (now - start + BURST).as_secs_f64() * f64::from(per_second) + 1.0;
                prop_assert!(f64::from(taken) <= allowed + 1e-6);
            }
        }
    }
}
