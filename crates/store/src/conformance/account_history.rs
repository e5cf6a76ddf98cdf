//! What became of an account's copies.

use tidings_core::model::{AccountId, Audience, NotificationId, Timestamp};
use tidings_core::store::Outcome;

use super::handles::Handles;
use super::world::{account, ack, at, fed, keyed, note, send, to_topic, topic, users};

/// The numbers of what no longer waits for an account, each with what became of it.
async fn history(store: &Handles, account: AccountId) -> String {
    let page = store.account_history(account, None, 100).await.unwrap();
    assert_eq!(page.next, None);
    let told =
        page.items.iter().map(|past| format!("{} {}", past.record.notification.id.0, past.outcome.as_str()));
    told.collect::<Vec<_>>().join(", ")
}

pub(super) async fn of_named_accounts(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    let both = users(&["anna", "bert"]);
    for number in 1..=2 {
        let seq = send(store, note(number, both.clone())).await.notification.seq;
        ack(store, anna, seq).await;
    }
    assert!(store.opened(anna, NotificationId(2)).await.unwrap());
    send(store, note(3, users(&["bert"]))).await;
    assert_eq!(history(store, anna).await, "2 opened, 1 delivered");
    assert_eq!(history(store, bert).await, "", "what is pending is not past");

    store.cancel(NotificationId(1)).await.unwrap();
    assert_eq!(history(store, bert).await, "1 cancelled");
    send(store, keyed(4, both.clone(), "k")).await;
    send(store, keyed(5, users(&["bert"]), "k")).await;
    assert_eq!(history(store, bert).await, "4 cancelled, 1 cancelled", "replaced for one of two");
    store.expire_due(at(2000), 100).await.unwrap();
    assert_eq!(history(store, anna).await, "4 expired, 2 opened, 1 delivered");
    assert_eq!(history(store, bert).await, "5 expired, 4 cancelled, 3 expired, 2 expired, 1 cancelled");

    store.remove_account(anna).await.unwrap();
    assert_eq!(history(store, anna).await, "");
}

pub(super) async fn of_broadcasts(store: &Handles) {
    let anna = account(store, "anna").await;
    send(store, note(1, Audience::All)).await;
    let bert = account(store, "bert").await;
    store.subscribe(bert, topic("news")).await.unwrap();
    send(store, note(2, to_topic("news"))).await;
    let third = send(store, note(3, Audience::All)).await.notification.seq;
    store.cancel(NotificationId(3)).await.unwrap();
    assert_eq!(ack(store, bert, third).await, 0);
    let fourth = send(store, note(4, Audience::All)).await.notification.seq;
    assert_eq!(history(store, anna).await, "3 cancelled");
    // An account whose cursor passes the end has had the later one, and not this one.
    ack(store, anna, fourth).await;
    assert_eq!(history(store, anna).await, "4 delivered, 3 cancelled");
    assert_eq!(fed(store, anna).await, [1]);
    assert_eq!(history(store, bert).await, "3 cancelled");
    store.expire_due(at(2000), 100).await.unwrap();
    assert_eq!(history(store, anna).await, "4 delivered, 3 cancelled, 1 expired");
    assert_eq!(history(store, bert).await, "4 expired, 3 cancelled, 2 expired");

    let mut fifth = note(5, Audience::All);
    fifth.expires_at = at(9000);
    let fifth = send(store, fifth).await.notification.seq;
    for account in [anna, bert] {
        ack(store, account, fifth).await;
    }
    assert!(store.opened(bert, NotificationId(5)).await.unwrap());
    assert_eq!(history(store, anna).await, "5 delivered, 4 delivered, 3 cancelled, 1 expired");
    assert_eq!(history(store, bert).await, "5 opened, 4 expired, 3 cancelled, 2 expired");

    // Once it is unsubscribed, a topic's are not this account's any more.
    store.unsubscribe(bert, topic("news")).await.unwrap();
    assert_eq!(history(store, bert).await, "5 opened, 4 expired, 3 cancelled");
    // A replaced one ends by itself, delivered to no account.
    let mut older = keyed(6, Audience::All, "k");
    older.expires_at = at(9000);
    let mut newer = keyed(7, Audience::All, "k");
    newer.expires_at = at(9000);
    send(store, older).await;
    let newer = send(store, newer).await.notification.seq;
    ack(store, bert, newer).await;
    let told = history(store, bert).await;
    assert!(told.starts_with("7 delivered, 6 cancelled, 5 opened"), "{told}");
}

pub(super) async fn goes_on_page_by_page(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    for number in 1..=9 {
        let audience = match number % 3 {
            0 => Audience::All,
            1 => users(&["anna"]),
            _ => users(&["bert"]),
        };
        let seq = send(store, note(number, audience)).await.notification.seq;
        ack(store, anna, seq).await;
        ack(store, bert, seq).await;
    }
    for limit in 1..=7 {
        let (mut before, mut found) = (None, Vec::new());
        loop {
            let page = store.account_history(anna, before, limit).await.unwrap();
            assert!(page.items.iter().all(|past| past.outcome == Outcome::Delivered));
            found.extend(page.items.iter().map(|past| past.record.notification.id.0));
            before = page.next;
            if before.is_none() {
                break;
            }
            assert_eq!(page.items.len(), limit);
        }
        assert_eq!(found, [9, 7, 6, 4, 3, 1], "{limit} a page");
    }
}

pub(super) async fn is_forgotten_with_the_history(store: &Handles) {
    let anna = account(store, "anna").await;
    for number in 1..=3 {
        let audience = if number == 2 { users(&["anna"]) } else { Audience::All };
        let mut new = note(number, audience);
        new.created_at = at(i64::try_from(number).unwrap());
        send(store, new).await;
    }
    store.expire_due(at(2000), 100).await.unwrap();
    assert_eq!(history(store, anna).await, "3 expired, 2 expired, 1 expired");
    store.purge(at(3), Timestamp(0), 100).await.unwrap();
    assert_eq!(history(store, anna).await, "3 expired");
    let fourth = send(store, note(4, Audience::All)).await.notification.seq;
    ack(store, anna, fourth).await;
    assert_eq!(history(store, anna).await, "4 delivered, 3 expired");
    store.purge(at(3000), Timestamp(0), 100).await.unwrap();
    assert_eq!(history(store, anna).await, "");
}
