//! The HTTP API as programs outside rely on it.

mod common;

use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::World;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tidings_core::config::Config;
use tidings_core::events::Event;
use tidings_core::model::{NotificationId, Priority};
use tidings_http::{MetricsAccess, Settings};
use tower::ServiceExt as _;

#[tokio::test]
async fn keys_are_asked_for_and_scopes_reach_so_far() {
    let world = World::new().await;
    let answer = world.call("", "GET", "/v1/users", None).await;
    answer.problem(401);
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
    let answer = world.call("wrong", "GET", "/v1/users", None).await;
    answer.problem(401);
    assert!(answer.header("www-authenticate").contains("invalid_token"));

    let send = r#"{"to": {"all": true}, "title": "t"}"#;
    let id = world.post("/v1/notifications", send).await.json()["id"].as_str().unwrap().to_owned();
    let one = format!("/v1/notifications/{id}");
    for (method, path, body, allowed) in [
        ("POST", "/v1/notifications", Some(send), [true, false, true]),
        ("GET", "/v1/notifications", None, [true, true, false]),
        ("GET", one.as_str(), None, [true, true, true]),
        ("DELETE", one.as_str(), None, [true, false, true]),
        ("GET", "/v1/users", None, [true, true, false]),
        ("POST", "/v1/users", Some("{}"), [true, false, false]),
        ("GET", "/v1/users/nobody", None, [true, true, false]),
        ("PATCH", "/v1/users/nobody", Some("{}"), [true, false, false]),
        ("DELETE", "/v1/users/nobody", None, [true, false, false]),
        ("GET", "/v1/sessions", None, [true, true, false]),
        ("DELETE", "/v1/sessions/a@b/c", None, [true, false, false]),
        ("GET", "/v1/topics", None, [true, true, false]),
        ("PUT", "/v1/topics/t/subscribers/nobody", None, [true, false, false]),
        ("DELETE", "/v1/topics/t/subscribers/nobody", None, [true, false, false]),
        ("GET", "/v1/keys", None, [true, true, false]),
        ("POST", "/v1/keys", Some("{}"), [true, false, false]),
        ("DELETE", "/v1/keys/none", None, [true, false, false]),
        ("GET", "/v1/stats", None, [true, true, false]),
    ] {
        for (key, allowed) in [&world.admin, &world.read, &world.send].into_iter().zip(allowed) {
            let answer = world.call(key, method, path, body).await;
            if allowed {
                assert!(![401, 403].contains(&answer.status.as_u16()), "{method} {path}: {}", answer.text);
            } else {
                answer.problem(403);
            }
        }
        world.call("", method, path, body).await.problem(401);
    }
    world.call(&world.send, "GET", "/v1/events", None).await.problem(403);
}

#[tokio::test]
async fn a_notification_is_accepted_and_followed() {
    let world = World::new().await;
    world.user("anna").await;
    world.user("bob").await;
    let body = r#"{"to": {"users": ["anna", "bob"]}, "title": "t", "message": "m", "uri": "https://x.example/",
        "image": "https://x.example/i.png", "data": {"k": "v"}, "priority": "high", "ttl": 60,
        "collapse_key": "c"}"#;
    let answer = world.call(&world.send, "POST", "/v1/notifications", Some(body)).await;
    assert_eq!(answer.status.as_u16(), 202, "{}", answer.text);
    let accepted = answer.json();
    assert_eq!(accepted["recipients"], 2);
    let id = accepted["id"].as_str().unwrap();

    let shown = world.call(&world.send, "GET", &format!("/v1/notifications/{id}"), None).await.json();
    assert_eq!(
        shown,
        json!({
            "id": id, "to": {"users": ["anna", "bob"]}, "title": "t", "message": "m",
            "uri": "https://x.example/", "image": "https://x.example/i.png", "data": {"k": "v"},
            "priority": "high", "ttl": 60, "collapse_key": "c", "state": "live", "sender": {"key": "send"},
            "created_at": "2026-01-02T03:04:05Z", "expires_at": "2026-01-02T03:05:05Z",
            "recipients": 2, "delivered": 0, "opened": 0, "pending": 2, "expired": 0, "cancelled": 0,
        })
    );
    let user = world.get("/v1/users/anna").await.json();
    assert_eq!(user["pending"], 1);

    let cancelled = world.delete(&format!("/v1/notifications/{id}")).await;
    assert_eq!(cancelled.status.as_u16(), 200);
    let cancelled = cancelled.json();
    assert_eq!((&cancelled["pending"], &cancelled["cancelled"]), (&json!(0), &json!(2)));
    for method in ["GET", "DELETE"] {
        for id in ["0198c0de-0000-7000-8000-000000000000", "x", "%FF"] {
            world.call(&world.admin, method, &format!("/v1/notifications/{id}"), None).await.problem(404);
        }
    }
}

