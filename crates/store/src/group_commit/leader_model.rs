//! The leader protocol under loom, which goes through the orders in which threads can meet:
//! one leads at a time, all that was taken in is committed, no wake-up is lost.
//!
//! Time does not pass by itself here: what waits with a limit waits for a tick, so the model
//! also shows that nothing but the look-out for slow commits depends on the clock.

use std::time::{Duration, Instant};

use loom::model::Builder;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
use loom::thread;

use super::*;

/// Loom's mutex and condition.
struct LoomMonitor<T> {
    guarded: Mutex<T>,
    changed: Condvar,
    /// The time of whoever waits is up.
    ticked: AtomicBool,
}

impl<T: Send + 'static> Monitor<T> for LoomMonitor<T> {
    type Guard<'a> = MutexGuard<'a, T>;

    fn lock(&self) -> MutexGuard<'_, T> {
        self.guarded.lock().unwrap()
    }

    fn wait<'a>(&'a self, guard: MutexGuard<'a, T>, most: Option<Duration>) -> (MutexGuard<'a, T>, bool) {
        let guard = self.changed.wait(guard).unwrap();
        (guard, most.is_some() && self.ticked.swap(false, Ordering::Relaxed))
    }

    fn notify(&self) {
        self.changed.notify_one();
    }

    fn now(&self) -> Instant {
        unreachable!("the protocol does not read the clock")
    }
}

type Queue = CommitQueue<usize, (), LoomMonitor<State<usize, ()>>>;

/// The queue, and a writer that shows when two use it at once.
struct World {
    queue: Queue,
    writing: AtomicBool,
    /// How often each was committed.
    committed: Mutex<Vec<usize>>,
    answered: Condvar,
    /// A caller has found something to do between two commits.
    needs_maintenance: AtomicBool,
    /// How often the thread said that a commit takes long.
    slow: AtomicUsize,
}

/// How a caller's commit ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commit {
    Done,
    /// It panics, with what it had taken.
    Panics,
    /// There is something to do between two commits.
    NeedsMaintenance,
}

impl World {
    fn new(items: usize) -> Arc<Self> {
        let monitor = LoomMonitor {
            guarded: Mutex::new(State::new()),
            changed: Condvar::new(),
            ticked: AtomicBool::new(false),
        };
        Arc::new(Self {
            queue: CommitQueue::new(monitor, items),
            writing: AtomicBool::new(false),
            committed: Mutex::new(vec![0; items]),
            answered: Condvar::new(),
            needs_maintenance: AtomicBool::new(false),
            slow: AtomicUsize::new(0),
        })
    }

    fn commit(&self, items: Vec<usize>) {
        assert!(!self.writing.swap(true, Ordering::Relaxed), "two lead at once");
        let mut committed = self.committed.lock().unwrap();
        for item in items {
            committed[item] += 1;
        }
        drop(committed);
        self.answered.notify_all();
        self.writing.store(false, Ordering::Relaxed);
    }

    /// What the thread does.
    fn run(&self) {
        while let Some(lead) = self.queue.lead(|()| _ = self.slow.fetch_add(1, Ordering::Relaxed)) {
            self.commit(lead.take(|_| true));
            self.needs_maintenance.store(false, Ordering::Relaxed);
        }
    }

    /// Puts something into the queue, and commits it where the caller leads. False where it
    /// was refused.
    fn push(&self, item: usize, inline: bool, how: Commit) -> bool {
        match self.queue.push(item, inline.then_some(())) {
            Ok(Some(mut lead)) => {
                let items = lead.take(|_| true);
                // An unwinding drops the lead as an end of the scope does.
                if how != Commit::Panics {
                    self.commit(items);
                }
                if how == Commit::NeedsMaintenance {
                    self.needs_maintenance.store(true, Ordering::Relaxed);
                    lead.leave_to_thread();
                }
                true
            }
            Ok(None) => true,
            Err(refused) => {
                assert_eq!(refused, Refused::Closed);
                false
            }
        }
    }

