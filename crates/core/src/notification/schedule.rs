//! Releases what was scheduled, expires what is over, forgets what is old.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::Inner;
use crate::events::Event;
use crate::model::Timestamp;
use crate::panics::{Panicked, caught};
use crate::store::StoreError;

/// Rows a call: bounds the time that one commit takes.
const BATCH: usize = 500;
/// The longest sleep. The wall clock may jump, so the due times are looked at again this often.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long after its time is over a notification still takes an
/// acknowledgement: it may have been on its way. It is not handed out any more.
const GRACE: Duration = Duration::from_secs(2);
/// How often the history is purged.
const PURGE_INTERVAL: Duration = Duration::from_secs(300);

/// When the scheduler has something to do next, as far as it knows: acceptances
/// come by the thousand, and few of them change that. What is due later is not
/// told; so after each time it has acted, the scheduler asks the store for both.
pub(super) struct NextDue {
    /// Milliseconds since 1970. While the scheduler asks the store, everything is sooner.
    next: AtomicI64,
    sooner: Notify,
}

impl Default for NextDue {
    fn default() -> Self {
        Self { next: AtomicI64::new(i64::MAX), sooner: Notify::new() }
    }
}

impl NextDue {
    /// Something that is in the store is to be released at `at`.
    pub(super) fn releases(&self, at: Timestamp) {
        self.add(at);
    }

    /// Something that is in the store is over at `at`.
    pub(super) fn expires(&self, at: Timestamp) {
        self.add(at.plus(GRACE));
    }

    fn add(&self, at: Timestamp) {
        if at.0 < self.next.load(Ordering::SeqCst) {
            self.sooner.notify_one();
        }
    }

    /// The scheduler is about to ask the store: it may miss what comes from here on.
    fn ask(&self) {
        self.next.store(i64::MAX, Ordering::SeqCst);
    }

    fn known(&self, next: Timestamp) {
        self.next.store(next.0, Ordering::SeqCst);
    }
}

pub(super) async fn run(inner: &Inner) {
    let mut stopping = inner.stopping.subscribe();
    let mut due = Due::default();
    let mut purged = None;
    loop {
        match caught(step(inner, &mut due, &mut purged)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the scheduler could not work; trying again");
                due = Due::default();
            }
            Err(Panicked) => due = Due::default(),
        }
        if let (Some(release), Some(expiry)) = (due.release, due.expiry) {
            inner.next_due.known(release.min(expiry.plus(GRACE)));
        }
        tokio::select! {
            biased;
            () = async { drop(stopping.wait_for(|stop| *stop).await) } => return,
            () = inner.next_due.sooner.notified() => {
                // Acceptances come in crowds; ask the store once for all of them.
                sleep(Duration::from_millis(20)).await;
                due = Due::default();
            }
            () = sleep(POLL_INTERVAL) => {}
        }
    }
}

/// When the store said that something is next due; `None` is not known yet.
#[derive(Default)]
struct Due {
    release: Option<Timestamp>,
    expiry: Option<Timestamp>,
}

const NEVER: Timestamp = Timestamp(i64::MAX);

async fn step(inner: &Inner, due: &mut Due, purged: &mut Option<Timestamp>) -> Result<(), StoreError> {
    let now = inner.clock.now();
    let late = Timestamp(now.millis() - i64::try_from(GRACE.as_millis()).unwrap_or(0));
    let nothing = due.release.is_some_and(|at| at > now) && due.expiry.is_some_and(|at| at > late);
    if !nothing {
        inner.next_due.ask();
    }
    let release = match due.release {
        Some(at) => at,
        None => inner.store.next_release().await?.unwrap_or(NEVER),
    };
    due.release = Some(release);
    if release <= now {
        *due = Due::default();
        loop {
            if inner.store.release_due(now, BATCH).await? < BATCH as u64 {
                break;
            }
        }
    }
    let expiry = match due.expiry {
        Some(at) => at,
        None => inner.store.next_expiry().await?.unwrap_or(NEVER),
    };
    due.expiry = Some(expiry);
    if expiry <= late {
        // What came meanwhile and is due later than this was not told: see `NextDue`.
        *due = Due::default();
        // An acknowledgement that came in time counts as delivered.
        inner.settlements.flush_or_busy().await?;
        loop {
            let ended = inner.store.expire_due(late, BATCH).await?;
            let done = ended.len() < BATCH;
            for ended in ended.into_iter().filter(|ended| ended.accounts > 0) {
                inner.events.send(Event::Expired { id: ended.id, accounts: ended.accounts });
            }
            if done {
                break;
            }
        }
    }
    // Later than now: the clock was ahead then.
    if purged.is_none_or(|at| at > now || now.since(at) >= PURGE_INTERVAL) {
        *purged = Some(now);
        let days = inner.config.notifications.history_days;
        let history = Duration::from_secs(days.saturating_mul(86_400));
        let before =
            Timestamp(now.millis().saturating_sub(i64::try_from(history.as_millis()).unwrap_or(i64::MAX)));
        while inner.store.purge(before, now, BATCH).await? >= BATCH as u64 {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn woken(next_due: &NextDue) -> bool {
        tokio::time::timeout(Duration::ZERO, next_due.sooner.notified()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_is_due_sooner_wakes_the_scheduler() {
        let next_due = NextDue::default();
        next_due.expires(Timestamp(50_000));
        assert!(woken(&next_due).await, "nothing was known to be due");
        // What is over at 50,000 is acted on when its grace is over, too.
        next_due.known(Timestamp(50_000).plus(GRACE));
        next_due.expires(Timestamp(50_000));
        next_due.expires(Timestamp(50_001));
        next_due.releases(Timestamp(50_000).plus(GRACE));
        assert!(!woken(&next_due).await, "none of them is sooner");
        next_due.expires(Timestamp(49_999));
        assert!(woken(&next_due).await);
        next_due.releases(Timestamp(51_999));
        assert!(woken(&next_due).await);
        next_due.ask();
        next_due.expires(Timestamp(90_000));
        assert!(woken(&next_due).await, "while it asks it may miss anything");
    }
}
