//! The bus port: hints between the nodes that share a store.
//!
//! A hint says where to look; it carries nothing that the store does not have. A bus may drop,
//! delay, repeat and reorder what is published: each node numbers its messages, and one that
//! finds a number missing has its sessions read the store.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::model::{AccountId, EndReason, Priority, Seq, Topic};

/// Messages that may wait for a subscriber of a [`LocalBus`].
const CAPACITY: usize = 65_536;

/// What the sessions of a node may want to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hint {
    /// A notification was released for these accounts.
    Direct {
        /// Its place in the order.
        seq: Seq,
        /// How urgent.
        priority: Priority,
        /// For whom.
        accounts: Vec<AccountId>,
    },
    /// A notification was released that is stored once.
    Shared {
        /// Its place in the order.
        seq: Seq,
        /// How urgent.
        priority: Priority,
        /// Its topic; `None` where it is for all.
        topic: Option<Topic>,
    },
    /// An account has subscribed to a topic, or has left one.
    Topics(AccountId),
    /// Sessions of an account are to end.
    End {
        /// Whose.
        account: AccountId,
        /// The one that has this resource; `None` for all.
        resource: Option<String>,
        /// Why.
        reason: EndReason,
    },
    /// An API key was made or revoked.
    Keys,
    /// The origin does not know all that was released: all sessions read the store.
    Lost,
    /// The origin lives. The message's number is that of the last one before it, so that a loss
    /// is noticed that nothing follows.
    Heartbeat,
}

/// A hint on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The process that published it: a number drawn at its start.
    pub origin: u64,
    /// Counts what the origin has published, from 1.
    pub number: u64,
    /// What it says.
    pub hint: Hint,
}

/// Brings messages to every subscriber, the publishing node's own included.
pub trait Bus: Send + Sync + 'static {
    /// Passes a message on. Never blocks and never fails: it may be lost instead.
    fn publish(&self, message: Message);
    /// What is published from now on. What a slow subscriber has no room for is lost to it.
    fn subscribe(&self) -> mpsc::Receiver<Message>;
}

/// The bus of a single process: a queue to each subscriber.
#[derive(Debug, Default)]
pub struct LocalBus(Mutex<Vec<mpsc::Sender<Message>>>);

impl Bus for LocalBus {
    fn publish(&self, message: Message) {
        let mut subscribers = self.0.lock();
        subscribers.retain(|subscriber| !subscriber.is_closed());
        // An error means that a queue is full: its subscriber will find the number missing.
        if let Some((last, others)) = subscribers.split_last() {
            for subscriber in others {
                let _ = subscriber.try_send(message.clone());
            }
            let _ = last.try_send(message);
        }
    }

    fn subscribe(&self) -> mpsc::Receiver<Message> {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        self.0.lock().push(sender);
        receiver
    }
}

/// Numbers what this process publishes.
pub struct Publisher {
    bus: Arc<dyn Bus>,
    origin: u64,
    /// Of the last message. Held while one is passed on, so that they come in the order of their numbers.
    last: Mutex<u64>,
}

impl Publisher {
    /// A publisher for a process that has drawn this number.
    pub fn new(bus: Arc<dyn Bus>, origin: u64) -> Self {
        Self { bus, origin, last: Mutex::new(0) }
    }

    pub(crate) fn origin(&self) -> u64 {
        self.origin
    }

    /// Publishes a hint; the message's number.
    pub(crate) fn publish(&self, hint: Hint) -> u64 {
        let mut last = self.last.lock();
        *last += 1;
        self.bus.publish(Message { origin: self.origin, number: *last, hint });
        *last
    }

    /// Publishes a [`Hint::Heartbeat`].
    pub(crate) fn heartbeat(&self) {
        let last = self.last.lock();
        self.bus.publish(Message { origin: self.origin, number: *last, hint: Hint::Heartbeat });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subscriber_gets_what_is_published_in_order() {
        let bus = Arc::new(LocalBus::default());
        let mut first = bus.subscribe();
        drop(bus.subscribe());
        let publisher = Publisher::new(Arc::clone(&bus) as _, 7);
        assert_eq!(publisher.publish(Hint::Keys), 1);
        let mut second = bus.subscribe();
        assert_eq!(publisher.publish(Hint::Topics(AccountId(3))), 2);
        publisher.heartbeat();
        assert_eq!(publisher.publish(Hint::Keys), 3);
        let numbers = |receiver: &mut mpsc::Receiver<Message>| -> Vec<u64> {
            std::iter::from_fn(|| receiver.try_recv().ok()).map(|message| message.number).collect()
        };
        assert_eq!(numbers(&mut first), [1, 2, 2, 3]);
        assert_eq!(numbers(&mut second), [2, 2, 3]);
    }

    #[test]
    fn what_a_slow_subscriber_has_no_room_for_is_lost_to_it_alone() {
        let bus = Arc::new(LocalBus::default());
        let (mut slow, mut quick) = (bus.subscribe(), bus.subscribe());
        let publisher = Publisher::new(bus, 7);
        for number in 1..=CAPACITY as u64 + 5 {
            publisher.publish(Hint::Keys);
            assert_eq!(quick.try_recv().unwrap().number, number);
        }
        assert_eq!(slow.len(), CAPACITY);
        assert_eq!(slow.try_recv().unwrap().number, 1);
    }
}
