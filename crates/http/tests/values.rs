//! Values that must not get in, at every door, and what is shown where one is stored all the same.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail")]

mod common;

use common::World;
use common::browser::Browser;
use serde_json::{Value, json};
use tidings_core::audit::Actor;
use tidings_core::config::{Config, Notifications};
use tidings_core::model::{Audience, Content, Ext, NotificationId, Priority, Role, Sender, Timestamp};
use tidings_core::store::{NewNotification, PendingBounds};
use tidings_http::Settings;

async fn root(world: &World) -> Browser<'_> {
    let put = world.core.auth.put_operator(&Actor::CommandLine, "root", "correct horse", Role::Administrator);
    put.await.unwrap();
    Browser::log_in(world, "root").await
}

fn with(field: &str, value: &str) -> String {
    let mut body = json!({"to": {"all": true}, "title": "t"});
    body[field] = value.into();
    body.to_string()
}

const WRONG: [(&str, &str); 12] = [
    ("send_at", "9999-12-31T00:00:00Z"),
    ("send_at", "9999-12-31T23:59:59.999-23:59"),
    ("send_at", "0000-01-01T00:00:00+23:59"),
    ("send_at", "2026-01-02T03:03:04Z"),
    ("send_at", "2020-01-01T00:00:00Z"),
    ("uri", "javascript:alert(1)"),
    ("uri", "not a uri"),
    ("uri", "//example.org/"),
    ("uri", "file:///etc/passwd"),
    ("uri", "myapp://screen"),
    ("image", "data:image/png;base64,AA=="),
    ("image", "picture.png"),
];

#[tokio::test]
async fn moments_and_addresses_are_looked_at_by_one_rule_at_every_door() {
    let world = World::new().await;
    let browser = root(&world).await;
    for (field, value) in WRONG {
        let answer = world.post("/v1/notifications", &with(field, value)).await;
        assert_eq!(answer.problem(422), [field], "{value}");
        let encoded: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
        // A browser's moment has no offset: in the console the zone is a field of its own.
        let zone = match value.get(..4) {
            Some("9999") => "-1080",
            Some("0000") => "1080",
            _ => "0",
        };
        let in_form = if field == "send_at" { value.get(..16).unwrap() } else { value };
        let in_form: String = form_urlencoded::byte_serialize(in_form.as_bytes()).collect();
        let form = format!("audience=all&step=send&title=t&once=1&zone={zone}&{field}={in_form}");
        let page = browser.post("/notifications", &form).await;
        assert_eq!(page.status.as_u16(), 422, "{field} {value}: {}", page.text);
        assert!(page.text.contains(&format!("id=\"d-{field}\"")), "{field} {value}: {}", page.text);
        if field == "uri" {
            let path = format!("/notification.do?action=send&broadcast=Y&title=t&uri={encoded}");
            assert_eq!(world.post(&path, "").await.problem(415), [""; 0], "not a form");
            let answer = world.call(&world.send, "POST", &path, None).await;
            assert_eq!(answer.problem(422), ["uri"], "{value}");
        }
    }
    assert_eq!(world.get("/v1/stats").await.json()["accepted"], 0);
}

#[tokio::test]
async fn the_answer_says_what_was_granted() {
    let notifications = Notifications { uri_schemes: vec!["myapp".into()], ..Notifications::default() };
    let world = World::with(Config { notifications, ..Config::default() }, Settings::default()).await;
    for (body, ttl, expires_at) in [
        (json!({"ttl": 60}), 60, "2026-01-02T03:05:05Z"),
        (json!({}), 28 * 86_400, "2026-01-30T03:04:05Z"),
        (json!({"ttl": 365 * 86_400}), 90 * 86_400, "2026-04-02T03:04:05Z"),
        // The sender's clock may be behind: this is now.
        (json!({"ttl": 60, "send_at": "2026-01-02T03:03:05Z"}), 60, "2026-01-02T03:05:05Z"),
        (json!({"ttl": 60, "send_at": "2026-01-02T04:04:05+01:00"}), 60, "2026-01-02T03:05:05Z"),
        (json!({"ttl": 0, "send_at": "2026-01-02T04:04:05Z"}), 0, "2026-01-02T04:04:05Z"),
        (json!({"uri": "MyApp://screen", "image": "http://a.example/"}), 28 * 86_400, "2026-01-30T03:04:05Z"),
        (json!({"ttl": 90, "send_at": "9999-12-31T23:58:29Z"}), 90, "9999-12-31T23:59:59Z"),
    ] {
        let mut document = json!({"to": {"all": true}, "title": "t"});
        document.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let answer = world.post("/v1/notifications", &document.to_string()).await;
        assert_eq!(answer.status.as_u16(), 202, "{body}: {}", answer.text);
        let accepted = answer.json();
        assert_eq!((&accepted["ttl"], &accepted["expires_at"]), (&json!(ttl), &json!(expires_at)), "{body}");
        let id = accepted["id"].as_str().unwrap();
        let shown = world.get(&format!("/v1/notifications/{id}")).await.json();
        assert_eq!((&shown["ttl"], &shown["expires_at"]), (&json!(ttl), &json!(expires_at)), "{body}");
    }
}

#[tokio::test]
async fn a_repeat_is_answered_what_the_first_was_granted() {
    let world = World::new().await;
    let send = async || {
        let request = axum::http::Request::post("/v1/notifications")
            .header("authorization", format!("Bearer {}", world.send))
            .header("idempotency-key", "k")
            .body(with("send_at", "2026-01-02T03:04:06Z").into())
            .unwrap();
        world.raw(request).await.json()
    };
    assert_eq!(send().await, send().await);
}

/// A moment that no door lets in any more may be stored: by an older version, or by a disk that lies.
#[tokio::test]
async fn a_stored_moment_that_cannot_be_written_takes_no_page_with_it() {
    let world = World::new().await;
    world.user("anna").await;
    let browser = root(&world).await;
    let id = NotificationId(7);
    let new = NewNotification {
        id,
        audience: Audience::All,
        payload: Content { title: Some("odd".into()), ..Content::default() }.into(),
        ext: Ext::default(),
        sender: Sender::Operator("root".into()),
        priority: Priority::Normal,
        collapse_key: None,
        created_at: Timestamp(i64::MIN),
        send_at: Some(Timestamp::LAST),
        expires_at: Timestamp(i64::MAX),
        idempotency: None,
        bounds: PendingBounds::default(),
    };
    world.store.accept(new).await.unwrap();
    world.post("/v1/notifications", r#"{"to": {"user": "anna"}, "title": "usual"}"#).await;
    let listed = world.get("/v1/notifications").await.json();
    let titles: Vec<&Value> =
        listed["notifications"].as_array().unwrap().iter().map(|item| &item["title"]).collect();
    assert_eq!(titles, ["usual", "odd"]);
    let one = format!("/v1/notifications/{id}");
    assert_eq!(world.get(&one).await.json()["expires_at"], "9999-12-31T23:59:59.999Z");
    for path in ["/", "/notifications", "/users/anna", &format!("/notifications/{id}")] {
        let page = browser.get(path).await;
        assert_eq!(page.status.as_u16(), 200, "{path}: {}", page.text);
    }
    assert_eq!(world.delete(&one).await.status.as_u16(), 200);
}
