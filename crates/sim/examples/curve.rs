//! What acceptance and start-up cost by the number of accounts, on the real
//! store, every commit on the disk, all devices offline:
//! `cargo run --release -p tidings-sim --example curve [DIRECTORY] [MOST] [SHARE]`
//!
//! First it grows one database to 100, 1,000 … MOST accounts, and at each size
//! accepts 200 broadcasts, one after another; beside each, the time of a plain
//! write and fsync of as many bytes, so that the disk's mood shows. Then it puts
//! a pending direct notification in front of each account, SHARE accounts a
//! notification (by default 1: as many notifications as accounts), and opens the
//! database again, in turn with an empty one. A directory that is there already
//! is used as it stands; nothing is removed.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a measurement prints, and stops when it fails"
)]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_core::clock::{Clock, SystemClock, SystemRandom};
use tidings_core::config::Config;
use tidings_core::model::{Audience, Content, NewAccount, ScramKeys, Sender, Username};
use tidings_core::notification::Request;
use tidings_core::store::prelude::*;
use tidings_core::{Core, Ports};
use tidings_store::{SqliteOptions, SqliteStore};
use tokio::task::JoinSet;

const BROADCASTS: usize = 200;
/// Writes under way at once while the database is filled.
const AT_ONCE: usize = 4096;
/// What an accepted broadcast adds to the log, roughly: pages of 4 KiB.
const COMMIT_BYTES: usize = 8 * 4096;
const STARTS: usize = 5;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().unwrap_or_else(|| "target/curve".to_owned()));
    let most: usize = arguments.next().map_or(1_000_000, |word| word.parse().expect("a number"));
    let share: usize = arguments.next().map_or(1, |word| word.parse().expect("a number"));
    // A start alone in a process of its own, so that its memory is its own.
    if let Some(what) = arguments.next() {
        start_once(&directory.join(what));
        return;
    }
    std::fs::create_dir_all(&directory).expect("a directory");
    let (full, empty) = (directory.join("full.db"), directory.join("empty.db"));
    runtime().block_on(fill(&directory, [&full, &empty], most, share.max(1)));
    starts(&directory);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

async fn open(path: &Path) -> Arc<Core> {
    start(Arc::new(SqliteStore::open(path, SqliteOptions::default()).expect("a store"))).await
}

async fn start(store: Arc<SqliteStore>) -> Arc<Core> {
    Core::start(Config::default(), Ports::local(store, Arc::new(SystemClock), Arc::new(SystemRandom)))
        .await
        .expect("it starts")
}

async fn fill(directory: &Path, [full, empty]: [&Path; 2], most: usize, share: usize) {
    open(empty).await.stop().await;
    let store = Arc::new(SqliteStore::open(full, SqliteOptions::default()).expect("a store"));
    let core = start(Arc::clone(&store)).await;
    println!("accepting a broadcast, {BROADCASTS} one after another, ms");
    println!(
        "{:>10} {:>8} {:>8} {:>8} {:>12} {:>11} {:>12}",
        "accounts", "median", "p90", "p99", "CPU µs each", "fsync p50", "fsync p99"
    );
    let mut there = core.notification.totals().await.expect("totals").accounts as usize;
    let mut size = 100;
    while size <= most {
        if size <= there {
            size *= 10;
            continue;
        }
        accounts(&store, there, size).await;
        there = size;
        // What filling left behind (a checkpoint, pages to write back) is not acceptance.
        sync(directory, 1);
        let mut accepted = Vec::with_capacity(BROADCASTS);
        let (mut synced, mut cpu) = (Vec::with_capacity(BROADCASTS), 0);
        for _ in 0..BROADCASTS {
            let (before, started) = (cpu_nanos(), Instant::now());
            let answer = core.notification.accept(request(Audience::All)).await.expect("accepted");
            accepted.push(started.elapsed());
            cpu += cpu_nanos() - before;
            assert_eq!(answer.recipients, size as u64);
            synced.push(sync(directory, COMMIT_BYTES));
        }
        accepted.sort_unstable();
        synced.sort_unstable();
        println!(
            "{size:>10} {:>8.2} {:>8.2} {:>8.2} {:>12.0} {:>11.2} {:>12.2}",
            percentile(&accepted, 50),
            percentile(&accepted, 90),
            percentile(&accepted, 99),
            cpu as f64 / BROADCASTS as f64 / 1e3,
            percentile(&synced, 50),
            percentile(&synced, 99)
        );
        size *= 10;
    }
    let started = Instant::now();
    queue(&core, there, share).await;
    println!("\nqueued for {there} accounts in {:.0} s", started.elapsed().as_secs_f64());
    core.stop().await;
}

