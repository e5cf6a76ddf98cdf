//! What is forgotten, and the totals that remain.

use tidings_core::model::{Audience, Counters, NotificationId, Seq};
use tidings_core::store::{Idempotency, NewNotification, Payloads, Totals};

use super::handles::Handles;
use super::world::{account, ack, at, fed, note, send, users};

pub(super) async fn totals_are_kept(store: &Handles) {
    assert_eq!(store.totals().await.unwrap(), Totals::default());
    let anna = account(store, "anna").await;
    account(store, "bert").await;
    let first = send(store, note(1, Audience::All)).await.notification.seq;
    ack(store, anna, first).await;
    store.opened(anna, NotificationId(1)).await.unwrap();
    send(store, note(2, users(&["anna"]))).await;
    store.cancel(NotificationId(2)).await.unwrap();
    store.accept(NewNotification { send_at: Some(at(500)), ..note(3, Audience::All) }).await.unwrap();
    store.expire_due(at(1000), 9).await.unwrap();
    let totals = store.totals().await.unwrap();
    // The scheduled one is for both, as its document says.
    let counters = Counters { recipients: 5, delivered: 1, opened: 1, expired: 1, cancelled: 1 };
    assert_eq!(totals, Totals { accounts: 2, notifications: 3, counters, scheduled: 1 });
}

pub(super) async fn the_finished_is_purged(store: &Handles) {
    let anna = account(store, "anna").await;
    let first = send(store, note(1, Audience::All)).await.notification.seq;
    send(store, note(2, users(&["anna"]))).await;
    send(store, NewNotification { created_at: at(100), ..note(3, Audience::All) }).await;
    let idempotency = Some(Idempotency { key: "k".into(), fingerprint: [1; 32], expires_at: at(50) });
    send(store, NewNotification { created_at: at(100), idempotency, ..note(4, Audience::All) }).await;
    ack(store, anna, first).await;
    store.opened(anna, NotificationId(1)).await.unwrap();
    let before = store.totals().await.unwrap();
    assert_eq!(store.purge(at(0), at(49), 10).await.unwrap(), 0);
    assert_eq!(store.purge(at(100), at(50), 10).await.unwrap(), 2, "a notification and a key");
    assert!(store.notification(NotificationId(1)).await.unwrap().is_none());
    assert!(!store.opened(anna, NotificationId(1)).await.unwrap());
    assert_eq!(store.totals().await.unwrap(), before);
    store.cancel(NotificationId(2)).await.unwrap();
    store.cancel(NotificationId(3)).await.unwrap();
    assert_eq!(store.purge(at(200), at(200), 1).await.unwrap(), 1);
    assert!(store.notification(NotificationId(2)).await.unwrap().is_none());
    assert_eq!(fed(store, anna).await, [4]);
    let head = store.feed(anna, Payloads::Any, at(0), 1).await.unwrap().head;
    assert!(send(store, note(5, Audience::All)).await.notification.seq > head.max(Seq(4)));
}

/// A clock that was ahead once stops no purge, neither then nor after.
pub(super) async fn a_clock_that_was_ahead_holds_nothing_up(store: &Handles) {
    account(store, "anna").await;
    for (number, accepted) in [(1, 0), (2, 900_000), (3, 10), (4, 900_000), (5, 100), (6, 110)] {
        let new = NewNotification { created_at: at(accepted), ..note(number, users(&["anna"])) };
        send(store, new).await;
        store.cancel(NotificationId(number)).await.unwrap();
    }
    let left = async || {
        let page = store.notifications(None, 9).await.unwrap();
        page.items.iter().rev().map(|record| record.notification.id.0).collect::<Vec<_>>()
    };
    // 2 came before 3, which is old; of 4 it is not known yet.
    assert_eq!(store.purge(at(50), at(200), 9).await.unwrap(), 3);
    assert_eq!(left().await, [4, 5, 6]);
    assert_eq!(store.purge(at(50), at(200), 9).await.unwrap(), 0);
    assert_eq!(store.purge(at(105), at(200), 1).await.unwrap(), 1);
    assert_eq!(store.purge(at(105), at(200), 9).await.unwrap(), 1);
    assert_eq!(left().await, [6]);
}
