//! Histograms that can be sent between processes.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Times in nanoseconds, to three digits.
#[derive(Debug, Clone)]
pub(crate) struct Times(Histogram<u64>);

/// A histogram on its way: pairs of value and count.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Packed(Vec<(u64, u64)>);

impl Default for Times {
    #[expect(clippy::expect_used, reason = "3 is between 0 and 5")]
    fn default() -> Self {
        Self(Histogram::new(3).expect("a precision that the histogram knows"))
    }
}

impl Times {
    pub(crate) fn record(&mut self, nanos: u64) {
        // An automatically growing histogram takes every value.
        let _ = self.0.record(nanos);
    }

    pub(crate) fn add(&mut self, packed: &Packed) {
        for (value, count) in &packed.0 {
            let _ = self.0.record_n(*value, *count);
        }
    }

    pub(crate) fn pack(&self) -> Packed {
        Packed(self.0.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect())
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// In milliseconds.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        self.0.value_at_percentile(percent) as f64 / 1e6
    }

    /// In milliseconds.
    pub(crate) fn max(&self) -> f64 {
        self.0.max() as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_survives_the_way_between_processes() {
        let mut times = Times::default();
        for value in 1..=1000u64 {
            times.record(value * 1_000_000);
        }
        let mut other = Times::default();
        other.add(&times.pack());
        other.add(&times.pack());
        assert_eq!(other.count(), 2000);
        assert!((other.percentile(50.0) - 500.0).abs() < 1.0);
        assert!((other.max() - 1000.0).abs() < 1.0);
    }
}
