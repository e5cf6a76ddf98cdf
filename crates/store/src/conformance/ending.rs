use tidings_core::model::{Audience, Counters, NotificationId, NotificationState, Seq};
use tidings_core::store::{Ended, Idempotency, NewNotification, Store, Totals};

use super::world::{NOTHING, account, ack, at, counts, fed, note, send, users};

pub(super) async fn the_expired_is_not_fed_and_not_settled(store: &dyn Store) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    let all = send(store, note(1, Audience::All)).await.notification.seq;
    let direct = send(store, note(2, users(&["anna", "bert"]))).await.notification.seq;
    assert_eq!(store.next_expiry().await.unwrap(), Some(at(1000)));
    assert_eq!(store.feed(anna, NOTHING, at(999), 9).await.unwrap().pending.len(), 2);
    assert_eq!(store.feed(anna, NOTHING, at(1000), 9).await.unwrap().pending.len(), 0);
    ack(store, bert, all).await;
    assert!(store.expire_due(at(999), 9).await.unwrap().is_empty());
    let ended = store.expire_due(at(1000), 9).await.unwrap();
    let end = |seq, number, accounts| Ended { seq, id: NotificationId(number), accounts };
    assert_eq!(ended, [end(all, 1, 1), end(direct, 2, 2)]);
    assert!(store.expire_due(at(2000), 9).await.unwrap().is_empty());
    for seq in [all, direct] {
        assert_eq!(ack(store, anna, seq).await, 0);
    }
    assert_eq!(counts(store, 1).await, [2, 1, 1, 0]);
    assert_eq!(counts(store, 2).await, [2, 0, 2, 0]);
    assert_eq!(fed(store, anna).await, Vec::<u128>::new());
    assert_eq!(store.next_expiry().await.unwrap(), None);
    let record = store.notification(NotificationId(1)).await.unwrap().unwrap();
    assert_eq!(record.state, NotificationState::Expired);
    // What follows is delivered past the hole.
    let next = send(store, NewNotification { expires_at: at(3000), ..note(3, Audience::All) }).await;
    assert_eq!(ack(store, anna, next.notification.seq).await, 1);
}

pub(super) async fn expiry_is_bounded_and_in_order(store: &dyn Store) {
    account(store, "anna").await;
    for (number, seconds) in [(1, 30), (2, 10), (3, 20)] {
        send(store, NewNotification { expires_at: at(seconds), ..note(number, Audience::All) }).await;
    }
    let ids = |ended: Vec<Ended>| ended.into_iter().map(|one| one.id.0).collect::<Vec<_>>();
    assert_eq!(store.next_expiry().await.unwrap(), Some(at(10)));
    assert_eq!(ids(store.expire_due(at(50), 2).await.unwrap()), [2, 3]);
    assert_eq!(store.next_expiry().await.unwrap(), Some(at(30)));
    assert_eq!(ids(store.expire_due(at(50), 2).await.unwrap()), [1]);
}

pub(super) async fn cancelling_ends_what_is_pending(store: &dyn Store) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    let all = send(store, note(1, Audience::All)).await.notification.seq;
    let direct = send(store, note(2, users(&["anna", "bert"]))).await.notification.seq;
    ack(store, bert, all).await;
    ack(store, bert, direct).await;
    assert_eq!(store.cancel(NotificationId(9)).await.unwrap(), None);
    for (number, seq) in [(1, all), (2, direct)] {
        let id = NotificationId(number);
        assert_eq!(store.cancel(id).await.unwrap(), Some(Ended { seq, id, accounts: 1 }));
        assert_eq!(store.cancel(id).await.unwrap(), Some(Ended { seq, id, accounts: 0 }));
        assert_eq!(ack(store, anna, seq).await, 0);
        assert_eq!(counts(store, number).await, [2, 1, 0, 1]);
        let record = store.notification(id).await.unwrap().unwrap();
        assert_eq!(record.state, NotificationState::Cancelled);
    }
    assert_eq!(fed(store, anna).await, Vec::<u128>::new());
}

pub(super) async fn totals_are_kept(store: &dyn Store) {
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

pub(super) async fn the_finished_is_purged(store: &dyn Store) {
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
    let head = store.feed(anna, NOTHING, at(0), 1).await.unwrap().head;
    assert!(send(store, note(5, Audience::All)).await.notification.seq > head.max(Seq(4)));
}
