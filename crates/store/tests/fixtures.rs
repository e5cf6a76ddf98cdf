//! Databases that earlier versions wrote open with this one, say what they said, and
//! what waits in them is delivered in order. `examples/fixture.rs` made them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod describe;

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidings_core::model::{
    AccountId, Audience, Content, Ext, NotificationId, NotificationState, Priority, Sender, Username,
};
use tidings_core::store::prelude::*;
use tidings_core::store::{
    Acceptance, Committed, Idempotency, NewNotification, Next, Payloads, PendingBounds, Settlement,
};
use tidings_store::{SqliteOptions, SqliteStore};

use self::describe::{at, describe, hash, name};

/// Every schema that was ever released.
const FIXTURES: [&str; 3] = ["0002", "0003", "0004"];

/// What waits for an account that only later fixtures have.
const WAITS_LATER: [(&str, &str); 1] = [("gwen", "bytes, bytes, score by an operator, score by a key")];

/// What waits for each account of a fixture, in order: the urgent first.
const WAITS: [(&str, &str); 6] = [
    (
        "anna",
        "direct high, news 3, opened broadcast, direct normal, broadcast 1, broadcast 3, broadcast 5, news 1, \
         news 2, broadcast 6, news 4, opened direct, score 1:1 for anna, table for all, headline of the news, \
         direct low",
    ),
    (
        "bert",
        "direct high, news 3, opened broadcast, broadcast 3, broadcast 4, broadcast 5, news 1, broadcast 6, \
         news 4, score 1:0, table for all, headline of the news, direct low",
    ),
    (
        "carl",
        "opened broadcast, broadcast 1, broadcast 2, broadcast 3, broadcast 4, broadcast 5, 新闻 1, full, \
         broadcast 6, score 1:0, table for all, headline for all",
    ),
    (
        "dora",
        "old 600, broadcast 1, broadcast 2, broadcast 3, broadcast 4, broadcast 5, full, broadcast 6, score 1:0, \
         table for all, headline for all",
    ),
    (
        "emil",
        "broadcast 1, broadcast 2, broadcast 3, broadcast 4, broadcast 5, broadcast 6, score 1:0, table for all, \
         headline for all",
    ),
    ("fred", "opened broadcast, broadcast 6, news 4, score 1:0, table for all, headline of the news"),
];

fn waits(number: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let later = if number < "0003" { &[][..] } else { &WAITS_LATER };
    WAITS.iter().chain(later).copied()
}

fn fixture(number: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(number)
}

/// A copy of a fixture's database, so that it stays as it is.
fn open(number: &str) -> (TempDir, SqliteStore) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("tidings.db");
    std::fs::copy(fixture(number).join("tidings.db"), &path).unwrap();
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    (directory, store)
}

async fn account(store: &dyn Store, name: &str) -> AccountId {
    store.account(&Username::parse(name).unwrap()).await.unwrap().unwrap().id
}

/// The titles of what is fed, in order, so many at a time, each settled as it comes.
async fn drain(store: &dyn Store, name_of_account: &str) -> Vec<String> {
    let account = account(store, name_of_account).await;
    let mut titles = Vec::new();
    loop {
        let feed = store.feed(account, Payloads::Any, at(0), 2).await.unwrap();
        for notification in &feed.pending {
            titles.push(name(notification).to_owned());
            let settled = store.settle(vec![Settlement { account, seq: notification.seq }]).await.unwrap();
            assert_eq!(settled.delivered, [(notification.seq, notification.id, 1)]);
        }
        if !feed.more {
            return titles;
        }
    }
}

