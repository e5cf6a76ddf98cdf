//! How many connections there may be and are, and the order to end them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tidings_core::source::network;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::deadlines::{Deadlines, Slot};
use crate::strangers::{Stranger, Strangers};

/// What has happened since the start, and what is there now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections taken in.
    pub accepted: u64,
    /// Connections closed at once, by a limit.
    pub refused: u64,
    /// Connections that said nothing and had to make room for others that log in.
    pub gave_way: u64,
    /// TLS handshakes that failed.
    pub handshake_failures: u64,
    /// Connections dropped because the peer did not read.
    pub stalled: u64,
    /// Connections open now.
    pub open: usize,
    /// Those of them that have not logged in.
    pub unauthenticated: usize,
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    /// Not at all.
    Running = 0,
    /// End the stream and finish writing.
    Graceful = 1,
    /// Drop the connection at once.
    Now = 2,
}

/// The bounds on connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Open connections.
    pub(crate) connections: usize,
    /// Open connections from one address; 0 = no limit.
    pub(crate) per_address: usize,
    /// Open connections that have not logged in.
    pub(crate) unauthenticated: usize,
    /// Those of one address; 0 = no limit.
    pub(crate) unauthenticated_per_address: usize,
}

/// The limits that all connections of a server are under, and what is counted of them.
pub(crate) struct ConnectionLimits {
    pub(crate) bounds: Bounds,
    pub(crate) deadlines: Deadlines,
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    gave_way: AtomicU64,
    pub(crate) handshake_failures: AtomicU64,
    pub(crate) stalled: AtomicU64,
    open: AtomicUsize,
    unauthenticated: AtomicUsize,
    stop: AtomicU8,
    /// Notified when the last connection has gone.
    pub(crate) empty: Notify,
    addresses: Addresses,
    strangers: Strangers,
}

/// A connection's share of the limits. Give it back with [`ConnectionLimits::depart`].
#[derive(Debug)]
pub(crate) struct Admission {
    /// Only where addresses are counted.
    address: Option<Box<IpAddr>>,
    /// Until it has logged in.
    stranger: Option<Arc<Stranger>>,
    /// Its row among the deadlines.
    pub(crate) slot: Slot,
    /// The session has ended the stream because the server stops.
    pub(crate) shutdown_sent: bool,
}

impl Admission {
    /// Where a connection that has not logged in comes from.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.stranger.as_ref().map(|stranger| stranger.address)
    }
}

/// The connection is one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

impl ConnectionLimits {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            deadlines: Deadlines::new(),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            gave_way: AtomicU64::new(0),
            handshake_failures: AtomicU64::new(0),
            stalled: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            unauthenticated: AtomicUsize::new(0),
            stop: AtomicU8::new(Stop::Running as u8),
            empty: Notify::new(),
            addresses: Addresses::default(),
            strangers: Strangers::new(bounds.unauthenticated_per_address),
        }
    }

    /// Takes a connection in.
    pub(crate) fn admit(&self, address: IpAddr) -> Result<Admission, Refused> {
        let admitted = self.try_admit(address);
        let counter = if admitted.is_ok() { &self.accepted } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        admitted
    }

    fn try_admit(&self, address: IpAddr) -> Result<Admission, Refused> {
        let source = network(address);
        if self.open.fetch_add(1, Ordering::AcqRel) >= self.bounds.connections {
            self.left();
            // For the next one.
            self.make_room(1);
            return Err(Refused);
        }
        let counted = (self.bounds.per_address > 0).then(|| Box::new(source));
        if counted.is_some() && !self.addresses.enter(source, self.bounds.per_address) {
            self.left();
            return Err(Refused);
        }
        let slot = self.deadlines.enter();
        let Some(stranger) = self.strangers.enter(address, slot, &self.deadlines) else {
            self.deadlines.leave(slot);
            if counted.is_some() {
                self.addresses.leave(source);
            }
            self.left();
            return Err(Refused);
        };
        self.unauthenticated.fetch_add(1, Ordering::Relaxed);
        Ok(Admission { address: counted, stranger: Some(stranger), slot, shutdown_sent: false })
    }

    /// Has silent connections that have not logged in make room for some others.
    pub(crate) fn make_room_to_log_in(&self) {
        self.make_room((self.bounds.unauthenticated / 8).max(1));
    }

    fn make_room(&self, count: usize) {
        self.strangers.make_room(count, &self.deadlines);
    }

    /// The session works on what the peer said; then `heard` is to be called.
    pub(crate) fn at_work(&self, admission: &Admission) {
        if let Some(stranger) = &admission.stranger {
            stranger.at_work();
        }
    }

    /// The peer has said something, and is answered.
    pub(crate) fn heard(&self, admission: &Admission) {
        if let Some(stranger) = &admission.stranger {
            self.strangers.heard(stranger);
        }
    }

    /// Whether the connection has to end, so that others can log in.
    pub(crate) fn gives_way(&self, admission: &Admission) -> bool {
        let gives_way = admission.stranger.as_ref().is_some_and(|stranger| stranger.gives_way());
        if gives_way {
            self.gave_way.fetch_add(1, Ordering::Relaxed);
        }
        gives_way
    }

    /// The connection has logged in.
    pub(crate) fn authenticated(&self, admission: &mut Admission) {
        if let Some(stranger) = admission.stranger.take() {
            self.strangers.leave(&stranger);
            self.unauthenticated.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The connection is gone.
    pub(crate) fn depart(&self, admission: &mut Admission) {
        self.authenticated(admission);
        self.deadlines.leave(admission.slot);
        if let Some(address) = admission.address.take() {
            self.addresses.leave(*address);
        }
        self.left();
    }

    /// Whether new connections should wait in the kernel's queue: too many are logging in.
    pub(crate) fn is_saturated(&self) -> bool {
        self.unauthenticated.load(Ordering::Relaxed) >= self.bounds.unauthenticated
    }

    pub(crate) fn stop(&self) -> Stop {
        match self.stop.load(Ordering::Acquire) {
            0 => Stop::Running,
            1 => Stop::Graceful,
            _ => Stop::Now,
        }
    }

    /// Tells every connection.
    pub(crate) fn set_stop(&self, stop: Stop) {
        self.stop.fetch_max(stop as u8, Ordering::AcqRel);
        self.deadlines.wake_all();
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            accepted: self.accepted.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            gave_way: self.gave_way.load(Ordering::Relaxed),
            handshake_failures: self.handshake_failures.load(Ordering::Relaxed),
            stalled: self.stalled.load(Ordering::Relaxed),
            open: self.open(),
            unauthenticated: self.unauthenticated.load(Ordering::Relaxed),
        }
    }

    fn left(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.empty.notify_waiters();
        }
    }
}

