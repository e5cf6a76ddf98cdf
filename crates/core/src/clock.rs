//! Time and randomness come in from outside, so that expiry, back-off and limits
//! are tested without sleeping.
//!
//! Wall-clock time ([`Clock::now`]) stamps what is stored. Waiting uses
//! `tokio::time`, whose pause and advance make waiting free in tests.

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

/// The operating system's random source, asked each time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::expect_used, reason = "without randomness no credential is safe")]
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system's random source works");
    }
}
