//! Accounts: made, found, changed, removed, listed.

use tidings_core::model::{AccountId, AccountToken, Audience, NamePattern, Timestamp, TokenId};
use tidings_core::store::{AccountChange, AccountOrder, AccountQuery, AccountSortKey, Seen, StoreError};

use super::handles::Handles;
use super::world::{account, ack, at, counts, fed, keys, new_account, note, send, topic, user, users};

pub(super) async fn are_created_and_found(store: &Handles) {
    let mut new = new_account("Anna");
    new.name = Some("Anna A.".into());
    new.email = Some("anna@example.org".into());
    let anna = store.create_account(new).await.unwrap();
    assert_eq!(anna.username.as_str(), "anna");
    assert_eq!(store.account(&user("anna")).await.unwrap(), Some(anna.clone()));
    assert_eq!(store.account(&user("nobody")).await.unwrap(), None);
    let credentials = store.credentials(&user("anna")).await.unwrap().unwrap();
    assert_eq!((credentials.id, credentials.sha1, credentials.sha256), (anna.id, keys(1), keys(2)));
    assert!(!credentials.disabled);
    assert!(store.credentials(&user("nobody")).await.unwrap().is_none());

    let seen = |seconds, offline| Seen { account: anna.id, at: at(seconds), offline };
    store.touch_accounts(vec![seen(5, true), seen(9, false)]).await.unwrap();
    let found = store.account(&user("anna")).await.unwrap().unwrap();
    assert_eq!((found.last_seen, found.last_offline), (Some(at(9)), Some(at(5))));
}

pub(super) async fn have_one_name_each(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    assert_eq!(store.create_account(new_account("ANNA")).await.unwrap_err(), StoreError::Conflict);
    let alias = |name: &str| AccountChange { alias: Some(Some(user(name))), ..AccountChange::default() };
    store.change_account(anna, alias("phone")).await.unwrap();
    store.change_account(anna, alias("phone")).await.unwrap();
    assert_eq!(store.account(&user("phone")).await.unwrap().unwrap().id, anna);
    assert!(store.credentials(&user("phone")).await.unwrap().is_none(), "no login by alias");
    for taken in ["phone", "anna"] {
        assert_eq!(store.change_account(bert, alias(taken)).await.unwrap_err(), StoreError::Conflict);
    }
    // A username goes before an alias.
    let phone = account(store, "phone").await;
    assert_eq!(store.account(&user("phone")).await.unwrap().unwrap().id, phone);
    assert_eq!(store.account(&user("anna")).await.unwrap().unwrap().alias, None);
    assert_eq!(store.change_account(bert, alias("phone")).await.unwrap_err(), StoreError::Conflict);
    store.remove_account(phone).await.unwrap();
    store.change_account(anna, alias("phone")).await.unwrap();
    store.change_account(anna, alias("anna")).await.unwrap();
    assert_eq!(store.account(&user("anna")).await.unwrap().unwrap().alias, None);
    store.change_account(bert, alias("phone")).await.unwrap();
    store.remove_account(bert).await.unwrap();
    assert_eq!(store.account(&user("phone")).await.unwrap(), None);
    store.create_account(new_account("phone")).await.unwrap();
}

pub(super) async fn change(store: &Handles) {
    let anna = account(store, "anna").await;
    let change = AccountChange {
        name: Some(Some("A".into())),
        email: Some(Some("a@example.org".into())),
        disabled: Some(true),
        keys: Some((keys(7), keys(8))),
        alias: None,
        publish: Some(vec![pattern("news"), pattern("alerts*")]),
    };
    store.change_account(anna, change.clone()).await.unwrap();
    store
        .change_account(anna, AccountChange { email: Some(None), ..AccountChange::default() })
        .await
        .unwrap();
    let found = store.account(&user("anna")).await.unwrap().unwrap();
    assert_eq!((found.name.as_deref(), found.email, found.disabled), (Some("A"), None, true));
    assert_eq!(found.publish, [pattern("news"), pattern("alerts*")]);
    store
        .change_account(anna, AccountChange { publish: Some(Vec::new()), ..AccountChange::default() })
        .await
        .unwrap();
    assert_eq!(store.account(&user("anna")).await.unwrap().unwrap().publish, []);
    let credentials = store.credentials(&user("anna")).await.unwrap().unwrap();
    assert_eq!((credentials.sha1, credentials.sha256, credentials.disabled), (keys(7), keys(8), true));
    store.remove_account(anna).await.unwrap();
    assert_eq!(store.change_account(anna, change).await.unwrap_err(), StoreError::NotFound);
}

