//! Users and sessions, sorted and paged, with devices that are connected.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail")]

mod common;

use common::World;
use common::browser::Browser;
use common::device::device;
use tidings_core::audit::Actor;
use tidings_core::model::{Role, Timestamp, Username};
use tidings_core::store::Seen;

/// Follows a listing of the API page by page.
async fn all(world: &World, path: &str, rows: &str, name: &str) -> Vec<String> {
    let mut cursor = String::new();
    let mut found = Vec::new();
    loop {
        let page = world.get(&format!("{path}{cursor}")).await.json();
        let page_rows = page[rows].as_array().unwrap_or_else(|| panic!("{path}: {page}"));
        found.extend(page_rows.iter().map(|row| row[name].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test]
async fn users_are_sorted_with_those_online_as_the_last_seen() {
    let world = World::new().await;
    // Created in this order; online are carl and anna.
    let names = ["emil", "carl", "anna", "dora", "bert", "fred"];
    let mut left = Vec::new();
    for (name, at) in names.into_iter().zip([70, 10, 0, 80, 70, 0]) {
        world.user(name).await;
        let account = world.store.account(&Username::parse(name).unwrap()).await.unwrap().unwrap().id;
        left.extend((at > 0).then_some(Seen { account, at: Timestamp(at), offline: true }));
    }
    world.store.touch_accounts(left).await.unwrap();
    let _devices = [device(&world, "carl", "192.0.2.1").await, device(&world, "anna", "192.0.2.2").await];
    for (sort, filter, expected) in [
        ("username", "", "anna bert carl dora emil fred"),
        ("created", "", "emil carl anna dora bert fred"),
        ("last_seen", "", "fred emil bert dora carl anna"),
        ("username", "&online=true", "anna carl"),
        ("created", "&online=true", "carl anna"),
        ("last_seen", "&online=true", "carl anna"),
        ("username", "&online=false", "bert dora emil fred"),
        ("last_seen", "&online=false", "fred emil bert dora"),
        ("last_seen", "&q=r", "fred bert dora carl"),
        ("created", "&q=r&online=true", "carl"),
    ] {
        let mut expected: Vec<&str> = expected.split(' ').collect();
        for way in ["", "-"] {
            for limit in 1..=7 {
                let path = format!("/v1/users?sort={way}{sort}{filter}&limit={limit}");
                assert_eq!(all(&world, &path, "users", "username").await, expected, "{path}");
            }
            expected.reverse();
        }
    }
    assert_eq!(world.get("/v1/users?sort=email").await.problem(422), ["sort"]);
}

#[tokio::test]
async fn sessions_are_sorted_and_searched() {
    let world = World::new().await;
    let mut devices = Vec::new();
    for (name, address) in
        [("carl", "192.0.2.7"), ("anna", "192.0.2.30"), ("bert", "192.0.2.7"), ("dora", "[2001:db8::1]")]
    {
        world.user(name).await;
        devices.push(device(&world, name, address).await);
    }
    for (query, expected) in [
        ("sort=created", "carl anna bert dora"),
        ("sort=username", "anna bert carl dora"),
        ("sort=client_ip", "carl bert anna dora"),
        ("q=192.0.2.7", "carl bert"),
        ("sort=username&q=PHONE", "anna bert carl dora"),
        ("sort=client_ip&q=ar", "carl"),
    ] {
        let mut expected: Vec<&str> = expected.split(' ').collect();
        for way in ["sort=", "sort=-"] {
            let query = query.replace("sort=", way);
            for limit in 1..=5 {
                let path = format!("/v1/sessions?{query}&limit={limit}");
                assert_eq!(all(&world, &path, "sessions", "username").await, expected, "{path}");
            }
            if query.contains("sort=") {
                expected.reverse();
            }
        }
    }
    assert_eq!(world.get("/v1/sessions?cursor=x").await.problem(422), ["cursor"]);
}

#[tokio::test]
async fn the_console_sorts_by_its_headings_and_tells_a_users_past() {
    let world = World::new().await;
    world.core.auth.put_operator(&Actor::CommandLine, "viewer", "correct horse", Role::Viewer).await.unwrap();
    let login = world.browse("", "POST", "/login", Some("username=viewer&password=correct+horse")).await;
    let cookie = login.header("set-cookie").split(';').next().unwrap().to_owned();
    let get = async |path: &str| world.browse(&cookie, "GET", path, None).await.text.replace("&#38;", "&");
    for n in 0..60 {
        world.user(&format!("user{n:02}")).await;
    }
    let page = get("/users?q=user").await;
    assert!(
        page.contains(r#"aria-sort="ascending"><a class="sort" href="/users?q=user&sort=-username""#),
        "{page}"
    );
    let newest = get("/users?q=user&sort=-created").await;
    assert!(newest.contains(r#"aria-sort="descending"><a class="sort" href="/users?q=user&sort=created""#));
    let (first, last) = (newest.find("/users/user59\"").unwrap(), newest.find("/users/user10\"").unwrap());
    assert!(first < last && !newest.contains("/users/user09\""));
    let (_, next) = newest.split_once(r#"rel="next" href=""#).unwrap();
    let rest = get(next.split('"').next().unwrap()).await;
    assert!(
        rest.contains("/users/user09\"")
            && !rest.contains("/users/user10\"")
            && !rest.contains(r#"rel="next""#)
    );

    assert!(
        rest.contains(r#"rel="first" href="/users?q=user&sort=-created""#)
            && !newest.contains(r#"rel="first""#)
    );

    let _device = device(&world, "user07", "192.0.2.1").await;
    for number in 0..25 {
        let body = format!(r#"{{"to": {{"user": "user07"}}, "title": "number {number:02}", "ttl": 0}}"#);
        assert_eq!(world.post("/v1/notifications", &body).await.status.as_u16(), 202);
    }
    world.store.expire_due(Timestamp(i64::MAX), 100).await.unwrap();
    let page = get("/users/user07").await;
    assert_eq!(page.matches(r#"<span class="tag expired">expired</span>"#).count(), 20);
    let (_, older) = page.split_once(r#"<a class="button" href="/users/user07?cursor="#).unwrap();
    let page = get(&format!("/users/user07?cursor={}", older.split('#').next().unwrap())).await;
    assert_eq!(page.matches(r#"<span class="tag expired">expired</span>"#).count(), 5);
    assert!(page.contains("number 04") && !page.contains("number 05") && !page.contains(">Older<"));
    assert!(
        get("/users/user08")
            .await
            .contains("What was delivered, has expired or was cancelled is listed here")
    );
    let sessions = get("/sessions?sort=-username").await;
    assert!(sessions.contains(r#"aria-sort="descending"><a class="sort" href="/sessions?sort=username""#));
}

#[tokio::test]
async fn what_was_acknowledged_a_moment_ago_is_not_shown_as_pending() {
    let world = World::new().await;
    world
        .core
        .auth
        .put_operator(&Actor::CommandLine, "root", "correct horse", Role::Administrator)
        .await
        .unwrap();
    let browser = Browser::log_in(&world, "root").await;
    world.user("anna").await;
    let mut phone = device(&world, "anna", "192.0.2.1").await;
    let sent = world.post("/v1/notifications", r#"{"to": {"user": "anna"}, "title": "just read"}"#).await;
    let id = sent.json()["id"].as_str().unwrap().to_owned();
    let page = browser.get("/users/anna").await.text;
    let (pending, past) = page.split_once(r#"id="past""#).unwrap();
    assert!(pending.contains("just read") && !past.contains("just read"), "{page}");

    phone.send(&format!("<message><received xmlns='urn:xmpp:receipts' id='{id}'/></message>")).await;
    let page = browser.get("/users/anna").await.text;
    let (pending, past) = page.split_once(r#"id="past""#).unwrap();
    assert!(!pending.contains("just read") && past.contains("just read"), "{page}");
    assert_eq!(world.get("/v1/users/anna").await.json()["pending"], 0);
}
