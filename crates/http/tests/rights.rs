//! Topics' rights, bound keys, tokens and invitations as the console gives them: by the rules of the API,
//! and with the same lines in the audit log.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail")]

mod common;

use common::World;
use common::browser::{Browser, between};
use common::device::device;
use tidings_core::audit::Actor;
use tidings_core::config::{Config, RegistrationPolicy};
use tidings_core::model::Role;
use tidings_http::Settings;

const PASSWORD: &str = "correct horse";

async fn world(config: Config) -> World {
    let world = World::with(config, Settings::default()).await;
    for (name, role) in [("root", Role::Administrator), ("eye", Role::Viewer)] {
        world.core.auth.put_operator(&Actor::CommandLine, name, PASSWORD, role).await.unwrap();
    }
    world
}

/// Who asked for this action on this subject, in order.
async fn actors(world: &World, action: &str, subject: &str) -> Vec<String> {
    let log = world.store.audit_log(None, 1000).await.unwrap().items;
    let lines = log.into_iter().rev().filter(|line| line.action == action && line.subject == subject);
    lines.map(|line| line.actor).collect()
}

const SUBSCRIBE: &str = "<iq type='set' id='s'><subscribe xmlns='urn:tidings:push:1' topic='a/b'/></iq>";

#[tokio::test]
async fn topics_are_granted_and_subscribers_shown() {
    let world = world(Config::default()).await;
    world.user("anna").await;
    let (root, eye) = (Browser::log_in(&world, "root").await, Browser::log_in(&world, "eye").await);
    let set = root.post("/topics", "topic=a%2Fb&subscribe=granted").await;
    assert_eq!((set.status.as_u16(), set.header("location")), (303, "/topics/one?topic=a%2Fb&done=saved"));
    let mut phone = device(&world, "anna", "192.0.2.1").await;
    assert!(phone.send(SUBSCRIBE).await.contains("<forbidden"));
    let put = world.call(&world.admin, "PUT", "/v1/topics/a%2Fb", Some(r#"{"subscribe": "granted"}"#)).await;
    assert_eq!(put.status.as_u16(), 200, "{}", put.text);
    assert_eq!(actors(&world, "topic.policy", "a/b granted").await, ["root", "admin"]);

    let back = root.post("/topics/subscribe", "topic=a%2Fb&username=anna&back=topic").await;
    assert_eq!(back.header("location"), "/topics/one?topic=a%2Fb&done=subscribed");
    assert!(phone.send(SUBSCRIBE).await.contains("type='result'"), "it has it already");
    let list = eye.get("/topics").await;
    assert!(list.text.contains(r#"<span class="tag granted">granted</span>"#), "{}", list.text);
    let one = eye.get("/topics/one?topic=a%2Fb").await;
    assert_eq!(one.status.as_u16(), 200);
    assert!(one.text.contains(r#"<a href="/users/anna">anna</a>"#), "{}", one.text);
    assert!(!one.text.contains("<select"), "a viewer sees, and changes nothing");
    assert_eq!(eye.post("/topics", "topic=a%2Fb&subscribe=open").await.status.as_u16(), 403);
    let one = root.get("/topics/one?topic=a%2Fb").await;
    assert!(one.text.contains(r#"<option value="granted" selected>"#), "{}", one.text);

    // What the configuration says is another thing than `open`.
    root.post("/topics", "topic=a%2Fb&subscribe=").await;
    assert_eq!(actors(&world, "topic.policy", "a/b default").await, ["root"]);
    let one = root.get("/topics/one?topic=a%2Fb").await;
    assert!(one.text.contains(r#"<option value="" selected>as configured: open"#), "{}", one.text);
    assert_eq!(root.post("/topics", "topic=a%2Fb&subscribe=closed").await.status.as_u16(), 422);
    assert_eq!(root.post("/topics", "topic=a+b&subscribe=open").await.status.as_u16(), 422);
    assert_eq!(root.get("/topics/one?topic=none").await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_device_sets_its_topics_in_one_line_of_the_audit_log() {
    let world = world(Config::default()).await;
    world.user("anna").await;
    let mut phone = device(&world, "anna", "192.0.2.1").await;
    for (tags, line) in [("b,a", "anna +a +b"), ("b,c", "anna +c -a"), ("c,b", ""), ("", "anna -b -c")] {
        let set = format!(
            "<iq type='set' id='t'><settags xmlns='androidpn:iq:settags'><tags>{tags}</tags></settags></iq>"
        );
        assert!(phone.send(&set).await.contains("type='result'"));
        let expected = if line.is_empty() { 0 } else { 1 };
        assert_eq!(actors(&world, "topic.set", line).await.len(), expected, "{tags}");
    }
    let log = world.store.audit_log(None, 1000).await.unwrap().items;
    assert_eq!(log.iter().filter(|line| line.action.starts_with("topic.")).count(), 3);
    let many: Vec<_> = (0..300).map(|n| format!("topic-{n}")).collect();
    let set = format!(
        "<iq type='set' id='t'><settags xmlns='androidpn:iq:settags'><tags>{}</tags></settags></iq>",
        many.join(",")
    );
    assert!(phone.send(&set).await.contains("type='result'"));
    let log = world.store.audit_log(None, 1).await.unwrap().items;
    assert!(log[0].subject.ends_with(" more") && log[0].subject.len() < 600, "{}", log[0].subject);
}

#[tokio::test]
async fn a_key_is_bound_and_its_example_sends() {
    let world = world(Config::default()).await;
    world.user("ana").await;
    let root = Browser::log_in(&world, "root").await;
    let made = root.post("/keys", "name=ci&scope=send&topics=alerts*%2C+news&users=ana").await;
    assert_eq!(made.status.as_u16(), 200, "{}", made.text);
    assert!(made.text.contains("topics alerts*, news; user ana"), "{}", made.text);
    let curl =
        between(&made.text, r#"<pre id="curl">"#, "</pre>").replace("&#34;", "\"").replace("&#39;", "'");
    let body = between(&curl, "-d '", "'");
    let secret = between(&curl, "Bearer ", "'");
    let sent = world.call(secret, "POST", "/v1/notifications", Some(body)).await;
    assert_eq!(sent.status.as_u16(), 202, "{body}: {}", sent.text);
    let refused =
        world.call(secret, "POST", "/v1/notifications", Some(r#"{"to": {"all": true}, "title": "t"}"#)).await;
    assert_eq!(refused.status.as_u16(), 403);
    assert!(refused.text.contains("urn:tidings:problem:forbidden"), "{}", refused.text);
    let id = world.core.auth.keys().into_iter().find(|key| key.name == "ci").unwrap().id.0;
    let line = format!("{id} ci (send, topics alerts* news, users ana)");
    assert_eq!(actors(&world, "key.create", &line).await, ["root"]);
    let wrong = root.post("/keys", "name=ci&scope=send&topics=ok+a*b").await;
    assert_eq!(wrong.status.as_u16(), 422);
    assert!(wrong.text.contains("a*b: not a valid topic"), "{}", wrong.text);
    // Nothing in the fields is everyone, not nobody.
    let open = root.post("/keys", "name=shop&scope=send&topics=+&users=").await;
    assert!(open.text.contains("<td class=\"wrap\">everyone</td>"), "{}", open.text);
}

#[tokio::test]
async fn an_account_publishes_and_has_tokens() {
    let world = world(Config::default()).await;
    world.user("anna").await;
    let root = Browser::log_in(&world, "root").await;
    root.post("/users/anna", "name=&email=&alias=&publish=news+alerts*").await;
    let page = root.get("/users/anna").await;
    assert!(page.text.contains(r#"value="news alerts*""#), "{}", page.text);
    assert!(world.get("/v1/users/anna").await.text.contains(r#""publish":["news","alerts*"]"#));
    let wrong = root.post("/users/anna", "name=&email=&alias=&publish=ok+a*b").await;
    assert!(wrong.text.contains("a*b: not a valid topic"), "{}", wrong.text);

    let made = root.post("/users/anna/tokens", "label=laptop&days=30").await;
    assert_eq!(made.status.as_u16(), 200, "{}", made.text);
    let secret = between(&made.text, r#"<pre id="secret">"#, "</pre>").to_owned();
    assert!(secret.starts_with("tk_"), "{secret}");
    let owner = world.core.auth.token_owner(&secret).await.unwrap().unwrap();
    assert_eq!(owner.username.as_str(), "anna");
    let page = root.get("/users/anna").await;
    assert!(page.text.contains("laptop") && !page.text.contains(&secret));
    let id =
        between(&page.text, r#"tokens/remove"><input type="hidden" name="csrf" value=""#, "Remove</button>");
    let id = between(id, r#"name="id" value=""#, "\"").to_owned();
    assert_eq!(actors(&world, "token.create", &format!("anna {id}")).await, ["root"]);
    root.post("/users/anna/tokens/remove", &format!("id={id}")).await;
    assert_eq!(world.core.auth.token_owner(&secret).await.unwrap(), None);
    assert_eq!(actors(&world, "token.remove", &format!("anna {id}")).await, ["root"]);
    assert_eq!(root.post("/users/anna/tokens", "label=x&days=never").await.status.as_u16(), 422);
    let eye = Browser::log_in(&world, "eye").await;
    assert_eq!(eye.post("/users/anna/tokens", "label=x").await.status.as_u16(), 403);
}

#[tokio::test]
async fn a_device_is_invited_by_a_square() {
    let mut config = Config { domain: "push.example".into(), ..Config::default() };
    config.registration.policy = RegistrationPolicy::Closed;
    let world = world(config).await;
    let root = Browser::log_in(&world, "root").await;
    let board = root.get("/").await;
    assert!(!board.text.contains(r#"<svg class="qr""#), "a square without a token is of no use here");
    assert!(board.text.contains(r#"href="/invitations""#), "{}", board.text);
    let page = root.get("/invitations").await;
    assert!(page.text.contains("Nobody is invited"), "{}", page.text);
    let made = root.post("/invitations", "username=anna&topics=news+art&days=2").await;
    assert_eq!(made.status.as_u16(), 200, "{}", made.text);
    assert!(made.text.contains(r#"<svg class="qr""#));
    let uri = between(&made.text, r#"<pre id="uri">"#, "</pre>").replace("&#38;", "&").replace("&amp;", "&");
    assert!(uri.starts_with("tidings:push.example?domain=push.example&token="), "{uri}");
    let page = root.get("/invitations").await;
    assert!(page.text.contains(r#"<span class="tag open">open</span>"#) && page.text.contains("art news"));
    assert!(!page.text.contains("token="), "its token is shown once");
    let id = between(&page.text, r#"name="id" value=""#, "\"").to_owned();
    assert_eq!(actors(&world, "invitation.create", &format!("{id} for anna")).await, ["root"]);
    let gone = root.post("/invitations/remove", &format!("id={id}")).await;
    assert_eq!(gone.header("location"), "/invitations?done=withdrawn");
    assert_eq!(actors(&world, "invitation.remove", &id).await, ["root"]);
    for (form, words) in [
        ("username=a+b&topics=&days=2", "not a valid username"),
        ("username=&topics=ok+%25&days=2", "%: not a valid topic"),
        ("username=&topics=&days=31", "must be 1 to 30"),
        ("username=&topics=&days=x", "must be 1 to 30"),
    ] {
        let wrong = root.post("/invitations", form).await;
        assert_eq!(wrong.status.as_u16(), 422, "{form}");
        assert!(wrong.text.contains(words), "{form}: {}", wrong.text);
    }
    let eye = Browser::log_in(&world, "eye").await;
    assert_eq!(eye.get("/invitations").await.status.as_u16(), 200);
    assert_eq!(eye.post("/invitations", "username=&topics=&days=2").await.status.as_u16(), 403);
}
