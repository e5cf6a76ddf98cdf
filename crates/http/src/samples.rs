//! What the console's charts show: samples kept in memory, the finer for an hour,
//! the coarser for a day, and how the newest notifications came along.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use tidings_core::Core;
use tidings_core::model::{Counters, NotificationId, Timestamp};
use tidings_core::notification::Latency;
use tidings_core::store::NotificationRecord;
use tokio::time::{MissedTickBehavior, interval};

/// Between fine samples.
pub(crate) const STEP: Duration = Duration::from_secs(10);
/// Fine samples in a coarse one.
const COARSE: usize = 12;
/// An hour of fine samples.
const FINE_SAMPLES: usize = 360;
/// A day of coarse samples.
const COARSE_SAMPLES: usize = 720;

/// Newest notifications whose progress is sampled.
const FOLLOWED: usize = 20;
/// Notifications whose progress is kept.
const TIMELINES: usize = 200;
/// Points of one notification's progress.
const POINTS: usize = 240;

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

/// How far a notification had come at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimelinePoint {
    pub at: Timestamp,
    pub delivered: u64,
    pub opened: u64,
    pub pending: u64,
    pub expired: u64,
}

impl TimelinePoint {
    /// How far a notification with these counters has come.
    pub fn at(at: Timestamp, counters: &Counters) -> Self {
        let Counters { delivered, opened, expired, .. } = *counters;
        Self { at, delivered, opened, pending: counters.pending(), expired }
    }
}

/// How the newest notifications came along.
#[derive(Debug, Default)]
pub(crate) struct Timelines(Mutex<BTreeMap<NotificationId, Vec<TimelinePoint>>>);

impl Timelines {
    fn record(&self, at: Timestamp, record: &NotificationRecord) {
        let mut timelines = self.0.lock();
        let points = timelines.entry(record.notification.id).or_default();
        let now = TimelinePoint::at(at, &record.counters);
        let same = |point: &TimelinePoint| TimelinePoint { at, ..*point } == now;
        // Only the ends of a level stretch are needed to draw it.
        if let [.., before, last] = points.as_mut_slice()
            && same(before)
            && same(last)
        {
            last.at = at;
            return;
        }
        points.push(now);
        if points.len() > POINTS {
            let mut index = 0;
            points.retain(|_| {
                index += 1;
                index % 2 == 0
            });
        }
        // Ids begin with their time, so that the first is the oldest.
        while timelines.len() > TIMELINES {
            timelines.pop_first();
        }
    }

    /// How a notification came along, oldest first; nothing for an old one.
    pub fn of(&self, id: NotificationId) -> Vec<TimelinePoint> {
        self.0.lock().get(&id).cloned().unwrap_or_default()
    }
}

fn push(ring: &mut VecDeque<Sample>, sample: Sample, most: usize) {
    if ring.len() == most {
        ring.pop_front();
    }
    ring.push_back(sample);
}

/// All samples.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    pub history: History,
    pub timelines: Timelines,
}

impl Samples {
    /// Takes samples for ever.
    pub async fn keep(&self, core: &Core) {
        let mut ticks = interval(STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Ok(totals) = core.notification.totals().await {
                let (logins, refused) = core.auth.logins();
                self.history.record(Sample {
                    at: core.clock.now(),
                    online: core.session.online() as u64,
                    sessions: core.session.connected() as u64,
                    accepted: totals.notifications,
                    delivered: totals.counters.delivered,
                    pending: totals.counters.pending(),
                    logins,
                    refused,
                    latency: core.notification.latency(),
                });
            }
            if let Ok(newest) = core.notification.list(None, FOLLOWED).await {
                let now = core.clock.now();
                newest.items.iter().for_each(|record| self.timelines.record(now, record));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tidings_core::model::{Audience, Content, Ext, Notification, NotificationState, Priority, Seq};

    use super::*;

    fn record(id: u128, delivered: u64) -> NotificationRecord {
        NotificationRecord {
            position: 0,
            notification: Notification {
                seq: Seq(1),
                id: NotificationId(id),
                payload: Content::default().into(),
                ext: Ext::default(),
                sender: None,
                endpoint: None,
                priority: Priority::Normal,
                topic: None,
                collapse_key: None,
                sent_at: Timestamp(0),
                expires_at: Timestamp(0),
            },
            audience: Audience::All,
            created_at: Timestamp(0),
            send_at: None,
            state: NotificationState::Live,
            counters: Counters { recipients: 1_000_000, delivered, ..Counters::default() },
        }
    }

    #[test]
    fn timelines_are_bounded_and_skip_what_is_level() {
        let timelines = Timelines::default();
        for n in 0..1000 {
            timelines.record(Timestamp(n), &record(7, n.unsigned_abs()));
        }
        let points = timelines.of(NotificationId(7));
        assert!(points.len() <= POINTS);
        assert_eq!(points.last().map(|point| point.delivered), Some(999));
        assert!(points.is_sorted_by_key(|point| point.at));
        for n in 0..50 {
            timelines.record(Timestamp(n), &record(8, 1));
        }
        assert_eq!(timelines.of(NotificationId(8)).len(), 2);
        for id in 9..1000 {
            timelines.record(Timestamp(0), &record(id, 1));
        }
        assert_eq!(timelines.0.lock().len(), TIMELINES);
        assert!(timelines.of(NotificationId(7)).is_empty());
    }

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