fn pattern(text: &str) -> NamePattern {
    NamePattern::of_topics(text).unwrap()
}

pub(super) async fn have_tokens(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    let token = |account, id: &str, hash: u8, seconds| AccountToken {
        id: TokenId(id.into()),
        account,
        label: Some(format!("token {id}")),
        hash: [hash; 32],
        created_at: at(seconds),
        expires_at: Some(at(100)),
    };
    let endless = AccountToken { expires_at: None, label: None, ..token(anna, "a", 1, 20) };
    store.create_token(token(anna, "b", 2, 10)).await.unwrap();
    store.create_token(endless.clone()).await.unwrap();
    store.create_token(token(bert, "c", 3, 10)).await.unwrap();
    for (taken, why) in [
        (token(anna, "a", 9, 1), StoreError::Conflict),
        (token(bert, "d", 1, 1), StoreError::Conflict),
        (token(AccountId(999), "d", 9, 1), StoreError::NotFound),
    ] {
        assert_eq!(store.create_token(taken).await.unwrap_err(), why);
    }
    assert_eq!(store.tokens(anna).await.unwrap(), [token(anna, "b", 2, 10), endless.clone()]);
    let owner = async |hash: u8, seconds| {
        let owner = store.token_owner([hash; 32], at(seconds)).await.unwrap();
        owner.map(|account| account.id)
    };
    assert_eq!(
        (owner(1, 99_999).await, owner(2, 99).await, owner(3, 1).await),
        (Some(anna), Some(anna), Some(bert))
    );
    assert_eq!((owner(2, 100).await, owner(9, 0).await), (None, None));
    assert!(!store.remove_token(bert, &TokenId("a".into())).await.unwrap(), "not one's own");
    assert!(store.remove_token(anna, &TokenId("a".into())).await.unwrap());
    assert!(!store.remove_token(anna, &TokenId("a".into())).await.unwrap());
    assert_eq!(owner(1, 0).await, None);
    assert_eq!(store.purge(at(0), at(99), 9).await.unwrap(), 0);
    store.remove_account(bert).await.unwrap();
    assert_eq!(owner(3, 0).await, None);
    assert_eq!(store.purge(at(0), at(100), 9).await.unwrap(), 1);
    assert_eq!(store.tokens(anna).await.unwrap(), []);
}

pub(super) async fn are_removed_with_what_was_pending(store: &Handles) {
    let (anna, bert) = (account(store, "anna").await, account(store, "bert").await);
    store.subscribe(anna, topic("news")).await.unwrap();
    let all = send(store, note(1, Audience::All)).await;
    send(store, note(2, users(&["anna", "bert"]))).await;
    send(store, note(3, Audience::Topic(topic("news")))).await;
    ack(store, anna, all.notification.seq).await;
    assert!(store.remove_account(anna).await.unwrap());
    assert!(!store.remove_account(anna).await.unwrap());
    assert_eq!(counts(store, 1).await, [2, 1, 0, 0]);
    assert_eq!(counts(store, 2).await, [2, 0, 0, 1]);
    assert_eq!(counts(store, 3).await, [1, 0, 0, 1]);
    assert!(store.topics(None, 10).await.unwrap().items.is_empty());
    assert_eq!(fed(store, anna).await, Vec::<u128>::new());
    assert_eq!(fed(store, bert).await, [1, 2]);
    let again = account(store, "anna").await;
    assert_ne!(again, anna, "an account's number was used twice");
    assert_eq!(fed(store, again).await, Vec::<u128>::new());
    assert_eq!(store.totals().await.unwrap().accounts, 2);
}

