//! Rows that cannot be read: each is set aside, told of once, and counted.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tidings_core::model::NotificationId;

use super::error::Error;

/// Rows that are remembered as told of, at most.
const REMEMBERED: usize = 10_000;

/// The notifications that could not be read since the start.
#[derive(Debug, Default)]
pub(super) struct Damaged {
    told: Mutex<BTreeSet<u64>>,
    count: AtomicU64,
}

impl Damaged {
    /// The notification with this row (its `seq`) cannot be read.
    pub fn note(&self, row: u64, id: NotificationId, error: &Error) {
        {
            let mut told = self.told.lock();
            if told.len() >= REMEMBERED || !told.insert(row) {
                return;
            }
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        let why = error.damage().unwrap_or_default();
        tracing::error!(
            %id, why, "a stored notification is damaged and is left out; `tidings doctor` tells what else is"
        );
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}
