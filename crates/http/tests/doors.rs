//! One rule, whichever door asks: the API, the console, a device or the command line get the same
//! answer, and the audit log the same line.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail")]

mod common;

use common::World;
use common::browser::Browser;
use common::device::{Device, device, device_with};
use tidings_core::audit::Actor;
use tidings_core::auth::{AccountEdit, NewKey, RegistrationRequest};
use tidings_core::config::Config;
use tidings_core::error::ChangeError;
use tidings_core::model::{Account, Role, Topic, Username};
use tidings_http::Settings;

const PASSWORD: &str = "correct horse";

async fn world() -> World {
    let mut config = Config::default();
    config.limits.topics_per_account = 2;
    config.aliases = true;
    let world = World::with(config, Settings::default()).await;
    let admin = world.core.auth.put_operator(&Actor::CommandLine, "root", PASSWORD, Role::Administrator);
    admin.await.unwrap();
    world
}

/// Who asked for this action on this subject, in order.
async fn actors(world: &World, action: &str, subject: &str) -> Vec<String> {
    let log = world.store.audit_log(None, 1000).await.unwrap().items;
    let lines = log.into_iter().rev().filter(|line| line.action == action && line.subject == subject);
    lines.map(|line| line.actor).collect()
}

async fn account(world: &World, name: &str) -> Account {
    world.core.auth.account(&Username::parse(name).unwrap()).await.unwrap().unwrap()
}

async fn topics(world: &World, name: &str) -> Vec<String> {
    let account = account(world, name).await;
    let topics = world.core.notification.topics_of(account.id).await.unwrap();
    topics.iter().map(ToString::to_string).collect()
}

fn subscribe(topic: &str) -> String {
    format!("<iq type='set' id='s'><subscribe xmlns='urn:tidings:push:1' topic='{topic}'/></iq>")
}

fn unsubscribe(topic: &str) -> String {
    format!("<iq type='set' id='u'><unsubscribe xmlns='urn:tidings:push:1' topic='{topic}'/></iq>")
}

#[tokio::test]
async fn an_account_has_so_many_topics_whoever_subscribes_it() {
    let world = world().await;
    world.user("anna").await;
    let browser = Browser::log_in(&world, "root").await;
    let mut phone = device(&world, "anna", "192.0.2.1").await;
    let anna = account(&world, "anna").await;
    let put = async |topic: &str| {
        let path = format!("/v1/topics/{topic}/subscribers/anna");
        world.call(&world.admin, "PUT", &path, None).await
    };
    let say = "an account has at most 2 topics";

    // Each door subscribes to `news` and ends that again; then none may go past the limit.
    assert_eq!(put("news").await.status.as_u16(), 204);
    world.delete("/v1/topics/news/subscribers/anna").await;
    browser.post("/topics/subscribe", "topic=news&username=anna").await;
    browser.post("/topics/unsubscribe", "topic=news&username=anna").await;
    assert!(phone.send(&subscribe("news")).await.contains("type='result'"));
    assert!(phone.send(&unsubscribe("news")).await.contains("type='result'"));
    let news = || Topic::parse("news").unwrap();
    let manager = &world.core.notification;
    assert!(manager.subscribe(&Actor::CommandLine, anna.reference(), news()).await.unwrap());
    assert!(!manager.subscribe(&Actor::CommandLine, anna.reference(), news()).await.unwrap());
    for action in ["topic.subscribe", "topic.unsubscribe"] {
        let mut expected = vec!["admin", "root", "account anna", "command line"];
        expected.truncate(if action == "topic.subscribe" { 4 } else { 3 });
        assert_eq!(actors(&world, action, "news anna").await, expected, "{action}");
    }

    assert_eq!(put("weather").await.status.as_u16(), 204);
    let refused = put("third").await;
    assert_eq!(refused.problem(422), ["topic"]);
    assert!(refused.text.contains(say), "{}", refused.text);
    let refused = browser.post("/topics/subscribe", "topic=third&username=anna").await;
    assert_eq!(refused.status.as_u16(), 422);
    assert!(refused.text.contains(say), "{}", refused.text);
    let refused = phone.send(&subscribe("third")).await;
    assert!(refused.contains("<resource-constraint") && refused.contains(say), "{refused}");
    let tags =
        "<iq type='set' id='t'><settags xmlns='androidpn:iq:settags'><tags>a,b,c</tags></settags></iq>";
    let refused = phone.send(tags).await;
    assert!(refused.contains("<resource-constraint") && refused.contains(say), "{refused}");
    let third = Topic::parse("third").unwrap();
    let refused = manager.subscribe(&Actor::CommandLine, anna.reference(), third).await.unwrap_err();
    assert!(refused.to_string().contains(say), "{refused}");
    assert_eq!(topics(&world, "anna").await, ["news", "weather"]);
    assert!(actors(&world, "topic.subscribe", "third anna").await.is_empty());
    // What it has already is no third one.
    assert_eq!(put("news").await.status.as_u16(), 204);
    assert!(phone.send(&subscribe("news")).await.contains("type='result'"));
    assert_eq!(actors(&world, "topic.subscribe", "news anna").await.len(), 4);
}

