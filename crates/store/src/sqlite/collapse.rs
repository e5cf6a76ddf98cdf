//! Collapse keys: what a new notification replaces.

use rusqlite::params;
use tidings_core::model::{AccountId, Notification, Target};

use super::convert::{key_hash, uint};
use super::error::Result;
use super::expiry::End;
use super::writer::Writer;
use crate::open_index::CollapseKey;

impl Writer {
    /// What a new notification replaces at once: older ones of its own kind,
    /// and for named accounts whatever is pending there. Where one for all or
    /// for a topic meets older ones of another kind, feeding replaces them
    /// (see `feed`), because that may be a million accounts.
    pub fn collapse(&mut self, notification: &Notification, target: &Target) -> Result<()> {
        let Some(key) = CollapseKey::of(notification) else { return Ok(()) };
        let broadcasts = self.open_index.collapsing(&key);
        match target {
            Target::All => {
                for seq in broadcasts {
                    self.end(seq, End::Cancelled)?;
                }
            }
            Target::Topic(topic) => {
                for seq in broadcasts {
                    if self.open_index.get(seq).is_some_and(|older| older.topic.as_ref() == Some(topic)) {
                        self.end(seq, End::Cancelled)?;
                    }
                }
            }
            Target::Accounts(accounts) => {
                for account in accounts {
                    self.replace_copies(*account, &broadcasts)?;
                    for seq in self.queued_collapsing(*account, &key)? {
                        self.replace_copy(*account, seq)?;
                    }
                }
            }
        }
        Ok(())
    }

    pub fn queued_collapsing(&self, account: AccountId, newer: &CollapseKey) -> Result<Vec<u64>> {
        let CollapseKey { key, sender } = newer;
        let mut statement = self.connection.prepare_cached(
            "SELECT q.seq FROM queue q CROSS JOIN notifications n ON n.seq = q.seq
             WHERE q.account = ?1 AND q.collapse = ?2 AND n.collapse_key = ?3
                AND (n.collapse_sender IS NULL OR n.collapse_sender IS ?4)",
        )?;
        let seqs = statement
            .query_map(params![account.0, key_hash(key), key, sender], |row| row.get(0).map(uint))?;
        Ok(seqs.collect::<Result<_, _>>()?)
    }
}
