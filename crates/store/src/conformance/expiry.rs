//! What ends because its time is over.

use tidings_core::model::{Audience, NotificationId, NotificationState};
use tidings_core::store::{Ended, NewNotification, Payloads};

use super::handles::Handles;
use super::world::{account, ack, at, counts, fed, note, send, users};

pub(super) async fn the_expired_is_not_fed_and_not_settled(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    let all = send(store, note(1, Audience::All)).await.notification.seq;
    let direct = send(store, note(2, users(&["anna", "bert"]))).await.notification.seq;
    assert_eq!(store.next_expiry().await.unwrap(), Some(at(1000)));
    assert_eq!(store.feed(anna, Payloads::Any, at(999), 9).await.unwrap().pending.len(), 2);
    assert_eq!(store.feed(anna, Payloads::Any, at(1000), 9).await.unwrap().pending.len(), 0);
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

pub(super) async fn expiry_is_bounded_and_in_order(store: &Handles) {
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
