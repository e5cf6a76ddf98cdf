//! Endpoints, and what is sent to them.

use tidings_core::model::{
    AccountId, Audience, Content, Endpoint, EndpointId, NotificationId, NotificationState, Payload, Priority,
    Sender, Target,
};
use tidings_core::store::{EndpointQuery, NewEndpoint, NewNotification, Payloads, StoreError};

use super::handles::Handles;
use super::world::{START, account, ack, at, counts, fed, note, release_due, send, users};

fn new(account: AccountId, number: u8) -> NewEndpoint {
    NewEndpoint {
        id: EndpointId(number.into()),
        account,
        application: format!("app {number}"),
        instance: "one".into(),
        resource: "phone".into(),
        token_hash: [number; 32],
        created_at: START,
        expires_at: at(500),
    }
}

async fn register(store: &Handles, account: AccountId, number: u8) -> EndpointId {
    store.register_endpoint(new(account, number)).await.unwrap().id
}

/// Bytes for an endpoint.
fn push(number: u128, endpoint: EndpointId) -> NewNotification {
    let bytes = vec![0, u8::try_from(number % 256).unwrap(), 255];
    NewNotification {
        payload: Payload::Bytes(bytes),
        sender: Sender::Endpoint(endpoint),
        ..note(number, Audience::Endpoint(endpoint))
    }
}

async fn pending(store: &Handles, account: AccountId) -> Vec<u64> {
    let query = EndpointQuery { account: Some(account), limit: 9, ..EndpointQuery::default() };
    store.endpoints(query).await.unwrap().items.iter().map(|row| row.pending).collect()
}

pub(super) async fn are_registered_once(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    let first = store.register_endpoint(new(anna, 1)).await.unwrap();
    let stored = Endpoint {
        id: EndpointId(1),
        account: anna,
        application: "app 1".into(),
        instance: "one".into(),
        resource: "phone".into(),
        token_hash: [1; 32],
        created_at: START,
        last_used: None,
        expires_at: at(500),
        revoked_at: None,
    };
    assert_eq!(first, stored);
    assert_eq!(store.endpoint(first.id).await.unwrap(), Some(stored.clone()));
    assert_eq!(store.endpoint_by_token([1; 32]).await.unwrap(), Some(stored.clone()));
    assert_eq!(store.registered_endpoint(anna, "app 1", "one").await.unwrap(), Some(stored.clone()));
    for (account, application, instance) in
        [(bert, "app 1", "one"), (anna, "app", "one"), (anna, "app 1", "two")]
    {
        assert_eq!(store.registered_endpoint(account, application, instance).await.unwrap(), None);
    }
    assert_eq!(store.endpoint(EndpointId(9)).await.unwrap(), None);
    assert_eq!(store.endpoint_by_token([9; 32]).await.unwrap(), None);

    // Registered again: the same address, from another resource, until the later of both times.
    let again = NewEndpoint {
        application: "app 1".into(),
        resource: "tablet".into(),
        created_at: at(10),
        expires_at: at(600),
        ..new(anna, 2)
    };
    let renewed = Endpoint { resource: "tablet".into(), expires_at: at(600), ..stored };
    assert_eq!(store.register_endpoint(again.clone()).await.unwrap(), renewed);
    let earlier = NewEndpoint { expires_at: at(550), ..again };
    assert_eq!(store.register_endpoint(earlier).await.unwrap(), renewed);
    assert_eq!(store.endpoint(first.id).await.unwrap(), Some(renewed));
    assert_eq!(store.endpoint(EndpointId(2)).await.unwrap(), None);
    // Another account's, application's or instance's is another.
    register(store, bert, 3).await;
    let other = NewEndpoint { application: "app 1".into(), instance: "two".into(), ..new(anna, 4) };
    assert_eq!(store.register_endpoint(other).await.unwrap().id, EndpointId(4));
    for (taken, why) in [
        (NewEndpoint { id: EndpointId(1), ..new(bert, 5) }, StoreError::Conflict),
        (NewEndpoint { token_hash: [1; 32], ..new(bert, 5) }, StoreError::Conflict),
        (new(AccountId(999), 5), StoreError::NotFound),
    ] {
        assert_eq!(store.register_endpoint(taken).await.unwrap_err(), why);
    }
    store.touch_endpoints(vec![(EndpointId(1), at(60)), (EndpointId(9), at(60))]).await.unwrap();
    assert_eq!(store.endpoint(EndpointId(1)).await.unwrap().unwrap().last_used, Some(at(60)));
}

