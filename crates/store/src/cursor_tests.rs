//! The cursor against a naive model: what was released, what was settled, and since when the
//! account has had its topics.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidings_core::model::NotificationId;

use super::*;
use crate::open_index::OpenBroadcast;

const TOPICS: [&str; 3] = ["news", "sport", "weather"];

#[derive(Debug, Clone)]
enum Action {
    /// Of this priority, for the topic with this number or for all accounts.
    Release(usize, Option<usize>),
    /// Settles the broadcast with this number, counted round.
    Settle(usize),
    /// Expires or is cancelled while pending for an account.
    End(usize),
    /// Is settled by all accounts.
    Close(usize),
    Subscribe(usize),
    Unsubscribe(usize),
    /// The cursor is written and read again.
    Store,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0..3usize, prop::option::of(0..TOPICS.len())).prop_map(|(p, topic)| Action::Release(p, topic)),
        8 => any::<usize>().prop_map(Action::Settle),
        2 => any::<usize>().prop_map(Action::End),
        2 => any::<usize>().prop_map(Action::Close),
        2 => (0..TOPICS.len()).prop_map(Action::Subscribe),
        1 => (0..TOPICS.len()).prop_map(Action::Unsubscribe),
        1 => Just(Action::Store),
    ]
}

/// A broadcast of the model.
#[derive(Debug, Clone)]
struct Released {
    seq: u64,
    priority: Priority,
    topic: Option<Topic>,
    open: bool,
}

/// One account among others: the model, and the cursor with all that it is asked with.
#[derive(Debug)]
struct World {
    last: u64,
    registered_at: u64,
    released: Vec<Released>,
    settled: BTreeSet<u64>,
    topics: BTreeMap<Topic, u64>,
    cursor: Cursor,
    open: OpenIndex,
    skipped: BTreeSet<u64>,
}

fn topic(number: usize) -> Topic {
    Topic::parse(TOPICS[number]).unwrap()
}

impl World {
    /// Some broadcasts are older than the account.
    fn new(before: &[Action]) -> Self {
        let mut world = Self {
            last: 0,
            registered_at: 0,
            released: Vec::new(),
            settled: BTreeSet::new(),
            topics: BTreeMap::new(),
            cursor: Cursor::starting_at(0),
            open: OpenIndex::default(),
            skipped: BTreeSet::new(),
        };
        for action in before {
            if let Action::Release(priority, topic) = action {
                world.release(*priority, *topic);
            }
        }
        world.registered_at = world.last;
        world.cursor = Cursor::starting_at(world.last);
        world
    }

    fn after(before: &[Action], actions: &[Action]) -> Self {
        let mut world = Self::new(before);
        for action in actions {
            world.apply(action);
        }
        world
    }

    fn subscriptions(&self) -> Vec<Subscription> {
        self.topics.iter().map(|(topic, since)| (topic.clone(), *since)).collect()
    }

    fn is_meant(&self, released: &Released) -> bool {
        let since = match &released.topic {
            Some(topic) => self.topics.get(topic).copied(),
            None => Some(self.registered_at),
        };
        since.is_some_and(|since| released.seq > since)
    }

    fn is_pending(&self, released: &Released) -> bool {
        released.open && self.is_meant(released) && !self.settled.contains(&released.seq)
    }

    fn pending(&self) -> Vec<u64> {
        self.released.iter().filter(|one| self.is_pending(one)).map(|one| one.seq).collect()
    }

    fn release(&mut self, priority: usize, of: Option<usize>) {
        self.last += 1;
        let (seq, topic) = (self.last, of.map(topic));
        let priority = Priority::DESCENDING.into_iter().find(|one| one.index() == priority).unwrap();
        let id = NotificationId(u128::from(seq));
        let broadcast =
            OpenBroadcast { id, priority, topic: topic.clone(), collapse: None, pending: 9, size: 0 };
        self.open.insert(seq, broadcast);
        self.released.push(Released { seq, priority, topic, open: true });
    }

    fn apply(&mut self, action: &Action) {
        let round = |number: &usize| number.checked_rem(self.released.len());
        match action {
            Action::Release(priority, topic) => self.release(*priority, *topic),
            Action::Settle(number) => {
                if let Some(index) = round(number) {
                    let one = self.released[index].clone();
                    let pending = self.is_pending(&one);
                    assert_eq!(self.settle(one.seq), pending);
                    if pending {
                        self.cursor_is_as_far_as_it_can_be(one.priority);
                    }
                }
            }
            Action::End(number) => {
                if let Some(index) = round(number).filter(|index| self.released[*index].open) {
                    let Released { seq, priority, topic, .. } = self.released[index].clone();
                    self.open.note_ended(seq, priority, topic);
                    self.close(index);
                }
            }
            Action::Close(number) => {
                if let Some(index) = round(number).filter(|index| !self.is_pending(&self.released[*index])) {
                    self.close(index);
                }
            }
            Action::Subscribe(number) => {
                self.topics.entry(topic(*number)).or_insert(self.last);
            }
            Action::Unsubscribe(number) => {
                self.topics.remove(&topic(*number));
            }
            Action::Store => {
                let beyond = self.cursor.encode_beyond();
                let read = Cursor::decode(self.cursor.positions(), beyond.as_deref());
                assert_eq!(read.as_ref(), Some(&self.cursor));
            }
        }
        self.agrees();
    }