/// Connections by source.
#[derive(Default)]
struct Addresses {
    hasher: RandomState,
    shards: [Mutex<HashMap<IpAddr, usize>>; 8],
}

impl Addresses {
    fn enter(&self, address: IpAddr, limit: usize) -> bool {
        let mut shard = self.shard(address).lock();
        let count = shard.entry(address).or_default();
        if *count >= limit {
            return false;
        }
        *count += 1;
        true
    }

    fn leave(&self, address: IpAddr) {
        if let Entry::Occupied(mut entry) = self.shard(address).lock().entry(address) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }

    #[expect(clippy::indexing_slicing, reason = "three bits index eight")]
    fn shard(&self, address: IpAddr) -> &Mutex<HashMap<IpAddr, usize>> {
        &self.shards[(self.hasher.hash_one(address) & 7) as usize]
    }
}

/// How fast connections are accepted: a token bucket that holds one second's worth.
#[derive(Debug)]
pub(crate) struct AcceptRate {
    per_second: f64,
    tokens: f64,
    at: Instant,
}

impl AcceptRate {
    pub(crate) fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second.max(1));
        Self { per_second, tokens: per_second, at: Instant::now() }
    }

    /// Takes one, or says how long to wait for it.
    pub(crate) fn take(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + gained).min(self.per_second);
        self.at = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            None
        } else {
            Some(Duration::from_secs_f64((1.0 - self.tokens) / self.per_second))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(connections: usize, per_address: usize) -> ConnectionLimits {
        ConnectionLimits::new(Bounds {
            connections,
            per_address,
            unauthenticated: 4,
            unauthenticated_per_address: 0,
        })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn the_total_is_bounded_and_recovers() {
        let limits = limits(2, 0);
        let mut one = limits.admit(address("10.0.0.1")).unwrap();
        let _two = limits.admit(address("10.0.0.1")).unwrap();
        assert_eq!(limits.admit(address("10.0.0.2")).unwrap_err(), Refused);
        limits.authenticated(&mut one);
        assert_eq!(
            limits.counts(),
            Counts { accepted: 2, refused: 1, open: 2, unauthenticated: 1, ..Counts::default() }
        );
        limits.depart(&mut one);
        assert!(limits.admit(address("10.0.0.2")).is_ok());
    }

    #[tokio::test]
    async fn one_network_is_bounded_by_itself() {
        let limits = limits(100, 2);
        let mut one = limits.admit(address("2001:db8::1")).unwrap();
        let _two = limits.admit(address("2001:db8::ffff")).unwrap();
        assert!(limits.admit(address("2001:db8::2")).is_err());
        assert!(limits.admit(address("2001:db8:0:1::2")).is_ok());
        let _mapped = limits.admit(address("::ffff:10.0.0.1")).unwrap();
        let _plain = limits.admit(address("10.0.0.1")).unwrap();
        assert!(limits.admit(address("10.0.0.1")).is_err());
        limits.depart(&mut one);
        assert!(limits.admit(address("2001:db8::2")).is_ok());
        assert_eq!(limits.open(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_are_accepted_at_a_rate() {
        let mut rate = AcceptRate::new(10);
        for _ in 0..10 {
            assert_eq!(rate.take(), None);
        }
        let wait = rate.take().unwrap();
        assert!(wait <= Duration::from_millis(100), "{wait:?}");
        tokio::time::advance(Duration::from_millis(101)).await;
        assert_eq!(rate.take(), None);
        assert!(rate.take().is_some());
    }
}
