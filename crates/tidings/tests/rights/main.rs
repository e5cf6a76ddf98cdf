//! Who may what, on the running program: topics that are granted, keys that are bound, accounts that
//! publish, devices that are invited.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed test panics"
)]

#[path = "../common/mod.rs"]
mod common;
mod invitations;

use std::net::SocketAddr;

use common::server::{Home, Server};
use common::wire::Wire;
use common::{accounts, api};
use serde_json::{Value, json};
use tidings_xmpp::xml::Element;

/// A server with these accounts.
async fn start(home: Home, names: &[&str]) -> (Home, Server) {
    accounts::create(&home.database(), names.iter().map(ToString::to_string), &[]).await;
    let server = home.start();
    (home, server)
}

/// Says a request, and hears its answer.
async fn answer(wire: &mut Wire, id: &str, payload: &str) -> Element {
    wire.say(&format!("<iq type='set' id='{id}'>{payload}</iq>")).await.unwrap();
    loop {
        let iq = wire.await_element("iq").await.unwrap();
        if iq.attribute("id") == Some(id) {
            return iq;
        }
    }
}

/// `result`, or the condition of the error.
fn outcome(iq: &Element) -> String {
    match iq.attribute("type") {
        Some("result") => "result".into(),
        _ => {
            let error = iq.children().find(|child| child.name() == "error").expect("an error");
            error.children().next().expect("a condition").name().to_owned()
        }
    }
}

fn subscribe(topic: &str) -> String {
    format!("<subscribe xmlns='urn:tidings:push:1' topic='{topic}'/>")
}