fn request(audience: Audience) -> Request {
    let content = Content {
        title: Some("Your parcel is on its way".to_owned()),
        message: Some("It leaves the depot this morning and will be with you by noon.".to_owned()),
        uri: Some("https://example.org/parcels/4711".to_owned()),
        ..Content::default()
    };
    Request::new(Sender::Operator("ada".into()), audience, content)
}

fn name(number: usize) -> Username {
    Username::parse(&format!("d{number:07}")).expect("a name")
}

async fn accounts(store: &Arc<SqliteStore>, from: usize, to: usize) {
    let keys = |length| ScramKeys {
        salt: vec![7; 16],
        iterations: 4096,
        stored_key: vec![8; length],
        server_key: vec![9; length],
    };
    let mut under_way = JoinSet::new();
    for number in from..to {
        if under_way.len() >= AT_ONCE {
            under_way.join_next().await.expect("some").expect("an account");
        }
        let new = NewAccount {
            username: name(number),
            name: None,
            email: None,
            sha1: keys(20),
            sha256: keys(32),
            created_at: SystemClock.now(),
        };
        let store = Arc::clone(store);
        under_way.spawn(async move { store.create_account(new).await.map(drop).expect("an account") });
    }
    while let Some(created) = under_way.join_next().await {
        created.expect("an account");
    }
}

/// A direct notification in front of each account.
async fn queue(core: &Arc<Core>, accounts: usize, share: usize) {
    let mut under_way = JoinSet::new();
    for first in (0..accounts).step_by(share) {
        if under_way.len() >= (AT_ONCE / share).max(1) {
            under_way.join_next().await.expect("some").expect("accepted");
        }
        let core = Arc::clone(core);
        let last = accounts.min(first + share);
        under_way.spawn(async move {
            let audience = Audience::Users((first..last).map(name).collect());
            core.notification.accept(request(audience)).await.map(drop).expect("accepted");
        });
    }
    while let Some(accepted) = under_way.join_next().await {
        accepted.expect("accepted");
    }
}

/// Starts the full and the empty one in turn, each in a process of its own.
fn starts(directory: &Path) {
    println!("\nopen and start, {STARTS} times in turn: ms to ready, MiB (Pss) then and 2 s later");
    let program = std::env::current_exe().expect("this program");
    for _ in 0..STARTS {
        for file in ["empty.db", "full.db"] {
            let status = std::process::Command::new(&program)
                .arg(directory)
                .args(["0", "0", file])
                .status()
                .expect("it runs");
            assert!(status.success(), "{file} did not start");
        }
    }
}

fn start_once(path: &Path) {
    let bytes = path.metadata().expect("a file").len();
    let runtime = runtime();
    runtime.block_on(async {
        let started = Instant::now();
        let core = open(path).await;
        let ready = started.elapsed();
        let memory = pss();
        let totals = core.notification.totals().await.expect("totals");
        tokio::time::sleep(Duration::from_secs(2)).await;
        println!(
            "{:>9} accounts, {:>9} pending, {:>5} MiB on disk: {:>8.1} ms, {memory:>6.1} MiB, {:>6.1} MiB",
            totals.accounts,
            totals.counters.pending(),
            bytes >> 20,
            ready.as_secs_f64() * 1e3,
            pss()
        );
        core.stop().await;
    });
}

/// The time of a write and its way to the disk.
fn sync(directory: &Path, bytes: usize) -> Duration {
    let path = directory.join("probe");
    let mut file = File::options().create(true).append(true).open(path).expect("a file");
    let bytes = vec![7; bytes];
    let started = Instant::now();
    file.write_all(&bytes).expect("written");
    file.sync_data().expect("synced");
    started.elapsed()
}

/// Milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |span| span.as_secs_f64() * 1e3)
}

/// MiB.
fn pss() -> f64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").expect("Linux");
    let line = text.lines().find(|line| line.starts_with("Pss:")).expect("a line");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number");
    kib / 1024.0
}

/// Of all threads, by the scheduler's own count.
fn cpu_nanos() -> u64 {
    std::fs::read_dir("/proc/self/task")
        .expect("Linux")
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}
