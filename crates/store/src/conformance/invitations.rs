//! Invitations: each is good for one account.

use tidings_core::model::{Invitation, InvitationId, InvitationUse, NewAccount};
use tidings_core::store::StoreError;

use super::callers::at_once;
use super::handles::Handles;
use super::world::{at, fed, new_account, note, send, to_topic, topic, user};

fn hash(byte: u8) -> [u8; 32] {
    [byte; 32]
}

fn invitation(byte: u8) -> Invitation {
    Invitation {
        id: InvitationId(format!("i{byte}")),
        hash: hash(byte),
        username: None,
        topics: Vec::new(),
        created_at: at(0),
        expires_at: at(100),
        used: None,
    }
}

fn account(name: &str, seconds: i64) -> NewAccount {
    NewAccount { created_at: at(seconds), ..new_account(name) }
}

pub(super) async fn make_one_account_each(store: &Handles) {
    let with_topics = Invitation { topics: vec![topic("news"), topic("art")], ..invitation(1) };
    store.create_invitation(with_topics.clone()).await.unwrap();
    assert_eq!(store.invitation(hash(1)).await.unwrap(), Some(with_topics.clone()));
    assert_eq!(store.invitation(hash(2)).await.unwrap(), None);
    for taken in
        [Invitation { hash: hash(2), ..invitation(1) }, Invitation { hash: hash(1), ..invitation(2) }]
    {
        assert_eq!(store.create_invitation(taken).await.unwrap_err(), StoreError::Conflict);
    }
    send(store, note(1, to_topic("news"))).await;
    let anna = store.redeem_invitation(hash(1), account("anna", 5)).await.unwrap();
    assert_eq!(store.account(&user("anna")).await.unwrap(), Some(anna.clone()));
    assert!(store.credentials(&user("anna")).await.unwrap().is_some());
    assert_eq!(store.subscriptions(anna.id).await.unwrap(), [topic("art"), topic("news")]);
    send(store, note(2, to_topic("news"))).await;
    assert_eq!(fed(store, anna.id).await, [2]);
    let used = Some(InvitationUse { by: user("anna"), at: at(5) });
    assert_eq!(store.invitation(hash(1)).await.unwrap(), Some(Invitation { used, ..with_topics }));
    // Used; one whose first answer was lost is told that the name is taken.
    let again = async |name: &str| store.redeem_invitation(hash(1), account(name, 6)).await.unwrap_err();
    assert_eq!(again("bert").await, StoreError::NotFound);
    assert_eq!(again("anna").await, StoreError::Conflict);
    assert_eq!(store.account(&user("bert")).await.unwrap(), None);
    store.remove_account(anna.id).await.unwrap();
    assert_eq!(again("bert").await, StoreError::NotFound);
}

pub(super) async fn end_and_are_for_whom_they_name(store: &Handles) {
    let bound = Invitation { username: Some(user("anna")), ..invitation(1) };
    store.create_invitation(bound).await.unwrap();
    let redeem =
        async |byte, name: &str, seconds| store.redeem_invitation(hash(byte), account(name, seconds)).await;
    assert_eq!(redeem(1, "bert", 1).await.unwrap_err(), StoreError::NotFound);
    assert_eq!(redeem(1, "anna", 100).await.unwrap_err(), StoreError::NotFound, "its time is over");
    assert_eq!(redeem(9, "anna", 1).await.unwrap_err(), StoreError::NotFound);
    assert_eq!(redeem(1, "anna", 99).await.unwrap().username, user("anna"));
    // A name that is taken leaves the invitation good.
    store.create_invitation(invitation(2)).await.unwrap();
    assert_eq!(redeem(2, "anna", 1).await.unwrap_err(), StoreError::Conflict);
    assert_eq!(redeem(2, "bert", 1).await.unwrap().username, user("bert"));
    // Removed.
    store.create_invitation(invitation(3)).await.unwrap();
    assert!(store.remove_invitation(&InvitationId("i3".into())).await.unwrap());
    assert!(!store.remove_invitation(&InvitationId("i3".into())).await.unwrap());
    assert_eq!(redeem(3, "carl", 1).await.unwrap_err(), StoreError::NotFound);
}

pub(super) async fn are_listed_and_forgotten(store: &Handles) {
    for byte in 1..=4 {
        store
            .create_invitation(Invitation { expires_at: at(i64::from(byte) * 10), ..invitation(byte) })
            .await
            .unwrap();
    }
    store.redeem_invitation(hash(2), account("anna", 1)).await.unwrap();
    let page = store.invitations(None, 3).await.unwrap();
    let ids = |items: &[tidings_core::store::InvitationRow]| {
        items.iter().map(|row| row.invitation.id.0.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids(&page.items), "i4 i3 i2");
    assert!(page.items[2].invitation.used.is_some() && page.items[1].invitation.used.is_none());
    let page = store.invitations(page.next, 3).await.unwrap();
    assert_eq!((ids(&page.items), page.next), ("i1".into(), None));
    // Forgotten with the history, used or not, and the oldest first.
    store.purge(at(21), at(1000), 1).await.unwrap();
    assert_eq!(ids(&store.invitations(None, 9).await.unwrap().items), "i4 i3 i2");
    store.purge(at(20), at(1000), 9).await.unwrap();
    assert_eq!(ids(&store.invitations(None, 9).await.unwrap().items), "i4 i3 i2");
    store.purge(at(21), at(1000), 9).await.unwrap();
    assert_eq!(ids(&store.invitations(None, 9).await.unwrap().items), "i4 i3");
    // A place is given out once.
    store.create_invitation(invitation(5)).await.unwrap();
    assert_eq!(store.invitations(None, 1).await.unwrap().items[0].position, 5);
}

pub(super) async fn are_used_once_however_many_try(store: &Handles) {
    for round in 0..5 {
        let secret = hash(round);
        store
            .create_invitation(Invitation { topics: vec![topic("news")], ..invitation(round) })
            .await
            .unwrap();
        let redeemed = at_once(store, move |number, store| async move {
            store.redeem_invitation(secret, account(&format!("r{round}n{number}"), 1)).await
        })
        .await;
        assert_eq!(redeemed.iter().filter(|one| one.is_ok()).count(), 1, "{redeemed:?}");
        assert!(redeemed.iter().all(|one| matches!(one, Ok(_) | Err(StoreError::NotFound))), "{redeemed:?}");
    }
    assert_eq!(store.totals().await.unwrap().accounts, 5);
    assert_eq!(store.topics(None, 9).await.unwrap().items[0].subscribers, 5);
}