async fn agrees(store: &dyn Store) {
    assert_eq!(store.verify_counters().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn they_say_what_they_said() {
    for number in FIXTURES {
        let (_directory, store) = open(number);
        agrees(&store).await;
        let expected = std::fs::read_to_string(fixture(number).join("expected.txt")).unwrap();
        let told = describe(&store, at(0)).await;
        for (line, (told, expected)) in told.lines().zip(expected.lines()).enumerate() {
            assert_eq!(told, expected, "{number}, line {}", line + 1);
        }
        assert_eq!(told.len(), expected.len(), "{number}");
        // Being fed settled what was replaced.
        agrees(&store).await;
    }
}

#[tokio::test]
async fn what_waits_is_fed_in_order_and_settled_once() {
    for number in FIXTURES {
        let (_directory, store) = open(number);
        let before = store.totals().await.unwrap().counters;
        let mut delivered = 0;
        for (account, expected) in waits(number) {
            let found = drain(&store, account).await;
            assert_eq!(found.join(", "), expected, "{number}, {account}");
            delivered += found.len() as u64;
            agrees(&store).await;
            assert_eq!(drain(&store, account).await, Vec::<String>::new());
        }
        let after = store.totals().await.unwrap().counters;
        assert_eq!(after.delivered, before.delivered + delivered, "{number}");
        // What is left is scheduled.
        let mut scheduled = 0;
        for record in store.notifications(None, 1000).await.unwrap().items {
            assert_eq!(
                record.counters.pending() > 0,
                record.state == NotificationState::Scheduled,
                "{number}"
            );
            scheduled += record.counters.pending();
        }
        assert_eq!(after.pending(), scheduled, "{number}");
    }
}

#[tokio::test]
async fn what_was_scheduled_is_released_to_those_who_are_there() {
    for number in FIXTURES {
        let (_directory, store) = open(number);
        let mut accounts = 0;
        for (name, _) in waits(number) {
            drain(&store, name).await;
            accounts += 1;
        }
        assert_eq!(store.next_release().await.unwrap(), Some(at(3600)), "{number}");
        let mut feed = store.watch();
        assert_eq!(store.release_due(at(7200), 100).await.unwrap(), 3);
        for (title, recipients) in [("later for some", 3), ("later news", 3), ("later for all", accounts)] {
            let Some(Next::Committed(Committed::Released(one))) = feed.try_next() else {
                panic!("{number}: {title} was not told");
            };
            assert_eq!((name(&one.notification), one.recipients), (title, recipients), "{number}");
        }
        agrees(&store).await;
        assert_eq!(drain(&store, "fred").await, ["later for some", "later news", "later for all"]);
        assert_eq!(drain(&store, "bert").await, ["later news", "later for all"]);
        assert_eq!(drain(&store, "carl").await, ["later for all"]);
        agrees(&store).await;
    }
}

#[tokio::test]
async fn a_repeat_answers_the_first_and_what_is_new_comes_last() {
    for number in FIXTURES {
        let (_directory, store) = open(number);
        let new = NewNotification {
            id: NotificationId(1),
            audience: Audience::All,
            payload: Content { title: Some("new".into()), ..Content::default() }.into(),
            ext: Ext::default(),
            sender: Sender::Operator("ada".into()),
            priority: Priority::Low,
            collapse_key: None,
            created_at: at(0),
            send_at: None,
            expires_at: at(86_400),
            idempotency: Some(Idempotency {
                key: "sender/one".into(),
                fingerprint: hash(7),
                expires_at: at(86_400),
            }),
            bounds: PendingBounds::default(),
        };
        let Acceptance::Repeated(first, 2) = store.accept(new.clone()).await.unwrap() else {
            panic!("{number}: a repeat was not recognised");
        };
        let first = store.notification(first).await.unwrap().unwrap();
        assert_eq!(name(&first.notification), "full", "{number}");
        store.accept(NewNotification { idempotency: None, ..new }).await.unwrap();
        for name in ["anna", "dora", "fred"] {
            assert_eq!(drain(&store, name).await.last().unwrap(), "new", "{number}");
        }
        agrees(&store).await;
    }
}

#[tokio::test]
async fn everything_in_them_can_be_ended_and_purged() {
    for number in FIXTURES {
        let (_directory, store) = open(number);
        store.release_due(at(7200), 100).await.unwrap();
        store.expire_due(at(100_000), 1000).await.unwrap();
        agrees(&store).await;
        let kept = store.totals().await.unwrap();
        assert_eq!((kept.counters.pending(), kept.scheduled), (0, 0), "{number}");
        store.purge(at(100_000), at(100_000), 1000).await.unwrap();
        agrees(&store).await;
        assert_eq!(store.notifications(None, 10).await.unwrap().items, [], "{number}");
        assert_eq!(store.totals().await.unwrap(), kept, "{number}");
        assert_eq!(store.audit_log(None, 10).await.unwrap().items, [], "{number}");
    }
}

#[tokio::test]
async fn what_is_older_than_senders_collapses_with_any_that_has_its_key() {
    let (_directory, store) = open("0002");
    let news = |number, sender: &str| NewNotification {
        id: NotificationId(number),
        audience: Audience::Users(vec![Username::parse("bert").unwrap()]),
        payload: Content { title: Some(format!("from {sender}")), ..Content::default() }.into(),
        ext: Ext::default(),
        sender: Sender::Operator(sender.into()),
        priority: Priority::Low,
        collapse_key: Some("score".into()),
        created_at: at(0),
        send_at: None,
        expires_at: at(86_400),
        idempotency: None,
        bounds: PendingBounds::default(),
    };
    store.accept(news(1, "ada")).await.unwrap();
    store.accept(news(2, "sam")).await.unwrap();
    store.accept(news(3, "sam")).await.unwrap();
    agrees(&store).await;
    let waits = drain(&store, "bert").await;
    assert!(!waits.contains(&"score 1:0".to_owned()), "{waits:?}");
    assert_eq!(waits[waits.len() - 2..], ["from ada", "from sam"], "{waits:?}");
    agrees(&store).await;
}
