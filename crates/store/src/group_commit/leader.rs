//! The queue of what waits for a commit, and who commits: one at a time, a caller or the
//! thread.
//!
//! The leader is a state under the queue's lock, not a lock of its own: a caller must never
//! wait for it. A [`Lead`] is had by one alone and given back when it is dropped, also by a
//! panic. `leader_model.rs` goes through the ways in which callers, the thread and the end may
//! meet.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::monitor::Monitor;

/// Where a caller's commit takes longer, the runtime gets another worker for what else
/// happens.
pub(super) const QUICK: Duration = Duration::from_millis(5);

/// What commits now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leader {
    /// Neither. The queue is empty then.
    None,
    /// A caller, one commit.
    Caller,
    /// The thread, until the queue is empty.
    Thread,
}

/// The queue and its leader: what the monitor guards. `R` is where a caller runs.
#[derive(Debug)]
pub(crate) struct State<Q, R> {
    queue: VecDeque<Q>,
    leader: Leader,
    closed: bool,
    /// Commits that callers have begun.
    begun: u64,
    /// Where the caller runs that leads.
    runtime: Option<R>,
    /// The thread looks, every now and then, whether that commit takes long.
    watched: bool,
}

impl<Q, R> State<Q, R> {
    pub fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            leader: Leader::None,
            closed: false,
            begun: 0,
            runtime: None,
            watched: false,
        }
    }
}

/// Why something was not put into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Closed,
    Full,
}

/// What waits for a commit. The thread waits at it for the lead.
#[derive(Debug)]
pub(crate) struct CommitQueue<Q, R, M> {
    monitor: M,
    capacity: usize,
    /// What was put in and is not [answered](Self::answered).
    waiting: AtomicUsize,
    items: PhantomData<fn(Q, R)>,
}

/// The right to commit, until it is dropped.
pub(crate) struct Lead<'a, Q: 'static, R: 'static, M: Monitor<State<Q, R>>> {
    queue: &'a CommitQueue<Q, R, M>,
    by_caller: bool,
    to_thread: bool,
}

impl<Q: 'static, R: Clone + 'static, M: Monitor<State<Q, R>>> CommitQueue<Q, R, M> {
    /// `monitor` guards a new state.
    pub fn new(monitor: M, capacity: usize) -> Self {
        Self { monitor, capacity, waiting: AtomicUsize::new(0), items: PhantomData }
    }

    pub fn monitor(&self) -> &M {
        &self.monitor
    }

    /// Puts something into the queue. Where there is no leader, the caller leads if it says
    /// where it runs, else the thread.
    pub fn push(&self, item: Q, caller: Option<R>) -> Result<Option<Lead<'_, Q, R, M>>, Refused> {
        let mut state = self.monitor.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.queue.len() >= self.capacity {
            return Err(Refused::Full);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        state.queue.push_back(item);
        if state.leader != Leader::None {
            return Ok(None);
        }
        let (lead, notify) = if caller.is_some() {
            state.leader = Leader::Caller;
            state.begun += 1;
            state.runtime = caller;
            let watched = std::mem::replace(&mut state.watched, true);
            (Some(Lead { queue: self, by_caller: true, to_thread: false }), !watched)
        } else {
            state.leader = Leader::Thread;
            (None, true)
        };
        drop(state);
        if notify {
            self.monitor.notify();
        }
        Ok(lead)
    }

    /// Waits until the thread leads. Meanwhile it looks on while a caller leads, and says
    /// where that one runs if it takes long. `None` at the end, with nothing left.
    pub fn lead(&self, takes_long: impl Fn(&R)) -> Option<Lead<'_, Q, R, M>> {
        let mut state = self.monitor.lock();
        let mut seen = state.begun;
        loop {
            match state.leader {
                Leader::Thread => {
                    return Some(Lead { queue: self, by_caller: false, to_thread: false });
                }
                Leader::None if state.closed => return None,
                // No caller has begun anything since the last look.
                Leader::None if state.begun == seen => {
                    state.watched = false;
                    (state, _) = self.monitor.wait(state, None);
                }
                Leader::None | Leader::Caller => {
                    state.watched = true;
                    seen = state.begun;
                    let timed_out;
                    (state, timed_out) = self.monitor.wait(state, Some(QUICK));
                    let takes = timed_out && state.leader == Leader::Caller && state.begun == seen;
                    if let Some(runtime) = state.runtime.clone().filter(|_| takes) {
                        drop(state);
                        takes_long(&runtime);
                        state = self.monitor.lock();
                    }
                }
            }
        }
    }

    /// How many wait: in the queue, or taken and not answered.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many there may be in the queue.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// So many that were taken wait no longer.
    pub fn answered(&self, count: usize) {
        self.waiting.fetch_sub(count, Ordering::Relaxed);
    }

    /// Takes nothing more.
    pub fn close(&self) {
        self.monitor.lock().closed = true;
        self.monitor.notify();
    }

    #[cfg(test)]
    pub fn leader(&self) -> Leader {
        self.monitor.lock().leader
    }
}

impl<Q: 'static, R: 'static, M: Monitor<State<Q, R>>> Lead<'_, Q, R, M> {
    /// Takes the first ones out of the queue while `fits` says so.
    pub fn take(&self, mut fits: impl FnMut(&Q) -> bool) -> Vec<Q> {
        let mut state = self.queue.monitor.lock();
        let mut taken = Vec::new();
        while state.queue.front().is_some_and(&mut fits) {
            taken.extend(state.queue.pop_front());
        }
        taken
    }

    /// Gives the lead to the thread afterwards, even if nothing waits.
    pub fn leave_to_thread(&mut self) {
        self.to_thread = true;
    }
}

impl<Q: 'static, R: 'static, M: Monitor<State<Q, R>>> Drop for Lead<'_, Q, R, M> {
    /// What waits is the thread's.
    fn drop(&mut self) {
        let mut state = self.queue.monitor.lock();
        let more = !state.queue.is_empty() || self.to_thread;
        state.leader = if more { Leader::Thread } else { Leader::None };
        state.runtime = None;
        // The thread that leads need not be told; one that waits for the end must be.
        let notify = self.by_caller && (more || state.closed);
        drop(state);
        if notify {
            self.queue.monitor.notify();
        }
    }
}

#[cfg(test)]
#[path = "leader_model.rs"]
mod model;
