//! What a store tells of its commits, and in which order.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tidings_core::model::{Audience, NotificationId, Seq};
use tidings_core::store::{Acceptance, Committed, Idempotency, NewNotification, Next, Payloads};

use super::handles::Handles;
use super::world::{account, at, fed, note, released, users};

/// Callers at once.
const CALLERS: u128 = 40;

fn later(number: u128, seconds: i64) -> NewNotification {
    NewNotification { send_at: Some(at(seconds)), ..note(number, Audience::All) }
}

pub(super) async fn are_told_before_the_answer(handles: &Handles) {
    // A feed tells what goes through its own handle.
    let store = handles.one();
    let anna = account(handles, "anna").await;
    store.accept(note(1, Audience::All)).await.unwrap();
    let (mut feed, mut other) = (store.watch(), store.watch());
    assert_eq!(feed.try_next(), None, "what was before it was watched");
    let direct = store.accept(note(2, users(&["anna"]))).await.unwrap();
    assert_eq!(direct, Acceptance::Accepted { id: NotificationId(2), recipients: 1 });
    let told = released(&mut feed);
    assert_eq!(told.len(), 1);
    let record = store.notification(NotificationId(2)).await.unwrap().unwrap();
    assert_eq!((&told[0].notification, told[0].recipients), (&record.notification, 1));
    assert_eq!(store.accept(later(3, 10)).await.unwrap(), Acceptance::Scheduled(1));
    assert_eq!(feed.try_next(), Some(Next::Committed(Committed::Scheduled { send_at: at(10) })));
    store.accept(later(4, 5)).await.unwrap();
    assert_eq!(feed.try_next(), Some(Next::Committed(Committed::Scheduled { send_at: at(5) })));
    assert_eq!(store.release_due(at(10), 9).await, Ok(2));
    let told = released(&mut feed);
    assert_eq!(told.iter().map(|one| one.notification.id.0).collect::<Vec<_>>(), [4, 3]);
    assert!(told[0].notification.seq < told[1].notification.seq);
    assert_eq!(feed.try_next(), None);
    let same = std::iter::from_fn(|| other.try_next()).count();
    assert_eq!(same, 5, "each feed is told everything");
    assert_eq!(fed(handles, anna).await, [1, 2, 4, 3]);
}

pub(super) async fn are_told_in_order_whoever_causes_them(handles: &Handles) {
    // A feed tells what goes through its own handle.
    let store = handles.one();
    let (anna, _) = (account(handles, "anna").await, account(handles, "bert").await);
    let mut feed = store.watch();
    let mut expected = BTreeSet::new();
    let mut last = Seq(0);
    for round in 0..20 {
        let mut callers: Vec<Pin<Box<dyn Future<Output = ()> + Send + '_>>> = Vec::new();
        for caller in 0..CALLERS {
            let number = round * 100 + caller + 1;
            let new = match caller % 4 {
                0 => note(number, Audience::All),
                1 => note(number, users(&["anna"])),
                2 => note(number, users(&["bert", "anna"])),
                _ => later(number, 1),
            };
            expected.insert(number);
            callers.push(Box::pin(async move {
                store.accept(new).await.unwrap();
            }));
            // Several at once release what is due; each is released by one of them.
            callers.push(Box::pin(async move {
                store.release_due(at(2), 3).await.unwrap();
            }));
        }
        all_at_once(callers).await;
        while store.release_due(at(2), 5).await.unwrap() > 0 {}
        while let Some(next) = feed.try_next() {
            let released = match next {
                Next::Committed(Committed::Released(released)) => released,
                Next::Committed(Committed::Scheduled { .. }) => continue,
                Next::Lost => panic!("lost"),
            };
            let notification = released.notification;
            assert!(notification.seq > last, "{:?} after {last:?}", notification.seq);
            last = notification.seq;
            assert!(expected.remove(&notification.id.0), "{} is told twice", notification.id);
        }
        assert!(expected.is_empty(), "untold: {expected:?}");
    }
    let waits = store.feed(anna, Payloads::Any, at(0), 10_000).await.unwrap();
    assert_eq!(waits.head, last);
    assert!(waits.pending.is_sorted_by_key(|notification| notification.seq));
}

pub(super) async fn of_what_failed_are_not_told(handles: &Handles) {
    // A feed tells what goes through its own handle.
    let store = handles.one();
    account(handles, "anna").await;
    let with = |number, fingerprint| NewNotification {
        idempotency: Some(Idempotency {
            key: "k".into(),
            fingerprint: [fingerprint; 32],
            expires_at: at(100),
        }),
        ..note(number, Audience::All)
    };
    store.accept(with(1, 1)).await.unwrap();
    let mut feed = store.watch();
    store.accept(with(2, 1)).await.unwrap();
    store.accept(with(3, 2)).await.unwrap();
    store.accept(note(4, users(&["anna", "nobody"]))).await.unwrap_err();
    store.accept(note(1, Audience::All)).await.unwrap_err();
    store.cancel(NotificationId(1)).await.unwrap();
    assert_eq!(store.release_due(at(100), 9).await, Ok(0));
    assert_eq!(feed.try_next(), None);
    store.accept(note(5, Audience::All)).await.unwrap();
    assert_eq!(released(&mut feed).len(), 1);
}

/// Polls all of them by turns, until each is done.
async fn all_at_once(mut callers: Vec<Pin<Box<dyn Future<Output = ()> + Send + '_>>>) {
    poll_fn(|context| {
        callers.retain_mut(|caller| caller.as_mut().poll(context).is_pending());
        if callers.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
