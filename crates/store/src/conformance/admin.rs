//! API keys, operators, console logins, the audit log and settings.

use tidings_core::model::{ApiKey, KeyId, NamePattern, Operator, Role, Scope, SendRights};
use tidings_core::store::{StoreError, WebSession};

use super::handles::Handles;
use super::world::{START, at, user};

pub(super) async fn keys(store: &Handles) {
    let key = |id: &str, hash: u8, seconds| ApiKey {
        id: KeyId(id.into()),
        name: format!("key {id}"),
        scope: Scope::Send,
        rights: SendRights::Everyone,
        hash: [hash; 32],
        created_at: at(seconds),
        last_used: None,
    };
    store.create_key(key("b", 1, 20)).await.unwrap();
    store.create_key(key("a", 2, 30)).await.unwrap();
    assert_eq!(store.create_key(key("a", 3, 40)).await.unwrap_err(), StoreError::Conflict);
    assert_eq!(store.create_key(key("c", 2, 40)).await.unwrap_err(), StoreError::Conflict);
    store.touch_keys(vec![(KeyId("a".into()), at(60)), (KeyId("none".into()), at(60))]).await.unwrap();
    let used = ApiKey { last_used: Some(at(60)), ..key("a", 2, 30) };
    assert_eq!(store.keys().await.unwrap(), [key("b", 1, 20), used]);
    assert!(store.revoke_key(&KeyId("b".into())).await.unwrap());
    assert!(!store.revoke_key(&KeyId("b".into())).await.unwrap());
    assert_eq!(store.keys().await.unwrap().len(), 1);
    store.revoke_key(&KeyId("a".into())).await.unwrap();
    let topics =
        || vec![NamePattern::of_topics("news").unwrap(), NamePattern::of_topics("alerts/*").unwrap()];
    let users = || vec![NamePattern::of_users("an*").unwrap()];
    let rights = [
        SendRights::Everyone,
        SendRights::Only { topics: topics(), users: users() },
        SendRights::Only { topics: Vec::new(), users: users() },
        SendRights::Only { topics: Vec::new(), users: Vec::new() },
    ];
    for (number, allowed) in (10u8..).zip(&rights) {
        let id = number.to_string();
        let bound = ApiKey { rights: allowed.clone(), ..key(&id, number, number.into()) };
        store.create_key(bound).await.unwrap();
    }
    let stored = store.keys().await.unwrap();
    assert_eq!(stored.into_iter().map(|key| key.rights).collect::<Vec<_>>(), rights);
}

pub(super) async fn operators_and_their_logins(store: &Handles) {
    let operator = |name: &str, role| Operator {
        name: name.into(),
        role,
        password_hash: "$argon2id$".into(),
        created_at: START,
    };
    store.put_operator(operator("zoe", Role::Viewer)).await.unwrap();
    store.put_operator(operator("admin", Role::Viewer)).await.unwrap();
    store.put_operator(operator("admin", Role::Administrator)).await.unwrap();
    let expected = [operator("admin", Role::Administrator), operator("zoe", Role::Viewer)];
    assert_eq!(store.operators().await.unwrap(), expected);

    let login = |hash: u8, name: &str| WebSession {
        hash: [hash; 32],
        operator: name.into(),
        csrf: format!("csrf {hash}"),
        expires_at: at(100),
    };
    for session in [login(1, "admin"), login(2, "admin"), login(3, "zoe"), login(4, "zoe")] {
        store.put_web_session(session).await.unwrap();
    }
    let there = |hash: u8| async move { store.web_session([hash; 32], at(99)).await.unwrap().is_some() };
    assert_eq!(store.web_session([1; 32], at(99)).await.unwrap(), Some(login(1, "admin")));
    assert_eq!(store.web_session([1; 32], at(100)).await.unwrap(), None);
    store.end_web_sessions(None, None).await.unwrap();
    store.end_web_sessions(Some([1; 32]), None).await.unwrap();
    assert!(!there(1).await && there(2).await);
    store.end_web_sessions(None, Some("admin")).await.unwrap();
    assert!(!there(2).await && there(3).await);
    assert!(store.remove_operator("zoe").await.unwrap());
    assert!(!store.remove_operator("zoe").await.unwrap());
    assert!(!there(3).await && !there(4).await);

    store.put_web_session(login(5, "admin")).await.unwrap();
    assert_eq!(store.purge(START, at(99), 9).await.unwrap(), 0);
    assert_eq!(store.purge(START, at(100), 9).await.unwrap(), 1);
}

pub(super) async fn the_audit_log(store: &Handles) {
    for number in 0..5 {
        store.audit(at(number), "admin", "key.create", &format!("key {number}")).await.unwrap();
    }
    let page = store.audit_log(None, 2).await.unwrap();
    assert_eq!(page.items.iter().map(|entry| entry.subject.as_str()).collect::<Vec<_>>(), ["key 4", "key 3"]);
    assert_eq!((page.items[0].at, page.items[0].actor.as_str()), (at(4), "admin"));
    let page = store.audit_log(page.next, 9).await.unwrap();
    assert_eq!((page.items.len(), page.next), (3, None));
    assert_eq!(store.purge(at(2), START, 1).await.unwrap(), 1);
    assert_eq!(store.purge(at(2), START, 9).await.unwrap(), 1);
    assert_eq!(store.audit_log(None, 9).await.unwrap().items.len(), 3);
}

pub(super) async fn settings(store: &Handles) {
    assert_eq!(store.setting("secret").await.unwrap(), None);
    store.put_setting("secret", vec![0, 1, 255]).await.unwrap();
    store.put_setting("secret", vec![7; 5]).await.unwrap();
    assert_eq!(store.setting("secret").await.unwrap(), Some(vec![7; 5]));
    // Get or create: of several callers all get the same.
    assert_eq!(store.setting_or_insert("secret", vec![1]).await.unwrap(), [7; 5]);
    assert_eq!(store.setting_or_insert("new", vec![1]).await.unwrap(), [1]);
    assert_eq!(store.setting_or_insert("new", vec![2]).await.unwrap(), [1]);
    assert_eq!(store.setting("new").await.unwrap(), Some(vec![1]));
    store.check().await.unwrap();
    let (waiting, room) = store.backlog();
    assert!(waiting == 0 && room > 0);
}

pub(super) async fn a_closed_store_refuses(store: &Handles) {
    let store = store.one();
    let mut feed = store.watch();
    store.close().await;
    store.close().await;
    assert_eq!(feed.next().await, None);
    assert_eq!(store.watch().next().await, None);
    assert!(matches!(store.account(&user("anna")).await, Err(StoreError::Failed(_))));
    assert!(matches!(store.check().await, Err(StoreError::Failed(_))));
}