fn set_tags(tags: &str) -> String {
    format!("<settags xmlns='androidpn:iq:settags'><tags>{tags}</tags></settags>")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_topic_is_for_those_whom_the_operator_subscribes() {
    let (_home, server) = start(Home::new(), &["anna"]).await;
    let http = server.addresses.http;
    let set = async |topic: &str, subscribe: &str| {
        let body = json!({ "subscribe": subscribe });
        api::ask(http, "PUT", &format!("/v1/topics/{topic}"), Some(&body)).await
    };
    let granted = set("ops", "granted").await;
    assert_eq!(granted.status, 200, "{}", granted.body);
    assert_eq!(granted.body, json!({ "topic": "ops", "subscribers": 0, "subscribe": "granted" }));
    for wrong in [json!({ "subscribe": "closed" }), json!({}), json!({ "subscribe": "open", "x": 1 })] {
        assert_eq!(api::ask(http, "PUT", "/v1/topics/ops", Some(&wrong)).await.status, 422, "{wrong}");
    }

    let (mut phone, _) = Wire::session(server.addresses.xmpps, "anna", "phone").await.unwrap();
    assert_eq!(outcome(&answer(&mut phone, "1", &subscribe("ops")).await), "forbidden");
    assert_eq!(outcome(&answer(&mut phone, "2", &subscribe("news")).await), "result");
    // All of it or nothing.
    assert_eq!(outcome(&answer(&mut phone, "3", &set_tags("art,ops")).await), "forbidden");
    let topics = async || api::ask(http, "GET", "/v1/users/anna", None).await.body["topics"].clone();
    assert_eq!(topics().await, json!(["news"]));

    let put = api::ask(http, "PUT", "/v1/topics/ops/subscribers/anna", None).await;
    assert_eq!(put.status, 204, "{}", put.body);
    // What it has already it may keep, and ask for again.
    assert_eq!(outcome(&answer(&mut phone, "4", &subscribe("ops")).await), "result");
    assert_eq!(outcome(&answer(&mut phone, "5", &set_tags("art,ops")).await), "result");
    assert_eq!(topics().await, json!(["art", "ops"]));
    let sent = api::send(http, &json!({ "to": { "topic": "ops" }, "title": "to those who may" })).await;
    let message = phone.await_element("message").await.unwrap();
    assert_eq!(message.attribute("id"), Some(sent.as_str()));

    let page = api::ask(http, "GET", "/v1/topics", None).await.body;
    let art = json!({ "topic": "art", "subscribers": 1, "subscribe": "open" });
    let ops = json!({ "topic": "ops", "subscribers": 1, "subscribe": "granted" });
    assert_eq!(page["topics"], json!([art, ops]));
    // A device leaves by itself, and does not come back by itself.
    assert_eq!(outcome(&answer(&mut phone, "6", &set_tags("art")).await), "result");
    assert_eq!(outcome(&answer(&mut phone, "7", &subscribe("ops")).await), "forbidden");
    set("ops", "open").await;
    assert_eq!(outcome(&answer(&mut phone, "8", &subscribe("ops")).await), "result");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_granted_where_the_configuration_says_so_unless_one_says_otherwise() {
    let home = Home::new().set("topics.subscribe=granted");
    let (_home, server) = start(home, &["anna", "bert", "carl"]).await;
    let http = server.addresses.http;
    let (mut phone, _) = Wire::session(server.addresses.xmpps, "anna", "phone").await.unwrap();
    assert_eq!(outcome(&answer(&mut phone, "1", &subscribe("news")).await), "forbidden");
    let open = json!({ "subscribe": "open" });
    assert_eq!(api::ask(http, "PUT", "/v1/topics/news", Some(&open)).await.status, 200);
    assert_eq!(outcome(&answer(&mut phone, "2", &subscribe("news")).await), "result");
    for name in ["carl", "bert"] {
        api::ask(http, "PUT", &format!("/v1/topics/news/subscribers/{name}"), None).await;
    }
    let page =
        async |query: &str| api::ask(http, "GET", &format!("/v1/topics/news/subscribers{query}"), None).await;
    let first = page("?limit=2").await.body;
    assert_eq!(first["subscribers"], json!([{ "username": "anna" }, { "username": "bert" }]));
    let next = first["next"].as_str().unwrap();
    let last = page(&format!("?limit=2&cursor={next}")).await.body;
    assert_eq!(last, json!({ "subscribers": [{ "username": "carl" }], "next": null }));
    assert_eq!(page("?cursor=x").await.status, 422);
    let none = api::ask(http, "GET", "/v1/topics/none/subscribers", None).await;
    assert_eq!((none.status, none.body), (200, json!({ "subscribers": [], "next": Value::Null })));
    server.stop();
}

/// A thousand tags in exchange for a thousand took 2,000 writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_are_set_in_one_write() {
    let (home, server) = start(Home::new(), &["anna"]).await;
    let http = server.addresses.http;
    let (mut phone, _) = Wire::session(server.addresses.xmpps, "anna", "phone").await.unwrap();
    let tags = |letter: char| (0..1000).map(|n| format!("{letter}{n}")).collect::<Vec<_>>().join(",");
    assert_eq!(outcome(&answer(&mut phone, "1", &set_tags(&tags('a'))).await), "result");
    assert_eq!(outcome(&answer(&mut phone, "2", &set_tags(&tags('b'))).await), "result");
    let topics = api::ask(http, "GET", "/v1/users/anna", None).await.body["topics"].clone();
    let topics = topics.as_array().unwrap();
    assert_eq!(topics.len(), 1000);
    assert!(topics.iter().all(|topic| topic.as_str().unwrap().starts_with('b')));
    server.stop();
    // The audit log has a line for each write.
    let database = rusqlite::Connection::open(home.database()).unwrap();
    let lines: u32 = database.query_row("SELECT count(*) FROM audit", [], |row| row.get(0)).unwrap();
    assert_eq!(lines, 2);
}

/// A key of this rights; its secret.
async fn key(http: SocketAddr, body: Value) -> String {
    let made = api::ask(http, "POST", "/v1/keys", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.body["key"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_key_sends_within_its_rights_through_every_door() {
    let (home, server) = start(Home::new(), &["anna", "andy", "bert"]).await;
    let http = server.addresses.http;
    let bound = json!({ "name": "ci", "scope": "send", "topics": ["alerts*", "news"], "users": ["An*"] });
    let secret = key(http, bound).await;
    let send = async |to: Value| {
        let body = json!({ "to": to, "title": "t" });
        api::ask_with(http, &secret, "POST", "/v1/notifications", Some(&body)).await
    };
    let (yes, no) = (202, 403);
    for (to, status) in [
        (json!({ "topic": "alerts" }), yes),
        (json!({ "topic": "alerts/fire" }), yes),
        (json!({ "topic": "news" }), yes),
        (json!({ "topic": "newsroom" }), no),
        (json!({ "user": "anna" }), yes),
        (json!({ "users": ["anna", "Andy"] }), yes),
        (json!({ "users": ["anna", "bert"] }), no),
        (json!({ "user": "bert" }), no),
        // Whether there is such a user is none of its business.
        (json!({ "user": "nobody" }), no),
        (json!({ "all": true }), no),
    ] {
        let answer = send(to.clone()).await;
        assert_eq!(answer.status, status, "{to}: {}", answer.body);
    }
    // androidpn's form.
    let legacy =
        async |fields: &str| api::post_form(http, &secret, "/notification.do?action=send", fields).await;
    assert_eq!(legacy("broadcast=N&username=anna&title=t").await.status, 302);
    assert_eq!(legacy("broadcast=N&username=bert&title=t").await.status, 403);
    assert_eq!(legacy("broadcast=Y&title=t").await.status, 403);
    // Nor does it withdraw what others were sent.
    for (to, status) in [
        (json!({ "user": "bert" }), 403),
        (json!({ "all": true }), 403),
        (json!({ "topic": "chess" }), 403),
        (json!({ "users": ["anna", "bert"] }), 403),
        (json!({ "user": "anna" }), 200),
    ] {
        let id = api::send(http, &json!({ "to": to, "title": "t" })).await;
        let path = format!("/v1/notifications/{id}");
        let answer = api::ask_with(http, &secret, "DELETE", &path, None).await;
        assert_eq!(answer.status, status, "{to}: {}", answer.body);
        let pending = api::figures(http, &id).await[3];
        assert_eq!(pending == 0, status == 200 || to.get("topic").is_some(), "{to}");
    }
    let keys = api::ask(http, "GET", "/v1/keys", None).await.body;
    let shown = &keys["keys"][0];
    assert_eq!((&shown["topics"], &shown["users"]), (&json!(["alerts*", "news"]), &json!(["an*"])));
    key(http, json!({ "name": "shop", "scope": "send" })).await;
    let keys = api::ask(http, "GET", "/v1/keys", None).await.body;
    assert_eq!((&keys["keys"][1]["topics"], &keys["keys"][1]["users"]), (&Value::Null, &Value::Null));
    for (wrong, field) in [
        (json!({ "name": "x", "scope": "send", "topics": ["a*b"] }), "topics[0]"),
        (json!({ "name": "x", "scope": "send", "users": ["a", "b c"] }), "users[1]"),
        (json!({ "name": "x", "scope": "send", "topics": "news" }), "topics"),
        (json!({ "name": "x", "scope": "send", "users": [1] }), "users[0]"),
    ] {
        let answer = api::ask(http, "POST", "/v1/keys", Some(&wrong)).await;
        assert_eq!(
            (answer.status, answer.body["errors"][0]["field"].as_str()),
            (422, Some(field)),
            "{wrong}"
        );
    }
    server.stop();

    // The command line makes and shows such keys as well, and the next start knows them.
    let made = home.run(&["key", "create", "cron", "--topic", "night*", "--user", "bert"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let secret = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let listed = String::from_utf8(home.run(&["key", "list"]).stdout).unwrap();
    assert!(listed.contains("#night* bert") && listed.contains("#alerts* #news an*"), "{listed}");
    assert!(listed.contains("everyone"), "{listed}");
    let server = home.start();
    let http = server.addresses.http;
    let send = async |to: Value| {
        let body = json!({ "to": to, "title": "t" });
        api::ask_with(http, &secret, "POST", "/v1/notifications", Some(&body)).await.status
    };
    assert_eq!(send(json!({ "topic": "nightly" })).await, 202);
    assert_eq!(send(json!({ "topic": "news" })).await, 403);
    assert_eq!(send(json!({ "user": "bert" })).await, 202);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_account_may_send_to_and_its_tokens() {
    let (_home, server) = start(Home::new(), &["anna", "bert"]).await;
    let http = server.addresses.http;
    let patch = async |body: Value| api::ask(http, "PATCH", "/v1/users/anna", Some(&body)).await;
    let shown = async || api::ask(http, "GET", "/v1/users/anna", None).await.body["publish"].clone();
    assert_eq!(shown().await, json!([]));
    let changed = patch(json!({ "publish": ["news", "alerts*", "news"] })).await;
    assert_eq!((changed.status, &changed.body["publish"]), (200, &json!(["news", "alerts*"])));
    assert_eq!(patch(json!({ "name": "Anna" })).await.status, 200);
    assert_eq!(shown().await, json!(["news", "alerts*"]));
    let wrong = patch(json!({ "publish": ["news", "a b"] })).await;
    assert_eq!((wrong.status, &wrong.body["errors"][0]["field"]), (422, &json!("publish[1]")));
    assert_eq!(patch(json!({ "publish": null })).await.body["publish"], json!([]));

    let path = "/v1/users/anna/tokens";
    let label = json!({ "label": "laptop", "expires_in": 3600 });
    let made = api::ask(http, "POST", path, Some(&label)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let token = made.body["token"].as_str().unwrap();
    assert!(token.starts_with("tk_") && token.len() == 32, "{token}");
    let second = api::ask(http, "POST", path, None).await;
    assert_eq!(second.status, 201, "{}", second.body);
    assert_ne!(second.body["token"], made.body["token"]);
    let list = api::ask(http, "GET", path, None).await.body;
    let tokens = list["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 2);
    assert_eq!((&tokens[0]["label"], &tokens[1]["label"]), (&json!("laptop"), &Value::Null));
    assert!(tokens[0]["expires_at"].is_string() && tokens[1]["expires_at"].is_null());
    assert!(!list.to_string().contains(token), "the secret is shown once");
    for (wrong, field) in [
        (json!({ "expires_in": 0 }), "expires_in"),
        (json!({ "expires_in": u64::MAX }), "expires_in"),
        (json!({ "label": "x".repeat(101) }), "label"),
    ] {
        let answer = api::ask(http, "POST", path, Some(&wrong)).await;
        assert_eq!(
            (answer.status, answer.body["errors"][0]["field"].as_str()),
            (422, Some(field)),
            "{wrong}"
        );
    }
    let id = made.body["id"].as_str().unwrap();
    let other = api::ask(http, "DELETE", &format!("/v1/users/bert/tokens/{id}"), None).await;
    assert_eq!(other.status, 404);
    for status in [204, 404] {
        let gone = api::ask(http, "DELETE", &format!("{path}/{id}"), None).await;
        assert_eq!(gone.status, status);
    }
    assert_eq!(api::ask(http, "GET", path, None).await.body["tokens"].as_array().unwrap().len(), 1);
    assert_eq!(api::ask(http, "GET", "/v1/users/nobody/tokens", None).await.status, 404);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_is_no_audience_of_the_api() {
    let (_home, server) = start(Home::new(), &[]).await;
    let http = server.addresses.http;
    let body = json!({ "to": { "endpoint": "3f2b0a4e-0000-4000-8000-000000000000" }, "title": "t" });
    let refused = api::ask(http, "POST", "/v1/notifications", Some(&body)).await;
    assert_eq!((refused.status, &refused.body["errors"][0]["field"]), (422, &json!("to.endpoint")));
    let document = api::ask(http, "GET", "/openapi.json", None).await.body;
    let schemas = &document["components"]["schemas"];
    let to = schemas["NewNotification"]["properties"]["to"].to_string();
    assert!(to.contains("#/components/schemas/NewAudience"), "{to}");
    let fields = schemas["NewAudience"]["properties"].as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["all", "topic", "user", "users"]);
    server.stop();
}
