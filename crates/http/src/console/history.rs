//! What the dashboard's charts show: samples kept in memory, the finer for an
//! hour, the coarser for a day.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tidings_core::model::Timestamp;
use tidings_core::notification::Latency;
use tokio::time::{MissedTickBehavior, interval};

use crate::state::App;

/// Between fine samples.
pub(crate) const STEP: Duration = Duration::from_secs(10);
/// Fine samples in a coarse one.
const COARSE: usize = 12;
/// An hour of fine samples.
const FINE_SAMPLES: usize = 360;
/// A day of coarse samples.
const COARSE_SAMPLES: usize = 720;

/// How things stood at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sample {
    pub at: Timestamp,
    pub online: u64,
    pub sessions: u64,
    pub accepted: u64,
    pub delivered: u64,
    pub pending: u64,
    pub logins: u64,
    pub refused: u64,
    pub latency: Latency,
}

/// Samples, oldest first.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<Rings>);

#[derive(Debug, Default)]
struct Rings {
    fine: VecDeque<Sample>,
    coarse: VecDeque<Sample>,
    count: usize,
}

impl History {
    fn record(&self, sample: Sample) {
        let mut rings = self.0.lock();
        if rings.count.is_multiple_of(COARSE) {
            push(&mut rings.coarse, sample, COARSE_SAMPLES);
        }
        rings.count += 1;
        push(&mut rings.fine, sample, FINE_SAMPLES);
    }

    /// The last hour.
    pub fn hour(&self) -> Vec<Sample> {
        self.0.lock().fine.iter().copied().collect()
    }

    /// The last day, with the newest fine sample at its end.
    pub fn day(&self) -> Vec<Sample> {
        let rings = self.0.lock();
        let newest = rings.fine.back().filter(|last| rings.coarse.back() != Some(last));
        rings.coarse.iter().chain(newest).copied().collect()
    }
}

fn push(ring: &mut VecDeque<Sample>, sample: Sample, most: usize) {
    if ring.len() == most {
        ring.pop_front();
    }
    ring.push_back(sample);
}

/// Samples until the server stops.
pub(crate) async fn sample(app: App) {
    let mut ticks = interval(STEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.stopped() => return,
            _ = ticks.tick() => {}
        }
        if let Ok(stats) = app.stats().await {
            app.history.record(Sample {
                at: app.core.clock.now(),
                online: stats.online,
                sessions: stats.sessions,
                accepted: stats.accepted,
                delivered: stats.delivered,
                pending: stats.pending,
                logins: stats.logins,
                refused: stats.logins_refused,
                latency: app.core.notification.latency(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_are_bounded_and_end_with_the_newest() {
        let history = History::default();
        for n in 0..20_000 {
            history.record(Sample { online: n, ..Sample::default() });
        }
        assert_eq!(history.hour().len(), FINE_SAMPLES);
        assert!(history.day().len() <= COARSE_SAMPLES + 1);
        for samples in [history.hour(), history.day()] {
            assert_eq!(samples.last().map(|sample| sample.online), Some(19_999));
            assert!(samples.is_sorted_by_key(|sample| sample.online));
        }
    }
}
