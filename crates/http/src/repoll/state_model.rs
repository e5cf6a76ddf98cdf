//! The state under loom, which goes through the orders in which threads can meet: what a wake-up is
//! about is seen by a poll that follows it, or the task is woken.

use loom::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::state::{Atomic, State};

impl Atomic for AtomicU8 {
    fn swap(&self, new: u8) -> u8 {
        self.swap(new, Ordering::AcqRel)
    }

    fn replace(&self, current: u8, new: u8) -> bool {
        self.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// A future that is ready once it has seen so much, and the task that polls it.
struct World {
    state: State<AtomicU8>,
    /// What each of those that wake it has brought. Nothing but the state orders them.
    brought: Vec<AtomicUsize>,
    /// Whether the task is to run.
    scheduled: Mutex<bool>,
    changed: Condvar,
}

impl World {
    fn new(wakers: usize) -> Arc<Self> {
        Arc::new(Self {
            state: State(AtomicU8::new(0)),
            brought: (0..wakers).map(|_| AtomicUsize::new(0)).collect(),
            scheduled: Mutex::new(true),
            changed: Condvar::new(),
        })
    }

    fn schedule(&self) {
        *self.scheduled.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn bring(&self, index: usize) {
        self.brought[index].store(1, Ordering::Relaxed);
        if self.state.wake() {
            self.schedule();
        }
    }

    fn is_ready(&self) -> bool {
        self.brought.iter().all(|brought| brought.load(Ordering::Relaxed) == 1)
    }

    /// Runs the task until the future is ready; one that is never woken hangs, which loom reports.
    fn run(&self, polls: usize) {
        loop {
            let mut scheduled = self.scheduled.lock().unwrap();
            while !*scheduled {
                scheduled = self.changed.wait(scheduled).unwrap();
            }
            *scheduled = false;
            drop(scheduled);
            if self.poll(polls) {
                return;
            }
        }
    }

    fn poll(&self, polls: usize) -> bool {
        for _ in 0..polls {
            self.state.begin_poll();
            if self.is_ready() {
                return true;
            }
            if self.state.rest() {
                return false;
            }
        }
        self.schedule();
        false
    }
}

fn model(wakers: usize, polls: usize) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let world = World::new(wakers);
        let waking: Vec<_> = (0..wakers)
            .map(|index| {
                let world = Arc::clone(&world);
                thread::spawn(move || world.bring(index))
            })
            .collect();
        world.run(polls);
        for waker in waking {
            waker.join().unwrap();
        }
    });
}

#[test]
fn no_wake_up_is_lost() {
    model(1, 2);
    model(2, 2);
}

#[test]
fn none_is_lost_where_another_task_has_its_turn() {
    model(2, 1);
}
