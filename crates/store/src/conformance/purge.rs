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
    let counters = Counters { recipients: 3, delivered: 1, opened: 1, expired: 1, cancelled: 1 };
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
