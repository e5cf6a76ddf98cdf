//! What the cases have in common.

use tidings_core::model::{
    AccountId, Audience, Content, Counters, Ext, KeyId, NewAccount, NotificationId, Priority, ScramKeys,
    Sender, Seq, Timestamp, Topic, Username,
};
use tidings_core::store::{
    Acceptance, CommitFeed, Committed, NewNotification, Next, Payloads, PendingBounds, Released, Settlement,
};

use super::handles::Handles;

/// When everything begins.
pub(super) const START: Timestamp = Timestamp(1_700_000_000_000);

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp(START.0 + seconds * 1000)
}

pub(super) fn user(name: &str) -> Username {
    Username::parse(name).unwrap()
}

pub(super) fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

pub(super) fn keys(salt: u8) -> ScramKeys {
    ScramKeys {
        salt: vec![salt; 16],
        iterations: 4096,
        stored_key: vec![salt; 20],
        server_key: vec![!salt; 20],
    }
}

pub(super) fn new_account(name: &str) -> NewAccount {
    NewAccount {
        username: user(name),
        name: None,
        email: None,
        sha1: keys(1),
        sha256: keys(2),
        created_at: START,
    }
}

pub(super) async fn account(store: &Handles, name: &str) -> AccountId {
    store.create_account(new_account(name)).await.unwrap().id
}

pub(super) fn users(names: &[&str]) -> Audience {
    Audience::Users(names.iter().map(|name| user(name)).collect())
}

pub(super) fn to_topic(name: &str) -> Audience {
    Audience::Topic(topic(name))
}

/// A notification with this number as its id; it lives for 1000 seconds.
pub(super) fn note(number: u128, audience: Audience) -> NewNotification {
    NewNotification {
        id: NotificationId(number),
        audience,
        payload: Content { title: Some(format!("number {number}")), ..Content::default() }.into(),
        ext: Ext::default(),
        sender: by_key("1", "shop"),
        priority: Priority::Normal,
        collapse_key: None,
        created_at: START,
        send_at: None,
        expires_at: at(1000),
        idempotency: None,
        bounds: PendingBounds::default(),
    }
}

pub(super) fn by_key(id: &str, name: &str) -> Sender {
    Sender::Key { id: KeyId(id.into()), name: name.into() }
}

pub(super) fn keyed(number: u128, audience: Audience, key: &str) -> NewNotification {
    NewNotification { collapse_key: Some(key.into()), ..note(number, audience) }
}

pub(super) async fn send(store: &Handles, new: NewNotification) -> Released {
    // A feed tells what goes through its own handle.
    let store = store.one();
    let (id, mut feed) = (new.id, store.watch());
    let accepted = store.accept(new).await.unwrap();
    let [released] = <[Released; 1]>::try_from(released(&mut feed)).unwrap();
    assert_eq!(accepted, Acceptance::Accepted { id, recipients: released.recipients });
    assert_eq!(released.notification.id, id);
    released
}

/// Releases what is due; what that was.
pub(super) async fn release_due(store: &Handles, now: Timestamp, limit: usize) -> Vec<Released> {
    let store = store.one();
    let mut feed = store.watch();
    let count = store.release_due(now, limit).await.unwrap();
    let released = released(&mut feed);
    assert_eq!(released.len() as u64, count);
    released
}

/// What the feed holds now, which must be releases.
pub(super) fn released(feed: &mut CommitFeed) -> Vec<Released> {
    std::iter::from_fn(|| feed.try_next())
        .map(|next| match next {
            Next::Committed(Committed::Released(released)) => released,
            other => panic!("not released: {other:?}"),
        })
        .collect()
}

/// The numbers of what is pending for an account.
pub(super) async fn fed(store: &Handles, account: AccountId) -> Vec<u128> {
    let feed = store.feed(account, Payloads::Any, START, 1000).await.unwrap();
    assert!(!feed.more);
    let count = store.pending_count(account).await.unwrap();
    assert_eq!(feed.pending.len() as u64, count, "pending_count disagrees with feed");
    if let Some(head) = store.head_if_idle(account).await.unwrap() {
        assert_eq!((head, count), (feed.head, 0), "head_if_idle disagrees with feed");
        assert!(store.subscriptions(account).await.unwrap().is_empty(), "idle in spite of topics");
    }
    feed.pending.iter().map(|notification| notification.id.0).collect()
}

/// Acknowledges; how many copies that newly delivered.
pub(super) async fn ack(store: &Handles, account: AccountId, seq: Seq) -> u64 {
    let settled = store.settle(vec![Settlement { account, seq }]).await.unwrap();
    settled.delivered.iter().map(|(_, _, copies)| copies).sum()
}

/// Recipients, delivered, expired, cancelled.
pub(super) async fn counts(store: &Handles, number: u128) -> [u64; 4] {
    let Counters { recipients, delivered, expired, cancelled, .. } = counters(store, number).await;
    [recipients, delivered, expired, cancelled]
}

pub(super) async fn counters(store: &Handles, number: u128) -> Counters {
    store.notification(NotificationId(number)).await.unwrap().unwrap().counters
}
