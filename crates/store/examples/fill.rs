//! Fills a data directory that no server uses with accounts that no device can log in to: one
//! made-up credential for all of them saves deriving a key for each. For looking at,
//! and testing, what a server with many accounts shows.
//!
//! `cargo run -p tidings-store --example fill DIRECTORY COUNT [NAME]`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a tool prints, and stops when it fails")]

use std::path::Path;
use std::sync::Arc;

use tidings_core::clock::{Clock as _, SystemClock};
use tidings_core::model::{NewAccount, ScramKeys, Timestamp, Username};
use tidings_core::store::Seen;
use tidings_core::store::prelude::*;
use tidings_store::{SqliteOptions, SqliteStore};

/// Writes under way at once.
const AT_ONCE: usize = 2000;
const MINUTE: i64 = 60_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().unwrap();
    let count: i64 = arguments.next().unwrap().parse().unwrap();
    let name = arguments.next().unwrap_or_else(|| "device".into());
    let path = Path::new(&directory).join("tidings.db");
    let store = Arc::new(SqliteStore::open(&path, SqliteOptions::default()).unwrap());
    let now = SystemClock.now().millis();
    let numbers: Vec<i64> = (0..count).collect();
    for chunk in numbers.chunks(AT_ONCE) {
        let made: Vec<_> = chunk
            .iter()
            .map(|number| {
                let store = Arc::clone(&store);
                let new = account(&name, *number, now - (count - number) * MINUTE);
                tokio::spawn(async move { store.create_account(new).await.unwrap().id })
            })
            .collect();
        let mut left = Vec::new();
        for (made, number) in made.into_iter().zip(chunk) {
            let account = made.await.unwrap();
            // Every fifth was never connected; the rest went offline at moments in an order other than their names'.
            let at = Timestamp(now - (number * 7919 % count) * MINUTE);
            left.extend((number % 5 != 4).then_some(Seen { account, at, offline: true }));
        }
        store.touch_accounts(left).await.unwrap();
    }
    store.close().await;
    println!("{count} accounts");
}

fn account(name: &str, number: i64, created_at: i64) -> NewAccount {
    // Nothing is the inverse of these: no password fits.
    let keys = |length| ScramKeys {
        salt: vec![7; 16],
        iterations: 4096,
        stored_key: vec![8; length],
        server_key: vec![9; length],
    };
    NewAccount {
        username: Username::parse(&format!("{name}-{number:05}")).unwrap(),
        name: (number % 3 == 0).then(|| format!("Person {number}")),
        email: (number % 4 == 0).then(|| format!("p{number}@example.org")),
        sha1: keys(20),
        sha256: keys(32),
        created_at: Timestamp(created_at),
    }
}
