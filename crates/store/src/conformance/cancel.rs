//! What ends because it is withdrawn.

use tidings_core::model::{Audience, Content, NotificationId, NotificationState};
use tidings_core::store::{Ended, NewNotification, PendingBounds, StoreError};

use super::handles::Handles;
use super::world::{account, ack, at, counts, fed, keyed, note, send, to_topic, users};

pub(super) async fn cancelling_ends_what_is_pending(store: &Handles) {
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

/// One word says where a notification stands.
pub(super) async fn a_state_says_how_it_ended(store: &Handles) {
    let anna = account(store, "anna").await;
    let bert = account(store, "bert").await;
    let state = async |number| store.notification(NotificationId(number)).await.unwrap().unwrap().state;
    let both = || users(&["anna", "bert"]);
    send(store, note(1, to_topic("nobody"))).await;
    assert_eq!(state(1).await, NotificationState::Done, "for nobody");
    for (number, audience) in [(2, both()), (3, Audience::All)] {
        let seq = send(store, note(number, audience)).await.notification.seq;
        ack(store, anna, seq).await;
        assert_eq!(state(number).await, NotificationState::Live);
        ack(store, bert, seq).await;
        assert_eq!(state(number).await, NotificationState::Done);
        store.cancel(NotificationId(number)).await.unwrap();
        assert_eq!(state(number).await, NotificationState::Done, "nothing was withdrawn");
    }
    for (number, audience) in [(4, both()), (5, Audience::All)] {
        let new = NewNotification { expires_at: at(10), ..note(number, audience) };
        ack(store, anna, send(store, new).await.notification.seq).await;
        store.expire_due(at(10), 9).await.unwrap();
        assert_eq!(state(number).await, NotificationState::Expired);
    }
    for (number, audience) in [(6, both()), (8, Audience::All), (10, both())] {
        let older = send(store, keyed(number, audience.clone(), "k")).await.notification.seq;
        ack(store, anna, older).await;
        // The last one is replaced at one account alone, and acknowledged at the other.
        let newer = if number == 10 { users(&["bert"]) } else { audience };
        send(store, keyed(number + 1, newer, "k")).await;
        assert_eq!(state(number).await, NotificationState::Cancelled, "{number}");
        store.cancel(NotificationId(number + 1)).await.unwrap();
        assert_eq!(state(number + 1).await, NotificationState::Cancelled);
    }
    send(store, note(12, users(&["bert"]))).await;
    send(store, note(13, both())).await;
    store.remove_account(bert).await.unwrap();
    assert_eq!(state(12).await, NotificationState::Done, "its account was removed");
    assert_eq!(state(13).await, NotificationState::Live);
    assert_eq!(counts(store, 13).await, [2, 0, 0, 1]);
}

/// What waits is bounded, for one account and in all.
pub(super) async fn what_waits_is_bounded(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    let bounds = PendingBounds { per_account: 2, ..PendingBounds::default() };
    let bounded = |number, audience| NewNotification { bounds, ..note(number, audience) };
    let full =
        |names: &[&str]| Err(StoreError::QueueFull(names.iter().map(|name| (*name).to_owned()).collect()));
    let first = send(store, bounded(1, users(&["anna"]))).await.notification.seq;
    send(store, NewNotification { bounds, ..keyed(2, users(&["anna"]), "k") }).await;
    assert_eq!(store.accept(bounded(3, users(&["anna"]))).await, full(&["anna"]));
    assert_eq!(store.accept(bounded(3, users(&["bert", "anna"]))).await, full(&["anna"]));
    assert_eq!(fed(store, bert).await, Vec::<u128>::new(), "nothing is stored for anyone");
    let later = NewNotification { send_at: Some(at(50)), ..bounded(4, users(&["anna"])) };
    assert_eq!(store.accept(later).await, full(&["anna"]));
    // What goes to all or to a topic is stored once, and what replaces adds nothing.
    send(store, bounded(5, Audience::All)).await;
    send(store, NewNotification { bounds, ..keyed(6, users(&["anna"]), "k") }).await;
    assert_eq!(store.accept(bounded(7, users(&["anna"]))).await, full(&["anna"]));
    ack(store, anna, first).await;
    send(store, bounded(8, users(&["anna"]))).await;
    assert_eq!(store.accept(bounded(9, users(&["anna"]))).await, full(&["anna"]));
    assert_eq!(fed(store, anna).await, [5, 6, 8]);

    let text = |number, bytes: usize| NewNotification {
        payload: Content { message: Some("m".repeat(bytes)), ..Content::default() }.into(),
        bounds: PendingBounds { bytes: 10_000, ..PendingBounds::default() },
        ..note(number, Audience::All)
    };
    assert_eq!(store.accept(text(20, 20_000)).await, full(&[]));
    for number in 20..23 {
        send(store, text(number, 3000)).await;
    }
    assert_eq!(store.accept(text(23, 3000)).await, full(&[]));
    // What ends makes room, however it does.
    store.cancel(NotificationId(20)).await.unwrap();
    let later = NewNotification { send_at: Some(at(50)), ..text(24, 3000) };
    store.accept(later).await.unwrap();
    assert_eq!(store.accept(text(25, 3000)).await, full(&[]));
    store.cancel(NotificationId(24)).await.unwrap();
    send(store, text(26, 3000)).await;
}
