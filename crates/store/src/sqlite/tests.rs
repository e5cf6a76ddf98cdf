//! Tests of the store in SQLite: conformance, crashes, a full disk, migrations, plans.

use std::sync::{Arc, Mutex, mpsc};

use tempfile::TempDir;
use tidings_core::model::{
    AccountId, Audience, Content, Ext, NewAccount, NotificationId, Priority, ScramKeys, Sender, Seq,
    Timestamp, Username,
};
use tidings_core::store::prelude::*;
use tidings_core::store::{
    Acceptance, AccountOrder, CommitFeed, Committed, Idempotency, NewNotification, Next, Payloads,
    PendingBounds, Settlement,
};

use super::readers::in_snapshot;
use super::*;
use crate::conformance::{self, Embedded};

pub(super) fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("tidings.db")
}

pub(super) fn open(directory: &TempDir) -> SqliteStore {
    SqliteStore::open(&path(directory), Options::default()).unwrap()
}

pub(super) fn new_account(name: &str) -> NewAccount {
    let keys = ScramKeys { salt: vec![1], iterations: 1, stored_key: vec![2], server_key: vec![3] };
    NewAccount {
        username: Username::parse(name).unwrap(),
        name: None,
        email: None,
        sha1: keys.clone(),
        sha256: keys,
        created_at: Timestamp(0),
    }
}

pub(super) fn note(number: u128, audience: Audience) -> NewNotification {
    NewNotification {
        id: NotificationId(number),
        audience,
        payload: Content { message: Some("x".repeat(300)), ..Content::default() }.into(),
        ext: Ext::default(),
        sender: Sender::Operator("ada".into()),
        priority: Priority::Normal,
        collapse_key: None,
        created_at: Timestamp(0),
        send_at: None,
        expires_at: Timestamp(1_000_000),
        idempotency: None,
        bounds: PendingBounds::default(),
    }
}

async fn fed(store: &SqliteStore, account: AccountId) -> Vec<(Seq, u128)> {
    let feed = store.feed(account, Payloads::Any, Timestamp(0), 10_000).await.unwrap();
    feed.pending.into_iter().map(|one| (one.seq, one.id.0)).collect()
}

