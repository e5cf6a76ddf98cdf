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

pub(super) async fn are_set_together(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    for name in ["art", "news", "chess"] {
        store.subscribe(anna, topic(name)).await.unwrap();
    }
    store.subscribe(bert, topic("art")).await.unwrap();
    for (number, name) in [(1, "art"), (2, "news"), (3, "chess")] {
        send(store, note(number, to_topic(name))).await;
    }
    let wanted = || vec![topic("zoo"), topic("news"), topic("biz"), topic("zoo")];
    let change = store.set_subscriptions(anna, wanted()).await.unwrap();
    assert_eq!(change.added, [topic("biz"), topic("zoo")]);
    assert_eq!(change.removed, [topic("art"), topic("chess")]);
    let change = store.set_subscriptions(anna, wanted()).await.unwrap();
    assert_eq!((change.added, change.removed), (Vec::new(), Vec::new()));
    assert_eq!(store.subscriptions(anna).await.unwrap(), [topic("biz"), topic("news"), topic("zoo")]);
    let rows = store.topics(None, 9).await.unwrap().items;
    assert_eq!(rows, [row("art", 1, None), row("biz", 1, None), row("news", 1, None), row("zoo", 1, None)]);
    assert_eq!(fed(store, anna).await, [2]);
    assert_eq!(fed(store, bert).await, [1]);
    assert_eq!(counts(store, 1).await, [2, 0, 0, 1]);
    assert_eq!(counts(store, 3).await, [1, 0, 0, 1]);
    store.set_subscriptions(anna, Vec::new()).await.unwrap();
    assert!(store.subscriptions(anna).await.unwrap().is_empty());
    assert_eq!(counts(store, 2).await, [1, 0, 0, 1]);
    for wanted in [vec![topic("news")], Vec::new()] {
        let refused = store.set_subscriptions(AccountId(999), wanted).await;
        assert_eq!(refused.unwrap_err(), StoreError::NotFound);
    }
}

pub(super) async fn have_subscribers_in_pages(store: &Handles) {
    let mut accounts = Vec::new();
    for name in ["dora", "anna", "carl", "bert"] {
        accounts.push(account(store, name).await);
    }
    for account in accounts.iter().rev() {
        store.subscribe(*account, topic("news")).await.unwrap();
    }
    store.subscribe(accounts[0], topic("newsroom")).await.unwrap();
    let names = async |after, limit| {
        let page = store.subscribers(&topic("news"), after, limit).await.unwrap();
        let names: Vec<_> = page.items.iter().map(|row| row.username.to_string()).collect();
        assert!(page.items.iter().all(|row| accounts.contains(&row.account)));
        (names.join(" "), page.next)
    };
    assert_eq!(names(None, 3).await, ("dora anna carl".into(), Some(accounts[2])));
    assert_eq!(names(Some(accounts[2]), 3).await, ("bert".into(), None));
    assert_eq!(names(None, 4).await, ("dora anna carl bert".into(), None));
    store.unsubscribe(accounts[1], topic("news")).await.unwrap();
    store.remove_account(accounts[2]).await.unwrap();
    assert_eq!(names(None, 9).await, ("dora bert".into(), None));
    assert_eq!(store.subscribers(&topic("none"), None, 9).await.unwrap().items, []);
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
    store.subscribe(anna, topic("art")).await.unwrap();
    let asked = vec![topic("none"), chess.clone(), topic("art"), chess.clone()];
    assert_eq!(store.topic_policies(asked).await.unwrap(), [None, granted, None, granted]);
    assert_eq!(store.topic_policies(Vec::new()).await.unwrap(), []);
    store.unsubscribe(anna, topic("art")).await.unwrap();
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
