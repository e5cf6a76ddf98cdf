//! Limits how often one source address may register or fail to log in.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::source::network;

/// Sources that are remembered at once. A forgotten one starts afresh.
const SOURCES: usize = 65_536;

/// How many minutes of allowance a source may owe at most: attempts that were
/// under way together when the last one ran out.
const DEBT_MINUTES: f64 = 10.0;

/// A token bucket for each source address: so many events a minute, all of them
/// at once if need be.
///
/// An IPv6 host usually has a /64 to itself, so the first 64 bits are the source.
pub(super) struct Throttle {
    /// Events a minute; 0 = no limit.
    per_minute: u32,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Throttle {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { per_minute, buckets: Mutex::default() }
    }

    /// Whether this source has used up its allowance. Costs it nothing.
    pub(super) fn exhausted(&self, source: IpAddr) -> bool {
        if self.per_minute == 0 {
            return false;
        }
        let now = Instant::now();
        self.buckets.lock().get(&network(source)).is_some_and(|bucket| self.tokens(bucket, now) < 1.0)
    }

    /// Takes one event off the allowance; false, and nothing taken, when there is none left.
    pub(super) fn take(&self, source: IpAddr) -> bool {
        self.charge(source, 1.0)
    }

    /// Takes one event off the allowance even where there is none left: it has
    /// happened. What is owed is paid back in waiting, so that attempts made at
    /// the same moment over many connections do not get past the limit for long.
    pub(super) fn record(&self, source: IpAddr) {
        self.charge(source, -DEBT_MINUTES * f64::from(self.per_minute) + 1.0);
    }

    fn charge(&self, source: IpAddr, at_least: f64) -> bool {
        if self.per_minute == 0 {
            return true;
        }
        let now = Instant::now();
        let source = network(source);
        let mut buckets = self.buckets.lock();
        if buckets.len() >= SOURCES && !buckets.contains_key(&source) {
            self.make_room(&mut buckets, now);
        }
        let full = Bucket { tokens: f64::from(self.per_minute), at: now };
        let bucket = buckets.entry(source).or_insert(full);
        let tokens = self.tokens(bucket, now);
        let granted = tokens >= at_least;
        *bucket = Bucket { tokens: if granted { tokens - 1.0 } else { tokens }, at: now };
        granted
    }

    fn tokens(&self, bucket: &Bucket, now: Instant) -> f64 {
        let capacity = f64::from(self.per_minute);
        let earned = now.saturating_duration_since(bucket.at).as_secs_f64() * capacity / 60.0;
        (bucket.tokens + earned).min(capacity)
    }

    /// Forgets sources whose bucket is full again (that loses nothing), and if these
    /// are few, any others: the map's order is random, so an attacker cannot choose which.
    fn make_room(&self, buckets: &mut HashMap<IpAddr, Bucket>, now: Instant) {
        let capacity = f64::from(self.per_minute);
        buckets.retain(|_, bucket| self.tokens(bucket, now) < capacity);
        let mut surplus = buckets.len().saturating_sub(SOURCES / 4 * 3);
        buckets.retain(|_, _| {
            let keep = surplus == 0;
            surplus = surplus.saturating_sub(1);
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_allowance_is_used_up_and_comes_back() {
        let throttle = Throttle::new(3);
        let source = ip("192.0.2.1");
        for _ in 0..3 {
            assert!(throttle.take(source));
        }
        assert!(throttle.exhausted(source));
        assert!(!throttle.take(source));
        assert!(!throttle.exhausted(ip("192.0.2.2")));
        tokio::time::advance(Duration::from_secs(21)).await;
        assert!(throttle.take(source));
        assert!(!throttle.take(source));
        tokio::time::advance(Duration::from_secs(600)).await;
        for _ in 0..3 {
            assert!(throttle.take(source));
        }
        assert!(!throttle.take(source), "no more than a minute's worth is saved up");
    }

    #[tokio::test(start_paused = true)]
    async fn what_happened_at_once_is_paid_back() {
        let throttle = Throttle::new(2);
        let source = ip("192.0.2.1");
        for _ in 0..4 {
            throttle.record(source);
        }
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(throttle.exhausted(source));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!throttle.exhausted(source));

        for _ in 0..10_000 {
            throttle.record(source);
        }
        tokio::time::advance(Duration::from_secs(660)).await;
        assert!(!throttle.exhausted(source), "debt has a bound");
    }

    #[tokio::test(start_paused = true)]
    async fn an_ipv6_network_is_one_source() {
        let throttle = Throttle::new(1);
        assert!(throttle.take(ip("2001:db8:1:2::1")));
        assert!(!throttle.take(ip("2001:db8:1:2:ffff::1")));
        assert!(throttle.take(ip("2001:db8:1:3::1")));
        assert!(throttle.take(ip("::ffff:192.0.2.1")));
        assert!(!throttle.take(ip("192.0.2.1")));
    }

    #[tokio::test(start_paused = true)]
    async fn zero_is_no_limit() {
        let throttle = Throttle::new(0);
        for _ in 0..1000 {
            assert!(throttle.take(ip("192.0.2.1")));
        }
        throttle.record(ip("192.0.2.1"));
        assert!(!throttle.exhausted(ip("192.0.2.1")));
        assert!(throttle.buckets.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let throttle = Throttle::new(5);
        for n in 0..(SOURCES as u32 + 10) {
            throttle.take(IpAddr::from(n.to_be_bytes()));
        }
        assert!(throttle.buckets.lock().len() <= SOURCES);
    }
}
