//! Measures the time from acceptance to acknowledgement.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of [`Latency`]'s buckets in milliseconds; one more bucket holds
/// what took longer.
pub const LATENCY_BOUNDS: [u64; 15] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000];

/// How long copies took from acceptance to acknowledgement, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    /// Copies by the first of [`LATENCY_BOUNDS`] that they did not exceed.
    pub buckets: [u64; LATENCY_BOUNDS.len() + 1],
    /// All their milliseconds together.
    pub millis: u64,
}

/// Counts a [`Latency`].
#[derive(Debug, Default)]
pub(super) struct LatencyMeter {
    buckets: [AtomicU64; LATENCY_BOUNDS.len() + 1],
    millis: AtomicU64,
}

impl LatencyMeter {
    pub(super) fn record(&self, took: Duration, copies: u64) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS.partition_point(|bound| *bound < millis);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(copies, Ordering::Relaxed);
        }
        self.millis.fetch_add(millis.saturating_mul(copies), Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Latency {
        Latency {
            buckets: std::array::from_fn(|index| {
                self.buckets.get(index).map_or(0, |bucket| bucket.load(Ordering::Relaxed))
            }),
            millis: self.millis.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_belong_to_their_bucket() {
        let meter = LatencyMeter::default();
        for millis in [0, 1, 2, 3, 60_000, 60_001] {
            meter.record(Duration::from_millis(millis), 2);
        }
        let latency = meter.read();
        assert_eq!(latency.buckets[..3], [4, 2, 2]);
        assert_eq!(latency.buckets[14..], [2, 2]);
        assert_eq!(latency.millis, 2 * 120_007);
    }
}
