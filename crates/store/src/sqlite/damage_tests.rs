//! Tests of what lies: damaged rows and logs.

use std::fs;

use rusqlite::Connection;
use tempfile::TempDir;
use tidings_core::model::{Audience, NotificationId, NotificationState, Timestamp, Username};
use tidings_core::store::prelude::*;
use tidings_core::store::{Ended, NewNotification, Payloads, StoreError};

use super::tests::{new_account, note, open, path};
use super::*;

fn anna() -> Audience {
    Audience::Users(vec![Username::parse("anna").unwrap()])
}

/// Writes into the database behind the store's back.
fn spoil(directory: &TempDir, sql: &str) {
    let connection = Connection::open(path(directory)).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// Of the notification with this number.
fn position(number: u128) -> String {
    format!("(SELECT position FROM notifications WHERE id = x'{number:032x}')")
}

#[tokio::test]
async fn a_damaged_row_costs_itself_alone() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let account = store.create_account(new_account("anna")).await.unwrap().id;
    for (number, audience) in [(1, anna()), (2, anna()), (3, anna()), (4, Audience::All), (5, anna())] {
        store.accept(note(number, audience)).await.unwrap();
    }
    for number in [6, 7] {
        let later = NewNotification { send_at: Some(Timestamp(10)), ..note(number, anna()) };
        store.accept(later).await.unwrap();
    }
    let [two, three, five, six] = [2, 3, 5, 6].map(position);
    spoil(
        &directory,
        &format!(
            "UPDATE contents SET content = replace(content, 'xxx', 'xyx') WHERE position IN ({two}, {six});
             DELETE FROM contents WHERE position = {three};
             UPDATE contents SET members = x'ff', content = 'no JSON' WHERE position = {five};"
        ),
    );
    for _ in 0..2 {
        let feed = store.feed(account, Payloads::Any, Timestamp(0), 3).await.unwrap();
        assert_eq!(feed.pending.iter().map(|one| one.id.0).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(feed.damaged.iter().map(|(_, id)| id.0).collect::<Vec<_>>(), [2, 3, 5]);
        assert!(!feed.more);
    }
    let page = store.notifications(None, 100).await.unwrap();
    assert_eq!(page.items.iter().map(|one| one.notification.id.0).collect::<Vec<_>>(), [7, 4, 1]);
    assert_eq!(page.next, None);
    // Page by page they are passed over, too.
    let (mut before, mut listed) = (None, Vec::new());
    for _ in 0..7 {
        let page = store.notifications(before, 1).await.unwrap();
        listed.extend(page.items.iter().map(|one| one.notification.id.0));
        before = page.next;
    }
    assert_eq!((listed, before), (vec![7, 4, 1], None));
    assert!(matches!(store.notification(NotificationId(2)).await, Err(StoreError::Failed(_))));
    let damaged = store.damaged();
    assert!((4..=6).contains(&damaged), "each is told of once: {damaged}");

    // A scheduled one is given up, and the next is released.
    assert_eq!(store.release_due(Timestamp(10), 10).await.unwrap(), 2);
    assert_eq!(store.next_release().await.unwrap(), None);
    let record = store.notification(NotificationId(7)).await.unwrap().unwrap();
    assert_eq!(record.state, NotificationState::Live);
    // A damaged one can be withdrawn and expires like the others.
    let ended = store.cancel(NotificationId(5)).await.unwrap();
    assert!(matches!(ended, Some(Ended { accounts: 1, .. })), "{ended:?}");
    let ended = store.expire_due(Timestamp(2_000_000), 100).await.unwrap();
    assert_eq!(ended.iter().map(|one| one.id.0).collect::<Vec<_>>(), [1, 2, 3, 4, 7]);
    assert_eq!(store.pending_count(account).await.unwrap(), 0);
    let mut wrong = store.verify_counters().await.unwrap();
    // Whom the damaged one named is in memory alone.
    wrong.retain(|line| !line.contains("whom notifications named"));
    assert_eq!(wrong, Vec::<String>::new());
    let history = store.account_history(account, None, 100).await.unwrap();
    assert_eq!(history.items.iter().map(|one| one.record.notification.id.0).collect::<Vec<_>>(), [7, 4, 1]);
    store.purge(Timestamp(1), Timestamp(0), 100).await.unwrap();
    assert_eq!(store.notifications(None, 100).await.unwrap().items, []);
    drop(store);
    open(&directory);
}

#[tokio::test]
async fn what_is_damaged_keeps_no_store_from_opening() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let account = store.create_account(new_account("anna")).await.unwrap().id;
    for (number, audience) in [(1, anna()), (2, Audience::All), (3, Audience::All)] {
        store.accept(note(number, audience)).await.unwrap();
    }
    let seq = store.seq_of(NotificationId(3)).await.unwrap().unwrap();
    store.settle(vec![tidings_core::store::Settlement { account, seq }]).await.unwrap();
    drop(store);
    let (one, two) = (position(1), position(2));
    spoil(
        &directory,
        &format!(
            "UPDATE contents SET members = x'ff' WHERE position = {one};
             UPDATE notifications SET topic = 'no topic' || char(10) WHERE position = {two};
             UPDATE cursors SET acked_beyond = x'ff';"
        ),
    );
    let store = open(&directory);
    let feed = store.feed(account, Payloads::Any, Timestamp(0), 10).await.unwrap();
    let found: Vec<u128> = feed.pending.iter().map(|one| one.id.0).collect();
    assert_eq!(found, [1]);
    for one in feed.pending {
        store.settle(vec![tidings_core::store::Settlement { account, seq: one.seq }]).await.unwrap();
    }
}

