//! Accounts put straight into a store that no server uses yet: a million of them
//! over HTTP would measure the key derivation.

use std::path::Path;
use std::sync::Arc;

use tidings_core::clock::{Clock, SystemClock};
use tidings_core::model::{Audience, Content, NewAccount, NotificationId, Priority, ScramKeys, Username};
use tidings_core::store::{NewNotification, Store};
use tidings_store::{SqliteOptions, SqliteStore};
use tidings_xmpp::sasl::{ScramHash, derive_keys};
use tokio::task::JoinSet;

use crate::error::{Context, Error};
use crate::load::{PASSWORD, username};
use crate::report::Progress;

/// Writes under way at once.
const AT_ONCE: usize = 2048;
const ITERATIONS: u32 = 4096;

/// The database's name in a data directory.
pub(crate) const DATABASE: &str = "tidings.db";

pub(crate) struct Seeder {
    store: Arc<SqliteStore>,
}

impl Seeder {
    pub(crate) fn open(data_dir: &Path) -> Result<Self, Error> {
        make_private(data_dir)?;
        let store = SqliteStore::open(&data_dir.join(DATABASE), SqliteOptions::default())?;
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
        let progress = Progress::new("accounts", to);
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
        let progress = Progress::new("pending notifications", count);
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

    async fn many<F, W>(&self, from: usize, to: usize, progress: &Progress, mut work: W) -> Result<(), Error>
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
        content,
        priority: Priority::Normal,
        collapse_key: None,
        created_at: now,
        send_at: None,
        expires_at: now.plus(std::time::Duration::from_secs(28 * 86_400)),
        idempotency: None,
    })
}

/// A loop against the store alone, without HTTP: `at_once` notifications to single
/// accounts under way at any time. Answers how many were durable a second.
pub(crate) async fn store_loop(
    seeder: &Seeder,
    at_once: usize,
    accounts: usize,
    seconds: f64,
) -> Result<f64, Error> {
    let started = std::time::Instant::now();
    let mut under_way = JoinSet::new();
    let (mut number, mut done) = (0usize, 0u64);
    while started.elapsed().as_secs_f64() < seconds {
        while under_way.len() < at_once {
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
    let rate = done as f64 / started.elapsed().as_secs_f64();
    while under_way.join_next().await.is_some() {}
    Ok(rate)
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