    fn close(&mut self, index: usize) {
        self.released[index].open = false;
        self.open.remove(self.released[index].seq);
    }

    /// Settles in both. Answers whether the cursor says that it was pending.
    fn settle(&mut self, seq: u64) -> bool {
        let (before, subscriptions) = (self.cursor.clone(), self.subscriptions());
        let needs_topics = self.cursor.needs_topics(seq, &self.open);
        let skipped = self.cursor.settle(seq, &self.open, &subscriptions);
        if !needs_topics {
            let mut other = before.clone();
            assert_eq!(other.settle(seq, &self.open, &[]), skipped, "the topics made a difference");
            assert_eq!(other, self.cursor);
        }
        let Some(skipped) = skipped else {
            assert_eq!(self.cursor, before);
            return false;
        };
        for seq in skipped {
            let one = self.released.iter().find(|one| one.seq == seq).unwrap();
            assert!(self.is_meant(one) && !one.open && !self.settled.contains(&seq), "{seq} is no loss");
            assert!(self.skipped.insert(seq), "{seq} was passed twice");
        }
        self.settled.insert(seq);
        let once = self.cursor.clone();
        assert_eq!(self.cursor.settle(seq, &self.open, &subscriptions), None, "settled twice");
        assert_eq!(self.cursor, once);
        true
    }

    fn agrees(&self) {
        let mut pending = self.cursor.pending(&self.open, &self.subscriptions());
        pending.sort_unstable();
        assert_eq!(pending, self.pending());
        for released in &self.released {
            let (seq, priority) = (released.seq, released.priority);
            let unsettled = self.cursor.is_unsettled(seq, priority);
            if self.is_pending(released) {
                assert!(self.cursor.positions()[priority.index()] < seq, "{seq} is pending and was passed");
            }
            if self.is_meant(released) {
                let had = !unsettled && !self.skipped.contains(&seq);
                assert_eq!(had, self.settled.contains(&seq), "whether the account has had {seq}");
            }
        }
        for priority in Priority::DESCENDING {
            let settled = self.released.iter().filter(|one| one.priority == priority).map(|one| one.seq);
            let newest = settled.filter(|seq| self.settled.contains(seq)).max().unwrap_or(0);
            assert_eq!(self.cursor.newest_settled(priority), newest.max(self.registered_at));
        }
    }

    /// After something of a priority was settled: only what lies behind a pending one is kept
    /// one by one.
    fn cursor_is_as_far_as_it_can_be(&self, priority: Priority) {
        let of_it = self.released.iter().filter(|one| one.priority == priority && self.is_pending(one));
        let first_pending = of_it.map(|one| one.seq).min().unwrap_or(u64::MAX);
        let beyond = self.cursor.acked_beyond(priority);
        assert!(beyond.first().is_none_or(|seq| *seq > first_pending), "{beyond:?} and {first_pending}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_cursor_says_what_the_model_says(
        before in prop::collection::vec(action(), 0..6),
        actions in prop::collection::vec(action(), 0..80),
    ) {
        World::after(&before, &actions);
    }

    #[test]
    fn the_order_of_settling_makes_no_difference(
        before in prop::collection::vec(action(), 0..6),
        actions in prop::collection::vec(action(), 0..60),
        orders in any::<[u64; 2]>(),
        some in any::<u64>(),
    ) {
        let [one, other] = orders.map(|order| {
            let mut world = World::after(&before, &actions);
            let mut seqs = world.pending();
            // The same for both, each in an order of its own.
            seqs.retain(|seq| mixed(*seq ^ some) & 3 != 0);
            seqs.sort_unstable_by_key(|seq| mixed(*seq ^ order));
            for seq in seqs {
                assert!(world.settle(seq));
                world.agrees();
            }
            world
        });
        prop_assert_eq!(one.cursor, other.cursor);
        prop_assert_eq!(one.skipped, other.skipped);
    }

    #[test]
    fn any_bytes_are_refused_or_read_without_panic(bytes: Vec<u8>) {
        let _ = Cursor::decode([0; 3], Some(&bytes));
    }
}

fn mixed(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// The bytes of a cursor that was stored by the first release.
#[test]
fn what_is_stored_stays_readable() {
    let stored = [5, 5, 4, 0x80, 0x80, 0x04, 0, 1, 7];
    let cursor = Cursor::decode([1, 2, 3], Some(&stored)).unwrap();
    let beyond = Priority::DESCENDING.map(|priority| cursor.acked_beyond(priority).clone());
    assert_eq!(beyond, [BTreeSet::from([7]), BTreeSet::new(), BTreeSet::from([5, 9, 9 + (1 << 16)])]);
    assert_eq!((cursor.positions(), cursor.encode_beyond()), ([1, 2, 3], Some(stored.to_vec())));
    assert_eq!(Cursor::starting_at(4).encode_beyond(), None);
    assert_eq!(Cursor::decode([4; 3], None), Some(Cursor::starting_at(4)));
    assert_eq!(Cursor::decode([0; 3], Some(&[9, 1])), None);
}
