//! What ends because it is withdrawn.

use tidings_core::model::{Audience, NotificationId, NotificationState};
use tidings_core::store::Ended;

use super::handles::Handles;
use super::world::{account, ack, counts, fed, note, send, users};

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