#[tokio::test]
async fn every_kind_of_damage_is_found() {
    let found = async |sql: &str| {
        let directory = TempDir::new().unwrap();
        let store = open(&directory);
        store.create_account(new_account("anna")).await.unwrap();
        for (number, audience) in [(1, anna()), (2, Audience::All)] {
            store.accept(note(number, audience)).await.unwrap();
        }
        store.close().await;
        drop(store);
        assert_eq!(SqliteStore::examine(&path(&directory)).unwrap().faults, Vec::<String>::new());
        spoil(&directory, sql);
        SqliteStore::examine(&path(&directory)).unwrap().faults.join("\n")
    };
    for (sql, words) in [
        ("UPDATE contents SET content = replace(content, 'xxx', 'xyx') WHERE position = 1", "checksum"),
        ("DELETE FROM contents WHERE position = 1", "missing"),
        ("UPDATE contents SET members = x'ff' WHERE position = 1", "audience"),
        ("INSERT INTO contents (position, content) VALUES (99, '{}')", "belong to no notification"),
        ("UPDATE notifications SET delivered = -1, expired = 1 WHERE position = 2", "negative"),
        ("UPDATE notifications SET recipients = 3 WHERE position = 1", "recipients"),
        ("UPDATE notifications SET expires_at = 999999999999999 WHERE position = 1", "expires_at"),
        ("UPDATE notifications SET created_at = -999999999999999 WHERE position = 1", "created_at"),
        ("UPDATE notifications SET state = 9 WHERE position = 1", "state"),
        ("UPDATE totals SET recipients = recipients + 1", "totals"),
        ("UPDATE totals SET pending_bytes = 1", "bytes that wait"),
        ("UPDATE accounts SET username = 'a@b'", "username"),
        ("DELETE FROM credentials", "keys are missing"),
        ("UPDATE accounts SET last_seen = 999999999999999", "time"),
        ("INSERT OR REPLACE INTO cursors VALUES (1, 0, 0, 0, x'ff')", "cursor"),
        (
            "INSERT INTO api_keys (id, name, scope, hash, created_at) VALUES ('1', 'n', 'god', x'00', 0)",
            "API keys",
        ),
    ] {
        let faults = found(sql).await;
        assert!(faults.contains(words), "{sql}: {faults:?}");
    }
}

#[tokio::test]
async fn a_log_that_does_not_verify_is_told_of_and_kept() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    store.create_account(new_account("anna")).await.unwrap();
    for number in 1..=20 {
        store.accept(note(number, Audience::All)).await.unwrap();
    }
    // As a crash leaves it, with one bit that is another.
    let left = TempDir::new().unwrap();
    let wal = fs::read(wal::path_of(&path(&directory))).unwrap();
    let copy = |bytes: &[u8]| {
        fs::copy(path(&directory), path(&left)).unwrap();
        fs::write(wal::path_of(&path(&left)), bytes).unwrap();
    };
    copy(&wal);
    assert_eq!(SqliteStore::examine(&path(&left)).unwrap().faults, Vec::<String>::new());
    let mut flipped = wal.clone();
    flipped[wal.len() / 2] ^= 4;
    let _ = fs::remove_file(wal::with_suffix(&path(&left), "-shm"));
    copy(&flipped);
    let faults = SqliteStore::examine(&path(&left)).unwrap().faults;
    assert!(faults[0].contains("do not verify"), "{faults:?}");
    let kept = wal::with_suffix(&path(&left), "-wal.damaged");
    assert!(!kept.exists());
    let store = open(&left);
    assert!(store.notifications(None, 100).await.unwrap().items.len() < 20, "half of it is lost");
    assert_eq!(fs::read(kept).unwrap(), flipped);
    assert_eq!(store.verify_counters().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_replaced_database_takes_nothing_any_more() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    store.create_account(new_account("anna")).await.unwrap();
    let aside = directory.path().join("aside");
    fs::rename(path(&directory), &aside).unwrap();
    fs::copy(&aside, path(&directory)).unwrap();
    let refused = loop {
        match store.check().await {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    assert!(store.accept(note(1, Audience::All)).await.is_err());
    fs::rename(&aside, path(&directory)).unwrap();
    while store.check().await.is_err() {
        tokio::task::yield_now().await;
    }
    store.accept(note(1, Audience::All)).await.unwrap();
}
