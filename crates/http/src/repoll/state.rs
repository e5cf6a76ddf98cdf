//! What a future that is polled and those that wake it tell each other.
//!
//! Each wake-up writes, also where the future was woken already. Were it only to look then, it could
//! see the wake-up before, while the poll that follows that one does not see yet what this one is
//! about: both would rely on the other, and the future would sleep for ever. As it is, all of them
//! stand in one order, and what a wake-up is about is seen by the poll that comes after it.

use std::sync::atomic::{AtomicU8, Ordering};

const WAITING: u8 = 0;
const POLLED: u8 = 1;
const WOKEN: u8 = 2;

/// What the state is made of: an atomic of the standard library, or of a model checker.
pub(super) trait Atomic {
    fn swap(&self, new: u8) -> u8;
    /// Whether it had the value `current`, and has `new` now.
    fn replace(&self, current: u8, new: u8) -> bool;
}

impl Atomic for AtomicU8 {
    fn swap(&self, new: u8) -> u8 {
        Self::swap(self, new, Ordering::AcqRel)
    }

    fn replace(&self, current: u8, new: u8) -> bool {
        self.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Whether the future waits, is being polled, or is to be polled again. It starts as waiting.
#[derive(Default)]
pub(super) struct State<A>(pub(super) A);

impl<A: Atomic> State<A> {
    /// It is polled from now on.
    pub(super) fn begin_poll(&self) {
        self.0.swap(POLLED);
    }

    /// It waits from now on. False where it was woken since the poll began: it is to be polled again.
    pub(super) fn rest(&self) -> bool {
        self.0.replace(POLLED, WAITING)
    }

    /// It is to be polled again. True where it waited: its task is to be woken.
    pub(super) fn wake(&self) -> bool {
        self.0.swap(WOKEN) == WAITING
    }
}
