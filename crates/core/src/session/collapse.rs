//! What a newer notification of the same batch of hints has replaced, by its collapse key.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::delivery::Delivery;
use crate::model::{Notification, Sender, Seq};

/// Leaves out of a batch for one account what a newer one has replaced: the store has
/// cancelled it. The first `queued` of the batch came through the session's own queue (direct
/// ones and those of topics), the others are for all. `None` where only reading makes the store
/// cancel what was replaced.
pub(super) fn collapse(batch: &mut Vec<Arc<Delivery>>, queued: usize) -> Option<()> {
    let keyed = || {
        batch.iter().enumerate().filter_map(|(place, delivery)| {
            let notification = &delivery.notification;
            let direct = place < queued && notification.topic.is_none();
            Some((notification.collapse_key.as_deref()?, Candidate { notification, direct }))
        })
    };
    if keyed().nth(1).is_none() {
        return Some(());
    }
    // What is older than senders collapses with any: any newer one with its key replaces it.
    let mut newest = HashMap::<(&str, Option<String>), Candidate<'_>>::new();
    for (key, candidate) in keyed() {
        let senders = candidate.sender().into_iter().map(Some).chain([None]);
        for sender in senders {
            let newest = newest.entry((key, sender)).or_insert(candidate);
            if newest.seq() < candidate.seq() {
                *newest = candidate;
            }
        }
    }
    let mut replaced = HashSet::new();
    for (key, older) in keyed() {
        match newest.get(&(key, older.sender())) {
            Some(newer) if newer.seq() == older.seq() => {}
            Some(newer) if newer.replaces_at_once(older) => {
                replaced.insert(older.seq());
            }
            _ => return None,
        }
    }
    batch.retain(|delivery| !replaced.contains(&delivery.notification.seq));
    Some(())
}

#[derive(Clone, Copy)]
struct Candidate<'a> {
    notification: &'a Notification,
    /// Not for all, nor for a topic.
    direct: bool,
}

impl Candidate<'_> {
    fn seq(&self) -> Seq {
        self.notification.seq
    }

    fn sender(&self) -> Option<String> {
        self.notification.sender.as_ref().map(Sender::identity)
    }

    /// As the store does when it accepts this one. Else it does when it is read.
    fn replaces_at_once(&self, older: Self) -> bool {
        let topic = &self.notification.topic;
        self.direct || (!older.direct && (topic.is_none() || *topic == older.notification.topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Content, Ext, NotificationId, Priority, Timestamp, Topic};

    /// A key that begins with a sender's name and a colon is that sender's.
    fn delivery(seq: u64, key: &str, topic: Option<&str>) -> Arc<Delivery> {
        let (sender, key) = match key.split_once(':') {
            Some((name, key)) => (Some(Sender::Operator(name.to_owned())), key),
            None => (None, key),
        };
        Arc::new(Delivery::new(Notification {
            seq: Seq(seq),
            id: NotificationId(u128::from(seq)),
            payload: Content::default().into(),
            ext: Ext::default(),
            sender,
            endpoint: None,
            priority: if seq.is_multiple_of(2) { Priority::High } else { Priority::Low },
            topic: topic.map(|topic| Topic::parse(topic).unwrap()),
            collapse_key: (!key.is_empty()).then(|| key.to_owned()),
            sent_at: Timestamp(0),
            expires_at: Timestamp(1),
        }))
    }

    /// What is left of queued ones (their seq, key and topic) and broadcasts (seq and key).
    fn left(queued: &[(u64, &str, Option<&str>)], broadcasts: &[(u64, &str)]) -> Option<Vec<u64>> {
        let mut batch: Vec<_> = queued.iter().map(|(seq, key, topic)| delivery(*seq, key, *topic)).collect();
        batch.extend(broadcasts.iter().map(|(seq, key)| delivery(*seq, key, None)));
        collapse(&mut batch, queued.len())?;
        Some(batch.iter().map(|delivery| delivery.notification.seq.0).collect())
    }

    #[test]
    fn the_newest_of_a_key_stays_whatever_the_priorities() {
        let queued =
            [(1, "a", None), (2, "b", None), (3, "", None), (4, "a", None), (5, "a", None), (6, "", None)];
        assert_eq!(left(&queued, &[]), Some(vec![2, 3, 5, 6]));
        assert_eq!(left(&[], &[(1, "a"), (2, "a"), (3, "b"), (4, "")]), Some(vec![2, 3, 4]));
        assert_eq!(left(&[(4, "a", None)], &[(1, "a"), (2, "a")]), Some(vec![4]));
        let of_a_topic = [(1, "a", Some("t")), (2, "a", Some("t"))];
        assert_eq!(left(&of_a_topic, &[]), Some(vec![2]));
        assert_eq!(left(&of_a_topic, &[(3, "a")]), Some(vec![3]));
    }

    #[test]
    fn devices_find_what_is_replaced_by_its_mark() {
        let mark = |key| delivery(1, key, None).notification.collapse_mark();
        assert_eq!(mark(""), None);
        assert_eq!(mark("ada:a"), mark("ada:a"));
        assert_eq!(mark("ada:a").map(|mark| mark.len()), Some(16));
        let different = [mark("ada:a"), mark("sam:a"), mark("ada:b"), mark("a")];
        assert_eq!(different.iter().collect::<HashSet<_>>().len(), different.len());
    }

    #[test]
    fn each_sender_has_its_own_keys() {
        let queued = [(1, "ada:a", None), (2, "sam:a", None), (3, "ada:a", None), (4, "ada:b", None)];
        assert_eq!(left(&queued, &[]), Some(vec![2, 3, 4]));
        let from_before = [(1, "a", None), (2, "ada:a", None), (3, "sam:a", None)];
        assert_eq!(left(&from_before, &[]), Some(vec![2, 3]));
        let scheduled_before = [(1, "ada:a", None), (2, "a", None), (3, "a", None)];
        assert_eq!(left(&scheduled_before, &[]), Some(vec![1, 3]));
    }

    #[test]
    fn what_only_a_read_cancels_is_read() {
        assert_eq!(left(&[(1, "a", None)], &[(2, "a")]), None);
        assert_eq!(left(&[(1, "a", None), (2, "a", Some("t"))], &[]), None);
        assert_eq!(left(&[(1, "a", Some("u")), (2, "a", Some("t"))], &[]), None);
        assert_eq!(left(&[(2, "a", Some("t"))], &[(1, "a")]), None);
        assert_eq!(left(&[(1, "a", None)], &[(2, "b")]), Some(vec![1, 2]), "nothing is replaced");
    }
}
