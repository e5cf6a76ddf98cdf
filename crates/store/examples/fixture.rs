//! Makes a small database with something of everything that a store keeps, and writes
//! down beside it what it says. Run it before a step is added to the schema, and commit
//! what it made: `tests/fixtures.rs` opens it with every later version.
//!
//! `cargo run -p tidings-store --example fixture crates/store/tests/fixtures/NUMBER`
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a tool stops when it fails")]

#[path = "../tests/describe/mod.rs"]
mod describe;

use std::collections::BTreeMap;
use std::path::Path;

use tidings_core::model::{
    AccountId, AccountToken, ApiKey, Audience, Content, EndpointId, Ext, Invitation, InvitationId, KeyId,
    NamePattern, NewAccount, NotificationId, Operator, Payload, Priority, Role, Scope, ScramKeys, SendRights,
    Sender, Seq, Timestamp, TokenId, Topic, TopicPolicy, Username,
};
use tidings_core::store::prelude::*;
use tidings_core::store::{
    Acceptance, AccountChange, Idempotency, NewEndpoint, NewNotification, PendingBounds, Seen, Settlement,
    WebSession,
};
use tidings_store::{SqliteOptions, SqliteStore};

use self::describe::{START, at, describe, hash};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let directory = std::env::args().nth(1).unwrap();
    let directory = Path::new(&directory);
    std::fs::create_dir_all(directory).unwrap();
    let made = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&made.path().join("tidings.db"), SqliteOptions::default()).unwrap();
    let mut history = History { store: &store, numbers: 0, seqs: BTreeMap::new() };
    history.long_ago().await;
    history.waits().await;
    history.ended().await;
    history.collapsed().await;
    history.scheduled().await;
    history.endpoints().await;
    administration(&store).await;
    // Closing copies the whole write-ahead log into the file.
    store.close().await;
    std::fs::copy(made.path().join("tidings.db"), directory.join("tidings.db")).unwrap();
    // Being fed settles what was replaced, so this is asked of the one that is not kept.
    let store = SqliteStore::open(&made.path().join("tidings.db"), SqliteOptions::default()).unwrap();
    assert_eq!(store.verify_counters().await.unwrap(), Vec::<String>::new());
    std::fs::write(directory.join("expected.txt"), describe(&store, at(0)).await).unwrap();
    store.close().await;
}

fn user(name: &str) -> Username {
    Username::parse(name).unwrap()
}

fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

fn users(names: &[&str]) -> Audience {
    Audience::Users(names.iter().map(|name| user(name)).collect())
}

fn to_topic(name: &str) -> Audience {
    Audience::Topic(topic(name))
}

struct History<'a> {
    store: &'a SqliteStore,
    numbers: u8,
    seqs: BTreeMap<String, Seq>,
}

