//! What must be true in the end, whatever the schedule was.

use std::collections::{HashMap, HashSet};

use tidings_core::clock::Clock;
use tidings_core::model::Timestamp;
use tidings_core::store::NotificationRecord;
use tidings_core::store::prelude::*;

use super::{Sent, World};
use crate::device::Device;

impl World {
    /// Holds what came about against what was promised; panics where that differs.
    pub(super) async fn check(&mut self) {
        for core in &self.cores {
            core.notification.settled().await;
        }
        assert_eq!(self.store.verify_counters().await.unwrap(), Vec::<String>::new(), "counters");
        let records = self.records().await;
        assert_eq!(records.len(), self.sent.len(), "all that was sent is in the history, and nothing else");
        let by_id: HashMap<String, &NotificationRecord> =
            records.iter().map(|record| (record.notification.id.to_string(), record)).collect();
        for end in &self.ends {
            for id in &end.device.seen {
                assert!(by_id.contains_key(id), "{} saw {id}, which was not sent", end.device.label());
            }
            self.outcome.sightings += end.device.sightings;
        }
        for record in &records {
            let number: usize =
                record.notification.payload.text().unwrap().message.as_ref().unwrap().parse().unwrap();
            let sent = &self.sent[number];
            assert!(sent.id.is_none_or(|id| id == record.notification.id), "number {number}");
            self.check_counters(number, sent, record);
            self.check_owed(number, sent, &record.notification.id.to_string());
        }
        // What two nodes release at the same time may reach a session in either order.
        for end in self.ends.iter().filter(|_| self.cores.len() == 1) {
            check_order(&end.device, &by_id, self.clock.now());
        }
    }

    /// The history.
    async fn records(&self) -> Vec<NotificationRecord> {
        let (mut records, mut before) = (Vec::new(), None);
        loop {
            let page = self.cores[0].notification.list(before, 100).await.unwrap();
            records.extend(page.items);
            match page.next {
                Some(next) => before = Some(next),
                None => return records,
            }
        }
    }

    fn check_counters(&self, number: usize, sent: &Sent, record: &NotificationRecord) {
        let counters = record.counters;
        let id = record.notification.id.to_string();
        if counters.pending() > 0 {
            for end in &self.ends {
                eprintln!("{}", end.state(&id));
            }
        }
        let sum = counters.delivered + counters.expired + counters.cancelled;
        assert_eq!(counters.recipients, sum, "number {number} is settled one way or the other: {record:?}");
        assert!(counters.opened <= counters.delivered);
        let saw: HashSet<usize> =
            self.ends.iter().filter(|end| end.device.seen.contains(&id)).map(|end| end.account).collect();
        assert!(
            saw.len() as u64 >= counters.delivered,
            "number {number} is counted as delivered {} times, seen by {saw:?}",
            counters.delivered
        );
        if let Some(certain) = &sent.certain {
            assert_eq!(counters.delivered, certain.len() as u64, "number {number}: {record:?}");
            for account in certain {
                assert!(saw.contains(account), "{} did not get number {number}", self.accounts[*account]);
            }
        }
    }

    /// Each session that was available got it, whichever of its account's acknowledged it first.
    /// (Sessions of one account on two nodes do not hear of each other.)
    fn check_owed(&self, number: usize, sent: &Sent, id: &str) {
        let Some(certain) = sent.certain.as_ref().filter(|_| self.cores.len() == 1) else { return };
        for end in &self.ends {
            if certain.contains(&end.account) && end.owed_from.is_some_and(|from| from <= number) {
                let (label, from) = (end.device.label(), end.owed_from);
                assert!(
                    end.device.seen.iter().any(|seen| seen == id),
                    "{label} is owed number {number} ({from:?})"
                );
            }
        }
    }
}

/// First sightings follow the order of release, for each priority and for each collapse key.
fn check_order(device: &Device, records: &HashMap<String, &NotificationRecord>, now: Timestamp) {
    let (mut of_priority, mut of_key) = (HashMap::new(), HashMap::new());
    for id in &device.seen {
        let record = records[id];
        // One that was over, and is not after the clock jumped back, comes late.
        if record.notification.expires_at <= now {
            continue;
        }
        let notification = &record.notification;
        let seq = notification.seq;
        let before = of_priority.insert(notification.priority, seq);
        assert!(before.is_none_or(|before| before < seq), "{} saw {seq:?} after {before:?}", device.label());
        // What a topic replaces comes back where the account leaves the topic.
        if let Some(key) = &notification.collapse_key
            && notification.topic.is_none()
        {
            let before = of_key.insert(key, seq);
            let label = device.label();
            assert!(before.is_none_or(|before| before < seq), "{label} saw {seq:?} after {before:?}: {key}");
        }
    }
}
