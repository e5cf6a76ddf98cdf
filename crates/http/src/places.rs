//! Places that clients occupy before they have shown who they are: a bound on all of them, a share of it for each
//! source. Where places run out, those give way that have been idle for longest, so that
//! nobody keeps others out by being slow.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tidings_core::source::network;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Who has been idle for less does not give way.
const IDLE: Duration = Duration::from_secs(1);

/// All places.
#[derive(Debug)]
pub(crate) struct Places {
    start: Instant,
    most: usize,
    per_source: usize,
    taken: Mutex<Taken>,
    /// A place was given back.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    places: HashMap<u64, Arc<Place>>,
    of_source: HashMap<IpAddr, usize>,
}

/// One place.
#[derive(Debug)]
pub(crate) struct Place {
    /// `None`: not counted by source.
    source: Option<IpAddr>,
    /// Requests under way.
    uses: AtomicU32,
    /// When it became idle: milliseconds since the start.
    since: AtomicU64,
    /// It has to be given back.
    ended: Notify,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Occupied {
    places: Arc<Places>,
    number: u64,
    pub(crate) place: Arc<Place>,
}

/// A place that is in use, until it is dropped.
#[derive(Debug)]
pub(crate) struct InUse {
    places: Arc<Places>,
    place: Arc<Place>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// This source has its share.
    Source,
    /// All are taken.
    All,
}

impl Places {
    /// So many places, and so many of them for one source.
    pub(crate) fn new(most: usize, per_source: usize) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            most,
            per_source,
            taken: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Takes a place for someone at this address, or for a proxy that speaks for many (`None`).
    ///
    /// # Errors
    /// [`Full`] where no place is free and none idle.
    pub(crate) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Occupied, Full> {
        let source = address.map(network);
        let now = self.now();
        let mut taken = self.taken.lock();
        let of_source = source.map_or(0, |source| taken.of_source.get(&source).copied().unwrap_or(0));
        if of_source >= self.per_source && taken.end_idle(1, now, |place| place.source == source) == 0 {
            return Err(Full::Source);
        }
        // Some more at once, for whoever comes next.
        let enough = (self.most / 64).max(1);
        if taken.places.len() >= self.most && taken.end_idle(enough, now, |_| true) == 0 {
            return Err(Full::All);
        }
        let place = Arc::new(Place {
            source,
            uses: AtomicU32::new(0),
            since: AtomicU64::new(now),
            ended: Notify::new(),
        });
        let number = taken.next;
        taken.next += 1;
        taken.places.insert(number, Arc::clone(&place));
        if let Some(source) = source {
            *taken.of_source.entry(source).or_default() += 1;
        }
        Ok(Occupied { places: Arc::clone(self), number, place })
    }

    /// Ends one that is idle, if there is any.
    pub(crate) fn end_one(&self) {
        self.taken.lock().end_idle(1, self.now(), |_| true);
    }

    /// Waits until a place was given back.
    pub(crate) async fn freed(&self) {
        self.freed.notified().await;
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Taken {
    /// Ends so many of those that are idle: of the source that has most, the ones that are so for longest.
    /// They count no longer.
    fn end_idle(&mut self, count: usize, now: u64, candidate: impl Fn(&Place) -> bool) -> usize {
        let idle = self.places.iter().filter(|(_, place)| candidate(place) && place.is_idle(now));
        let of_source = |place: &Place| {
            let source = place.source.as_ref();
            source.and_then(|source| self.of_source.get(source)).copied().unwrap_or(0)
        };
        let mut idle: Vec<_> = idle
            .map(|(number, place)| {
                let since = place.since.load(Ordering::Relaxed);
                (std::cmp::Reverse(of_source(place)), since, *number)
            })
            .collect();
        idle.sort_unstable();
        idle.truncate(count);
        for (.., number) in &idle {
            if let Some(place) = self.remove(*number) {
                place.ended.notify_one();
            }
        }
        idle.len()
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Place>> {
        let place = self.places.remove(&number)?;
        if let Some(source) = &place.source
            && let Some(count) = self.of_source.get_mut(source)
        {
            *count -= 1;
            if *count == 0 {
                self.of_source.remove(source);
            }
        }
        Some(place)
    }
}

impl Place {
    fn is_idle(&self, now: u64) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        !self.is_in_use() && u128::from(now.saturating_sub(since)) >= IDLE.as_millis()
    }

    /// Whether a request is under way.
    pub(crate) fn is_in_use(&self) -> bool {
        self.uses.load(Ordering::Acquire) > 0
    }

    /// Resolves once others need the place.
    pub(crate) async fn ended(&self) {
        self.ended.notified().await;
    }
}

impl Occupied {
    /// Something was done for who is there: it is idle from now on.
    pub(crate) fn touch(&self) {
        self.place.since.store(self.places.now(), Ordering::Relaxed);
    }

    /// A request is under way, or an answer that goes on.
    pub(crate) fn in_use(&self) -> InUse {
        InUse::new(Arc::clone(&self.places), Arc::clone(&self.place))
    }
}

impl InUse {
    fn new(places: Arc<Places>, place: Arc<Place>) -> Self {
        place.uses.fetch_add(1, Ordering::AcqRel);
        Self { places, place }
    }
}

impl Clone for InUse {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.places), Arc::clone(&self.place))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.place.since.store(self.places.now(), Ordering::Relaxed);
        self.place.uses.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.places.taken.lock().remove(self.number);
        self.places.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn at(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn is_ended(occupied: &Occupied) -> bool {
        occupied.place.ended().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_has_its_share_displaces_its_own() {
        let places = Places::new(10, 2);
        let other = places.enter(at("192.0.2.9")).unwrap();
        let first = places.enter(at("192.0.2.1")).unwrap();
        let second = places.enter(at("192.0.2.1")).unwrap();
        assert_eq!(places.enter(at("192.0.2.1")).unwrap_err(), Full::Source);
        tokio::time::advance(IDLE).await;
        first.touch();
        let _third = places.enter(at("192.0.2.1")).unwrap();
        assert!(is_ended(&second) && !is_ended(&first) && !is_ended(&other));
        drop(second);
        assert_eq!(places.enter(at("192.0.2.1")).unwrap_err(), Full::Source, "it counts once");
        drop(first);
        assert!(places.enter(at("192.0.2.1")).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn idle_places_of_who_has_most_are_for_others() {
        let places = Places::new(3, 3);
        let lone = places.enter(at("192.0.2.9")).unwrap();
        let many = [places.enter(at("192.0.2.1")).unwrap(), places.enter(at("192.0.2.1")).unwrap()];
        assert_eq!(places.enter(at("192.0.2.2")).unwrap_err(), Full::All);
        tokio::time::advance(IDLE).await;
        let in_use = many[0].in_use();
        let streaming = in_use.clone();
        drop(in_use);
        let third = places.enter(at("192.0.2.2")).unwrap();
        assert!(is_ended(&many[1]) && !is_ended(&many[0]) && !is_ended(&lone));
        drop(many);
        drop((streaming, third, lone));
        assert!(places.taken.lock().places.is_empty() && places.taken.lock().of_source.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_has_no_share() {
        let places = Places::new(5, 1);
        let held: Vec<_> = (0..5).map(|_| places.enter(None).unwrap()).collect();
        assert_eq!(places.enter(None).unwrap_err(), Full::All);
        drop(held);
        assert!(places.enter(None).is_ok());
    }
}