#[tokio::test]
async fn an_e_mail_address_is_looked_at_alike() {
    let world = world().await;
    let browser = Browser::log_in(&world, "root").await;
    let long = format!("{}@example.org", "x".repeat(250));
    for (index, email) in ["no address", "@example.org", "a@", long.as_str()].into_iter().enumerate() {
        let name = format!("user{index}");
        let say = "must look like name@example.org, in at most 254 bytes";
        let body = format!(r#"{{"username": "{name}", "password": "{PASSWORD}", "email": "{email}"}}"#);
        let refused = world.post("/v1/users", &body).await;
        assert_eq!(refused.problem(422), ["email"], "{email}");
        assert!(refused.text.contains(say), "{}", refused.text);
        let form = format!("username={name}&password=correct+horse&email={}", email.replace(' ', "+"));
        let refused = browser.post("/users", &form).await;
        assert_eq!(refused.status.as_u16(), 422);
        assert!(refused.text.contains(say), "{}", refused.text);
        let register = format!(
            "<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>{name}</username>\
             <password>{PASSWORD}</password><email>{email}</email></query></iq>"
        );
        let refused = Device::connect(&world, "192.0.2.1").await.send(&register).await;
        assert!(refused.contains("<not-acceptable") && refused.contains(say), "{refused}");
        let request = RegistrationRequest {
            username: name.clone(),
            password: PASSWORD.into(),
            email: Some(email.into()),
            ..RegistrationRequest::default()
        };
        let refused = world.core.auth.create_account(&Actor::CommandLine, request).await.unwrap_err();
        assert!(refused.to_string().contains(say), "{refused}");
        assert!(actors(&world, "user.create", &name).await.is_empty());
    }
    for (name, register) in [("bob", "<email/>"), ("carl", "<email>c@example.org</email>")] {
        let register = format!(
            "<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>{name}</username>\
             <password>{PASSWORD}</password>{register}</query></iq>"
        );
        let made = Device::connect(&world, "192.0.2.1").await.send(&register).await;
        assert!(made.contains("type='result'"), "{made}");
        assert_eq!(actors(&world, "user.create", name).await, [format!("account {name}")]);
    }
    assert_eq!(account(&world, "bob").await.email, None);
    assert_eq!(account(&world, "carl").await.email.as_deref(), Some("c@example.org"));
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_whoever_sets_it() {
    let world = world().await;
    let browser = Browser::log_in(&world, "root").await;
    world.user("anna").await;
    let edit = || AccountEdit { password: Some(PASSWORD.into()), ..AccountEdit::default() };
    let (say, unfit) = ("a password is needed", AccountEdit { password: Some(String::new()), ..edit() });
    for door in ["api", "console", "device", "command line"] {
        let mut phone = device(&world, "anna", "192.0.2.1").await;
        let mut tablet = device_with(&world, "anna", "192.0.2.2", "tablet").await;
        let anna = account(&world, "anna").await;
        match door {
            "api" => {
                let patch =
                    async |body: &str| world.call(&world.admin, "PATCH", "/v1/users/anna", Some(body)).await;
                let refused = patch(r#"{"password": ""}"#).await;
                assert_eq!(refused.problem(422), ["password"]);
                assert!(refused.text.contains(say), "{}", refused.text);
                assert!(tablet.is_open().await);
                let body = format!(r#"{{"password": "{PASSWORD}"}}"#);
                assert_eq!(patch(&body).await.status.as_u16(), 200);
            }
            "console" => {
                let done = browser.post("/users/anna", "name=&email=&password=correct+horse").await;
                assert_eq!(done.status.as_u16(), 303, "{}", done.text);
            }
            "device" => {
                let change = |password: &str| {
                    format!(
                        "<iq type='set' id='p'><query xmlns='jabber:iq:register'><username>anna</username>\
                         <password>{password}</password></query></iq>"
                    )
                };
                assert!(phone.send(&change(PASSWORD)).await.contains("type='result'"));
            }
            _ => {
                let auth = &world.core.auth;
                let refused = auth.change_account(&Actor::CommandLine, anna.reference(), unfit.clone()).await;
                assert!(refused.unwrap_err().to_string().contains(say));
                auth.change_account(&Actor::CommandLine, anna.reference(), edit()).await.unwrap();
            }
        }
        assert!(!tablet.is_open().await, "{door}");
        assert_eq!(phone.is_open().await, door == "device", "the session that asks goes on: {door}");
    }
    let expected = ["admin", "root", "account anna", "command line"];
    assert_eq!(actors(&world, "user.change", "anna").await, expected);
}

#[tokio::test]
async fn an_alias_belongs_to_one_whoever_gives_it() {
    let world = world().await;
    let browser = Browser::log_in(&world, "root").await;
    world.user("anna").await;
    world.user("boss").await;
    let mut phone = device(&world, "anna", "192.0.2.1").await;
    let patch = r#"{"alias": "boss", "name": "Anna"}"#;
    let refused = world.call(&world.admin, "PATCH", "/v1/users/anna", Some(patch)).await;
    assert_eq!(refused.problem(409), ["alias"]);
    let refused = browser.post("/users/anna", "name=Anna&alias=boss").await;
    assert_eq!(refused.status.as_u16(), 422);
    assert!(refused.text.contains("the alias is taken"), "{}", refused.text);
    let set =
        "<iq type='set' id='a'><setalias xmlns='androidpn:iq:setalias'><alias>boss</alias></setalias></iq>";
    assert!(phone.send(set).await.contains("<conflict"));
    let edit = AccountEdit { alias: Some(Some("boss".into())), ..AccountEdit::default() };
    let anna = account(&world, "anna").await;
    let refused = world.core.auth.change_account(&Actor::CommandLine, anna.reference(), edit).await;
    assert_eq!(refused.unwrap_err(), ChangeError::Conflict("alias"));
    let anna = account(&world, "anna").await;
    assert_eq!((anna.alias, anna.name), (None, None), "nothing of a refused change is kept");
    assert!(actors(&world, "user.change", "anna").await.is_empty());
}

#[tokio::test]
async fn a_removed_account_is_gone_whoever_removes_it() {
    let world = world().await;
    let browser = Browser::log_in(&world, "root").await;
    for (door, actor) in
        [("api", "admin"), ("console", "root"), ("device", "account anna"), ("command line", "command line")]
    {
        world.user("anna").await;
        let mut phone = device(&world, "anna", "192.0.2.1").await;
        let mut tablet = device_with(&world, "anna", "192.0.2.2", "tablet").await;
        let anna = account(&world, "anna").await;
        match door {
            "api" => assert_eq!(world.delete("/v1/users/anna").await.status.as_u16(), 204),
            "console" => {
                assert_eq!(browser.post("/users/anna/remove", "").await.status.as_u16(), 303);
            }
            "device" => {
                let remove = "<iq type='set' id='r'><query xmlns='jabber:iq:register'><remove/></query></iq>";
                let answer = phone.send(remove).await;
                assert!(answer.contains("type='result'") && answer.contains("<not-authorized"), "{answer}");
            }
            _ => {
                let auth = &world.core.auth;
                auth.remove_account(&Actor::CommandLine, anna.reference()).await.unwrap();
                let again = auth.remove_account(&Actor::CommandLine, anna.reference()).await;
                assert_eq!(again.unwrap_err(), ChangeError::NotFound("account"));
            }
        }
        assert!(!phone.is_open().await && !tablet.is_open().await, "{door}");
        world.get("/v1/users/anna").await.problem(404);
        let lines = actors(&world, "user.remove", "anna").await;
        assert_eq!(lines.last().map(String::as_str), Some(actor), "{door}");
    }
    assert_eq!(actors(&world, "user.remove", "anna").await.len(), 4);
}

#[tokio::test]
async fn a_session_and_a_notification_are_ended_alike() {
    let world = world().await;
    let browser = Browser::log_in(&world, "root").await;
    world.user("anna").await;
    let mut sent = Vec::new();
    for _ in 0..2 {
        let made = world.post("/v1/notifications", r#"{"to": {"user": "anna"}, "title": "t"}"#).await;
        sent.push(made.json()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(world.delete(&format!("/v1/notifications/{}", sent[0])).await.status.as_u16(), 200);
    browser.post(&format!("/notifications/{}/cancel", sent[1]), "").await;
    for (id, actor) in sent.iter().zip(["admin", "root"]) {
        assert_eq!(actors(&world, "notification.cancel", id).await, [actor]);
    }
    let jid = "anna@localhost/Phone";
    let mut phone = device(&world, "anna", "192.0.2.1").await;
    assert_eq!(world.delete("/v1/sessions/anna@localhost%2FPhone").await.status.as_u16(), 204);
    assert!(!phone.is_open().await);
    drop(phone);
    let mut phone = device(&world, "anna", "192.0.2.1").await;
    browser.post("/sessions/end", &format!("jid={jid}")).await;
    assert!(!phone.is_open().await);
    assert_eq!(actors(&world, "session.end", jid).await, ["admin", "root"]);
}

#[tokio::test]
async fn a_key_has_a_name_whoever_makes_it() {
    let world = world().await;
    let browser = Browser::log_in(&world, "root").await;
    let long = "x".repeat(101);
    let say = "must be 1 to 100 characters";
    let body = format!(r#"{{"name": "{long}", "scope": "send"}}"#);
    let refused = world.post("/v1/keys", &body).await;
    assert_eq!(refused.problem(422), ["name"]);
    assert!(refused.text.contains(say));
    let refused = browser.post("/keys", &format!("name={long}&scope=send")).await;
    assert!(refused.text.contains(say) && refused.status.as_u16() == 422, "{}", refused.text);
    let scope = tidings_core::model::Scope::Send;
    let refused =
        world.core.auth.create_key(&Actor::CommandLine, NewKey::new(&long, scope)).await.unwrap_err();
    assert!(refused.to_string().contains(say), "{refused}");
    for actor in ["admin", "root", "command line"] {
        match actor {
            "admin" => drop(world.post("/v1/keys", r#"{"name": "shop", "scope": "send"}"#).await),
            "root" => drop(browser.post("/keys", "name=shop&scope=send").await),
            _ => drop(
                world.core.auth.create_key(&Actor::CommandLine, NewKey::new("shop", scope)).await.unwrap(),
            ),
        }
        let keys = world.core.auth.keys();
        let id = keys.iter().rev().find(|key| key.name == "shop").unwrap().id.clone();
        assert_eq!(actors(&world, "key.create", &format!("{} shop (send)", id.0)).await, [actor]);
        world.core.auth.revoke_key(&Actor::CommandLine, &id).await.unwrap();
        assert_eq!(actors(&world, "key.revoke", &id.0).await, ["command line"]);
    }
}