pub(super) async fn get_what_is_sent_to_them(store: &Handles) {
    let anna = account(store, "anna").await;
    account(store, "bert").await;
    let endpoint = register(store, anna, 1).await;
    let released = send(store, push(1, endpoint)).await;
    assert_eq!((released.target, released.recipients), (Target::Accounts(vec![anna]), 1));
    assert_eq!(released.notification.endpoint, Some(endpoint));
    assert_eq!(released.notification.payload, Payload::Bytes(vec![0, 1, 255]));
    send(store, note(2, users(&["anna"]))).await;
    let record = store.notification(NotificationId(1)).await.unwrap().unwrap();
    assert_eq!(record.audience, Audience::Endpoint(endpoint));
    assert_eq!(record.notification, released.notification);
    assert_eq!(record.notification.sender, Some(Sender::Endpoint(endpoint)));
    assert_eq!(pending(store, anna).await, [1]);

    // A session that carries text alone is handed the others; this one waits.
    let limit_one = store.feed(anna, Payloads::Text, START, 1).await.unwrap();
    assert_eq!((limit_one.pending[0].id.0, limit_one.more), (2, false));
    let any = store.feed(anna, Payloads::Any, START, 9).await.unwrap();
    assert_eq!(any.pending[0], released.notification);
    assert_eq!(fed(store, anna).await, [1, 2]);
    assert_eq!(ack(store, anna, released.notification.seq).await, 1);
    assert_eq!((counts(store, 1).await, pending(store, anna).await), ([1, 1, 0, 0], vec![0]));
    let text = Payload::Text(Content { title: Some("t".into()), ..Content::default() });
    send(store, NewNotification { payload: text, ..push(3, endpoint) }).await;
    assert_eq!(store.feed(anna, Payloads::Text, START, 9).await.unwrap().pending.len(), 2);
}

pub(super) async fn collapse_each_by_itself(store: &Handles) {
    let anna = account(store, "anna").await;
    let (one, two) = (register(store, anna, 1).await, register(store, anna, 2).await);
    let keyed =
        |number, endpoint| NewNotification { collapse_key: Some("topic".into()), ..push(number, endpoint) };
    send(store, keyed(1, one)).await;
    send(store, keyed(2, two)).await;
    send(store, keyed(3, one)).await;
    assert_eq!(fed(store, anna).await, [2, 3]);
    assert_eq!((counts(store, 1).await, pending(store, anna).await), ([1, 0, 0, 1], vec![1, 1]));
}