impl History<'_> {
    async fn account(&self, name: &str) -> AccountId {
        self.store.account(&user(name)).await.unwrap().unwrap().id
    }

    async fn create(&self, name: &str, salt: u8) {
        let keys = |length| ScramKeys {
            salt: vec![salt; 4],
            iterations: 4096,
            stored_key: vec![salt + 1; length],
            server_key: vec![salt + 2; length],
        };
        let new = NewAccount {
            username: user(name),
            name: salt.is_multiple_of(2).then(|| format!("{name}'s telephone")),
            email: salt.is_multiple_of(3).then(|| format!("{name}@example.org")),
            sha1: keys(20),
            sha256: keys(32),
            created_at: at(i64::from(salt)),
        };
        self.store.create_account(new).await.unwrap();
    }

    /// A notification that lives for a day.
    fn note(&mut self, title: &str, audience: Audience) -> NewNotification {
        self.numbers = self.numbers.wrapping_add(1);
        NewNotification {
            id: NotificationId::new(START, [self.numbers; 10]),
            audience,
            payload: Content { title: Some(title.into()), ..Content::default() }.into(),
            ext: Ext::default(),
            sender: Sender::Key { id: KeyId("key1".into()), name: "send 1".into() },
            priority: Priority::Normal,
            collapse_key: None,
            created_at: START,
            send_at: None,
            expires_at: at(86_400),
            idempotency: None,
            bounds: PendingBounds::default(),
        }
    }

    async fn accept(&mut self, new: NewNotification) -> NotificationId {
        let title = new.payload.text().and_then(|content| content.title.clone()).unwrap_or_default();
        let id = new.id;
        match self.store.accept(new).await.unwrap() {
            Acceptance::Accepted { id, .. } => {
                self.seqs.insert(title, self.store.seq_of(id).await.unwrap().unwrap());
            }
            Acceptance::Scheduled(_) => {}
            other => panic!("{other:?}"),
        }
        id
    }

    async fn send(&mut self, title: &str, audience: Audience) -> NotificationId {
        let new = self.note(title, audience);
        self.accept(new).await
    }

    async fn settle(&self, name: &str, titles: &[&str]) {
        let account = self.account(name).await;
        let batch: Vec<_> =
            titles.iter().map(|title| Settlement { account, seq: self.seqs[*title] }).collect();
        let settled = self.store.settle(batch).await.unwrap();
        let copies: u64 = settled.delivered.iter().map(|(_, _, copies)| copies).sum();
        assert_eq!(copies, titles.len() as u64, "{name}: {titles:?}");
    }

    /// More than a thousand that were purged, but for one that still waits.
    async fn long_ago(&mut self) {
        for (name, salt) in [("anna", 1), ("bert", 2), ("carl", 3), ("dora", 4), ("emil", 5), ("gone", 6)] {
            self.create(name, salt).await;
        }
        let old = Timestamp(START.0 - 1_000_000);
        let ids = |number: u16| {
            NotificationId::new(old, [(number >> 8) as u8, number as u8, 0, 0, 0, 0, 0, 0, 0, 1])
        };
        let delivered = NewNotification { id: ids(1), created_at: old, ..self.note("old 1", Audience::All) };
        let delivered = self.accept(delivered).await;
        self.settle("anna", &["old 1"]).await;
        assert!(self.store.opened(self.account("anna").await, delivered).await.unwrap());
        self.store.cancel(delivered).await.unwrap();
        let expired = NewNotification {
            id: ids(2),
            created_at: old,
            expires_at: old,
            ..self.note("old 2", Audience::All)
        };
        self.accept(expired).await;
        self.store.expire_due(START, 10).await.unwrap();
        let dora = self.account("dora").await;
        for number in 3..1030 {
            let title = format!("old {number}");
            let new =
                NewNotification { id: ids(number), created_at: old, ..self.note(&title, users(&["dora"])) };
            self.accept(new).await;
            if number != 600 {
                self.store.settle(vec![Settlement { account: dora, seq: self.seqs[&title] }]).await.unwrap();
            }
            if number % 16 == 0 {
                self.store.purge(START, old, 100).await.unwrap();
            }
        }
        self.numbers = 0;
    }

    /// What waits, and cursors that stand in the middle of it.
    async fn waits(&mut self) {
        let alias = AccountChange { alias: Some(Some(user("phone"))), ..AccountChange::default() };
        self.store.change_account(self.account("bert").await, alias).await.unwrap();
        let disabled = AccountChange { disabled: Some(true), ..AccountChange::default() };
        self.store.change_account(self.account("emil").await, disabled).await.unwrap();
        for (name, name_of_topic) in
            [("anna", "news"), ("bert", "news"), ("bert", "weather/alps"), ("carl", "新闻"), ("gone", "news")]
        {
            self.store.subscribe(self.account(name).await, topic(name_of_topic)).await.unwrap();
        }
        for priority in [Priority::Low, Priority::High, Priority::Normal] {
            let title = format!("direct {}", priority.as_str());
            let new = NewNotification { priority, ..self.note(&title, users(&["anna", "phone", "gone"])) };
            self.accept(new).await;
        }
        self.settle("phone", &["direct normal"]).await;
        for number in 1..=5 {
            self.send(&format!("broadcast {number}"), Audience::All).await;
        }
        // Anna's cursor waits for the first and the third, Bert's is behind the second.
        self.settle("anna", &["broadcast 2", "broadcast 4"]).await;
        self.settle("bert", &["broadcast 1", "broadcast 2"]).await;
        for number in 1..=3 {
            let new = NewNotification {
                priority: if number == 3 { Priority::High } else { Priority::Normal },
                ..self.note(&format!("news {number}"), to_topic("news"))
            };
            self.accept(new).await;
        }
        self.settle("bert", &["news 2"]).await;
        self.send("weather", to_topic("weather/alps")).await;
        self.send("新闻 1", to_topic("新闻")).await;
        let mut ext = Ext::default();
        ext.insert("ntfy", "{\"tags\": [\"train\"],\n \"priority\":4, \"title\":\"\\u00e9\"}").unwrap();
        let full = NewNotification {
            payload: Payload::Text(Content {
                title: Some("full".into()),
                message: Some("Zwei Züge,\nzehn Minuten später – 🚆".into()),
                uri: Some("https://example.org/trains?line=7".into()),
                image: Some("https://example.org/train.png".into()),
                data: [("line", "7"), ("gate", "ß")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            }),
            ext,
            sender: Sender::User(user("emil")),
            idempotency: Some(Idempotency {
                key: "sender/one".into(),
                fingerprint: hash(7),
                expires_at: at(86_400),
            }),
            ..self.note("full", users(&["carl", "dora"]))
        };
        self.accept(full).await;
        // Comes too late for all of the above.
        self.create("fred", 7).await;
        self.store.subscribe(self.account("fred").await, topic("news")).await.unwrap();
        self.send("broadcast 6", Audience::All).await;
        self.send("news 4", to_topic("news")).await;
        let seen = |account, seconds, offline| Seen { account, at: at(seconds), offline };
        let (anna, bert) = (self.account("anna").await, self.account("bert").await);
        self.store.touch_accounts(vec![seen(anna, 50, true), seen(bert, 60, false)]).await.unwrap();
    }

    /// What ended in every way.
    async fn ended(&mut self) {
        for title in ["cancelled direct", "opened direct"] {
            let id = self.send(title, users(&["anna", "carl"])).await;
            self.settle("carl", &[title]).await;
            match title {
                "opened direct" => assert!(self.store.opened(self.account("carl").await, id).await.unwrap()),
                _ => assert_eq!(self.store.cancel(id).await.unwrap().unwrap().accounts, 1),
            }
        }
        for (title, audience) in
            [("expired direct", users(&["anna", "dora"])), ("expired broadcast", Audience::All)]
        {
            let new =
                NewNotification { priority: Priority::High, expires_at: at(1), ..self.note(title, audience) };
            self.accept(new).await;
            self.settle("dora", &[title]).await;
        }
        let cancelled =
            NewNotification { priority: Priority::High, ..self.note("cancelled broadcast", Audience::All) };
        let cancelled = self.accept(cancelled).await;
        self.settle("carl", &["cancelled broadcast"]).await;
        self.store.cancel(cancelled).await.unwrap();
        assert_eq!(self.store.expire_due(at(1), 10).await.unwrap().len(), 2);
        // Dora's and Emil's cursors pass what ended without their having had it.
        let opened =
            NewNotification { priority: Priority::High, ..self.note("opened broadcast", Audience::All) };
        let opened = self.accept(opened).await;
        self.settle("dora", &["opened broadcast"]).await;
        self.settle("emil", &["opened broadcast"]).await;
        assert!(self.store.opened(self.account("dora").await, opened).await.unwrap());
        assert!(self.store.unsubscribe(self.account("bert").await, topic("weather/alps")).await.unwrap());
    }

    /// What a newer one with its key replaced, at once or when it is next fed.
    async fn collapsed(&mut self) {
        for (title, audience, key) in [
            ("score 0:0", Audience::All, "score"),
            ("score 1:0", Audience::All, "score"),
            ("score 1:1 for anna", users(&["anna"]), "score"),
            ("table of carl", users(&["carl", "bert"]), "table"),
            ("table of carl again", users(&["carl"]), "table"),
            ("table for all", Audience::All, "table"),
            ("headline for all", Audience::All, "headline"),
            ("headline of the news", to_topic("news"), "headline"),
        ] {
            let new = NewNotification { collapse_key: Some(key.into()), ..self.note(title, audience) };
            self.accept(new).await;
        }
    }

    async fn scheduled(&mut self) {
        let names = users(&["anna", "gone", "fred"]);
        for (title, audience, seconds) in [
            ("later for all", Audience::All, 7200),
            ("later for some", names, 3600),
            ("later news", to_topic("news"), 3600),
            ("withdrawn", Audience::All, 1800),
        ] {
            let new = NewNotification {
                send_at: Some(at(seconds)),
                collapse_key: title.ends_with("all").then(|| "score".into()),
                ..self.note(title, audience)
            };
            let id = self.accept(new).await;
            if title == "withdrawn" {
                self.store.cancel(id).await.unwrap();
            }
        }
        let gone = self.account("gone").await;
        assert!(self.store.remove_account(gone).await.unwrap());
    }

    /// An account with endpoints, tokens, topics that it may send to, and what came to all these.
    async fn endpoints(&mut self) {
        self.create("gwen", 8).await;
        let gwen = self.account("gwen").await;
        let change = AccountChange {
            publish: Some(["news", "weather/*"].map(|text| NamePattern::of_topics(text).unwrap()).to_vec()),
            ..AccountChange::default()
        };
        self.store.change_account(gwen, change).await.unwrap();
        for (byte, expires_at) in [(1, None), (2, Some(at(86_400)))] {
            let token = AccountToken {
                id: TokenId(format!("token{byte}")),
                account: gwen,
                label: expires_at.map(|_| "browser".into()),
                hash: hash(byte),
                created_at: at(i64::from(byte)),
                expires_at,
            };
            self.store.create_token(token).await.unwrap();
        }
        let ids = [1, 2, 3].map(|number| EndpointId::new([number; 16]));
        for (number, id) in (1u8..).zip(ids) {
            let new = NewEndpoint {
                id,
                account: gwen,
                application: format!("org.example.app{number}"),
                instance: "a1b2".into(),
                resource: "phone".into(),
                token_hash: hash(number),
                created_at: at(20),
                expires_at: at(2_592_000),
            };
            self.store.register_endpoint(new).await.unwrap();
        }
        self.store.touch_endpoints(vec![(ids[0], at(30))]).await.unwrap();
        for (number, id) in [(1, ids[0]), (2, ids[0]), (3, ids[1]), (4, ids[2])] {
            let new = NewNotification {
                payload: Payload::Bytes(vec![0, number, 255]),
                sender: Sender::Endpoint(id),
                collapse_key: (number != 3).then(|| "topic".into()),
                ..self.note("bytes", Audience::Endpoint(id))
            };
            self.store.accept(new).await.unwrap();
        }
        self.store.revoke_endpoint(ids[2], at(40)).await.unwrap();
        let by_operator = NewNotification {
            sender: Sender::Operator("sam".into()),
            collapse_key: Some("score".into()),
            ..self.note("score by an operator", users(&["gwen"]))
        };
        self.accept(by_operator).await;
        let by_key = NewNotification {
            collapse_key: Some("score".into()),
            ..self.note("score by a key", users(&["gwen"]))
        };
        self.accept(by_key).await;
        self.store.set_topic_policy(&topic("news"), Some(TopicPolicy::Granted)).await.unwrap();
        self.store.set_topic_policy(&topic("empty"), Some(TopicPolicy::Open)).await.unwrap();
    }
}

