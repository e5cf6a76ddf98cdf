//! Time and randomness come in from outside, so that expiry, back-off and limits
//! are tested without sleeping.
//!
//! Wall-clock time ([`Clock::now`]) stamps what is stored. Waiting uses
//! `tokio::time`, whose pause and advance make waiting free in tests.

use std::cell::RefCell;

use crate::model::Timestamp;

/// Wall-clock time.
pub trait Clock: Send + Sync + 'static {
    /// The time now. It may jump either way: the operator's clock is not ours.
    fn now(&self) -> Timestamp;
}

/// A source of unpredictable bytes.
pub trait Random: Send + Sync + 'static {
    /// Fills `buffer`.
    fn fill(&self, buffer: &mut [u8]);
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from(time::OffsetDateTime::now_utc())
    }
}

/// The operating system's random source, asked for more than is needed now: a
/// system call costs more than the bytes, and a login wants some four times.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

/// What is fetched at once.
const POOL: usize = 512;
/// More than this is fetched by itself.
const SMALL: usize = 64;

/// Bytes that no caller has had yet.
struct Pool {
    bytes: [u8; POOL],
    used: usize,
}

thread_local! {
    static FETCHED: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL], used: POOL }) };
}

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) {
        if buffer.len() > SMALL {
            return fetch(buffer);
        }
        FETCHED.with_borrow_mut(|pool| {
            if pool.used + buffer.len() > POOL {
                fetch(&mut pool.bytes);
                pool.used = 0;
            }
            let end = pool.used + buffer.len();
            if let Some(fresh) = pool.bytes.get_mut(pool.used..end) {
                buffer.copy_from_slice(fresh);
                // What was handed out is not to be found here later.
                fresh.fill(0);
            }
            pool.used = end;
        });
    }
}

#[expect(clippy::expect_used, reason = "without randomness no credential is safe")]
fn fetch(buffer: &mut [u8]) {
    getrandom::fill(buffer).expect("the operating system's random source works");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_bytes_are_handed_out_twice_or_left_empty() {
        let mut seen = HashSet::new();
        for length in (8..=80).cycle().take(2000) {
            let mut buffer = vec![0; length];
            SystemRandom.fill(&mut buffer);
            // Eight equal bytes by chance: not in the life of this project.
            for piece in buffer.chunks_exact(8) {
                assert!(piece.iter().any(|byte| *byte != 0));
                assert!(seen.insert(piece.to_vec()), "twice");
            }
        }
    }

    #[test]
    fn what_was_handed_out_is_wiped() {
        let mut buffer = [0; 32];
        SystemRandom.fill(&mut buffer);
        FETCHED.with_borrow(|pool| {
            assert!(pool.bytes[..pool.used].iter().all(|byte| *byte == 0));
            assert!(!pool.bytes.windows(32).any(|window| window == buffer));
        });
    }
}
