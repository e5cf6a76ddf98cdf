//! A mutex and a condition under it, behind a trait: the store's are real, a test turns the
//! clock by hand, and the model check has the scheduler's.

use std::ops::DerefMut;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// Guards a `T`; one thread may wait until another has changed it.
pub(crate) trait Monitor<T: 'static>: Send + Sync + 'static {
    /// Gives the `T` back when it is dropped.
    type Guard<'a>: DerefMut<Target = T>;

    fn lock(&self) -> Self::Guard<'_>;
    /// Gives the `T` back until [`notify`](Self::notify), or for so long at most. Answers
    /// whether the time ran out; may also return for no reason.
    fn wait<'a>(&'a self, guard: Self::Guard<'a>, most: Option<Duration>) -> (Self::Guard<'a>, bool);
    /// Wakes the thread that waits.
    fn notify(&self);
    /// The clock that [`wait`](Self::wait) goes by.
    fn now(&self) -> Instant;
}

/// The store's monitor.
#[derive(Debug)]
pub(crate) struct SystemMonitor<T> {
    guarded: Mutex<T>,
    changed: Condvar,
}

impl<T> SystemMonitor<T> {
    pub fn new(guarded: T) -> Self {
        Self { guarded: Mutex::new(guarded), changed: Condvar::new() }
    }
}

impl<T: Send + 'static> Monitor<T> for SystemMonitor<T> {
    type Guard<'a> = MutexGuard<'a, T>;

    fn lock(&self) -> MutexGuard<'_, T> {
        self.guarded.lock()
    }

    fn wait<'a>(&'a self, mut guard: MutexGuard<'a, T>, most: Option<Duration>) -> (MutexGuard<'a, T>, bool) {
        let timed_out = match most {
            Some(most) => self.changed.wait_for(&mut guard, most).timed_out(),
            None => {
                self.changed.wait(&mut guard);
                false
            }
        };
        (guard, timed_out)
    }

    fn notify(&self) {
        self.changed.notify_one();
    }

    fn now(&self) -> Instant {
        Instant::now()
    }
}