/// The numbers of the releases that a feed holds now.
fn told(feed: &mut CommitFeed) -> Vec<u128> {
    std::iter::from_fn(|| feed.try_next())
        .map(|next| match next {
            Next::Committed(Committed::Released(released)) => released.notification.id.0,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_does_what_the_port_says() {
    let directories = Mutex::new(Vec::new());
    conformance::run(|| async {
        let directory = TempDir::new().unwrap();
        let store = Embedded(Arc::new(open(&directory)));
        directories.lock().unwrap().push(directory);
        store
    })
    .await;
}

#[tokio::test]
async fn it_answers_like_the_store_in_memory() {
    for seed in 0..10 {
        let directory = TempDir::new().unwrap();
        conformance::compare(&Embedded(Arc::new(open(&directory))), seed, 300).await;
    }
}

/// An account with three broadcasts, of which it settled the second.
async fn some_history(store: &SqliteStore) -> AccountId {
    let account = store.create_account(new_account("anna")).await.unwrap().id;
    for number in 1..=3 {
        store.accept(note(number, Audience::All)).await.unwrap();
    }
    let (seq, _) = fed(store, account).await[1];
    store.settle(vec![Settlement { account, seq }]).await.unwrap();
    account
}

async fn has_some_history(store: &SqliteStore, account: AccountId) {
    let pending = fed(store, account).await;
    assert_eq!(pending.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(store.verify_counters().await.unwrap(), Vec::<String>::new());
    let seq = pending[0].0;
    let settled = store.settle(vec![Settlement { account, seq }]).await.unwrap();
    assert_eq!(settled.delivered.len(), 1);
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let account = some_history(&store).await;
    let head = store.feed(account, Payloads::Any, Timestamp(0), 0).await.unwrap().head;
    drop(store);
    let store = open(&directory);
    has_some_history(&store, account).await;
    store.accept(note(4, Audience::All)).await.unwrap();
    assert!(fed(&store, account).await.last().unwrap().0 > head);
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_crash() {
    let (directory, after) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = open(&directory);
    let account = some_history(&store).await;
    // What a killed process leaves: the file and its WAL, not closed.
    for name in ["tidings.db", "tidings.db-wal"] {
        std::fs::copy(directory.path().join(name), after.path().join(name)).unwrap();
    }
    has_some_history(&open(&after), account).await;
}

#[tokio::test]
async fn one_at_a_time_may_open_it() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let second = SqliteStore::open(&path(&directory), Options::default());
    let Err(StoreError::Incompatible(why)) = second else { panic!("{second:?}") };
    assert!(why.contains("in use"), "{why}");
    store.check().await.unwrap();
    store.close().await;
    open(&directory);
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let directory = TempDir::new().unwrap();
    drop(open(&directory));
    let raw = Connection::open(path(&directory)).unwrap();
    raw.pragma_update(None, "user_version", schema::STEPS.len() as u32 + 1).unwrap();
    drop(raw);
    refused_untouched(&directory, "newer version");
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    for foreign in ["some text", "", "x"] {
        let directory = TempDir::new().unwrap();
        if foreign.is_empty() {
            let raw = Connection::open(path(&directory)).unwrap();
            raw.execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1);").unwrap();
        } else {
            std::fs::write(path(&directory), foreign).unwrap();
        }
        refused_untouched(&directory, "not a Tidings database");
    }
}

fn refused_untouched(directory: &TempDir, reason: &str) {
    let before = std::fs::read(path(directory)).unwrap();
    let refused = SqliteStore::open(&path(directory), Options::default());
    let Err(StoreError::Incompatible(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains(reason) && !why.contains('\n'), "{why}");
    assert_eq!(std::fs::read(path(directory)).unwrap(), before);
}

#[tokio::test]
async fn an_older_database_is_brought_up_to_date() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let account = some_history(&store).await;
    drop(store);
    let connect = |steps: &[&str]| connect(&path(&directory), Options::default(), steps);
    let mut steps = schema::STEPS.to_vec();
    steps.push("CREATE TABLE added (a); INSERT INTO added SELECT id FROM accounts; SELECT no_such_thing;");
    assert!(connect(&steps).is_err());
    steps.pop();
    steps.push("CREATE TABLE added (a); INSERT INTO added SELECT id FROM accounts;");
    let upgraded = connect(&steps).unwrap();
    let found: i64 = upgraded.query_row("SELECT a FROM added", [], |row| row.get(0)).unwrap();
    assert_eq!(found, account.0);
    let version: u32 = upgraded.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version as usize, steps.len());
    drop(upgraded);
    // And from now on the program that knows less refuses it.
    refused_untouched(&directory, "newer version");
}

/// Lets the database grow by so many pages at most; `None`: as far as it likes.
async fn allow_growth(store: &SqliteStore, pages: Option<i64>) {
    let limited = store.writer.call(0, move |writer| {
        let count: i64 = writer.connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let limit = pages.map_or(i64::from(u32::MAX) - 1, |pages| count + pages);
        writer.connection.pragma_update_and_check(None, "max_page_count", limit, |_| Ok(()))?;
        Ok(())
    });
    limited.await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_survived() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let account = some_history(&store).await;
    allow_growth(&store, Some(4)).await;
    let mut accepted = 0;
    let full = loop {
        match store.accept(note(100 + accepted, Audience::All)).await {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 1000, "the disk did not fill up");
    };
    assert_eq!(full, StoreError::Full);
    let numbers = |fed: Vec<(Seq, u128)>| fed.into_iter().map(|(_, number)| number).collect::<Vec<_>>();
    let mut expected: Vec<u128> = vec![1, 3];
    expected.extend((0..accepted).map(|number| 100 + number));
    assert_eq!(numbers(fed(&store, account).await), expected);
    assert_eq!(store.verify_counters().await.unwrap(), Vec::<String>::new());
    allow_growth(&store, None).await;
    store.accept(note(2000, Audience::All)).await.unwrap();
    expected.push(2000);
    assert_eq!(numbers(fed(&store, account).await), expected);
    drop(store);
    assert_eq!(numbers(fed(&open(&directory), account).await), expected);
}

/// Keeps the writer busy until the sender is dropped.
fn block(store: &Arc<SqliteStore>) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<()>>) {
    let (release, blocked) = mpsc::channel::<()>();
    let (started, running) = mpsc::channel();
    let writer = Arc::clone(store);
    let task = tokio::spawn(async move {
        let wait = move |_: &mut Writer| {
            let _ = started.send(());
            let _ = blocked.recv();
            Ok(())
        };
        writer.writer.call(0, wait).await
    });
    // The task runs on another thread: it has begun, or will.
    running.recv().unwrap();
    (release, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_may_wait_is_refused_at_once() {
    let directory = TempDir::new().unwrap();
    let options = Options { queue: 3, ..Options::default() };
    let store = Arc::new(SqliteStore::open(&path(&directory), options).unwrap());
    let (release, blocked) = block(&store);
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let store = Arc::clone(&store);
        waiting.push(tokio::spawn(async move { store.check().await }));
    }
    while store.backlog().0 < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.check().await, Err(StoreError::Busy));
    drop(release);
    blocked.await.unwrap().unwrap();
    for waited in waiting {
        waited.await.unwrap().unwrap();
    }
    store.check().await.unwrap();
    assert_eq!(store.backlog(), (0, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_in_a_group_takes_nothing_else_with_it() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(open(&directory));
    let account = store.create_account(new_account("anna")).await.unwrap().id;
    let mut feed = store.watch();
    let (release, _) = block(&store);
    let accept = |new: NewNotification| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.accept(new).await })
    };
    let before = accept(note(1, Audience::All));
    // Fails after it has written.
    let same_id = NewNotification { collapse_key: Some("k".into()), ..note(1, Audience::All) };
    let conflict = accept(same_id);
    let unknown = accept(note(3, Audience::Users(vec![Username::parse("zoe").unwrap()])));
    let panicking = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let work = |writer: &mut Writer| -> error::Result<()> {
                writer.accept(note(4, Audience::All), "{}")?;
                panic!("on purpose")
            };
            store.writer.call(0, work).await
        })
    };
    let after = accept(note(5, Audience::All));
    while store.backlog().0 < 6 {
        tokio::task::yield_now().await;
    }
    drop(release);
    assert!(matches!(panicking.await.unwrap(), Err(StoreError::Failed(_))));
    assert!(matches!(unknown.await.unwrap(), Err(StoreError::UnknownUsers(_))));
    let (before, conflict) = (before.await.unwrap(), conflict.await.unwrap());
    // They ran in any order: one of the two with the same id was refused.
    assert!(before.is_ok() != conflict.is_ok());
    after.await.unwrap().unwrap();
    let mut pending: Vec<u128> = fed(&store, account).await.iter().map(|(_, number)| *number).collect();
    assert_eq!(told(&mut feed), pending, "in their order, and nothing that failed");
    pending.sort_unstable();
    assert_eq!(pending, [1, 5]);
    assert_eq!(store.verify_counters().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_lost_transaction_is_answered_and_survived() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let account = some_history(&store).await;
    let mut feed = store.watch();
    let lost = store.writer.call(0, |writer| {
        writer.accept(note(9, Audience::All), "{}")?;
        writer.connection.execute_batch("ROLLBACK")?;
        Ok(())
    });
    assert!(matches!(lost.await, Err(StoreError::Failed(_))));
    has_some_history(&store, account).await;
    assert_eq!(told(&mut feed), [0; 0]);
    store.accept(note(9, Audience::All)).await.unwrap();
    assert_eq!(told(&mut feed), [9]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commits_are_told_in_order_by_callers_and_thread() {
    const TASKS: u128 = 8;
    const EACH: u128 = 100;
    let directory = TempDir::new().unwrap();
    let store = Arc::new(open(&directory));
    let account = store.create_account(new_account("anna")).await.unwrap().id;
    let mut feed = store.watch();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for number in 1..=EACH {
                    store.accept(note(task * EACH + number, Audience::All)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let stored: Vec<u128> = fed(&store, account).await.iter().map(|(_, number)| *number).collect();
    assert_eq!(stored.len() as u128, TASKS * EACH);
    assert_eq!(told(&mut feed), stored);
}

#[tokio::test]
async fn a_reader_survives_a_panic() {
    let directory = TempDir::new().unwrap();
    let store = SqliteStore::open(&path(&directory), Options { readers: 1, ..Options::default() }).unwrap();
    let panicked = store.readers.call(|_| -> error::Result<()> { panic!("on purpose") });
    assert!(matches!(panicked.await, Err(StoreError::Failed(_))));
    assert_eq!(store.setting("a").await.unwrap(), None);
}

#[tokio::test]
async fn an_inline_read_survives_a_panic_and_ends_with_the_store() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let panics = |_: &Connection| -> error::Result<()> { panic!("on purpose") };
    let panicked = store.readers.call_inline(move |connection| in_snapshot(connection, panics));
    assert!(matches!(panicked.await, Err(StoreError::Failed(_))));
    let tables = "SELECT count(*) FROM sqlite_schema";
    let count = |connection: &Connection| Ok(connection.query_row(tables, [], |row| row.get::<_, i64>(0))?);
    assert!(store.readers.call_inline(count).await.unwrap() > 0);
    store.readers.close();
    assert!(matches!(store.readers.call_inline(count).await, Err(StoreError::Failed(_))));
}

#[tokio::test]
async fn a_backup_is_a_store() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let account = some_history(&store).await;
    let copy = TempDir::new().unwrap();
    store.backup(&path(&copy)).await.unwrap();
    assert!(store.backup(&path(&copy)).await.is_err(), "it would overwrite a file");
    store.accept(note(4, Audience::All)).await.unwrap();
    has_some_history(&open(&copy), account).await;
    assert_eq!(fed(&store, account).await.len(), 3);
}

#[tokio::test]
async fn a_history_is_found_over_many_runs() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(open(&directory));
    let mut accounts = Vec::new();
    for name in ["anna", "bert"] {
        accounts.push(store.create_account(new_account(name)).await.unwrap().id);
    }
    let many: Vec<Username> = (0..40).map(|n| Username::parse(&format!("other-{n}")).unwrap()).collect();
    for name in &many {
        store.create_account(new_account(name.as_str())).await.unwrap();
    }
    let anna = Username::parse("anna").unwrap();
    let others = Audience::Users(vec![many[0].clone()]);
    let wide = Audience::Users(many.iter().cloned().chain([anna.clone()]).collect());
    let mut expected = Vec::new();
    let calls: Vec<_> = (0..3500)
        .map(|number: u128| {
            let audience = match number {
                5 | 1023 | 1024 | 3000 => Audience::Users(vec![anna.clone()]),
                700 | 2100 | 3400 => Audience::All,
                1500 => wide.clone(),
                _ => others.clone(),
            };
            if audience != others {
                expected.push(number);
            }
            let store = Arc::clone(&store);
            // One thread runs them in this order.
            tokio::spawn(async move { store.accept(note(number, audience)).await.map(drop) })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    expected.reverse();
    let batch: Vec<_> = fed(&store, accounts[0])
        .await
        .iter()
        .map(|(seq, _)| Settlement { account: accounts[0], seq: *seq })
        .collect();
    store.settle(batch).await.unwrap();

    let numbers = |store: Arc<SqliteStore>, account, limit| async move {
        let (mut numbers, mut before) = (Vec::new(), None);
        loop {
            let page = store.account_history(account, before, limit).await.unwrap();
            numbers.extend(page.items.into_iter().map(|past| past.record.notification.id.0));
            before = page.next;
            if before.is_none() {
                return (store, numbers);
            }
        }
    };
    let (store, found) = numbers(store, accounts[0], 3).await;
    assert_eq!(found, expected);
    let (store, found) = numbers(store, accounts[1], 3).await;
    assert_eq!(found, Vec::<u128>::new(), "it waits for all of them");
    assert_eq!(store.verify_counters().await.unwrap(), Vec::<String>::new());

    // The newest run is read again, and so are all of them where they are missing.
    drop(store);
    let raw = Connection::open(path(&directory)).unwrap();
    let runs: i64 = raw.query_row("SELECT count(*) FROM recipient_index", [], |row| row.get(0)).unwrap();
    assert_eq!(runs, 3);
    raw.execute_batch("DELETE FROM recipient_index WHERE run > 0").unwrap();
    drop(raw);
    let (store, found) = numbers(Arc::new(open(&directory)), accounts[0], 100).await;
    assert_eq!(found, expected);

    // Runs go with the notifications.
    let ended = store.cancel(NotificationId(700)).await.unwrap().unwrap();
    assert_eq!(ended.accounts, 41);
    while store.purge(Timestamp(1), Timestamp(0), 500).await.unwrap() > 0 {}
    let (_store, found) = numbers(store, accounts[0], 100).await;
    let left: Vec<_> = expected.into_iter().filter(|number| [3400, 2100, 1500].contains(number)).collect();
    assert_eq!(found, left);
}

#[tokio::test]
async fn no_page_of_accounts_sorts_or_walks_everything() {
    let directory = TempDir::new().unwrap();
    drop(open(&directory));
    let raw = Connection::open(path(&directory)).unwrap();
    for order in [AccountOrder::Username, AccountOrder::Created, AccountOrder::LastOffline] {
        for descending in [false, true] {
            for (number, sql) in accounts::walk(order, descending).iter().enumerate() {
                let plan = plan(&raw, sql);
                let [step] = plan.as_slice() else { panic!("{sql}: {plan:?}") };
                let by = match (order, number) {
                    (AccountOrder::Username, _) => "COVERING INDEX accounts_by_username (username",
                    (AccountOrder::Created, _) => "INTEGER PRIMARY KEY (rowid",
                    (AccountOrder::LastOffline, 0) => "INDEX accounts_by_left (left_at=? AND rowid",
                    (AccountOrder::LastOffline, _) => "INDEX accounts_by_left (left_at",
                };
                assert!(step.starts_with(&format!("SEARCH accounts USING {by}")), "{sql}: {step}");
            }
        }
    }
}

/// The steps of a statement's plan.
fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    for place in 1..=statement.parameter_count() {
        statement.raw_bind_parameter(place, 1).unwrap();
    }
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get::<_, String>(3).unwrap());
    }
    steps
}

