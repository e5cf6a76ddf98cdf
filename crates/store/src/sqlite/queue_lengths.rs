//! How long accounts' queues are, at most, without counting them each time.

use std::collections::HashMap;

use tidings_core::model::AccountId;

/// Accounts whose queue's length is remembered, at most.
const REMEMBERED: usize = 65_536;

/// At most so many notifications are in an account's queue. Counting a queue costs as much as it is
/// long, so it is counted only when what came since could have filled it. What is taken out is not
/// noted here, nor what is rolled back: both only have it counted sooner.
#[derive(Debug, Default)]
pub(super) struct QueueLengths(HashMap<AccountId, u64>);

impl QueueLengths {
    /// What is known of an account's queue.
    pub fn at_most(&self, account: AccountId) -> Option<u64> {
        self.0.get(&account).copied()
    }

    /// One more is in the queue.
    pub fn add(&mut self, account: AccountId) {
        if let Some(most) = self.0.get_mut(&account) {
            *most = most.saturating_add(1);
        }
    }

    /// It has just been counted.
    pub fn counted(&mut self, account: AccountId, length: u64) {
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&account) {
            self.0.clear();
        }
        self.0.insert(account, length);
    }
}
