//! The store's own loop: how fast it takes and settles notifications when
//! nothing else is asked of it, by how many share a commit. What the server
//! does on top is measured against this.
//!
//! `cargo run --release -p tidings-store --example loop [DIRECTORY] [ACCOUNTS]`
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement prints, and stops when it fails"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tidings_core::model::{
    AccountId, Audience, Content, Ext, KeyId, NewAccount, NotificationId, Payload, Priority, ScramKeys,
    Sender, Seq, Timestamp, Username,
};
use tidings_core::store::prelude::*;
use tidings_core::store::{
    AccountOrder, AccountQuery, AccountSortKey, Committed, NewNotification, Next, Payloads, PendingBounds,
    Seen, Settlement,
};
use tidings_store::{SqliteOptions, SqliteStore};

/// Long enough to be out of every loop's reach.
const NEVER: Timestamp = Timestamp(i64::MAX / 2);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().unwrap_or_else(|| "target/store-loop".into());
    let accounts: usize = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let directory = Path::new(&directory);
    let _ = std::fs::remove_dir_all(directory);
    std::fs::create_dir_all(directory).unwrap();
    println!("{:<38} {:>9} {:>12} {:>10} {:>10}", "", "a commit", "a second", "us each", "CPU us");
    let groups: &[usize] = if accounts > 100_000 { &[1000] } else { &[1, 100, 1000] };
    for group in groups.iter().copied() {
        let path = directory.join(format!("{group}.db"));
        let options = SqliteOptions { group, queue: 100_000, ..SqliteOptions::default() };
        let store = Arc::new(SqliteStore::open(&path, options).unwrap());
        let mut world = World { store, group, next: 0, accounts: Vec::new() };
        world.measure(accounts).await;
    }
    let _ = std::fs::remove_dir_all(directory);
}

struct World {
    store: Arc<SqliteStore>,
    group: usize,
    next: u128,
    accounts: Vec<(AccountId, Username)>,
}

impl World {
    async fn measure(&mut self, accounts: usize) {
        let group = self.group;
        // Alone in its commit, each waits for the disk: a few suffice.
        let count = if group == 1 { 2_000 } else { 50_000 };
        self.register(accounts).await;

        let begun = Begun::now();
        let released = self.accept(count, |world, number| {
            let (_, name) = &world.accounts[scatter(number, world.accounts.len())];
            Audience::Users(vec![name.clone()])
        });
        let released = released.await;
        self.report("direct notifications accepted", count, begun);

        let begun = Begun::now();
        self.settle(released).await;
        self.report("direct notifications settled", count, begun);

        let begun = Begun::now();
        let wide = 20;
        let names: Vec<Username> = self.accounts.iter().take(1000).map(|(_, name)| name.clone()).collect();
        self.accept(wide, |_, _| Audience::Users(names.clone())).await;
        self.report("queue rows, 1000 users each", wide * names.len(), begun);

        let begun = Begun::now();
        let broadcasts = if group == 1 { 500 } else { 5_000 };
        let seqs = self.accept(broadcasts, |_, _| Audience::All).await;
        self.report("broadcasts accepted", broadcasts, begun);

        let (_, last) = seqs[0];
        let one = self.accounts.iter().map(|(id, _)| (*id, last)).collect::<Vec<_>>();
        let settled = one.len().min(count);
        let begun = Begun::now();
        self.settle(one.into_iter().take(settled).collect()).await;
        self.report("a broadcast settled, in order", settled, begun);

        let scattered = (0..self.accounts.len()).map(|n| self.accounts[scatter(n, self.accounts.len())].0);
        let one = scattered.map(|id| (id, seqs[1].1)).take(settled).collect::<Vec<_>>();
        let begun = Begun::now();
        self.settle(one).await;
        self.report("a broadcast settled, scattered", settled, begun);

        let begun = Begun::now();
        let feeds = 20_000.min(accounts * 2);
        for number in 0..feeds {
            let (id, _) = self.accounts[number % self.accounts.len()];
            self.store.feed(id, Payloads::Any, NEVER, 100).await.unwrap();
        }
        self.report("empty feeds, one after another", feeds, begun);

        let begun = Begun::now();
        let feeds = 500;
        for number in 0..feeds {
            let (id, _) = self.accounts[number % self.accounts.len()];
            assert_eq!(
                self.store.feed(id, Payloads::Any, Timestamp(0), 100).await.unwrap().pending.len(),
                100
            );
        }
        self.report("notifications fed, 100 a feed", feeds * 100, begun);

        for offline in [false, true] {
            let begun = Begun::now();
            let count = 50_000.min(accounts);
            let scattered = (0..count).map(|n| self.accounts[scatter(n, accounts)].0);
            let at = |n: usize| Timestamp(i64::try_from(n).unwrap() + 1);
            let signs = scattered.enumerate().map(|(n, account)| Seen { account, at: at(n), offline });
            self.store.touch_accounts(signs.collect()).await.unwrap();
            self.report(if offline { "accounts offline" } else { "accounts seen" }, count, begun);
        }

        let (_, middle) = &self.accounts[accounts / 2];
        let middle = AccountSortKey::of(&self.store.account(middle).await.unwrap().unwrap());
        for (order, what) in [
            (AccountOrder::Username, "pages of 100 accounts"),
            (AccountOrder::Created, "pages of 100 accounts, newest first"),
            (AccountOrder::LastOffline, "pages of 100 accounts, last seen first"),
        ] {
            let begun = Begun::now();
            let (after, descending) = (Some(middle.clone()), order != AccountOrder::Username);
            let page = AccountQuery { order, descending, after, limit: 100, ..AccountQuery::default() };
            for _ in 0..20 {
                self.store.accounts(page.clone()).await.unwrap();
            }
            self.report(what, 20, begun);
        }

        let begun = Begun::now();
        for number in 0..20 {
            let (id, _) = self.accounts[scatter(number, accounts)];
            self.store.account_history(id, None, 20).await.unwrap();
        }
        self.report("pages of 20 past notifications", 20, begun);

        let begun = Begun::now();
        let no_account =
            AccountQuery { contains: Some("nobody".into()), limit: 100, ..AccountQuery::default() };
        let page = self.store.accounts(no_account).await.unwrap();
        self.report("accounts searched in vain, one page", accounts.min(100_000), begun);
        assert!(page.items.is_empty());
        println!();
    }