pub(super) async fn are_listed_in_pages(store: &Handles) {
    for name in ["dora", "anna", "carl", "bert", "emil"] {
        account(store, name).await;
    }
    let id = |name: &'static str| async move { store.account(&user(name)).await.unwrap().unwrap().id };
    let (anna, dora) = (id("anna").await, id("dora").await);
    let name = AccountChange { name: Some(Some("Straße BERTA".into())), ..AccountChange::default() };
    store.change_account(dora, name).await.unwrap();
    send(store, note(1, users(&["bert"]))).await;
    send(store, note(2, Audience::All)).await;

    let names = |query: AccountQuery| async move {
        let page = store.accounts(query).await.unwrap();
        let names = page.items.iter().map(|row| row.account.username.to_string()).collect::<Vec<_>>();
        (names.join(" "), page.next.map(|place| place.username))
    };
    let query = AccountQuery { limit: 2, ..AccountQuery::default() };
    assert_eq!(names(query.clone()).await, ("anna bert".into(), Some("bert".into())));
    let after = |name: &'static str| {
        let query = query.clone();
        async move {
            let account = store.account(&user(name)).await.unwrap().unwrap();
            AccountQuery { after: Some(AccountSortKey::of(&account)), ..query }
        }
    };
    assert_eq!(names(after("bert").await).await, ("carl dora".into(), Some("dora".into())));
    assert_eq!(names(after("dora").await).await, ("emil".into(), None));
    let contains = |text: &str| AccountQuery { contains: Some(text.into()), ..query.clone() };
    assert_eq!(names(contains("Bert")).await, ("bert dora".into(), None));
    assert_eq!(names(contains("STRAßE")).await, ("dora".into(), None));
    assert_eq!(names(contains("100%_")).await, (String::new(), None));
    let only = AccountQuery { only: Some(vec![dora, anna, dora]), limit: 10, ..AccountQuery::default() };
    assert_eq!(names(only).await, ("anna dora".into(), None));
    let none = AccountQuery { only: Some(vec![]), limit: 10, ..AccountQuery::default() };
    assert_eq!(names(none).await, (String::new(), None));

    let page = store.accounts(AccountQuery { limit: 9, ..AccountQuery::default() }).await.unwrap();
    assert_eq!(page.items.iter().map(|row| row.pending).collect::<Vec<_>>(), [1, 2, 1, 1, 1]);
    assert!(page.items.iter().all(|row| row.account.created_at > Timestamp(0)));
}

pub(super) async fn are_sorted(store: &Handles) {
    for name in ["dora", "anna", "carl", "bert", "emil"] {
        account(store, name).await;
    }
    let id = |name: &'static str| async move { store.account(&user(name)).await.unwrap().unwrap().id };
    let [anna, bert, dora] = [id("anna").await, id("bert").await, id("dora").await];
    let seen = |account, seconds, offline| Seen { account, at: at(seconds), offline };
    // Two went offline at the same moment, one only came, and two never did.
    let signs = vec![seen(bert, 7, true), seen(dora, 7, true), seen(anna, 3, true), seen(anna, 9, false)];
    store.touch_accounts(signs).await.unwrap();

    for (order, expected) in [
        (AccountOrder::Username, "anna bert carl dora emil"),
        (AccountOrder::Created, "dora anna carl bert emil"),
        (AccountOrder::LastOffline, "carl emil anna dora bert"),
    ] {
        let mut expected: Vec<&str> = expected.split(' ').collect();
        for descending in [false, true] {
            for limit in 1..=6 {
                for only in [None, Some(vec![anna, bert, dora])] {
                    let few = only.is_some();
                    let wanted = expected.iter().filter(|name| !few || !["carl", "emil"].contains(name));
                    let mut query =
                        AccountQuery { order, descending, limit, only, ..AccountQuery::default() };
                    let mut found = Vec::new();
                    loop {
                        let page = store.accounts(query.clone()).await.unwrap();
                        assert!(page.items.len() <= limit);
                        found.extend(page.items.into_iter().map(|row| row.account.username.to_string()));
                        query.after = page.next;
                        if query.after.is_none() {
                            break;
                        }
                    }
                    assert_eq!(found, wanted.copied().collect::<Vec<_>>(), "{order:?} {descending} {limit}");
                }
            }
            expected.reverse();
        }
    }
}
