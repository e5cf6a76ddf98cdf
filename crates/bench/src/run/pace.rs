//! A steady pace, which server and baseline are held to alike.

use std::time::Duration;

/// Something to do at a steady pace, whatever became of what was done before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How often a second.
    pub rate: f64,
    /// For how long.
    pub seconds: f64,
}

impl Pace {
    /// How often in all.
    pub(super) fn count(self) -> u64 {
        (self.rate * self.seconds) as u64
    }

    /// When it is the turn of number `index`, from the start.
    pub(super) fn due(self, index: u64) -> Duration {
        Duration::from_secs_f64(index as f64 / self.rate)
    }
}
