//! Tests of the group commit: who commits, in which order, and what a failure costs.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::harness::{At, FakeWriter, OPTIONS, Store};
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_alone_commits_inline_and_one_that_does_not_mind_leaves_it_to_the_thread() {
    let store = Store::start(OPTIONS);
    for number in 0..50 {
        store.at_rest().await;
        assert!(store.write_by_worker(number, true).await.unwrap());
        assert!(!store.write_by_worker(number, false).await.unwrap());
    }
    assert_eq!(store.counts(), (100, 100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_callers_may_not_commit_the_thread_does_it() {
    let store = Store::start(Options { inline: false, ..OPTIONS });
    for number in 0..50 {
        store.at_rest().await;
        assert!(!store.write_by_worker(number, true).await.unwrap());
    }
}

#[tokio::test]
async fn the_only_worker_of_a_runtime_never_waits_for_the_disk() {
    let store = Store::start(OPTIONS);
    assert_ne!(store.write(1, true).await.unwrap(), thread::current().id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_disk_is_waited_for_by_the_thread() {
    let store = Store::start(OPTIONS);
    for (took, inline) in [(QUICK, true), (QUICK * 2, false), (Duration::ZERO, true)] {
        let time = Arc::clone(&store.time);
        let millis = u64::try_from(took.as_millis()).unwrap();
        let work = move |_: &mut FakeWriter| Ok(time.millis.fetch_add(millis, Ordering::Relaxed));
        store.commit.call(0, work).await.unwrap();
        store.at_rest().await;
        assert_eq!(store.write_by_worker(1, true).await.unwrap(), inline, "after {took:?}");
        store.at_rest().await;
    }
}

/// A socket, and its other end on the runtime.
fn signal() -> (UnixStream, tokio::net::UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    there.set_nonblocking(true).unwrap();
    (here, tokio::net::UnixStream::from_std(there).unwrap())
}

#[test]
fn what_the_runtime_looks_after_goes_on_while_a_commit_hangs() {
    for _ in 0..20 {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.unwrap();
        let store = Store::start(OPTIONS);
        let entered = runtime.enter();
        let (begin, mut begins) = signal();
        let (end, mut ends) = signal();
        drop(entered);
        let (release, held) = mpsc::channel::<()>();
        let (hangs, hanging) = mpsc::channel();
        let asking = Arc::clone(&store);
        let held_up = runtime.spawn(async move {
            // Woken by a socket, alone: this worker looked after it, and the second sleeps.
            begins.read_u8().await.unwrap();
            let work = move |_: &mut FakeWriter| {
                hangs.send(()).unwrap();
                Ok(held.recv_timeout(Duration::from_secs(20)))
            };
            asking.commit.call_inline(0, work).await.unwrap()
        });
        runtime.spawn(async move {
            ends.read_u8().await.unwrap();
            let _ = release.send(());
        });
        (&begin).write_all(b"1").unwrap();
        hanging.recv().unwrap();
        (&end).write_all(b"1").unwrap();
        // Its time is up.
        store.time.ticked.store(true, Ordering::Relaxed);
        store.commit.committer.queue.monitor().notify();
        assert_eq!(runtime.block_on(held_up).unwrap(), Ok(()), "the runtime stood still");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_during_a_commit_waits_for_the_next() {
    for inline in [true, false] {
        let store = Store::start(OPTIONS);
        let (release, held) = store.hold(inline);
        let waiting: Vec<_> = (0..10)
            .map(|number| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.write(number, true).await })
            })
            .collect();
        store.until_waiting(11).await;
        drop(release);
        held.await.unwrap().unwrap();
        let mut threads = Vec::new();
        for waited in waiting {
            threads.push(waited.await.unwrap().unwrap());
        }
        threads.dedup();
        assert_eq!(threads.len(), 1);
        store.at_rest().await;
        assert_eq!(store.counts(), (2, 11));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_bounded_in_calls_and_bytes() {
    let store = Store::start(Options { group: 4, ..OPTIONS });
    for (bytes, commits) in [(0, 3), (GROUP_BYTES / 2, 5), (GROUP_BYTES, 9), (usize::MAX, 9)] {
        let (release, held) = store.hold(false);
        let before = store.counts().0;
        let waiting: Vec<_> = (0..9)
            .map(|number| {
                let store = Arc::clone(&store);
                let work = move |writer: &mut FakeWriter| {
                    writer.write(number);
                    Ok(())
                };
                tokio::spawn(async move { store.commit.call(bytes, work).await })
            })
            .collect();
        store.until_waiting(10).await;
        drop(release);
        held.await.unwrap().unwrap();
        for waited in waiting {
            waited.await.unwrap().unwrap();
        }
        store.at_rest().await;
        assert_eq!(store.counts().0 - before, 1 + commits, "{bytes} bytes each");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_finds_no_room_is_refused_and_what_fails_fails_alone() {
    let store = Store::start(Options { capacity: 2, ..OPTIONS });
    let (release, held) = store.hold(false);
    let waiting = [true, false].map(|fails| {
        let store = Arc::clone(&store);
        let work = move |writer: &mut FakeWriter| {
            writer.write(fails.into());
            if fails { Err(StoreError::NotFound) } else { Ok(()) }
        };
        tokio::spawn(async move { store.commit.call(0, work).await })
    });
    store.until_waiting(3).await;
    assert_eq!(store.write(2, true).await, Err(StoreError::Busy));
    assert_eq!(store.commit.backlog(), (3, 2));
    drop(release);
    held.await.unwrap().unwrap();
    let [failed, done] = waiting;
    assert_eq!(failed.await.unwrap(), Err(StoreError::NotFound));
    assert_eq!(done.await.unwrap(), Ok(()));
    store.at_rest().await;
    assert_eq!(store.counts(), (2, 3));
    assert_eq!(store.seen.lock().published, [0]);
    store.close().await;
    assert!(store.write(3, true).await.is_err());
    assert_eq!(store.commit.backlog().0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_told_before_it_is_answered_and_only_if_it_was_made() {
    let store = Store::start(OPTIONS);
    for inline in [true, false] {
        for number in 0..20 {
            store.at_rest().await;
            let fails = number % 4 == 1;
            store.seen.lock().fails = fails.then_some(At::Commit);
            let before = store.seen.lock().published.len();
            let answer = store.write_by_worker(number, inline).await;
            assert_eq!(answer.is_err(), fails);
            assert_eq!(store.seen.lock().published.len() - before, usize::from(!fails));
        }
    }
    let seen = store.seen.lock();
    assert_eq!(seen.published, seen.committed);
    assert_eq!(seen.committed.len(), 30);
}

/// A waker that panics, as one of another's making might.
struct PanickingWaker;

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        panic!("on purpose, when woken");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_panic_takes_the_lead_with_it() {
    let everywhere =
        [At::Begin, At::Step, At::StepLeft, At::Commit, At::Publish, At::Maintain, At::NeedsMaintenance];
    for inline in [true, false] {
        for at in everywhere {
            let store = Store::start(OPTIONS);
            store.seen.lock().panics = Some(at);
            let answer = store.write_by_worker(1, inline).await;
            // What is committed is answered as committed, whatever happens afterwards.
            let committed = store.seen.lock().committed == [1];
            assert_eq!(answer.is_ok(), committed, "{at:?}: {answer:?}");
            assert_eq!(committed, [At::Publish, At::Maintain, At::NeedsMaintenance].contains(&at), "{at:?}");
            is_alive(&store, inline).await;
        }
        // Where undoing a group panics as well, the next one does it.
        let store = Store::start(OPTIONS);
        store.seen.lock().fails = Some(At::Commit);
        store.seen.lock().panics = Some(At::Rollback);
        assert_eq!(store.write_by_worker(1, inline).await, Err(StoreError::Full));
        is_alive(&store, inline).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_panics_costs_its_caller_an_answer() {
    let store = Store::start(OPTIONS);
    for inline in [true, false] {
        let work = |writer: &mut FakeWriter| -> Result<()> {
            writer.write(7);
            panic!("on purpose")
        };
        let panicking = Arc::clone(&store);
        let answer = tokio::spawn(async move {
            match inline {
                true => panicking.commit.call_inline(0, work).await,
                false => panicking.commit.call(0, work).await,
            }
        });
        assert!(matches!(answer.await.unwrap(), Err(StoreError::Failed(_))));
        assert!(!store.seen.lock().committed.contains(&7));
        is_alive(&store, inline).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waker_that_panics_costs_no_other_caller_an_answer() {
    let store = Store::start(OPTIONS);
    let (release, held) = store.hold(false);
    let waker = Waker::from(Arc::new(PanickingWaker));
    let mut woken = pin!(store.write(1, false));
    assert!(woken.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let other = Arc::clone(&store);
    let other = tokio::spawn(async move { other.write(2, false).await });
    store.until_waiting(3).await;
    drop(release);
    held.await.unwrap().unwrap();
    other.await.unwrap().unwrap();
    woken.await.unwrap();
    assert_eq!(store.seen.lock().committed, [1, 2]);
    is_alive(&store, true).await;
}

/// Both kinds of callers are answered, and nothing is left.
async fn is_alive(store: &Arc<Store>, inline: bool) {
    for (number, inline) in [(2, inline), (3, !inline)] {
        store.at_rest().await;
        store.write_by_worker(number, inline).await.unwrap();
    }
    store.at_rest().await;
    assert_eq!(store.commit.backlog().0, 0);
    let seen = store.seen.lock();
    assert_eq!(seen.published, seen.committed);
    assert!(seen.committed.ends_with(&[2, 3]), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maintenance_is_the_threads_even_where_callers_commit() {
    let store = Store::start(OPTIONS);
    assert!(store.write_by_worker(1, true).await.unwrap());
    store.at_rest().await;
    assert_eq!(store.seen.lock().maintained, 0);
    store.seen.lock().needs_maintenance = true;
    assert!(store.write_by_worker(2, true).await.unwrap());
    store.at_rest().await;
    assert_eq!(store.seen.lock().maintained, 1);
    assert_eq!(store.counts(), (2, 2), "that was no commit");
    assert!(store.write_by_worker(3, true).await.unwrap());
    store.at_rest().await;
    assert_eq!(store.seen.lock().maintained, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_is_done_once_by_caller_or_thread() {
    const TASKS: u32 = 16;
    const EACH: u32 = 200;
    let store = Store::start(Options { group: 7, ..OPTIONS });
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in 0..EACH {
                    store.write(task * EACH + n, (task + n) % 3 > 0).await.unwrap();
                    // So that callers are alone now and then.
                    for _ in 0..task * (n % 8) {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    store.at_rest().await;
    let seen = store.seen.lock();
    assert_eq!(seen.committed.len() as u32, TASKS * EACH);
    assert_eq!(seen.committed.iter().collect::<BTreeSet<_>>().len(), seen.committed.len());
    assert_eq!(seen.published, seen.committed);
    assert_eq!((store.counts().1, store.commit.backlog().0), (u64::from(TASKS * EACH), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn closing_while_callers_commit_answers_all() {
    for round in 0..40 {
        let store = Store::start(OPTIONS);
        let answered = Arc::new(AtomicU64::new(0));
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let (store, answered) = (Arc::clone(&store), Arc::clone(&answered));
                tokio::spawn(async move {
                    while store.write(task, task % 2 > 0).await.is_ok() {
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        // Each round closes at another moment.
        while answered.load(Ordering::Relaxed) < round * 5 {
            tokio::task::yield_now().await;
        }
        store.close().await;
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(store.seen.lock().committed.len() as u64, answered.load(Ordering::Relaxed));
        assert_eq!(store.commit.backlog().0, 0);
        // Closed means closed: the writer is gone.
        assert!(store.commit.committer.writer.lock().is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_stops_waiting_is_committed_all_the_same() {
    let store = Store::start(OPTIONS);
    let (release, held) = store.hold(false);
    let mut asked = Box::pin(store.write(1, false));
    let first = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await;
    assert!(first.is_pending());
    drop(asked);
    drop(release);
    held.await.unwrap().unwrap();
    store.at_rest().await;
    assert_eq!(store.seen.lock().committed, [1]);
    assert_eq!(store.commit.backlog().0, 0);
}
