//! Who may what, on the running program: topics that are granted, keys that are bound.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed test panics"
)]

mod common;

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
    let page = async |query: &str| {
        api::ask(http, "GET", &format!("/v1/topics/news/subscribers{query}"), None).await
    };
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