pub(super) async fn take_nothing_once_they_have_ended(store: &Handles) {
    let anna = account(store, "anna").await;
    let (revoked, expired) = (register(store, anna, 1).await, register(store, anna, 2).await);
    assert_eq!(store.accept(push(1, EndpointId(9))).await.unwrap_err(), StoreError::NotFound);
    send(store, push(2, revoked)).await;
    send(store, NewNotification { priority: Priority::High, ..push(3, revoked) }).await;
    send(store, push(4, expired)).await;
    send(store, note(5, users(&["anna"]))).await;
    let later = NewNotification { send_at: Some(at(10)), ..push(6, revoked) };
    store.accept(later).await.unwrap();

    assert!(store.revoke_endpoint(revoked, at(1)).await.unwrap());
    assert!(!store.revoke_endpoint(revoked, at(2)).await.unwrap());
    assert!(!store.revoke_endpoint(EndpointId(9), at(1)).await.unwrap());
    assert_eq!(store.accept(push(7, revoked)).await.unwrap_err(), StoreError::Gone);
    let too_late = NewNotification { created_at: at(500), ..push(8, expired) };
    assert_eq!(store.accept(too_late).await.unwrap_err(), StoreError::Gone);
    assert_eq!(fed(store, anna).await, [4, 5]);
    assert_eq!((counts(store, 2).await, counts(store, 3).await), ([1, 0, 0, 1], [1, 0, 0, 1]));
    let record = store.notification(NotificationId(2)).await.unwrap().unwrap();
    assert_eq!(record.state, NotificationState::Cancelled);
    let [released] = <[_; 1]>::try_from(release_due(store, at(10), 9).await).unwrap();
    assert_eq!((released.recipients, fed(store, anna).await), (1, vec![4, 5]));
    assert_eq!(counts(store, 6).await, [1, 0, 0, 1], "what was answered stays");

    // The sender is told for a while; the same names make a new address.
    let stored = store.endpoint_by_token([1; 32]).await.unwrap().unwrap();
    assert_eq!(stored.revoked_at, Some(at(1)));
    assert_eq!(store.registered_endpoint(anna, "app 1", "one").await.unwrap(), None);
    let again = NewEndpoint { application: "app 1".into(), ..new(anna, 3) };
    assert_eq!(store.register_endpoint(again).await.unwrap().id, EndpointId(3));
    // What has expired is registered again at its own address.
    let renewed = NewEndpoint { application: "app 2".into(), expires_at: at(900), ..new(anna, 4) };
    let renewed = store.register_endpoint(renewed).await.unwrap();
    assert_eq!((renewed.id, renewed.expires_at), (expired, at(900)));
}

pub(super) async fn are_listed_and_forgotten(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    for number in 1..=5 {
        register(store, if number % 2 == 0 { bert } else { anna }, number).await;
    }
    let page = async |account, after| {
        let query = EndpointQuery { account, after, limit: 2 };
        let page = store.endpoints(query).await.unwrap();
        let ids: Vec<u128> = page.items.iter().map(|row| row.endpoint.id.0).collect();
        let names: Vec<String> = page.items.iter().map(|row| row.username.to_string()).collect();
        (ids, names, page.next)
    };
    let (ids, names, next) = page(None, None).await;
    assert_eq!((ids, names), (vec![1, 2], vec!["anna".to_owned(), "bert".to_owned()]));
    let (ids, _, next) = page(None, Some(next.unwrap())).await;
    assert_eq!(ids, [3, 4]);
    assert_eq!(page(None, Some(next.unwrap())).await.2, None);
    let (ids, _, next) = page(Some(anna), None).await;
    assert_eq!(ids, [1, 3]);
    let (ids, _, next) = page(Some(anna), Some(next.unwrap())).await;
    assert_eq!((ids, next), (vec![5], None));
    assert_eq!(page(Some(AccountId(999)), None).await.0, Vec::<u128>::new());

    // Gone with its account; forgotten some time after its end, unless something waits.
    store.remove_account(bert).await.unwrap();
    assert_eq!(store.endpoint(EndpointId(2)).await.unwrap(), None);
    store.revoke_endpoint(EndpointId(1), at(50)).await.unwrap();
    send(store, push(1, EndpointId(3))).await;
    assert_eq!(store.purge(at(50), at(0), 9).await.unwrap(), 0);
    assert_eq!(store.purge(at(51), at(0), 9).await.unwrap(), 1);
    assert_eq!(page(None, None).await.0, [3, 5]);
    assert_eq!(store.purge(at(501), at(0), 9).await.unwrap(), 1);
    assert_eq!(page(None, None).await.0, [3]);
    let send_to_the_gone = store.accept(push(2, EndpointId(5))).await;
    assert_eq!(send_to_the_gone.unwrap_err(), StoreError::NotFound);
}
