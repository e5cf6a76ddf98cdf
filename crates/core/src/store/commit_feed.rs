//! What a store tells of its commits, in the order in which they became visible.
//!
//! A feed is a hint that keeps order: what it says is in the store already, and what it
//! could not keep for a slow reader is [`Next::Lost`], after which the reader looks there.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::model::{Notification, Target, Timestamp};

/// Commits that a feed keeps for its reader.
const CAPACITY: usize = 65_536;

/// A notification that was released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The notification.
    pub notification: Notification,
    /// To whom it goes.
    pub target: Target,
    /// How many accounts that is.
    pub recipients: u64,
}

/// What a commit made visible.
#[expect(clippy::large_enum_variant, reason = "the large variant is the common one")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// A notification was released: at once, or because its time had come.
    Released(Released),
    /// A notification was accepted that waits for its time.
    Scheduled {
        /// When it is to be released.
        send_at: Timestamp,
    },
}

/// What a [`CommitFeed`] says next.
#[expect(clippy::large_enum_variant, reason = "the large variant is the common one")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The next in order.
    Committed(Committed),
    /// The reader was too slow: some are missing here. They are in the store, and what
    /// comes after this is newer than all of them.
    Lost,
}

/// What is committed from the moment of [`NotificationStore::watch`](super::NotificationStore::watch) on.
#[derive(Debug)]
pub struct CommitFeed {
    shared: Arc<Shared>,
}

/// A store's end of its feeds.
///
/// A store publishes after the commit and before it answers the callers, while no other
/// commit can come in between: the order of the calls is the order of the commits.
#[derive(Debug)]
pub struct CommitFeeds {
    readers: Mutex<Readers>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Readers {
    feeds: Vec<Weak<Shared>>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Committed>,
    lost: bool,
    closed: bool,
}

impl CommitFeed {
    /// Waits for what comes next; `None` once the store is closed and everything was read.
    /// Nothing is lost where the future is dropped.
    pub async fn next(&mut self) -> Option<Next> {
        loop {
            {
                let mut state = self.shared.state.lock();
                if let Some(next) = state.take() {
                    return Some(next);
                }
                if state.closed {
                    return None;
                }
            }
            self.shared.filled.notified().await;
        }
    }

    /// What comes next, if it is there already.
    pub fn try_next(&mut self) -> Option<Next> {
        self.shared.state.lock().take()
    }
}

impl State {
    fn take(&mut self) -> Option<Next> {
        if std::mem::take(&mut self.lost) {
            return Some(Next::Lost);
        }
        self.queue.pop_front().map(Next::Committed)
    }
}

impl Default for CommitFeeds {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl CommitFeeds {
    fn with_capacity(capacity: usize) -> Self {
        Self { readers: Mutex::default(), capacity }
    }

    /// A feed of what is published from now on.
    pub fn watch(&self) -> CommitFeed {
        let shared = Arc::new(Shared::default());
        let mut readers = self.readers.lock();
        shared.state.lock().closed = readers.closed;
        readers.feeds.push(Arc::downgrade(&shared));
        CommitFeed { shared }
    }

    /// Tells every feed what a commit made visible, in order. Never waits for a reader.
    pub fn publish(&self, committed: Vec<Committed>) {
        if committed.is_empty() {
            return;
        }
        let mut readers = self.readers.lock();
        readers.feeds.retain(|feed| feed.strong_count() > 0);
        let Some((last, others)) = readers.feeds.split_last() else { return };
        for feed in others.iter().filter_map(Weak::upgrade) {
            feed.push(committed.clone(), self.capacity);
        }
        if let Some(feed) = last.upgrade() {
            feed.push(committed, self.capacity);
        }
    }

    /// Nothing more comes: feeds end once they were read.
    pub fn close(&self) {
        let mut readers = self.readers.lock();
        readers.closed = true;
        for feed in readers.feeds.drain(..).filter_map(|feed| feed.upgrade()) {
            feed.state.lock().closed = true;
            feed.filled.notify_one();
        }
    }
}

impl Shared {
    /// What does not fit is lost together with what waited: the reader has to look at the
    /// store in any case.
    fn push(&self, committed: Vec<Committed>, capacity: usize) {
        let mut state = self.state.lock();
        if state.queue.len() + committed.len() > capacity {
            state.queue.clear();
            state.lost = true;
        } else {
            state.queue.extend(committed);
        }
        drop(state);
        self.filled.notify_one();
    }
}

impl Drop for CommitFeeds {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn scheduled(times: std::ops::Range<i64>) -> Vec<Committed> {
        times.map(|at| Committed::Scheduled { send_at: Timestamp(at) }).collect()
    }

    fn read(feed: &mut CommitFeed) -> Vec<Option<i64>> {
        std::iter::from_fn(|| feed.try_next())
            .map(|next| match next {
                Next::Committed(Committed::Scheduled { send_at }) => Some(send_at.0),
                Next::Committed(Committed::Released(_)) => panic!("never published"),
                Next::Lost => None,
            })
            .collect()
    }

    #[test]
    fn each_feed_gets_everything_in_order_from_its_beginning_on() {
        let feeds = CommitFeeds::default();
        feeds.publish(scheduled(0..1));
        let mut first = feeds.watch();
        feeds.publish(scheduled(1..3));
        let mut second = feeds.watch();
        drop(feeds.watch());
        feeds.publish(Vec::new());
        feeds.publish(scheduled(3..5));
        assert_eq!(read(&mut first), [Some(1), Some(2), Some(3), Some(4)]);
        assert_eq!(read(&mut second), [Some(3), Some(4)]);
        assert_eq!(feeds.readers.lock().feeds.len(), 2, "a feed that is gone is forgotten");
    }

    #[test]
    fn a_slow_reader_is_told_what_it_lost_and_goes_on_with_what_is_newer() {
        let feeds = CommitFeeds::with_capacity(4);
        let (mut slow, mut quick) = (feeds.watch(), feeds.watch());
        feeds.publish(scheduled(0..4));
        assert_eq!(read(&mut quick).len(), 4);
        feeds.publish(scheduled(4..5));
        feeds.publish(scheduled(5..7));
        assert_eq!(read(&mut slow), [None, Some(5), Some(6)]);
        assert_eq!(read(&mut quick), [Some(4), Some(5), Some(6)]);
        feeds.publish(scheduled(7..12));
        assert_eq!(read(&mut slow), [None], "more at once than there is room for");
    }

    #[tokio::test]
    async fn a_reader_waits_and_is_told_of_the_end() {
        let feeds = CommitFeeds::default();
        let mut feed = feeds.watch();
        assert_eq!(feed.next().now_or_never(), None);
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(next) = feed.next().await {
                all.push(next);
            }
            all.len()
        });
        for at in 0..10 {
            feeds.publish(scheduled(at..at + 2));
            tokio::task::yield_now().await;
        }
        drop(feeds);
        assert_eq!(reader.await.unwrap(), 20);
        let feeds = CommitFeeds::default();
        feeds.close();
        assert_eq!(feeds.watch().next().now_or_never(), Some(None), "closed before");
    }
}