async fn administration(store: &SqliteStore) {
    for (byte, username, topics, ends) in
        [(1, None, &[][..], 50), (2, Some("hugo"), &["news", "art"], 100_000), (3, None, &["art"], 100_000)]
    {
        let invitation = Invitation {
            id: InvitationId(format!("i{byte}")),
            hash: hash(byte),
            username: username.map(|name| Username::parse(name).unwrap()),
            topics: topics.iter().map(|name| Topic::parse(name).unwrap()).collect(),
            created_at: at(0),
            expires_at: at(ends),
            used: None,
        };
        store.create_invitation(invitation).await.unwrap();
    }
    for (number, scope) in (1u8..).zip([Scope::Send, Scope::Read, Scope::Admin, Scope::Send]) {
        let key = ApiKey {
            id: KeyId(format!("key{number}")),
            name: format!("{} {number}", scope.as_str()),
            scope,
            rights: match number {
                3 => SendRights::Only {
                    topics: vec![NamePattern::of_topics("alerts/*").unwrap()],
                    users: vec![NamePattern::of_users("anna").unwrap()],
                },
                _ => SendRights::Everyone,
            },
            hash: hash(number),
            created_at: at(i64::from(number)),
            last_used: None,
        };
        store.create_key(key).await.unwrap();
    }
    store.touch_keys(vec![(KeyId("key1".into()), at(100))]).await.unwrap();
    store.revoke_key(&KeyId("key4".into())).await.unwrap();
    for (name, role) in [("ada", Role::Administrator), ("sam", Role::Sender), ("vic", Role::Viewer)] {
        let operator = Operator {
            name: name.into(),
            role,
            password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g".into(),
            created_at: at(1),
        };
        store.put_operator(operator).await.unwrap();
    }
    for (byte, operator, seconds) in [(1, "ada", 9000), (2, "sam", 9000), (3, "ada", -1)] {
        let session = WebSession {
            hash: hash(byte),
            operator: operator.into(),
            csrf: format!("csrf{byte}"),
            expires_at: at(seconds),
        };
        store.put_web_session(session).await.unwrap();
    }
    for (seconds, actor, action, subject) in [
        (1, "ada", "key.create", "key1"),
        (2, "ada", "key.revoke", "key4"),
        (3, "admin 3", "user.delete", "gone"),
    ] {
        store.audit(at(seconds), actor, action, subject).await.unwrap();
    }
    store.put_setting("domain", b"push.example.org".to_vec()).await.unwrap();
    store.put_setting("secret", vec![0, 255, 1, 254]).await.unwrap();
}
