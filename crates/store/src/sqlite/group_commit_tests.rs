//! Tests of the group commit: who commits, in which order, and what a failure costs.

use std::sync::mpsc;
use std::thread::{self, ThreadId};

use tempfile::TempDir;
use tidings_core::store::Store;

use super::super::{Options, SqliteStore};
use super::*;

fn open(options: Options) -> (TempDir, Arc<SqliteStore>) {
    let directory = TempDir::new().unwrap();
    let store = SqliteStore::open(&directory.path().join("tidings.db"), options).unwrap();
    (directory, Arc::new(store))
}

fn which_thread(_: &mut Writer) -> error::Result<ThreadId> {
    Ok(thread::current().id())
}

/// Waits until the thread has nothing more to do.
async fn at_rest(store: &SqliteStore) {
    while store.writer.group_commit.state.lock().leader != Leader::None {
        tokio::task::yield_now().await;
    }
}

/// Has the thread hold the queue up until the sender is dropped.
fn hold(store: &Arc<SqliteStore>) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<()>>) {
    let (release, held) = mpsc::channel::<()>();
    let (started, running) = mpsc::channel();
    let store = Arc::clone(store);
    let task = tokio::spawn(async move {
        let wait = move |_: &mut Writer| {
            let _ = started.send(());
            let _ = held.recv();
            Ok(())
        };
        store.writer.call(0, wait).await
    });
    running.recv().unwrap();
    (release, task)
}

