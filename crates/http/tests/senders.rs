//! Who sent what: what one sender sends does not touch another's, and what doors add and
//! opaque bytes are shown.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail")]

mod common;

use common::World;
use common::browser::Browser;
use serde_json::{Value, json};
use tidings_core::audit::Actor;
use tidings_core::model::{Audience, EndpointId, Payload, Role, Sender, Timestamp, Username};
use tidings_core::notification::Request;
use tidings_core::store::NewEndpoint;

async fn key(world: &World, name: &str) -> (String, String) {
    let made = world.post("/v1/keys", &format!(r#"{{"name": "{name}", "scope": "send"}}"#)).await.json();
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

async fn send(world: &World, key: &str, body: &str) -> String {
    let answer = world.call(key, "POST", "/v1/notifications", Some(body)).await;
    assert_eq!(answer.status.as_u16(), 202, "{}", answer.text);
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn shown(world: &World, id: &str) -> Value {
    world.get(&format!("/v1/notifications/{id}")).await.json()
}

async fn root(world: &World) -> Browser<'_> {
    let put = world.core.auth.put_operator(&Actor::CommandLine, "root", "correct horse", Role::Administrator);
    put.await.unwrap();
    Browser::log_in(world, "root").await
}

#[tokio::test]
async fn a_notification_says_who_sent_it() {
    let world = World::new().await;
    world.user("anna").await;
    let browser = root(&world).await;
    let (_, shop) = key(&world, "shop").await;
    let id = send(&world, &shop, r#"{"to": {"user": "anna"}, "title": "by a key"}"#).await;
    assert_eq!(shown(&world, &id).await["sender"], json!({"key": "shop"}));
    let page = browser.get(&format!("/notifications/{id}")).await.text;
    let link = r#"<dt>From</dt><dd><a href="/notifications?sender=key:shop">API key shop</a></dd>"#;
    assert!(page.contains(link), "{page}");

    let form = "audience=users&users=anna&title=by+a+person&priority=normal&unit=hours&once=1";
    let sent = browser.post("/notifications", form).await;
    let id = sent.header("location").split(['/', '?']).nth(2).unwrap().to_owned();
    assert_eq!(shown(&world, &id).await["sender"], json!({"operator": "root"}));
    let log = browser.get("/audit").await.text;
    assert!(log.contains("notification.send") && log.contains(&format!("{id} to anna")), "{log}");

    let form = "/notification.do?action=send&broadcast=Y&title=t&message=m";
    let old = world.call(&shop, "POST", form, None).await;
    let id = old.header("notification-id");
    assert_eq!(shown(&world, id).await["sender"], json!({"key": "shop"}));
    let listed = world.get("/v1/notifications").await.json();
    let senders: Vec<_> = listed["notifications"].as_array().unwrap().iter().map(|n| &n["sender"]).collect();
    assert_eq!(senders.len(), 3);
    assert!(senders.iter().all(|sender| sender.is_object()));
}

#[tokio::test]
async fn what_a_sender_has_sent_is_found_by_its_name() {
    let world = World::new().await;
    let browser = root(&world).await;
    let ((_, shop), (_, news)) = (key(&world, "shop").await, key(&world, "news").await);
    let mut sent = Vec::new();
    for number in 0..5 {
        let body = format!(r#"{{"to": {{"all": true}}, "title": "n{number}"}}"#);
        sent.push(send(&world, if number == 2 { &news } else { &shop }, &body).await);
    }
    let titles = async |query: &str| {
        let page = world.get(&format!("/v1/notifications?{query}")).await.json();
        let titles = page["notifications"].as_array().unwrap().iter().map(|n| n["title"].as_str().unwrap());
        (titles.collect::<Vec<_>>().join(" "), page["next"].as_str().map(str::to_owned))
    };
    let (first, next) = titles("sender=shop&limit=3").await;
    assert_eq!(first, "n4 n3 n1");
    let (rest, next) = titles(&format!("sender=shop&limit=3&cursor={}", next.unwrap())).await;
    assert_eq!((rest.as_str(), next), ("n0", None));
    assert_eq!(titles("sender=key:news").await, ("n2".into(), None));
    assert_eq!(titles("sender=operator:news").await, (String::new(), None));

    // The audit log, where what keys send is not noted, leads there.
    let made = world.call(&world.admin, "DELETE", &format!("/v1/notifications/{}", sent[0]), None).await;
    assert_eq!(made.status.as_u16(), 200);
    world.call(&news, "DELETE", &format!("/v1/notifications/{}", sent[1]), None).await;
    let log = browser.get("/audit").await.text;
    assert!(log.contains(r#"<a href="/notifications?sender=news""#), "{log}");
    assert!(!log.contains("sender=command"), "{log}");
    let page = browser.get("/notifications?sender=news").await.text;
    assert!(page.contains(">n2<") && !page.contains(">n1<"), "{page}");
    let none = browser.get("/notifications?sender=%3Cb%3E").await.text;
    assert!(none.contains("has sent nothing") && !none.contains("<b>"), "{none}");
}

#[tokio::test]
async fn a_collapse_key_is_its_senders_own() {
    let world = World::new().await;
    world.user("anna").await;
    let (id, shop) = key(&world, "shop").await;
    let (_, news) = key(&world, "news").await;
    let browser = root(&world).await;
    for to in [r#"{"all": true}"#, r#"{"user": "anna"}"#] {
        let body = format!(r#"{{"to": {to}, "title": "t", "collapse_key": "score"}}"#);
        let first = send(&world, &shop, &body).await;
        let others = send(&world, &news, &body).await;
        let form = "audience=all&step=send&title=t&priority=normal&unit=hours&collapse_key=score";
        browser.post("/notifications", form).await;
        assert_eq!(shown(&world, &first).await["pending"], 1, "others replace nothing: {to}");
        let again = send(&world, &shop, &body).await;
        assert_eq!(shown(&world, &first).await["cancelled"], 1);
        assert_eq!(shown(&world, &others).await["pending"], 1);
        assert_eq!(shown(&world, &again).await["pending"], 1);
        world.delete(&format!("/v1/notifications/{again}")).await;
    }

    // A key that takes the place of an older one of its name goes on where that was.
    let body = r#"{"to": {"all": true}, "title": "t", "collapse_key": "rotated"}"#;
    let first = send(&world, &shop, body).await;
    world.delete(&format!("/v1/keys/{id}")).await;
    let (_, shop) = key(&world, "shop").await;
    send(&world, &shop, body).await;
    assert_eq!(shown(&world, &first).await["cancelled"], 1);
}

#[tokio::test]
async fn a_repeat_is_known_by_its_sender() {
    let world = World::new().await;
    let (id, shop) = key(&world, "shop").await;
    let (_, news) = key(&world, "news").await;
    let repeated = async |key: &str| {
        let request = axum::http::Request::post("/v1/notifications")
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .header("idempotency-key", "order-1");
        let body = axum::body::Body::from(r#"{"to": {"all": true}, "title": "t"}"#);
        world.raw(request.body(body).unwrap()).await.json()["id"].as_str().unwrap().to_owned()
    };
    let first = repeated(&shop).await;
    assert_eq!(repeated(&shop).await, first);
    assert_ne!(repeated(&news).await, first, "another sender's key is another");
    world.delete(&format!("/v1/keys/{id}")).await;
    let (_, shop) = key(&world, "shop").await;
    assert_eq!(repeated(&shop).await, first, "a new key of the same name");
}

#[tokio::test]
async fn what_doors_add_comes_out_byte_for_byte() {
    let world = World::new().await;
    let browser = root(&world).await;
    let object = r#"{ "z" :1.0e+2,"a":[ "\u0041 \/ é<&>", 18446744073709551616 ] }"#;
    let body =
        format!(r#"{{"to": {{"all": true}}, "title": "t", "ext": {{"ntfy": {object}, "other": {{}}}}}}"#);
    let id = send(&world, &world.send, &body).await;
    for path in [format!("/v1/notifications/{id}"), "/v1/notifications".to_owned()] {
        let text = world.get(&path).await.text;
        let expected = format!(r#""ext":{{"ntfy":{object},"other":{{}}}}"#);
        assert!(text.contains(&expected), "{text}");
    }
    let page = browser.get(&format!("/notifications/{id}")).await.text;
    assert!(page.contains("<dt>For ntfy</dt>") && !page.contains("é<&>"), "{page}");
    let plain = send(&world, &world.send, r#"{"to": {"all": true}, "title": "t"}"#).await;
    assert!(shown(&world, &plain).await.get("ext").is_none());

    let long = format!(
        r#"{{"to": {{"all": true}}, "title": "t", "ext": {{"ntfy": {{"a": "{}"}}}}}}"#,
        "x".repeat(16_384)
    );
    let refused = world.call(&world.send, "POST", "/v1/notifications", Some(&long)).await;
    assert_eq!(refused.problem(422), ["ext.ntfy"]);
    // All of it has a bound, too.
    let object = format!(r#"{{"a": "{}"}}"#, "&".repeat(6000));
    let large = format!(
        r#"{{"to": {{"all": true}}, "title": "t", "ext": {{"a": {object}, "b": {object}, "c": {object}}}}}"#
    );
    let refused = world.call(&world.send, "POST", "/v1/notifications", Some(&large)).await;
    assert_eq!(refused.problem(422), ["message"]);
}

#[tokio::test]
async fn opaque_bytes_are_counted_not_shown() {
    let world = World::new().await;
    world.user("anna").await;
    let anna = world.core.auth.account(&Username::parse("anna").unwrap()).await.unwrap().unwrap();
    let endpoint = NewEndpoint {
        id: EndpointId::new([7; 16]),
        account: anna.id,
        application: "org.example.app".into(),
        instance: "1".into(),
        resource: "phone".into(),
        token_hash: [1; 32],
        created_at: Timestamp(1_767_323_045_000),
        expires_at: Timestamp(1_867_323_045_000),
    };
    let endpoint = world.store.register_endpoint(endpoint).await.unwrap().id;
    let payload = Payload::Bytes(b"<script>sealed</script>".to_vec());
    let request = Request::new(Sender::Endpoint(endpoint), Audience::Endpoint(endpoint), payload);
    let id = world.core.notification.accept(request).await.unwrap().id.to_string();
    let shown = shown(&world, &id).await;
    assert_eq!((&shown["bytes"], &shown["recipients"]), (&json!(23), &json!(1)));
    assert_eq!(shown["to"], json!({"endpoint": endpoint.to_string()}));
    assert_eq!(shown["sender"], json!({"endpoint": endpoint.to_string()}));
    for text in ["title", "message", "uri", "image", "data", "ext"] {
        assert!(shown.get(text).is_none(), "{text} in {shown}");
    }
    let browser = root(&world).await;
    for path in [format!("/notifications/{id}"), "/users/anna".to_owned(), "/notifications".to_owned()] {
        let page = browser.get(&path).await.text;
        assert!(page.contains("(encrypted)") && !page.contains("sealed"), "{page}");
    }
    let body = format!(r#"{{"to": {{"endpoint": "{endpoint}"}}, "title": "t"}}"#);
    assert_eq!(world.post("/v1/notifications", &body).await.problem(422), ["to.endpoint"]);
}
