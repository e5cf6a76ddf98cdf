//! Which copies were handed out again and again without any acknowledgement.
//!
//! A client that has neither XEP-0198 nor receipts, and does not answer pings, would get the
//! whole backlog at each login. What it had three times, in sessions of half a minute or more that
//! it ended itself with a ping unanswered, waits for a client that acknowledges.
//! This is kept in memory only: after a restart it has all of it three times more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::model::{AccountId, Seq};

/// After so many a copy is not handed out again.
const TIMES: u8 = 3;
/// Copies noted for one account, the newest of more.
const COPIES: usize = 4096;
/// Copies noted for all accounts. Beyond it nothing is noted, and such clients get theirs again.
const ALL_COPIES: usize = 256 * 1024;

/// See the [module's documentation](self).
#[derive(Default)]
pub(crate) struct HandOuts {
    accounts: Mutex<HashMap<AccountId, BTreeMap<Seq, u8>>>,
    /// Copies in all of them: most servers have none.
    copies: AtomicUsize,
}

impl HandOuts {
    /// A session that acknowledged nothing has had these.
    pub(super) fn unacknowledged(&self, account: AccountId, copies: impl Iterator<Item = Seq>) {
        let mut accounts = self.accounts.lock();
        let noted = accounts.entry(account).or_default();
        let before = noted.len();
        for seq in copies {
            let room = self.copies.load(Ordering::Relaxed) + noted.len() - before < ALL_COPIES;
            match noted.get_mut(&seq) {
                Some(times) => *times = times.saturating_add(1),
                None if room => {
                    noted.insert(seq, 1);
                }
                None => {}
            }
        }
        while noted.len() > COPIES {
            noted.pop_first();
        }
        let after = noted.len();
        if after == 0 {
            accounts.remove(&account);
        }
        self.copies.fetch_add(after, Ordering::Relaxed);
        self.copies.fetch_sub(before, Ordering::Relaxed);
    }

    /// A client of the account has acknowledged something. Whether that changes anything.
    pub(super) fn acknowledged(&self, account: AccountId) -> bool {
        if self.copies.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let Some(noted) = self.accounts.lock().remove(&account) else { return false };
        self.copies.fetch_sub(noted.len(), Ordering::Relaxed);
        noted.values().any(|times| *times >= TIMES)
    }

    /// What is not handed to a client of the account that may not acknowledge.
    pub(super) fn withheld(&self, account: AccountId) -> HashSet<Seq> {
        if self.copies.load(Ordering::Relaxed) == 0 {
            return HashSet::new();
        }
        let accounts = self.accounts.lock();
        let noted = accounts.get(&account).into_iter().flatten();
        noted.filter(|(_, times)| **times >= TIMES).map(|(seq, _)| *seq).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: AccountId = AccountId(1);
    const BEN: AccountId = AccountId(2);

    fn hand(hand_outs: &HandOuts, account: AccountId, seqs: impl IntoIterator<Item = u64>) {
        hand_outs.unacknowledged(account, seqs.into_iter().map(Seq));
    }

    #[test]
    fn what_was_handed_out_three_times_waits_for_an_acknowledgement() {
        let hand_outs = HandOuts::default();
        assert!(!hand_outs.acknowledged(ANA));
        hand(&hand_outs, ANA, [1, 2]);
        hand(&hand_outs, ANA, [1, 2, 3]);
        hand(&hand_outs, BEN, [1]);
        assert!(hand_outs.withheld(ANA).is_empty());
        hand(&hand_outs, ANA, [1, 2, 3]);
        assert_eq!(hand_outs.withheld(ANA), HashSet::from([Seq(1), Seq(2)]));
        assert!(hand_outs.withheld(BEN).is_empty());
        assert!(hand_outs.acknowledged(ANA));
        assert!(hand_outs.withheld(ANA).is_empty());
        assert!(!hand_outs.acknowledged(ANA), "once");
        assert!(!hand_outs.acknowledged(BEN), "nothing was withheld");
        assert_eq!(hand_outs.copies.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_noted_is_bounded() {
        let hand_outs = HandOuts::default();
        hand(&hand_outs, ANA, 0..COPIES as u64 + 10);
        assert_eq!(hand_outs.accounts.lock()[&ANA].len(), COPIES);
        (2..100).for_each(|account| hand(&hand_outs, AccountId(account), 0..COPIES as u64));
        assert_eq!(hand_outs.copies.load(Ordering::Relaxed), ALL_COPIES);
        let noted: usize = hand_outs.accounts.lock().values().map(BTreeMap::len).sum();
        assert_eq!(noted, ALL_COPIES);
        (0..3).for_each(|_| hand(&hand_outs, AccountId(1000), [1]));
        assert!(hand_outs.withheld(AccountId(1000)).is_empty());
    }
}