#[tokio::test]
async fn a_scheduled_notification_waits() {
    let world = World::new().await;
    world.user("anna").await;
    let body = r#"{"to": {"user": "anna"}, "message": "m", "send_at": "2026-01-03T03:04:05+01:00"}"#;
    let answer = world.post("/v1/notifications", body).await;
    assert_eq!(answer.status.as_u16(), 202);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let shown = world.get(&format!("/v1/notifications/{id}")).await.json();
    assert_eq!(shown["state"], "scheduled");
    assert_eq!(shown["send_at"], "2026-01-03T02:04:05Z");
    assert_eq!(shown["to"], json!({"user": "anna"}));
    assert_eq!(world.get("/v1/stats").await.json()["scheduled"], 1);
    assert_eq!(world.delete(&format!("/v1/notifications/{id}")).await.json()["state"], "cancelled");
}

#[tokio::test]
async fn wrong_documents_are_explained() {
    let world = World::new().await;
    let post = |body: &'static str| world.post("/v1/notifications", body);
    post("").await.problem(400);
    post("{").await.problem(400);
    post("\u{0}").await.problem(400);
    assert_eq!(post("[]").await.problem(422), [""]);
    assert_eq!(post("{}").await.problem(422), ["to"]);
    assert_eq!(
        post(r#"{"to": {"all": 1}, "ttl": "1", "nonsense": 1}"#).await.problem(422),
        ["to.all", "ttl", "nonsense"]
    );
    let answer = post(r#"{"to": {"user": "ghost"}, "title": "t"}"#).await;
    assert_eq!(answer.problem(422), ["to.user"]);
    assert!(answer.json()["detail"].as_str().unwrap().contains("ghost"));

    let long = format!(r#"{{"to": {{"all": true}}, "message": "{}"}}"#, "x".repeat(65_536));
    world.post("/v1/notifications", &long).await.problem(413);

    let request = |kind: &str| {
        Request::post("/v1/notifications")
            .header("authorization", format!("Bearer {}", world.admin))
            .header("content-type", kind)
            .body(Body::from(r#"{"to": {"all": true}, "title": "t"}"#))
            .unwrap()
    };
    world.raw(request("text/plain")).await.problem(415);
    world.raw(request("application/x-www-form-urlencoded")).await.problem(415);
    assert_eq!(world.raw(request("Application/JSON; charset=utf-8")).await.status.as_u16(), 202);
}

#[tokio::test]
async fn unknown_users_stop_a_notification_for_everyone() {
    let world = World::new().await;
    world.user("anna").await;
    let answer =
        world.post("/v1/notifications", r#"{"to": {"users": ["anna", "Ghost"]}, "title": "t"}"#).await;
    assert_eq!(answer.problem(422), ["to.users[1]"]);
    assert!(answer.text.contains("ghost"));
    assert_eq!(world.get("/v1/users/anna").await.json()["pending"], 0);
    assert_eq!(world.get("/v1/stats").await.json()["accepted"], 0);
}

#[tokio::test]
async fn a_repeat_with_its_key_sends_nothing_again() {
    let world = World::new().await;
    world.user("anna").await;
    let send = async |key: &str, idempotency: &str, body: &'static str| {
        let request = Request::post("/v1/notifications")
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .header("idempotency-key", idempotency)
            .body(Body::from(body))
            .unwrap();
        world.raw(request).await
    };
    let body = r#"{"to": {"user": "anna"}, "title": "t"}"#;
    let first = send(&world.send, "once", body).await.json();
    let repeat = send(&world.send, "once", body).await;
    assert_eq!(repeat.status.as_u16(), 202);
    assert_eq!(repeat.json(), first);
    assert_eq!(world.get("/v1/stats").await.json()["accepted"], 1);
    let other = send(&world.send, "once", r#"{"to": {"user": "anna"}, "title": "u"}"#).await;
    assert_eq!(other.problem(422), ["Idempotency-Key"]);
    // Another API key's idempotency keys are its own.
    assert_ne!(send(&world.admin, "once", body).await.json()["id"], first["id"]);
    assert_eq!(send(&world.send, &"k".repeat(256), body).await.problem(422), ["Idempotency-Key"]);
    assert_eq!(send(&world.send, &"k".repeat(255), body).await.status.as_u16(), 202);
    assert_eq!(send(&world.send, "", body).await.problem(422), ["Idempotency-Key"]);
}

#[tokio::test]
async fn notifications_are_paged_newest_first() {
    let world = World::new().await;
    for n in 0..5 {
        let body = format!(r#"{{"to": {{"all": true}}, "title": "{n}"}}"#);
        world.post("/v1/notifications", &body).await;
    }
    let mut titles = Vec::new();
    let mut path = "/v1/notifications?limit=2".to_owned();
    loop {
        let page = world.get(&path).await.json();
        let rows = page["notifications"].as_array().unwrap();
        assert!(rows.len() <= 2);
        titles.extend(rows.iter().map(|row| row["title"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(cursor) => path = format!("/v1/notifications?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(titles, ["4", "3", "2", "1", "0"]);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("cursor=x", "cursor"),
        ("sort=id", "sort"),
        ("limit=1&limit=2", "limit"),
    ] {
        assert_eq!(world.get(&format!("/v1/notifications?{query}")).await.problem(422), [field]);
    }
    let cursor = world.get("/v1/notifications?limit=1").await.json()["next"].as_str().unwrap().to_owned();
    assert_eq!(world.get(&format!("/v1/users?cursor={cursor}")).await.problem(422), ["cursor"]);
}

#[tokio::test]
async fn users_come_change_and_go() {
    let world = World::new().await;
    let body =
        r#"{"username": "Anna", "password": "correct horse", "name": "Anna A.", "email": "a@x.example"}"#;
    let answer = world.post("/v1/users", body).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.text);
    assert_eq!(answer.header("location"), "/v1/users/anna");
    let expected = json!({
        "username": "anna", "alias": null, "name": "Anna A.", "email": "a@x.example", "online": false,
        "presence": "unavailable", "last_seen": null, "created_at": "2026-01-02T03:04:05Z", "pending": 0,
        "disabled": false, "topics": [], "publish": [],
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(world.get("/v1/users/ANNA").await.json(), expected);
    assert_eq!(world.post("/v1/users", body).await.problem(409), ["username"]);

    let wrong = r#"{"username": "a b", "password": "", "email": "x", "role": "admin"}"#;
    assert_eq!(world.post("/v1/users", wrong).await.problem(422), ["username", "password", "email", "role"]);
    assert_eq!(world.post("/v1/users", "{}").await.problem(422), ["username", "password"]);

    let patch =
        async |body: &'static str| world.call(&world.admin, "PATCH", "/v1/users/anna", Some(body)).await;
    let changed = patch(r#"{"name": null, "email": "b@x.example", "alias": "boss", "disabled": true}"#).await;
    assert_eq!(changed.status.as_u16(), 200, "{}", changed.text);
    let changed = changed.json();
    assert_eq!(changed["name"], Value::Null);
    assert_eq!(changed["email"], "b@x.example");
    assert_eq!(changed["disabled"], true);
    // The alias is taken wherever a username is.
    assert_eq!(world.get("/v1/users/boss").await.json()["username"], "anna");
    let sent = world.post("/v1/notifications", r#"{"to": {"user": "boss"}, "title": "t"}"#).await;
    assert_eq!(sent.status.as_u16(), 202, "{}", sent.text);
    assert_eq!(world.get("/v1/users/anna").await.json()["pending"], 1);
    world.user("carl").await;
    let taken = world.call(&world.admin, "PATCH", "/v1/users/carl", Some(r#"{"alias": "boss"}"#)).await;
    assert_eq!(taken.problem(409), ["alias"]);
    assert_eq!(patch(r#"{"password": "another horse"}"#).await.status.as_u16(), 200);
    assert_eq!(patch(r#"{"disabled": "yes", "x": 1}"#).await.problem(422), ["disabled", "x"]);

    let id = sent.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(world.delete("/v1/users/boss").await.status.as_u16(), 204);
    for method in ["GET", "DELETE"] {
        world.call(&world.admin, method, "/v1/users/anna", None).await.problem(404);
    }
    world.call(&world.admin, "PATCH", "/v1/users/anna", Some("{}")).await.problem(404);
    assert_eq!(world.get(&format!("/v1/notifications/{id}")).await.json()["cancelled"], 1);
}

#[tokio::test]
async fn users_are_listed_searched_and_paged() {
    let world = World::new().await;
    for name in ["anna", "bob", "carl", "dora", "annika"] {
        world.user(name).await;
    }
    let names = async |query: &str| {
        let page = world.get(&format!("/v1/users{query}")).await.json();
        let users = page["users"].as_array().unwrap();
        let names: Vec<_> = users.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect();
        (names, page["next"].as_str().map(ToOwned::to_owned))
    };
    assert_eq!(names("").await, (["anna", "annika", "bob", "carl", "dora"].map(Into::into).to_vec(), None));
    assert_eq!(names("?q=ANN").await.0, ["anna", "annika"]);
    assert_eq!(names("?online=false").await.0.len(), 5);
    assert_eq!(names("?online=true").await, (Vec::new(), None));
    let (first, next) = names("?limit=2&online=false").await;
    assert_eq!(first, ["anna", "annika"]);
    let (second, next) = names(&format!("?limit=2&online=false&cursor={}", next.unwrap())).await;
    assert_eq!(second, ["bob", "carl"]);
    let (third, next) = names(&format!("?limit=2&online=false&cursor={}", next.unwrap())).await;
    assert_eq!((third, next), (vec!["dora".to_owned()], None));
    assert_eq!(world.get("/v1/users?online=maybe").await.problem(422), ["online"]);
}

#[tokio::test]
async fn sessions_topics_and_keys() {
    let world = World::new().await;
    assert_eq!(world.get("/v1/sessions").await.json(), json!({"sessions": [], "next": null}));
    world.delete("/v1/sessions/anna@localhost%2Fphone").await.problem(404);
    world.delete("/v1/sessions/anna@localhost/phone").await.problem(404);

    world.user("anna").await;
    let path = "/v1/topics/news%2Fsport/subscribers/anna";
    for _ in 0..2 {
        assert_eq!(world.call(&world.admin, "PUT", path, None).await.status.as_u16(), 204);
    }
    assert_eq!(
        world.get("/v1/topics").await.json(),
        json!({"topics": [{"topic": "news/sport", "subscribers": 1, "subscribe": "open"}], "next": null})
    );
    assert_eq!(world.get("/v1/users/anna").await.json()["topics"], json!(["news/sport"]));
    let sent = world.post("/v1/notifications", r#"{"to": {"topic": "news/sport"}, "title": "t"}"#).await;
    assert_eq!(sent.json()["recipients"], 1);
    for _ in 0..2 {
        assert_eq!(world.delete(path).await.status.as_u16(), 204);
    }
    assert_eq!(world.get("/v1/topics").await.json()["topics"], json!([]));
    let put = async |path: &str| world.call(&world.admin, "PUT", path, None).await;
    put("/v1/topics/t/subscribers/ghost").await.problem(404);
    assert_eq!(put("/v1/topics/a%20b/subscribers/anna").await.problem(422), ["topic"]);

    let made = world.post("/v1/keys", r#"{"name": "backend", "scope": "send"}"#).await;
    assert_eq!(made.status.as_u16(), 201);
    let made = made.json();
    let (id, secret) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let listed = world.get("/v1/keys").await.json();
    let row = listed["keys"].as_array().unwrap().iter().find(|key| key["id"] == id).unwrap();
    assert_eq!((&row["name"], &row["scope"]), (&json!("backend"), &json!("send")));
    assert!(!listed.to_string().contains(secret));
    let send = r#"{"to": {"all": true}, "title": "t"}"#;
    assert_eq!(world.call(secret, "POST", "/v1/notifications", Some(send)).await.status.as_u16(), 202);
    assert_eq!(world.delete(&format!("/v1/keys/{id}")).await.status.as_u16(), 204);
    world.call(secret, "POST", "/v1/notifications", Some(send)).await.problem(401);
    world.delete(&format!("/v1/keys/{id}")).await.problem(404);
    assert_eq!(
        world.post("/v1/keys", r#"{"name": " ", "scope": "root"}"#).await.problem(422),
        ["name", "scope"]
    );

    let log = world.store.audit_log(None, 100).await.unwrap();
    // The keys of the test itself were made by another.
    let by_admin = log.items.iter().rev().filter(|entry| entry.actor == "admin");
    let actions: Vec<_> = by_admin.map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["user.create", "topic.subscribe", "topic.unsubscribe", "key.create", "key.revoke"]);
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems_too() {
    let world = World::new().await;
    world.get("/v1/nothing").await.problem(404);
    world.get("/v2").await.problem(404);
    let answer = world.delete("/v1/notifications").await;
    answer.problem(405);
    let allowed = answer.header("allow");
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    let answer = world.get("/healthz").await;
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(answer.header("content-security-policy").contains("default-src 'none'"));
}

#[tokio::test]
async fn health_metrics_and_description_need_no_key() {
    let world = World::new().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(world.call("", "GET", path, None).await.status.as_u16(), 200);
    }
    let description = world.call("", "GET", "/openapi.json", None).await.json();
    assert!(description["paths"]["/v1/notifications"]["post"].is_object());
    world.post("/v1/notifications", r#"{"to": {"all": true}, "title": "t"}"#).await;
    let metrics = world.call("", "GET", "/metrics", None).await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    for line in [
        "tidings_notifications_accepted_total 1",
        "tidings_sessions 0",
        r#"tidings_http_requests_total{route="/v1/notifications",method="POST",status="202"} 1"#,
        r#"tidings_http_request_duration_seconds_bucket{route="/v1/notifications",le="+Inf"} 1"#,
    ] {
        assert!(metrics.text.lines().any(|found| found == line), "{line} in {}", metrics.text);
    }
    world.store.close().await;
    world.call("", "GET", "/healthz", None).await;
}

#[tokio::test]
async fn readiness_fails_with_the_store() {
    let world = World::new().await;
    world.store.close().await;
    let answer = world.call("", "GET", "/readyz", None).await;
    answer.problem(503);
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test]
async fn metrics_can_ask_for_a_key() {
    let settings = Settings { metrics: MetricsAccess::Key, ..Settings::default() };
    let world = World::with(Config::default(), settings).await;
    world.call("", "GET", "/metrics", None).await.problem(401);
    world.call(&world.send, "GET", "/metrics", None).await.problem(403);
    assert_eq!(world.call(&world.read, "GET", "/metrics", None).await.status.as_u16(), 200);
}

#[tokio::test]
async fn androidpns_form_still_works() {
    let world = World::new().await;
    world.user("anna").await;
    let post = async |query: &str, authorization: Option<String>, form: &str| {
        let mut request = Request::post(format!("/notification.do{query}"))
            .header("content-type", "application/x-www-form-urlencoded; charset=UTF-8");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        world.raw(request.body(Body::from(form.to_owned())).unwrap()).await
    };
    let form = "broadcast=N&username=anna&title=Gr%C3%BC%C3%9Fe&message=a+b&uri=";
    let bearer = Some(format!("Bearer {}", world.send));
    let basic = Some(format!("Basic {}", STANDARD.encode(format!("admin:{}", world.send))));
    let field = format!("{form}&api_key={}", world.send);

    post("?action=send", None, form).await.problem(401);
    post("?action=send", Some("Bearer wrong".into()), form).await.problem(401);
    post("?action=send", Some(format!("Bearer {}", world.read)), form).await.problem(403);
    assert_eq!(world.get("/v1/stats").await.json()["accepted"], 0);

    for (authorization, form) in [(bearer.clone(), form), (basic, form), (None, field.as_str())] {
        let answer = post("?action=send", authorization, form).await;
        assert_eq!(answer.status.as_u16(), 302, "{}", answer.text);
        assert_eq!(answer.header("location"), "/notification.do");
    }
    let newest = world.get("/v1/notifications?limit=1").await.json()["notifications"][0].clone();
    assert_eq!(newest["title"], "Grüße");
    assert_eq!(newest["message"], "a b");
    assert_eq!(newest["uri"], Value::Null);
    assert_eq!(newest["to"], json!({"user": "anna"}));

    let query = format!("?action=send&broadcast=Y&title=x&api_key={}", world.send);
    assert_eq!(post(&query, None, "").await.status.as_u16(), 302);
    let newest = world.get("/v1/notifications?limit=1").await.json()["notifications"][0].clone();
    assert_eq!(newest["to"], json!({"all": true}));

    assert_eq!(post("?action=send", bearer.clone(), "broadcast=X&title=t").await.problem(422), ["broadcast"]);
    assert_eq!(post("?action=send", bearer.clone(), "title=t").await.problem(422), ["username"]);
    assert_eq!(
        post("?action=send", bearer.clone(), "username=ghost&title=t").await.problem(422),
        ["username"]
    );
    assert_eq!(post("?action=send", bearer.clone(), "username=anna").await.problem(422), ["message"]);
    post("?action=list", bearer.clone(), form).await.problem(404);
    post("", bearer, form).await.problem(404);
    assert_eq!(world.call("", "GET", "/notification.do", None).await.status.as_u16(), 302);
    let get = "/notification.do?action=send&broadcast=N&username=anna&title=by+GET";
    world.call("", "GET", get, None).await.problem(401);
    world.call(&world.read, "GET", get, None).await.problem(403);
    let answer = world.call("", "GET", &format!("{get}&api_key={}", world.send), None).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (302, "/notification.do"));
    let newest = world.get("/v1/notifications?limit=1").await.json()["notifications"][0].clone();
    assert_eq!(
        (newest["title"].as_str(), &newest["id"]),
        (Some("by GET"), &json!(answer.header("notification-id")))
    );
}

#[tokio::test]
async fn events_are_streamed() {
    let world = World::new().await;
    let request = Request::get("/v1/events")
        .header("authorization", format!("Bearer {}", world.read))
        .body(Body::empty())
        .unwrap();
    let response = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let mut body = response.into_body().into_data_stream();
    let id = NotificationId(7);
    world.core.events.send(Event::Accepted { id, recipients: 3, priority: Priority::High });
    let text = String::from_utf8(body.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(text.contains("event: accepted\n"), "{text}");
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data, json!({"id": id.to_string(), "recipients": 3, "priority": "high"}));

    for _ in 0..5000 {
        world.core.events.send(Event::Delivered { id, accounts: 1 });
    }
    let text = String::from_utf8(body.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(text.contains("event: lagged\n"), "{text}");
}

#[tokio::test]
async fn event_streams_are_bounded() {
    let world = World::with(Config::default(), Settings { streams: 1, ..Settings::default() }).await;
    let request = || {
        Request::get("/v1/events")
            .header("authorization", format!("Bearer {}", world.read))
            .body(Body::empty())
            .unwrap()
    };
    let first = world.router.clone().oneshot(request()).await.unwrap();
    assert_eq!(first.status().as_u16(), 200);
    world.raw(request()).await.problem(503);
    drop(first);
    assert_eq!(world.router.clone().oneshot(request()).await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn the_only_node_is_listed_with_its_sessions() {
    let config = Config { node: "here".into(), ..Config::default() };
    let world = World::with(config, Settings::default()).await;
    let nodes = async || world.call(&world.read, "GET", "/v1/nodes", None).await.json();
    let node = |sessions: u64| {
        json!({"nodes": [{
            "name": "here", "version": env!("CARGO_PKG_VERSION"), "started": "2026-01-02T03:04:05Z",
            "seen": "2026-01-02T03:04:05Z", "draining": false, "sessions": sessions,
        }]})
    };
    assert_eq!(nodes().await, node(0));
    world.user("anna").await;
    let _phone = common::device::device(&world, "anna", "192.0.2.1").await;
    assert_eq!(nodes().await, node(1));
    world.call(&world.send, "GET", "/v1/nodes", None).await.problem(403);
    world.call("", "GET", "/v1/nodes", None).await.problem(401);
}
