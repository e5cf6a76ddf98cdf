//! Sessions without a connection, each until the end of its time.

use std::collections::{BTreeSet, HashMap};

use tokio::time::Instant;

use crate::model::SessionId;

/// Sessions that wait to be resumed; `S` is the session.
pub(super) struct DetachedSessions<S> {
    sessions: HashMap<SessionId, (Instant, S)>,
    /// The same, by when their time is over.
    expiry: BTreeSet<(Instant, SessionId)>,
}

impl<S> Default for DetachedSessions<S> {
    fn default() -> Self {
        Self { sessions: HashMap::new(), expiry: BTreeSet::new() }
    }
}

impl<S> DetachedSessions<S> {
    /// Keeps a session until `until`.
    pub(super) fn insert(&mut self, id: SessionId, until: Instant, session: S) {
        // An id stands for one session, which is in one place.
        if let Some((before, _)) = self.sessions.insert(id, (until, session)) {
            self.expiry.remove(&(before, id));
        }
        self.expiry.insert((until, id));
    }

    /// Whether this session waits here.
    pub(super) fn contains(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    /// Takes a session out, whatever its time.
    pub(super) fn take(&mut self, id: SessionId) -> Option<S> {
        let (until, session) = self.sessions.remove(&id)?;
        self.expiry.remove(&(until, id));
        Some(session)
    }

    /// Takes a session out whose time is over by `now`, the earliest first.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<S> {
        let (until, id) = *self.expiry.first()?;
        if until > now {
            return None;
        }
        self.expiry.pop_first();
        self.sessions.remove(&id).map(|(_, session)| session)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u64, u64),
        Take(u64),
        Expire(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..8u64, 0..50u64).prop_map(|(id, until)| Step::Insert(id, until)),
            (0..8u64).prop_map(Step::Take),
            (0..50u64).prop_map(Step::Expire),
        ]
    }

    proptest! {
        #[test]
        fn each_session_is_taken_once_and_in_time(steps in prop::collection::vec(step(), 0..60)) {
            let start = Instant::now();
            let at = |seconds| start + Duration::from_secs(seconds);
            let mut detached = DetachedSessions::default();
            // The same as a list.
            let mut model: Vec<(u64, u64, usize)> = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Insert(id, until) => {
                        model.retain(|(_, other, _)| *other != id);
                        model.push((until, id, number));
                        detached.insert(SessionId(id), at(until), number);
                    }
                    Step::Take(id) => {
                        let place = model.iter().position(|(_, other, _)| *other == id);
                        prop_assert_eq!(detached.contains(SessionId(id)), place.is_some());
                        let expected = place.map(|place| model.remove(place).2);
                        prop_assert_eq!(detached.take(SessionId(id)), expected);
                    }
                    Step::Expire(now) => {
                        model.sort_unstable();
                        while let Some(session) = detached.take_expired(at(now)) {
                            prop_assert!(!model.is_empty());
                            let (until, _, expected) = model.remove(0);
                            prop_assert!(until <= now);
                            prop_assert_eq!(session, expected);
                        }
                        prop_assert!(model.iter().all(|(until, ..)| *until > now));
                    }
                }
                prop_assert_eq!(detached.sessions.len(), detached.expiry.len());
            }
        }
    }
}