/// Runs `ask` in a task of the runtime's workers: the test itself is on another thread.
async fn in_a_worker<T: Send + 'static>(ask: impl Future<Output = T> + Send + 'static) -> T {
    tokio::spawn(ask).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_alone_commits_inline_and_one_that_does_not_mind_leaves_it_to_the_thread() {
    let (_directory, store) = open(Options::default());
    let mut here = 0;
    for _ in 0..200 {
        at_rest(&store).await;
        let slow = store.writer.group_commit.slow.load(Ordering::Relaxed);
        let before = store.writer.commits();
        let asking = Arc::clone(&store);
        let (committing, asking) = in_a_worker(async move {
            let me = thread::current().id();
            (asking.writer.call_inline(0, which_thread).await.unwrap(), me)
        })
        .await;
        assert_eq!(committing == asking, !slow);
        here += usize::from(committing == asking);
        assert_eq!(store.writer.commits().commits, before.commits + 1);
        let asking = Arc::clone(&store);
        let (committing, asking) = in_a_worker(async move {
            let me = thread::current().id();
            (asking.writer.call(0, which_thread).await.unwrap(), me)
        })
        .await;
        assert_ne!(committing, asking);
    }
    // A disk whose every commit takes more than five milliseconds shows nothing here.
    assert!(here > 0 || store.writer.group_commit.slow.load(Ordering::Relaxed));
}

#[tokio::test]
async fn the_only_worker_of_a_runtime_never_waits_for_the_disk() {
    let (_directory, store) = open(Options::default());
    let committing = store.writer.call_inline(0, which_thread).await.unwrap();
    assert_ne!(committing, thread::current().id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_disk_is_waited_for_by_the_thread() {
    let (_directory, store) = open(Options::default());
    let slow = |_: &mut Writer| {
        thread::sleep(QUICK * 2);
        Ok(thread::current().id())
    };
    let thread = store.writer.call(0, slow).await.unwrap();
    at_rest(&store).await;
    assert!(store.writer.group_commit.slow.load(Ordering::Relaxed));
    let asking = Arc::clone(&store);
    let committing = in_a_worker(async move { asking.writer.call_inline(0, which_thread).await }).await;
    assert_eq!(committing.unwrap(), thread);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_and_sockets_go_on_while_a_commit_hangs() {
    let (_directory, store) = open(Options::default());
    for _ in 0..20 {
        at_rest(&store).await;
        let (release, held) = mpsc::channel::<()>();
        let asking = Arc::clone(&store);
        let held_up = tokio::spawn(async move {
            // Woken by the clock, alone: this worker looked after it, and the second sleeps.
            tokio::time::sleep(Duration::from_millis(10)).await;
            let hangs = move |_: &mut Writer| Ok(held.recv_timeout(Duration::from_secs(20)));
            asking.writer.call_inline(0, hangs).await.unwrap()
        });
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let _ = release.send(());
        });
        assert_eq!(held_up.await.unwrap(), Ok(()), "time stood still");
        // It took long, so this one is the thread's, and the next one its caller's again.
        store.writer.call(0, which_thread).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_while_the_thread_commits_waits_for_the_next_commit() {
    let (_directory, store) = open(Options::default());
    let (release, held) = hold(&store);
    let before = store.writer.commits();
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.writer.call_inline(0, which_thread).await })
        })
        .collect();
    while store.backlog().0 < 21 {
        tokio::task::yield_now().await;
    }
    drop(release);
    held.await.unwrap().unwrap();
    let mut threads = Vec::new();
    for waited in waiting {
        threads.push(waited.await.unwrap().unwrap());
    }
    threads.dedup();
    assert_eq!(threads.len(), 1);
    at_rest(&store).await;
    let after = store.writer.commits();
    assert_eq!((after.commits - before.commits, after.writes - before.writes), (2, 21));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_finds_no_room_is_refused_and_fails_alone() {
    let (_directory, store) = open(Options { queue: 2, ..Options::default() });
    let (release, held) = hold(&store);
    let waiting: Vec<_> = (0..2)
        .map(|number| {
            let store = Arc::clone(&store);
            let fails = move |_: &mut Writer| match number {
                0 => Err(StoreError::Failed("on purpose".into()).into()),
                _ => Ok(()),
            };
            tokio::spawn(async move { store.writer.call(0, fails).await })
        })
        .collect();
    while store.backlog().0 < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.writer.call_inline(0, which_thread).await, Err(StoreError::Busy));
    let before = store.writer.commits();
    drop(release);
    held.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for waited in waiting {
        answers.push(waited.await.unwrap());
    }
    answers.sort_by_key(Result::is_err);
    assert_eq!(answers, [Ok(()), Err(StoreError::Failed("on purpose".into()))]);
    at_rest(&store).await;
    let after = store.writer.commits();
    assert_eq!((after.commits - before.commits, after.writes - before.writes), (2, 3));
    store.close().await;
    assert!(store.writer.call_inline(0, which_thread).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_costs_the_caller_an_answer_and_the_lead_is_given_back() {
    let (_directory, store) = open(Options::default());
    for _ in 0..3 {
        at_rest(&store).await;
        let asking = Arc::clone(&store);
        let answer = in_a_worker(async move {
            asking.writer.call_inline(0, |_| -> error::Result<()> { panic!("on purpose") }).await
        })
        .await;
        assert!(matches!(answer, Err(StoreError::Failed(_))));
        store.check().await.unwrap();
    }
    assert_eq!(store.backlog().0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_is_done_once_by_caller_or_thread() {
    const TASKS: usize = 16;
    const EACH: usize = 200;
    let (_directory, store) = open(Options { group: 7, ..Options::default() });
    let done = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, done) = (Arc::clone(&store), Arc::clone(&done));
            tokio::spawn(async move {
                for n in 0..EACH {
                    let counted = Arc::clone(&done);
                    let work = move |_: &mut Writer| Ok(counted.fetch_add(1, Ordering::Relaxed));
                    match (task + n) % 3 {
                        0 => store.writer.call(0, work).await.unwrap(),
                        _ => store.writer.call_inline(0, work).await.unwrap(),
                    };
                    if n % 16 == task {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(done.load(Ordering::Relaxed), TASKS * EACH);
    assert_eq!(store.writer.commits().writes, (TASKS * EACH) as u64);
    at_rest(&store).await;
    assert_eq!(store.backlog().0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn closing_while_callers_commit_answers_all() {
    for round in 0..40 {
        let (directory, store) = open(Options::default());
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let mut answered = 0;
                    while store.writer.call_inline(0, which_thread).await.is_ok() {
                        answered += 1;
                    }
                    answered
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_micros(300 * round)).await;
        store.close().await;
        for task in tasks {
            let _: usize = task.await.unwrap();
        }
        assert_eq!(store.backlog().0, 0);
        // Closed means closed: another store may open it at once.
        SqliteStore::open(&directory.path().join("tidings.db"), Options::default()).unwrap();
    }
}
