//! Connections that have not logged in yet, by where they come from. Each source has a
//! share of them; where it is used up, the oldest connection that says nothing gives way.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tidings_core::source::network;
use tokio::time::Instant;

use crate::deadlines::{Deadlines, Slot};

/// Who has said nothing for so long gives way. A client that is logging in over a slow network
/// says something more often.
const SILENT: Duration = Duration::from_secs(3);
/// The server is at work for it: it is not its peer that is silent.
const AT_WORK: u64 = u64::MAX;

/// All of them.
pub(crate) struct Strangers {
    start: Instant,
    hasher: RandomState,
    shards: [Mutex<HashMap<IpAddr, Connections>>; 8],
    /// How many one source may have; 0 = no limit.
    per_source: usize,
}

/// Those of one source, in the order in which they came.
type Connections = VecDeque<Arc<Stranger>>;

/// A connection that has not logged in.
#[derive(Debug)]
pub(crate) struct Stranger {
    pub(crate) address: IpAddr,
    source: IpAddr,
    slot: Slot,
    /// When it last said something: milliseconds since the start, or [`AT_WORK`].
    heard: AtomicU64,
    gives_way: AtomicBool,
}

impl Stranger {
    /// Whether it has to end, so that others can log in.
    pub(crate) fn gives_way(&self) -> bool {
        self.gives_way.load(Ordering::Acquire)
    }

    /// The server works on what it said.
    pub(crate) fn at_work(&self) {
        self.heard.store(AT_WORK, Ordering::Relaxed);
    }
}

impl Strangers {
    pub(crate) fn new(per_source: usize) -> Self {
        Self { start: Instant::now(), hasher: RandomState::new(), shards: Default::default(), per_source }
    }

    /// Takes one in, at the cost of a silent one where its source has its share already. `None`
    /// where none of those is silent. The one that gives way is waked.
    pub(crate) fn enter(&self, address: IpAddr, slot: Slot, deadlines: &Deadlines) -> Option<Arc<Stranger>> {
        let (now, source) = (self.now(), network(address));
        let mut shard = self.shard(source).lock();
        let connections = shard.entry(source).or_default();
        let leaving = if self.per_source > 0 && connections.len() >= self.per_source {
            let oldest = connections.iter().position(|one| is_silent(one, now))?;
            connections.remove(oldest)
        } else {
            None
        };
        let stranger = Arc::new(Stranger {
            address,
            source,
            slot,
            heard: AtomicU64::new(now),
            gives_way: AtomicBool::new(false),
        });
        connections.push_back(Arc::clone(&stranger));
        drop(shard);
        if let Some(leaving) = leaving {
            give_way(&leaving, deadlines);
        }
        Some(stranger)
    }

    /// It has said something.
    pub(crate) fn heard(&self, stranger: &Stranger) {
        stranger.heard.store(self.now(), Ordering::Relaxed);
    }

    /// It has logged in, or is gone.
    pub(crate) fn leave(&self, stranger: &Arc<Stranger>) {
        let mut shard = self.shard(stranger.source).lock();
        let Some(connections) = shard.get_mut(&stranger.source) else { return };
        if let Some(index) = connections.iter().position(|one| Arc::ptr_eq(one, stranger)) {
            connections.remove(index);
        }
        if connections.is_empty() {
            shard.remove(&stranger.source);
        }
    }

    /// Makes room for so many: silent ones give way, those of the source that has the most first, and of
    /// one source the oldest. Answers how many do.
    pub(crate) fn make_room(&self, count: usize, deadlines: &Deadlines) -> usize {
        let now = self.now();
        let mut silent = Vec::new();
        for shard in &self.shards {
            for connections in shard.lock().values() {
                let of_source = connections.iter().filter(|one| is_silent(one, now)).cloned();
                silent.extend(of_source.map(|one| (connections.len(), one)));
            }
        }
        silent.sort_by_key(|(of_source, one)| {
            (std::cmp::Reverse(*of_source), one.heard.load(Ordering::Relaxed))
        });
        silent.truncate(count);
        for (_, one) in &silent {
            self.leave(one);
            give_way(one, deadlines);
        }
        silent.len()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(AT_WORK - 1)
    }

    #[expect(clippy::indexing_slicing, reason = "three bits index eight")]
    fn shard(&self, source: IpAddr) -> &Mutex<HashMap<IpAddr, Connections>> {
        &self.shards[(self.hasher.hash_one(source) & 7) as usize]
    }
}

fn is_silent(stranger: &Stranger, now: u64) -> bool {
    let heard = stranger.heard.load(Ordering::Relaxed);
    u128::from(now.saturating_sub(heard)) >= SILENT.as_millis()
}

/// Its task ends it.
fn give_way(stranger: &Stranger, deadlines: &Deadlines) {
    stranger.gives_way.store(true, Ordering::Release);
    deadlines.wake(stranger.slot);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    struct World {
        strangers: Strangers,
        deadlines: Deadlines,
    }

    impl World {
        fn new(per_source: usize) -> Self {
            Self { strangers: Strangers::new(per_source), deadlines: Deadlines::new() }
        }

        fn enter(&self, from: &str) -> Option<Arc<Stranger>> {
            self.strangers.enter(source(from), self.deadlines.enter(), &self.deadlines)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_that_says_nothing_gives_way_to_a_new_one_of_its_source() {
        let world = World::new(2);
        let first = world.enter("192.0.2.1").unwrap();
        let second = world.enter("192.0.2.1").unwrap();
        assert!(world.enter("192.0.2.1").is_none(), "both have just come");
        let other = world.enter("192.0.2.2").unwrap();
        tokio::time::advance(SILENT).await;
        world.strangers.heard(&first);
        let third = world.enter("192.0.2.1").unwrap();
        assert!(second.gives_way() && !first.gives_way() && !third.gives_way() && !other.gives_way());
        assert!(world.enter("192.0.2.1").is_none(), "none is silent");
        tokio::time::advance(SILENT).await;
        first.at_work();
        let _fourth = world.enter("192.0.2.1").unwrap();
        assert!(third.gives_way() && !first.gives_way(), "the server is at work for the first one");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_logged_in_no_longer_counts() {
        let world = World::new(1);
        for _ in 0..100 {
            let one = world.enter("192.0.2.1").unwrap();
            world.strangers.leave(&one);
            assert!(!one.gives_way());
        }
        assert!(world.strangers.shards.iter().all(|shard| shard.lock().is_empty()));
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_made_by_the_source_that_takes_most() {
        let world = World::new(0);
        let lone = world.enter("192.0.2.9").unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let many: Vec<_> = (0..10).map(|_| world.enter("192.0.2.1").unwrap()).collect();
        assert_eq!(world.strangers.make_room(5, &world.deadlines), 0);
        tokio::time::advance(SILENT).await;
        assert_eq!(world.strangers.make_room(4, &world.deadlines), 4);
        assert_eq!(many.iter().filter(|one| one.gives_way()).count(), 4);
        assert!(!lone.gives_way(), "though it is the oldest");
        assert_eq!(world.strangers.make_room(100, &world.deadlines), 7);
    }
}
