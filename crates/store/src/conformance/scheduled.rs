//! Scheduled notifications, and repeats of a request.

use tidings_core::model::{Audience, Counters, NotificationId, NotificationState, Seq, Target};
use tidings_core::store::{Acceptance, Ended, Idempotency, NewNotification};

use super::handles::Handles;
use super::world::{account, ack, at, counts, fed, keyed, note, release_due, send, to_topic, topic, users};

fn later(number: u128, audience: Audience, seconds: i64) -> NewNotification {
    NewNotification { send_at: Some(at(seconds)), ..note(number, audience) }
}

pub(super) async fn release_gives_a_new_place(store: &Handles) {
    let anna = account(store, "anna").await;
    assert_eq!(store.accept(later(1, Audience::All, 20)).await.unwrap(), Acceptance::Scheduled(1));
    assert_eq!(store.accept(later(2, users(&["anna"]), 10)).await.unwrap(), Acceptance::Scheduled(1));
    let third = send(store, note(3, Audience::All)).await.notification.seq;
    assert_eq!(fed(store, anna).await, [3]);
    assert_eq!(store.seq_of(NotificationId(1)).await.unwrap(), None);
    let record = store.notification(NotificationId(1)).await.unwrap().unwrap();
    assert_eq!((record.state, record.send_at), (NotificationState::Scheduled, Some(at(20))));
    assert_eq!(record.notification.seq, Seq(0));
    assert_eq!(store.next_release().await.unwrap(), Some(at(10)));
    assert!(release_due(store, at(9), 9).await.is_empty());
    assert_eq!(store.totals().await.unwrap().scheduled, 2);

    let released = release_due(store, at(30), 9).await;
    assert_eq!(released.iter().map(|one| one.notification.id.0).collect::<Vec<_>>(), [2, 1]);
    assert!(released.iter().all(|one| one.notification.seq > third));
    assert!(released.iter().all(|one| one.notification.sent_at == at(30)));
    assert_eq!(released[0].target, Target::Accounts(vec![anna]));
    assert_eq!(store.next_release().await.unwrap(), None);
    assert_eq!(store.totals().await.unwrap().scheduled, 0);
    assert_eq!(fed(store, anna).await, [3, 2, 1]);
    let record = store.notification(NotificationId(1)).await.unwrap().unwrap();
    assert_eq!(record.notification, released[1].notification);
    assert_eq!(record.send_at, Some(at(20)));
    let listed = store.notifications(None, 9).await.unwrap();
    assert_eq!(listed.items.iter().map(|one| one.notification.id.0).collect::<Vec<_>>(), [3, 2, 1]);
    for one in released {
        assert_eq!(ack(store, anna, one.notification.seq).await, 1);
    }
    assert_eq!(fed(store, anna).await, [3]);
}

