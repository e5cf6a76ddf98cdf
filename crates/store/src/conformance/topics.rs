//! Subscriptions, and whom a topic reaches.

use tidings_core::model::{AccountId, TopicPolicy};
use tidings_core::store::{StoreError, TopicRow};

use super::handles::Handles;
use super::world::{account, ack, counts, fed, note, send, to_topic, topic};

pub(super) async fn are_subscribed_once(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    assert!(store.subscribe(anna, topic("news")).await.unwrap());
    assert!(!store.subscribe(anna, topic("news")).await.unwrap());
    assert!(store.subscribe(anna, topic("chess")).await.unwrap());
    assert!(store.subscribe(bert, topic("news")).await.unwrap());
    assert_eq!(store.subscribe(AccountId(999), topic("news")).await.unwrap_err(), StoreError::NotFound);
    assert_eq!(store.subscriptions(anna).await.unwrap(), [topic("chess"), topic("news")]);
    assert!(store.subscriptions(AccountId(999)).await.unwrap().is_empty());
    let page = store.topics(None, 1).await.unwrap();
    assert_eq!((page.items, page.next.as_deref()), (vec![row("chess", 1, None)], Some("chess")));
    let page = store.topics(Some("chess".into()), 1).await.unwrap();
    assert_eq!((page.items, page.next), (vec![row("news", 2, None)], None));
    assert!(store.unsubscribe(anna, topic("chess")).await.unwrap());
    assert!(!store.unsubscribe(anna, topic("chess")).await.unwrap());
    assert!(!store.unsubscribe(AccountId(999), topic("chess")).await.unwrap());
    assert_eq!(store.topics(None, 9).await.unwrap().items, [row("news", 2, None)]);
}

fn row(name: &str, subscribers: u64, policy: Option<TopicPolicy>) -> TopicRow {
    TopicRow { topic: topic(name), subscribers, policy }
}

pub(super) async fn have_a_policy_where_the_operator_has_said_so(store: &Handles) {
    let anna = account(store, "anna").await;
    let (news, chess) = (topic("news"), topic("chess"));
    assert_eq!(store.topic(&news).await.unwrap(), None);
    store.set_topic_policy(&news, Some(TopicPolicy::Granted)).await.unwrap();
    store.set_topic_policy(&news, Some(TopicPolicy::Granted)).await.unwrap();
    store.set_topic_policy(&chess, None).await.unwrap();
    let granted = Some(TopicPolicy::Granted);
    assert_eq!(store.topic(&news).await.unwrap(), Some(row("news", 0, granted)));
    assert_eq!(store.topic(&chess).await.unwrap(), None);
    assert_eq!(store.topics(None, 9).await.unwrap().items, [row("news", 0, granted)]);
    // The policy is for the one who asks, not for the store.
    assert!(store.subscribe(anna, news.clone()).await.unwrap());
    assert_eq!(store.topics(None, 9).await.unwrap().items, [row("news", 1, granted)]);
    send(store, note(1, to_topic("news"))).await;
    assert_eq!(counts(store, 1).await, [1, 0, 0, 0]);
    assert!(store.unsubscribe(anna, news.clone()).await.unwrap());
    assert_eq!(store.topics(None, 9).await.unwrap().items, [row("news", 0, granted)]);
    store.subscribe(anna, news.clone()).await.unwrap();
    store.set_topic_policy(&news, Some(TopicPolicy::Open)).await.unwrap();
    assert_eq!(store.topic(&news).await.unwrap(), Some(row("news", 1, Some(TopicPolicy::Open))));
    store.set_topic_policy(&news, None).await.unwrap();
    assert_eq!(store.topic(&news).await.unwrap(), Some(row("news", 1, None)));
    assert_eq!(store.topics(None, 9).await.unwrap().items, [row("news", 1, None)]);
    store.set_topic_policy(&chess, granted).await.unwrap();
    store.set_topic_policy(&chess, None).await.unwrap();
    assert_eq!(store.topics(None, 9).await.unwrap().items.len(), 1);
}

pub(super) async fn reach_whom_they_were_released_to(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    store.subscribe(anna, topic("news")).await.unwrap();
    let first = send(store, note(1, to_topic("news"))).await;
    assert_eq!(first.recipients, 1);
    assert_eq!(first.notification.topic, Some(topic("news")));
    store.subscribe(bert, topic("news")).await.unwrap();
    assert_eq!(send(store, note(2, to_topic("news"))).await.recipients, 2);
    assert_eq!(send(store, note(3, to_topic("empty"))).await.recipients, 0);
    assert_eq!(fed(store, anna).await, [1, 2]);
    assert_eq!(fed(store, bert).await, [2]);
    assert_eq!(ack(store, bert, first.notification.seq).await, 0, "it came before the subscription");
    assert!(store.unsubscribe(anna, topic("news")).await.unwrap());
    assert_eq!(fed(store, anna).await, Vec::<u128>::new());
    assert_eq!(counts(store, 1).await, [1, 0, 0, 1]);
    assert_eq!(counts(store, 2).await, [2, 0, 0, 1]);
}

pub(super) async fn forget_what_was_before_a_second_subscription(store: &Handles) {
    let anna = account(store, "anna").await;
    store.subscribe(anna, topic("news")).await.unwrap();
    let first = send(store, note(1, to_topic("news"))).await.notification.seq;
    let second = send(store, note(2, to_topic("news"))).await.notification.seq;
    assert_eq!(ack(store, anna, second).await, 1);
    store.unsubscribe(anna, topic("news")).await.unwrap();
    store.subscribe(anna, topic("news")).await.unwrap();
    assert_eq!(ack(store, anna, first).await, 0);
    assert_eq!(counts(store, 1).await, [1, 0, 0, 1]);
    assert_eq!(counts(store, 2).await, [1, 1, 0, 0]);
    let third = send(store, note(3, to_topic("news"))).await.notification.seq;
    assert_eq!(fed(store, anna).await, [3]);
    assert_eq!(ack(store, anna, third).await, 1);
}
