//! What a newer notification with the same key replaces.

use tidings_core::model::{Audience, NotificationId, NotificationState, Priority, Sender};
use tidings_core::store::{NewNotification, Payloads};

use super::handles::Handles;
use super::world::{account, ack, by_key, counters, counts, fed, keyed, note, send, to_topic, topic, users};

pub(super) async fn among_named_accounts(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    let first = send(store, keyed(1, users(&["anna", "bert"]), "k")).await.notification.seq;
    send(store, keyed(2, users(&["anna"]), "other")).await;
    send(store, note(3, users(&["anna"]))).await;
    let new = NewNotification { priority: Priority::High, ..keyed(4, users(&["anna"]), "k") };
    send(store, new).await;
    assert_eq!(fed(store, anna).await, [4, 2, 3]);
    assert_eq!(fed(store, bert).await, [1]);
    assert_eq!(ack(store, anna, first).await, 0, "a late acknowledgement");
    assert_eq!(counts(store, 1).await, [2, 0, 0, 1]);
    assert!(!store.opened(anna, NotificationId(1)).await.unwrap());
    assert_eq!(ack(store, bert, first).await, 1);
    assert_eq!(counts(store, 1).await, [2, 1, 0, 1]);
}

pub(super) async fn a_broadcast_replaces_broadcasts(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    store.subscribe(anna, topic("news")).await.unwrap();
    let first = send(store, keyed(1, Audience::All, "k")).await.notification.seq;
    send(store, keyed(2, to_topic("news"), "k")).await;
    ack(store, bert, first).await;
    let third = send(store, keyed(3, Audience::All, "k")).await.notification.seq;
    assert_eq!(fed(store, anna).await, [3]);
    assert_eq!(fed(store, bert).await, [3]);
    assert_eq!(counts(store, 1).await, [2, 1, 0, 1]);
    assert_eq!(counts(store, 2).await, [1, 0, 0, 1]);
    let record = store.notification(NotificationId(1)).await.unwrap().unwrap();
    assert_eq!(record.state, NotificationState::Cancelled);
    assert_eq!(ack(store, anna, first).await, 0);
    assert_eq!(ack(store, anna, third).await, 1);
}

pub(super) async fn a_topic_replaces_its_own(store: &Handles) {
    let anna = account(store, "anna").await;
    store.subscribe(anna, topic("news")).await.unwrap();
    store.subscribe(anna, topic("chess")).await.unwrap();
    send(store, keyed(1, to_topic("news"), "k")).await;
    send(store, keyed(2, to_topic("news"), "k")).await;
    assert_eq!(counts(store, 1).await, [1, 0, 0, 1]);
    send(store, keyed(3, to_topic("chess"), "k")).await;
    let first = store.feed(anna, Payloads::Any, super::world::START, 9).await.unwrap();
    assert_eq!(first.pending.iter().map(|one| one.id.0).collect::<Vec<_>>(), [3]);
    assert_eq!(fed(store, anna).await, [3]);
    assert_eq!(counts(store, 2).await, [1, 0, 0, 1]);
}

pub(super) async fn one_for_an_account_replaces_a_broadcast_there(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    let first = send(store, keyed(1, Audience::All, "k")).await.notification.seq;
    let second = send(store, keyed(2, users(&["anna"]), "k")).await.notification.seq;
    assert_eq!(fed(store, anna).await, [2]);
    assert_eq!(fed(store, bert).await, [1]);
    assert_eq!(counts(store, 1).await, [2, 0, 0, 1]);
    assert_eq!(ack(store, anna, first).await, 0);
    assert!(!store.opened(anna, NotificationId(1)).await.unwrap());
    assert_eq!(ack(store, bert, first).await, 1);
    assert_eq!(ack(store, anna, second).await, 1);
    assert_eq!(counters(store, 1).await.pending(), 0);
}

pub(super) async fn a_broadcast_replaces_queued_ones_when_fed(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    send(store, keyed(1, users(&["anna", "bert"]), "k")).await;
    let second = send(store, keyed(2, Audience::All, "k")).await.notification.seq;
    ack(store, anna, second).await;
    let feed = store.feed(anna, Payloads::Any, super::world::START, 9).await.unwrap();
    assert!(feed.pending.is_empty(), "the older one came after the newer one");
    assert_eq!(fed(store, anna).await, Vec::<u128>::new());
    assert_eq!(counts(store, 1).await, [2, 0, 0, 1]);
    store.feed(bert, Payloads::Any, super::world::START, 9).await.unwrap();
    assert_eq!(fed(store, bert).await, [2]);
    assert_eq!(counts(store, 1).await, [2, 0, 0, 2]);
}

pub(super) async fn a_topic_replaces_a_broadcast_for_its_subscribers(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    store.subscribe(anna, topic("news")).await.unwrap();
    let first = send(store, keyed(1, Audience::All, "k")).await.notification.seq;
    send(store, keyed(2, to_topic("news"), "k")).await;
    store.feed(anna, Payloads::Any, super::world::START, 9).await.unwrap();
    assert_eq!(fed(store, anna).await, [2]);
    assert_eq!(fed(store, bert).await, [1]);
    assert_eq!(counts(store, 1).await, [2, 0, 0, 1]);
    assert_eq!(ack(store, anna, first).await, 0);
    assert_eq!(ack(store, bert, first).await, 1);
}

pub(super) async fn each_sender_by_itself(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    store.subscribe(anna, topic("news")).await.unwrap();
    let from = |sender: Sender, number, audience| NewNotification { sender, ..keyed(number, audience, "k") };
    let shop = || by_key("1", "shop");
    let other = || Sender::Operator("shop".into());
    send(store, from(shop(), 1, Audience::All)).await;
    send(store, from(other(), 2, Audience::All)).await;
    send(store, from(other(), 3, to_topic("news"))).await;
    send(store, from(shop(), 4, users(&["anna"]))).await;
    send(store, from(other(), 5, users(&["bert"]))).await;
    // Each broadcast is replaced where something newer of its own sender came.
    assert_eq!(fed(store, anna).await, [3, 4]);
    assert_eq!(fed(store, bert).await, [1, 5]);
    send(store, from(by_key("2", "news"), 6, Audience::All)).await;
    assert_eq!(fed(store, bert).await, [1, 5, 6]);
    // A key that takes the place of an older one of its name is the same sender.
    send(store, from(by_key("9", "shop"), 7, Audience::All)).await;
    assert_eq!(fed(store, anna).await, [3, 6, 7]);
    assert_eq!(fed(store, bert).await, [5, 6, 7]);
    assert_eq!(counts(store, 1).await, [2, 0, 0, 2]);
    assert_eq!(counts(store, 2).await, [2, 0, 0, 2]);
    let record = store.notification(NotificationId(7)).await.unwrap().unwrap();
    assert_eq!(record.notification.sender, Some(by_key("9", "shop")));
}