pub(super) async fn release_is_for_those_who_exist_then(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    store.accept(later(1, Audience::All, 10)).await.unwrap();
    store.accept(later(2, users(&["anna", "bert"]), 10)).await.unwrap();
    store.accept(later(3, to_topic("news"), 10)).await.unwrap();
    store.remove_account(anna).await.unwrap();
    let carl = account(store, "carl").await;
    store.subscribe(carl, topic("news")).await.unwrap();
    let released = release_due(store, at(10), 2).await;
    assert_eq!(released.iter().map(|one| one.recipients).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(released[1].target, Target::Accounts(vec![bert]));
    assert_eq!(release_due(store, at(10), 2).await.len(), 1);
    assert_eq!(fed(store, carl).await, [1, 3]);
    assert_eq!(counts(store, 1).await, [2, 0, 0, 0]);
    // What was answered stays: the copy of who is gone is cancelled.
    assert_eq!(counts(store, 2).await, [2, 0, 0, 1]);
    assert_eq!(ack(store, bert, released[1].notification.seq).await, 1);
    let record = store.notification(NotificationId(2)).await.unwrap().unwrap();
    assert_eq!(record.state, NotificationState::Done);
    totals_are_the_documents(store).await;
}

/// Released for nobody: everyone whom it named is gone.
pub(super) async fn release_for_nobody_counts_as_cancelled(store: &Handles) {
    let anna = account(store, "anna").await;
    store.accept(later(1, users(&["anna"]), 10)).await.unwrap();
    totals_are_the_documents(store).await;
    store.remove_account(anna).await.unwrap();
    let released = release_due(store, at(10), 2).await;
    assert_eq!((released[0].recipients, &released[0].target), (1, &Target::Accounts(Vec::new())));
    assert_eq!(counts(store, 1).await, [1, 0, 0, 1]);
    let record = store.notification(NotificationId(1)).await.unwrap().unwrap();
    assert_eq!(record.state, NotificationState::Done, "it was not withdrawn");
    assert_eq!(store.next_expiry().await.unwrap(), None);
    totals_are_the_documents(store).await;
}

/// The totals count what the documents say, scheduled ones included.
async fn totals_are_the_documents(store: &Handles) {
    let mut sum = Counters::default();
    for record in store.notifications(None, 99).await.unwrap().items {
        sum.recipients += record.counters.recipients;
        sum.delivered += record.counters.delivered;
        sum.opened += record.counters.opened;
        sum.expired += record.counters.expired;
        sum.cancelled += record.counters.cancelled;
    }
    assert_eq!(store.totals().await.unwrap().counters, sum);
}

pub(super) async fn the_scheduled_can_be_cancelled(store: &Handles) {
    account(store, "anna").await;
    account(store, "bert").await;
    store.accept(later(1, Audience::All, 10)).await.unwrap();
    let id = NotificationId(1);
    assert_eq!(counts(store, 1).await, [2, 0, 0, 0]);
    assert_eq!(store.cancel(id).await.unwrap(), Some(Ended { seq: Seq(0), id, accounts: 2 }));
    assert_eq!(store.cancel(id).await.unwrap(), Some(Ended { seq: Seq(0), id, accounts: 0 }));
    assert_eq!(store.release_due(at(10), 9).await, Ok(0));
    assert_eq!(counts(store, 1).await, [2, 0, 0, 2]);
    let record = store.notification(id).await.unwrap().unwrap();
    assert_eq!(record.state, NotificationState::Cancelled);
    let totals = store.totals().await.unwrap();
    assert_eq!((totals.scheduled, totals.counters.recipients, totals.counters.cancelled), (0, 2, 2));
    assert_eq!(store.purge(at(1), at(1), 9).await.unwrap(), 1);
    assert_eq!(store.totals().await.unwrap(), totals, "what is purged stays counted");
}

pub(super) async fn a_repeat_answers_the_first(store: &Handles) {
    let anna = account(store, "anna").await;
    let with = |number, fingerprint, seconds| NewNotification {
        idempotency: Some(Idempotency {
            key: "k1:a".into(),
            fingerprint: [fingerprint; 32],
            expires_at: at(seconds),
        }),
        ..keyed(number, users(&["anna"]), "same")
    };
    send(store, with(1, 1, 100)).await;
    let asked = with(2, 1, 100).idempotency.unwrap();
    let before = store.accepted_before(&asked, at(0)).await.unwrap();
    assert_eq!(before, Some(Acceptance::Repeated(NotificationId(1), 1)));
    assert_eq!(store.accepted_before(&asked, at(100)).await.unwrap(), None, "it is over");
    let other = with(2, 2, 100).idempotency.unwrap();
    assert_eq!(store.accepted_before(&other, at(0)).await.unwrap(), Some(Acceptance::Mismatch));
    let never = Idempotency { key: "k2:a".into(), ..asked };
    assert_eq!(store.accepted_before(&never, at(0)).await.unwrap(), None);
    let repeat = store.accept(with(2, 1, 100)).await.unwrap();
    assert_eq!(repeat, Acceptance::Repeated(NotificationId(1), 1));
    assert_eq!(store.accept(with(3, 2, 100)).await.unwrap(), Acceptance::Mismatch);
    assert_eq!(fed(store, anna).await, [1]);
    store.remove_account(anna).await.unwrap();
    let repeat = store.accept(with(4, 1, 100)).await.unwrap();
    assert_eq!(repeat, Acceptance::Repeated(NotificationId(1), 1), "whatever became of its users");
    account(store, "anna").await;
    let late = NewNotification { created_at: at(100), ..with(5, 2, 200) };
    send(store, late).await;
}