    /// What a caller does: it waits for its answer.
    fn ask(&self, item: usize, inline: bool) -> bool {
        let taken = self.push(item, inline, Commit::Done);
        let mut committed = self.committed.lock().unwrap();
        while taken && committed[item] == 0 {
            committed = self.answered.wait(committed).unwrap();
        }
        taken
    }

    /// Ends the store, and looks at what it leaves.
    fn end(&self, running: thread::JoinHandle<()>) {
        self.queue.close();
        running.join().unwrap();
        assert!(!self.needs_maintenance.load(Ordering::Relaxed), "not maintained");
    }

    fn left(&self) -> Vec<usize> {
        let state = self.queue.monitor.lock();
        assert!(state.queue.is_empty() && state.leader == Leader::None && state.runtime.is_none());
        self.committed.lock().unwrap().clone()
    }
}

fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(check);
}

fn start(world: &Arc<World>) -> thread::JoinHandle<()> {
    let world = Arc::clone(world);
    thread::spawn(move || world.run())
}

#[test]
fn callers_and_the_thread_lead_one_at_a_time_and_leave_nothing() {
    for (first, second) in [(true, true), (true, false), (false, false)] {
        model(move || {
            let world = World::new(2);
            let running = start(&world);
            let calling = Arc::clone(&world);
            let caller = thread::spawn(move || calling.ask(0, first));
            assert!(world.ask(1, second));
            assert!(caller.join().unwrap());
            world.end(running);
            assert_eq!(world.left(), [1; 2]);
        });
    }
}

#[test]
fn one_caller_after_another_is_answered() {
    for inline in [[true, true], [true, false], [false, true], [false, false]] {
        model(move || {
            let world = World::new(2);
            let running = start(&world);
            for (item, inline) in inline.into_iter().enumerate() {
                assert!(world.ask(item, inline));
            }
            world.end(running);
            assert_eq!(world.left(), [1; 2]);
        });
    }
}

#[test]
fn what_is_taken_in_before_the_end_is_committed_before_the_end() {
    for inline in [true, false] {
        model(move || {
            let world = World::new(3);
            let running = start(&world);
            let calling = Arc::clone(&world);
            let caller = thread::spawn(move || [0, 1].map(|item| calling.push(item, inline, Commit::Done)));
            assert!(world.push(2, true, Commit::Done));
            world.end(running);
            let [first, second] = caller.join().unwrap();
            assert!(first || !second);
            assert_eq!(world.left(), [first.into(), second.into(), 1]);
        });
    }
}

#[test]
fn a_lead_that_is_lost_by_a_panic_is_free_again() {
    model(|| {
        let world = World::new(2);
        let running = start(&world);
        let calling = Arc::clone(&world);
        let caller = thread::spawn(move || calling.push(0, true, Commit::Panics));
        assert!(world.push(1, false, Commit::Done));
        assert!(caller.join().unwrap());
        world.end(running);
        assert!(world.left().iter().all(|times| *times <= 1));
    });
}

#[test]
fn what_a_caller_leaves_to_the_thread_is_done() {
    model(|| {
        let world = World::new(2);
        let running = start(&world);
        let calling = Arc::clone(&world);
        let caller = thread::spawn(move || calling.push(0, true, Commit::NeedsMaintenance));
        assert!(world.ask(1, true));
        assert!(caller.join().unwrap());
        world.end(running);
        assert_eq!(world.left(), [1; 2]);
    });
}

#[test]
fn a_tick_at_any_time_disturbs_nothing() {
    model(|| {
        let world = World::new(2);
        let running = start(&world);
        let ticking = Arc::clone(&world);
        let clock = thread::spawn(move || {
            ticking.queue.monitor.ticked.store(true, Ordering::Relaxed);
            ticking.queue.monitor.notify();
        });
        for item in [0, 1] {
            assert!(world.ask(item, true));
        }
        clock.join().unwrap();
        world.end(running);
        assert_eq!(world.left(), [1; 2]);
        assert!(world.slow.load(Ordering::Relaxed) <= 1);
    });
}
