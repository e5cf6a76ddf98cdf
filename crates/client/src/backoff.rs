//! How long a device waits between connection attempts.

use std::time::Duration;

use crate::random::Random;

/// How long to wait between attempts: a random time up to a ceiling that doubles each
/// time ("full jitter"), so that devices that lost one server do not come back at once.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// The last attempt led to a connection that held.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait before the next attempt.
    pub(crate) fn next(&mut self, random: &dyn Random) -> Duration {
        let ceiling = self.first.saturating_mul(1 << self.failures.min(31)).min(self.most);
        self.failures = self.failures.saturating_add(1);
        part_of(ceiling, random)
    }

    /// A wait up to the highest ceiling, for failures that need a person.
    pub(crate) fn slow(&mut self, random: &dyn Random) -> Duration {
        self.failures = u32::MAX;
        self.most / 2 + part_of(self.most / 2, random)
    }
}

fn part_of(whole: Duration, random: &dyn Random) -> Duration {
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    whole.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::tests::Seeded;

    const SECOND: Duration = Duration::from_secs(1);

    /// Always the whole of the ceiling.
    #[derive(Debug)]
    struct Full;
    impl Random for Full {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0xff);
        }
    }

    #[test]
    fn the_ceiling_doubles_up_to_the_most_and_starts_again_after_a_reset() {
        let mut backoff = Backoff::new(SECOND, 300 * SECOND);
        let waits: Vec<u64> = (0..12).map(|_| backoff.next(&Full).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        backoff.reset();
        assert_eq!(backoff.next(&Full), SECOND);
    }

    #[test]
    fn waits_are_spread_over_the_whole_range() {
        let random = Seeded::default();
        let mut backoff = Backoff::new(SECOND, SECOND);
        let waits: Vec<f64> = (0..1000).map(|_| backoff.next(&random).as_secs_f64()).collect();
        for tenth in 0..10 {
            let low = f64::from(tenth) / 10.0;
            let count = waits.iter().filter(|wait| (low..low + 0.1).contains(*wait)).count();
            assert!((50..150).contains(&count), "{count} of 1000 waits from {low}");
        }
    }
}
