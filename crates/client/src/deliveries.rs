//! Notifications between their arrival and their acknowledgement.

use std::collections::HashMap;

use crate::seen::{Seen, SeenFile};

/// What the server is owed for one copy of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owed {
    /// On which connection the copy came.
    pub(crate) connection: u64,
    /// Its number, under stream management.
    pub(crate) number: Option<u32>,
    /// Where to send a receipt, and for which message (XEP-0184), without it.
    pub(crate) receipt: Option<(String, String)>,
}

/// What to do with a notification that came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Show it.
    New,
    /// The application has another copy, and has not said yet that it is done.
    Waiting,
    /// It was acknowledged long ago: acknowledge it again.
    Done(Owed),
}

#[derive(Debug)]
pub(crate) struct Deliveries {
    seen: Seen,
    file: Option<SeenFile>,
    waiting: HashMap<String, Vec<Owed>>,
}

impl Deliveries {
    pub(crate) fn new(seen: Seen, file: Option<SeenFile>) -> Self {
        Self { seen, file, waiting: HashMap::new() }
    }

    /// A copy of the notification `id` came.
    pub(crate) fn arrived(&mut self, id: &str, owed: Owed) -> Arrival {
        if self.seen.contains(id) {
            return Arrival::Done(owed);
        }
        match self.waiting.get_mut(id) {
            Some(copies) => {
                // Older connections are owed nothing any more, and one receipt is enough.
                copies.retain(|copy| copy.connection == owed.connection && copy.number.is_some());
                copies.push(owed);
                Arrival::Waiting
            }
            None => {
                self.waiting.insert(id.to_owned(), vec![owed]);
                Arrival::New
            }
        }
    }

    /// How many notifications the application has not acknowledged.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The application has these. Returns what is owed for them, once the ids are on disk.
    pub(crate) async fn settle(&mut self, ids: Vec<String>) -> Vec<Owed> {
        let mut owed = Vec::new();
        let mut new = Vec::new();
        for id in ids {
            owed.extend(self.waiting.remove(&id).unwrap_or_default());
            if self.seen.insert(&id) {
                new.push(id);
            }
        }
        if !new.is_empty() {
            self.record(new).await;
        }
        owed
    }

    /// Writes ids to the file. A failure is told and passed over: the application has
    /// the notifications, and the server should know; at worst one is shown twice.
    async fn record(&mut self, ids: Vec<String>) {
        let Some(mut file) = self.file.take() else { return };
        let whole = file.is_long().then(|| self.seen.all());
        let written = tokio::task::spawn_blocking(move || {
            let result = match whole {
                Some(all) => file.rewrite(&all),
                None => file.append(&ids),
            };
            (file, result)
        });
        match written.await {
            Ok((file, result)) => {
                self.file = Some(file);
                if let Err(error) = result {
                    tracing::warn!(%error, "cannot record which notifications were acknowledged");
                }
            }
            Err(error) => tracing::warn!(%error, "no longer recording which notifications were acknowledged"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owed(connection: u64, number: u32) -> Owed {
        Owed { connection, number: Some(number), receipt: None }
    }

    #[tokio::test]
    async fn a_copy_that_comes_again_waits_for_the_same_acknowledgement() {
        let mut deliveries = Deliveries::new(Seen::new(), None);
        assert_eq!(deliveries.arrived("a", owed(1, 1)), Arrival::New);
        assert_eq!(deliveries.arrived("a", owed(1, 2)), Arrival::Waiting);
        assert_eq!(deliveries.settle(vec!["a".into()]).await, [owed(1, 1), owed(1, 2)]);
        assert_eq!(deliveries.arrived("a", owed(1, 3)), Arrival::Done(owed(1, 3)));
    }

    #[tokio::test]
    async fn a_broken_connection_is_owed_nothing() {
        let mut deliveries = Deliveries::new(Seen::new(), None);
        assert_eq!(deliveries.arrived("a", owed(1, 1)), Arrival::New);
        assert_eq!(deliveries.arrived("a", owed(2, 1)), Arrival::Waiting);
        assert_eq!(deliveries.settle(vec!["a".into(), "unknown".into()]).await, [owed(2, 1)]);
        assert_eq!(deliveries.arrived("unknown", owed(2, 2)), Arrival::Done(owed(2, 2)));
    }

    #[tokio::test]
    async fn what_is_settled_is_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.seen");
        let (seen, file) = Seen::open(&path).unwrap();
        let mut deliveries = Deliveries::new(seen, file);
        for n in 0..30 {
            deliveries.settle((0..100).map(|m| format!("{n}-{m}")).collect()).await;
        }
        drop(deliveries);
        let (seen, _file) = Seen::open(&path).unwrap();
        assert!(seen.contains("29-99") && seen.contains("20-0") && !seen.contains("19-99"));
        assert!(std::fs::read_to_string(&path).unwrap().lines().count() < 2100);
    }
}