    fn report(&self, what: &str, count: usize, begun: Begun) {
        let (seconds, cpu) = (begun.at.elapsed().as_secs_f64(), cpu_seconds() - begun.cpu);
        let (rate, each) = (count as f64 / seconds, 1e6 / count as f64);
        let (wall, cpu) = (seconds * each, cpu * each);
        println!("{what:<38} {:>9} {rate:>12.0} {wall:>10.2} {cpu:>10.2}", self.group);
    }

    async fn register(&mut self, count: usize) {
        let keys = |length| ScramKeys {
            salt: vec![7; 16],
            iterations: 4096,
            stored_key: vec![8; length],
            server_key: vec![9; length],
        };
        // Faster than a commit each, whatever is measured afterwards.
        for chunk in (0..count).collect::<Vec<_>>().chunks(2000) {
            let created = chunk.iter().map(|number| {
                let new = NewAccount {
                    username: Username::parse(&format!("device-{number:07}")).unwrap(),
                    name: None,
                    email: None,
                    sha1: keys(20),
                    sha256: keys(32),
                    created_at: Timestamp(0),
                };
                let store = Arc::clone(&self.store);
                tokio::spawn(async move { store.create_account(new).await.unwrap() })
            });
            for created in created.collect::<Vec<_>>() {
                let account = created.await.unwrap();
                self.accounts.push((account.id, account.username));
            }
        }
    }

    /// Accepts `count` notifications, as many at once as share a commit.
    async fn accept(
        &mut self,
        count: usize,
        audience: impl Fn(&Self, usize) -> Audience,
    ) -> Vec<(AccountId, Seq)> {
        let mut released = Vec::with_capacity(count);
        let mut feed = self.store.watch();
        let mut number = 0;
        while number < count {
            let batch = self.group.min(count - number);
            let calls: Vec<_> = (number..number + batch)
                .map(|number| {
                    self.next += 1;
                    let new = notification(self.next, audience(self, number));
                    let store = Arc::clone(&self.store);
                    tokio::spawn(async move { store.accept(new).await.unwrap() })
                })
                .collect();
            for call in calls {
                call.await.unwrap();
            }
            while let Some(Next::Committed(Committed::Released(one))) = feed.try_next() {
                let account = match one.target {
                    tidings_core::model::Target::Accounts(ids) => ids[0],
                    _ => AccountId(0),
                };
                released.push((account, one.notification.seq));
            }
            number += batch;
        }
        released
    }

    /// Settles in batches of as many as share a commit.
    async fn settle(&self, acknowledged: Vec<(AccountId, Seq)>) {
        for chunk in acknowledged.chunks(self.group) {
            let batch = chunk.iter().map(|(account, seq)| Settlement { account: *account, seq: *seq });
            let settled = self.store.settle(batch.collect()).await.unwrap();
            let copies: u64 = settled.delivered.iter().map(|(_, _, copies)| copies).sum();
            assert_eq!(copies, chunk.len() as u64);
        }
    }
}

/// When something began, by the clock and by this process' CPU time.
struct Begun {
    at: Instant,
    cpu: f64,
}

impl Begun {
    fn now() -> Self {
        Self { at: Instant::now(), cpu: cpu_seconds() }
    }
}

/// CPU time of this process, all threads; 0 where the system does not tell.
fn cpu_seconds() -> f64 {
    // proc_pid_stat(5): fields 14 and 15, in ticks of 10 ms, after a name in parentheses.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn notification(number: u128, audience: Audience) -> NewNotification {
    let moment = u64::try_from(number).unwrap_or(0);
    NewNotification {
        id: NotificationId::new(Timestamp(i64::try_from(moment / 20).unwrap_or(0)), random(moment)),
        audience,
        payload: Payload::Text(Content {
            title: Some("Departure moved".into()),
            message: Some("m".repeat(220)),
            uri: Some("https://example.org/departures/17".into()),
            ..Content::default()
        }),
        ext: Ext::default(),
        sender: Sender::Key { id: KeyId("1".into()), name: "back end".into() },
        priority: Priority::Normal,
        collapse_key: None,
        created_at: Timestamp(0),
        send_at: None,
        expires_at: NEVER,
        idempotency: None,
        bounds: PendingBounds::default(),
    }
}

fn random(number: u64) -> [u8; 10] {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&(mixed ^ (mixed >> 29)).to_be_bytes());
    bytes
}

/// All numbers below `below`, in an order that jumps about.
fn scatter(number: usize, below: usize) -> usize {
    // A prime that divides no round number of accounts.
    number.wrapping_mul(7919) % below
}
