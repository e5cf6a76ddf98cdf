//! Accounts made in the store before a server starts: one key derivation for all.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use tidings_core::model::{NewAccount, ScramKeys, Timestamp, Topic, Username};
use tidings_core::store::prelude::*;
use tidings_store::{SqliteOptions, SqliteStore};
use tidings_xmpp::sasl::{ScramHash, derive_keys};

pub const PASSWORD: &str = "secret";

/// Makes accounts with the same password, subscribed to `topics`.
pub async fn create(database: &Path, names: impl IntoIterator<Item = String>, topics: &[&str]) {
    let directory = database.parent().expect("a directory");
    DirBuilder::new().recursive(true).mode(0o700).create(directory).unwrap();
    let store = SqliteStore::open(database, SqliteOptions::default()).expect("a store");
    let keys = |hash| {
        let (salt, iterations) = (b"salt for proofs!".to_vec(), 4096);
        let (stored_key, server_key) = derive_keys(hash, PASSWORD, &salt, iterations);
        ScramKeys { salt, iterations, stored_key, server_key }
    };
    let (sha1, sha256) = (keys(ScramHash::Sha1), keys(ScramHash::Sha256));
    for name in names {
        let new = NewAccount {
            username: Username::parse(&name).expect("a username"),
            name: None,
            email: None,
            sha1: sha1.clone(),
            sha256: sha256.clone(),
            created_at: Timestamp(1_767_225_600_000),
        };
        let account = store.create_account(new).await.expect("an account");
        for topic in topics {
            store.subscribe(account.id, Topic::parse(topic).expect("a topic")).await.expect("subscribed");
        }
    }
    store.close().await;
}

/// Counters that disagree with rows and cursors; no server may have the store open.
pub async fn verify_counters(database: &Path) -> Vec<String> {
    let store = SqliteStore::open(database, SqliteOptions::default()).expect("a store");
    let wrong = store.verify_counters().await.expect("counters");
    store.close().await;
    wrong
}