#[tokio::test]
async fn no_page_of_endpoints_sorts_or_walks_everything() {
    let directory = TempDir::new().unwrap();
    drop(open(&directory));
    let raw = Connection::open(path(&directory)).unwrap();
    for (sql, by) in [
        (endpoints::PAGE, "SEARCH e USING INTEGER PRIMARY KEY (rowid>?)"),
        (endpoints::PAGE_OF_ACCOUNT, "SEARCH e USING INDEX endpoints_by_account (account=? AND rowid>?)"),
        (endpoints::PENDING, "SEARCH notifications USING COVERING INDEX open_by_endpoint (endpoint=?)"),
    ] {
        assert_eq!(plan(&raw, sql), [by], "{sql}");
    }
}

#[tokio::test]
async fn idempotency_keys_are_scoped_to_the_name_of_their_api_key() {
    let directory = TempDir::new().unwrap();
    let raw = connect(&path(&directory), Options::default(), &schema::STEPS[..2]).unwrap();
    raw.execute_batch(
        "INSERT INTO api_keys VALUES ('a1', 'shop: east', 'send', x'01', 0, NULL);
         INSERT INTO idempotency VALUES ('a1:order:7', zeroblob(32), zeroblob(16), 3, 1000);
         INSERT INTO idempotency VALUES ('process:order', zeroblob(32), zeroblob(16), 4, 1000);
         INSERT INTO idempotency VALUES ('gone:order', zeroblob(32), zeroblob(16), 5, 1000);",
    )
    .unwrap();
    drop(raw);
    let store = open(&directory);
    for (key, recipients) in
        [("key:shop: east\norder:7", 3), ("key:TIDINGS_API_KEY\norder", 4), ("gone:order", 5)]
    {
        let asked = Idempotency { key: key.into(), fingerprint: [0; 32], expires_at: Timestamp(1000) };
        let new = NewNotification { idempotency: Some(asked), ..note(1, Audience::All) };
        let first = Acceptance::Repeated(NotificationId(0), recipients);
        assert_eq!(store.accept(new).await, Ok(first), "{key}");
    }
}
