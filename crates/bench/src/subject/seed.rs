//! Accounts put straight into a store that no server uses yet: a million of them
//! over HTTP would measure the key derivation.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tidings_core::clock::{Clock, SystemClock};
use tidings_core::model::{
    Audience, Content, Ext, NewAccount, NotificationId, Priority, ScramKeys, Sender, Username,
};
use tidings_core::store::prelude::*;
use tidings_core::store::{NewNotification, PendingBounds};
use tidings_store::{SqliteOptions, SqliteStore};
use tidings_xmpp::sasl::{ScramHash, derive_keys};
use tokio::task::JoinSet;

use crate::error::{Context, Error};
use crate::load::{PASSWORD, username};
use crate::measure::CpuMeter;
use crate::report::ProgressLine;

/// Writes under way at once.
const AT_ONCE: usize = 2048;
const ITERATIONS: u32 = 4096;

/// The database's name in a data directory.
pub(crate) const DATABASE: &str = "tidings.db";

pub(crate) struct Seeder {
    store: Arc<SqliteStore>,
}

impl Seeder {
    pub(crate) fn open(data_dir: &Path, options: SqliteOptions) -> Result<Self, Error> {
        make_private(data_dir)?;
        let store = SqliteStore::open(&data_dir.join(DATABASE), options)?;
        Ok(Self { store: Arc::new(store) })
    }

    /// Creates the accounts with the numbers `from` to `to`, all with one salt and one password.
    pub(crate) async fn accounts(&self, from: usize, to: usize) -> Result<(), Error> {
        let salt = [7; 16];
        let keys = |hash| {
            let (stored_key, server_key) = derive_keys(hash, PASSWORD, &salt, ITERATIONS);
            ScramKeys { salt: salt.to_vec(), iterations: ITERATIONS, stored_key, server_key }
        };
        let (sha1, sha256) = (keys(ScramHash::Sha1), keys(ScramHash::Sha256));
        let now = SystemClock.now();
        let progress = ProgressLine::new("accounts", to);
        self.many(from, to, &progress, |number| {
            let store = Arc::clone(&self.store);
            let (sha1, sha256) = (sha1.clone(), sha256.clone());
            async move {
                let username = Username::parse(&username(number)).context("a username")?;
                let new = NewAccount { username, name: None, email: None, sha1, sha256, created_at: now };
                store.create_account(new).await?;
                Ok(())
            }
        })
        .await
    }

    /// Puts `count` direct notifications into the queues of the first `accounts` accounts.
    pub(crate) async fn pending(&self, count: usize, accounts: usize) -> Result<(), Error> {
        let now = SystemClock.now();
        let progress = ProgressLine::new("pending notifications", count);
        self.many(0, count, &progress, |number| {
            let store = Arc::clone(&self.store);
            async move {
                let to = Username::parse(&username(number % accounts.max(1))).context("a username")?;
                store.accept(notification(Audience::Users(vec![to]), number, now)?).await?;
                Ok(())
            }
        })
        .await
    }

    async fn many<F, W>(
        &self,
        from: usize,
        to: usize,
        progress: &ProgressLine,
        mut work: W,
    ) -> Result<(), Error>
    where
        W: FnMut(usize) -> F,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let mut under_way = JoinSet::new();
        for number in from..to {
            if under_way.len() >= AT_ONCE
                && let Some(done) = under_way.join_next().await
            {
                done.context("a write was lost")??;
            }
            under_way.spawn(work(number));
            if number % 1000 == 0 {
                progress.step(number);
            }
        }
        while let Some(done) = under_way.join_next().await {
            done.context("a write was lost")??;
        }
        Ok(())
    }

    pub(crate) fn store(&self) -> Arc<SqliteStore> {
        Arc::clone(&self.store)
    }
}

fn notification(
    audience: Audience,
    number: usize,
    now: tidings_core::model::Timestamp,
) -> Result<NewNotification, Error> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).context("no randomness")?;
    let content = Content {
        title: Some("Your parcel is on its way".to_owned()),
        message: Some(format!("Parcel {number} leaves the depot this morning and will be with you by noon.")),
        uri: Some("https://example.org/parcels/4711".to_owned()),
        ..Content::default()
    };
    Ok(NewNotification {
        id: NotificationId::new(now, random),
        audience,
        payload: content.into(),
        ext: Ext::default(),
        sender: Sender::Operator("admin".to_owned()),
        priority: Priority::Normal,
        collapse_key: None,
        created_at: now,
        send_at: None,
        expires_at: now.plus(std::time::Duration::from_secs(28 * 86_400)),
        idempotency: None,
        bounds: PendingBounds::default(),
    })
}

/// What the store alone took.
#[derive(Debug, Default)]
pub(crate) struct Loop {
    done: f64,
    seconds: f64,
    cpu_nanos: f64,
    commits: f64,
    writes: f64,
}

impl Loop {
    pub(crate) fn add(&mut self, more: &Self) {
        self.done += more.done;
        self.seconds += more.seconds;
        self.cpu_nanos += more.cpu_nanos;
        self.commits += more.commits;
        self.writes += more.writes;
    }

    pub(crate) fn a_second(&self) -> f64 {
        self.done / self.seconds
    }

    pub(crate) fn a_cpu_second(&self) -> f64 {
        self.done * 1e9 / self.cpu_nanos.max(1.0)
    }

    /// Writes a commit.
    pub(crate) fn group(&self) -> f64 {
        self.writes / self.commits.max(1.0)
    }
}

/// A loop against the store alone, without HTTP: notifications to single accounts,
/// `group` of them a commit. The next commit's are there before one is done, so the
/// store waits for nothing but the disk.
pub(crate) async fn store_loop(
    seeder: &Seeder,
    group: usize,
    accounts: usize,
    seconds: f64,
) -> Result<Loop, Error> {
    let before = seeder.store.commits();
    let mut cpu = CpuMeter::new(std::process::id());
    let started = Instant::now();
    let mut under_way = JoinSet::new();
    let (mut number, mut done) = (0usize, 0u32);
    while started.elapsed().as_secs_f64() < seconds {
        while under_way.len() < 2 * group {
            let store = seeder.store();
            let to = Username::parse(&username(number % accounts.max(1))).context("a username")?;
            let new = notification(Audience::Users(vec![to]), number, SystemClock.now())?;
            number += 1;
            under_way.spawn(async move { store.accept(new).await.map(drop) });
        }
        if let Some(outcome) = under_way.join_next().await {
            outcome.context("a write was lost")??;
            done += 1;
        }
    }
    let (elapsed, nanos) = (started.elapsed().as_secs_f64(), cpu.lap());
    let after = seeder.store.commits();
    while under_way.join_next().await.is_some() {}
    Ok(Loop {
        done: done.into(),
        seconds: elapsed,
        cpu_nanos: nanos as f64,
        commits: (after.commits - before.commits) as f64,
        writes: (after.writes - before.writes) as f64,
    })
}

#[cfg(unix)]
fn make_private(dir: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    Ok(std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?)
}

#[cfg(not(unix))]
fn make_private(dir: &Path) -> Result<(), Error> {
    Ok(std::fs::create_dir_all(dir)?)
}
