//! The console as a browser without script sees it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail")]

mod common;

use axum::body::Body;
use axum::http::Request;
use common::browser::{Browser, between};
use common::{Answer, World};
use tidings_core::audit::Actor;
use tidings_core::config::Config;
use tidings_core::model::Role;
use tidings_http::Settings;

const PASSWORD: &str = "correct horse";

async fn world() -> World {
    let world = World::new().await;
    for (name, role) in [("admin", Role::Administrator), ("sender", Role::Sender), ("viewer", Role::Viewer)] {
        world.core.auth.put_operator(&Actor::CommandLine, name, PASSWORD, role).await.unwrap();
    }
    world
}

#[track_caller]
fn leads_to<'a>(answer: &'a Answer, path: &str) -> &'a str {
    assert_eq!(answer.status.as_u16(), 303, "{}", answer.text);
    let location = answer.header("location");
    assert!(location.starts_with(path), "{location}");
    location
}

#[tokio::test]
async fn nothing_is_shown_before_login() {
    let world = world().await;
    for path in ["/users", "/notifications/new", "/keys", "/live", "/complete?q=a", "/operators"] {
        let answer = world.browse("", "GET", path, None).await;
        leads_to(&answer, "/login?next=");
        leads_to(&world.browse("tidings=forged", "GET", path, None).await, "/login?next=");
    }
    assert_eq!(world.browse("", "GET", "/", None).await.header("location"), "/login");
    for path in ["/users", "/notifications", "/keys", "/topics/subscribe", "/sessions/end", "/logout"] {
        leads_to(&world.browse("", "POST", path, Some("csrf=")).await, "/login");
    }
    let login = world.browse("", "GET", "/login?next=//evil.example", None).await;
    assert!(login.text.contains(r#"name="next" value="/""#), "{}", login.text);
}

#[tokio::test]
async fn the_cookie_and_the_pages_are_locked_down() {
    let world = world().await;
    let answer =
        world.browse("", "POST", "/login", Some("username=admin&password=correct+horse&next=/users")).await;
    assert_eq!(leads_to(&answer, "/users"), "/users");
    let cookie = answer.header("set-cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let page = world.browse(cookie.split(';').next().unwrap(), "GET", "/", None).await;
    assert_eq!(page.status.as_u16(), 200);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(!policy.contains("https:"), "{policy}");
    // The page that composes a notification may show its picture.
    let page = world.browse(cookie.split(';').next().unwrap(), "GET", "/notifications/new", None).await;
    let policy = page.header("content-security-policy");
    assert!(policy.contains("img-src 'self' https:;") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(page.header("cache-control"), "no-store");

    let settings = Settings { public_url: Some("https://push.example".into()), ..Settings::default() };
    let world = World::with(Config::default(), settings).await;
    world.core.auth.put_operator(&Actor::CommandLine, "admin", PASSWORD, Role::Administrator).await.unwrap();
    let answer = world.browse("", "POST", "/login", Some("username=admin&password=correct+horse")).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-tidings=") && cookie.contains("; Secure"), "{cookie}");
}

#[tokio::test]
async fn wrong_passwords_are_refused_and_then_throttled() {
    let mut config = Config::default();
    config.limits.login_failures_per_minute = 3;
    let world = World::with(config, Settings::default()).await;
    world.core.auth.put_operator(&Actor::CommandLine, "admin", PASSWORD, Role::Administrator).await.unwrap();
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let answer = world.browse("", "POST", "/login", Some("username=admin&password=wrong")).await;
        assert!(answer.header("set-cookie").is_empty());
        assert!(!answer.text.contains("wrong\""), "the password is not written back");
        statuses.push(answer.status.as_u16());
    }
    assert_eq!(statuses[0], 401);
    assert_eq!(statuses[4], 429);
    let answer = world.browse("", "POST", "/login", Some("username=admin&password=correct+horse")).await;
    assert_eq!(answer.status.as_u16(), 429);
}

#[tokio::test]
async fn a_logout_ends_the_login() {
    let world = world().await;
    let browser = Browser::log_in(&world, "admin").await;
    assert_eq!(browser.get("/users").await.status.as_u16(), 200);
    let answer = browser.post("/logout", "").await;
    leads_to(&answer, "/login");
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    leads_to(&browser.get("/users").await, "/login");
}

#[tokio::test]
async fn forged_forms_are_refused() {
    let world = world().await;
    world.user("anna").await;
    let browser = Browser::log_in(&world, "admin").await;
    let other = Browser::log_in(&world, "sender").await;
    for form in ["", "csrf=", "csrf=x", &format!("csrf={}", other.csrf)] {
        let answer = world.browse(&browser.cookie, "POST", "/users/anna/remove", Some(form)).await;
        assert_eq!(answer.status.as_u16(), 403, "{form}");
    }
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let request = Request::post("/users/anna/remove")
            .header("cookie", &browser.cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("host", "localhost")
            .header(name, value)
            .body(Body::from(format!("csrf={}", browser.csrf)))
            .unwrap();
        assert_eq!(world.raw(request).await.status.as_u16(), 403, "{name}");
    }
    // The API's keys are not the console's, and the other way round.
    let key = world.call(&world.admin, "POST", "/users/anna/remove", None).await;
    leads_to(&key, "/login");
    assert_eq!(world.browse(&browser.cookie, "GET", "/v1/users", None).await.status.as_u16(), 401);
    assert_eq!(world.get("/v1/users/anna").await.status.as_u16(), 200);
}

#[tokio::test]
async fn roles_reach_so_far() {
    let world = world().await;
    world.user("anna").await;
    let compose = "audience=users&users=anna&title=t&priority=normal";
    for (name, sends, administers) in
        [("viewer", false, false), ("sender", true, false), ("admin", true, true)]
    {
        let browser = Browser::log_in(&world, name).await;
        for path in [
            "/",
            "/users",
            "/users/anna",
            "/sessions",
            "/notifications",
            "/topics",
            "/keys",
            "/audit",
            "/password",
        ] {
            assert_eq!(browser.get(path).await.status.as_u16(), 200, "{name} {path}");
        }
        assert_eq!(browser.get("/notifications/new").await.status.as_u16(), if sends { 200 } else { 403 });
        assert_eq!(
            browser.post("/notifications", compose).await.status.as_u16(),
            if sends { 303 } else { 403 }
        );
        for path in ["/users/new", "/operators"] {
            assert_eq!(
                browser.get(path).await.status.as_u16(),
                if administers { 200 } else { 403 },
                "{name} {path}"
            );
        }
        if !administers {
            for (path, form) in [
                ("/users", "username=x&password=correct+horse"),
                ("/users/anna", "name=x"),
                ("/users/anna/disable", ""),
                ("/users/anna/remove", ""),
                ("/sessions/end", "jid=a"),
                ("/topics/subscribe", "topic=t&username=anna"),
                ("/keys", "name=k&scope=admin"),
                ("/keys/revoke", "id=x"),
                ("/operators", "name=x&password=correct+horse&role=administrator"),
                ("/operators/remove", "name=admin"),
            ] {
                assert_eq!(browser.post(path, form).await.status.as_u16(), 403, "{name} {path}");
            }
        }
    }
    assert_eq!(world.get("/v1/stats").await.json()["accepted"], 2);
}

#[tokio::test]
async fn a_notification_is_composed_sent_and_cancelled() {
    let world = world().await;
    world.user("anna").await;
    let browser = Browser::log_in(&world, "sender").await;
    let form = "audience=users&users=Anna&title=Hello&message=a%0D%0Ab&data=k%3Dv&priority=high&ttl=2&unit=hours&once=o1";
    let answer = browser.post("/notifications", form).await;
    let location = leads_to(&answer, "/notifications/").to_owned();
    // The same form once more sends nothing again.
    assert_eq!(leads_to(&browser.post("/notifications", form).await, "/notifications/"), location);
    assert_eq!(world.get("/v1/stats").await.json()["accepted"], 1);
    let id = between(&location, "/notifications/", "?").to_owned();
    let shown = world.get(&format!("/v1/notifications/{id}")).await.json();
    assert_eq!(shown["message"], "a\nb");
    assert_eq!(shown["data"]["k"], "v");
    assert_eq!(shown["priority"], "high");
    assert_eq!(shown["expires_at"], "2026-01-02T05:04:05Z");

    let page = browser.get(&location).await;
    assert!(page.text.contains("Sent: it is on durable storage"), "{}", page.text);
    assert!(browser.get("/notifications").await.text.contains(&format!("/notifications/{id}")));
    assert!(browser.get("/users/anna").await.text.contains("Hello"));
    let again = browser.get(&format!("/notifications/new?from={id}")).await;
    assert!(again.text.contains(r#"value="Hello""#) && again.text.contains("k=v"), "{}", again.text);

    leads_to(&browser.post(&format!("/notifications/{id}/cancel"), "").await, "/notifications/");
    assert_eq!(world.get(&format!("/v1/notifications/{id}")).await.json()["cancelled"], 1);
    let log = browser.get("/audit").await.text;
    for word in ["notification.send", "notification.cancel", "operator.login", "sender"] {
        assert!(log.contains(word), "{word}");
    }
}

#[tokio::test]
async fn a_broadcast_is_asked_about_first() {
    let world = world().await;
    for name in ["anna", "bob", "carl"] {
        world.user(name).await;
    }
    let browser = Browser::log_in(&world, "sender").await;
    let form = "audience=all&title=To+all&priority=normal&once=o2";
    let answer = browser.post("/notifications", form).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert!(answer.text.contains("This reaches <strong>3</strong> accounts"), "{}", answer.text);
    assert_eq!(world.get("/v1/stats").await.json()["accepted"], 0);
    assert!(answer.text.contains("<strong>0</strong> of them online now"), "{}", answer.text);
    for (query, words) in [
        ("audience=all", r#""Reaches 3 accounts, 0 online now.""#),
        (
            "audience=users&users=anna,+BOB+anna,ghost",
            r#""Reaches 2 accounts, 0 online now. Unknown: ghost.""#,
        ),
        ("audience=topic&topic=nobody", r#""Reaches 0 accounts, 0 online now.""#),
        ("audience=topic&topic=", "null"),
        ("audience=users&users=", "null"),
    ] {
        assert_eq!(browser.get(&format!("/reach?{query}")).await.text, words);
    }
    let viewer = Browser::log_in(&world, "viewer").await;
    assert_eq!(viewer.get("/reach?audience=all").await.status.as_u16(), 403);
    let edit = browser.post("/notifications", &format!("{form}&step=edit")).await;
    assert!(edit.text.contains(r#"value="To all""#));
    leads_to(&browser.post("/notifications", &format!("{form}&step=send")).await, "/notifications/");
    assert_eq!(world.get("/v1/stats").await.json()["recipients"], 3);

    leads_to(
        &Browser::log_in(&world, "admin").await.post("/topics/subscribe", "topic=news&username=bob").await,
        "/topics",
    );
    let answer = browser.post("/notifications", "audience=topic&topic=news&title=t").await;
    assert!(answer.text.contains("This reaches <strong>1</strong> account"), "{}", answer.text);
    let answer = browser.post("/notifications", "audience=topic&topic=nobody&title=t").await;
    assert!(answer.text.contains("This reaches <strong>0</strong>"), "{}", answer.text);
}

#[tokio::test]
async fn faults_are_shown_beside_their_fields() {
    let world = world().await;
    let browser = Browser::log_in(&world, "admin").await;
    let answer = browser.post("/notifications", "audience=users&users=ghost&title=kept").await;
    assert_eq!(answer.status.as_u16(), 422);
    assert!(
        answer.text.contains("unknown: ghost") && answer.text.contains(r#"value="kept""#),
        "{}",
        answer.text
    );
    let long = "t".repeat(2000);
    let answer = browser.post("/notifications", &format!("audience=users&users=a&title={long}")).await;
    assert!(answer.text.contains(r#"aria-describedby="d-title""#), "{}", answer.text);
    // All at once, and before a broadcast is asked about.
    for to in ["audience=users&users=a@b", "audience=topic&topic=a%20b", "audience=all"] {
        let form = format!("{to}&title={long}&uri={long}{long}&data=nonsense&collapse_key={long}");
        let answer = browser.post("/notifications", &form).await;
        assert_eq!(answer.status.as_u16(), 422);
        let audience = to.split('&').nth(1).and_then(|field| field.split('=').next());
        for field in ["title", "uri", "data", "collapse_key"].into_iter().chain(audience) {
            let fault = format!(r#"class="fault" id="d-{field}""#);
            assert!(answer.text.contains(&fault), "{to} {field}: {}", answer.text);
        }
    }
    let answer = browser.post("/users", "username=a+b&password=&email=x").await;
    assert_eq!(answer.status.as_u16(), 422);
    for field in ["username", "email"] {
        assert!(answer.text.contains(&format!(r#"class="fault" id="d-{field}""#)), "{}", answer.text);
    }
}

#[tokio::test]
async fn hostile_text_is_only_text_wherever_it_shows() {
    let world = world().await;
    world.user("anna").await;
    let hostile = r#"<script>alert(1)</script>"'&"#;
    let address = format!("https://x.example/{hostile}");
    let json = serde_json::json!({
        "to": {"user": "anna"}, "title": hostile, "message": hostile, "uri": address, "image": address,
        "data": {hostile: hostile}, "collapse_key": hostile,
    });
    let id =
        world.post("/v1/notifications", &json.to_string()).await.json()["id"].as_str().unwrap().to_owned();
    let patch = serde_json::json!({"name": hostile}).to_string();
    world.call(&world.admin, "PATCH", "/v1/users/anna", Some(&patch)).await;
    let key = serde_json::json!({"name": hostile, "scope": "read"}).to_string();
    world.post("/v1/keys", &key).await;
    let browser = Browser::log_in(&world, "admin").await;
    let one = format!("/notifications/{id}");
    let again = format!("/notifications/new?from={id}");
    let q = "/users?q=%3Cscript%3Ealert(1)%3C/script%3E%22";
    for path in [
        "/",
        "/users",
        "/users/anna",
        "/notifications",
        &one,
        &again,
        "/keys",
        "/audit",
        q,
        "/%3Cscript%3Ealert(1)",
    ] {
        let page = browser.get(path).await;
        assert!(!page.text.contains("<script>alert"), "{path}: {}", page.text);
        assert!(!page.text.contains("style=\""), "{path} has a style attribute, which the policy refuses");
    }
    assert!(browser.get(&one).await.text.contains("&#60;script&#62;alert(1)"));
    let login =
        world.browse("", "POST", "/login", Some("username=%22%3E%3Cscript%3Ealert(1)&password=x")).await;
    assert!(!login.text.contains("<script>alert"));
}

#[tokio::test]
async fn users_keys_and_operators_are_looked_after() {
    let world = world().await;
    let browser = Browser::log_in(&world, "admin").await;
    let made = browser.post("/users", "username=Anna&password=correct+horse&name=Anna+A.&email=").await;
    assert_eq!(leads_to(&made, "/users/"), "/users/anna?done=created");
    let taken = browser.post("/users", "username=anna&password=correct+horse").await;
    assert_eq!(taken.status.as_u16(), 422);
    assert!(taken.text.contains("taken"));
    leads_to(
        &browser.post("/users/anna", "name=&email=a%40x.example&alias=boss").await,
        "/users/anna?done=saved",
    );
    let user = world.get("/v1/users/boss").await.json();
    assert_eq!((user["name"].as_str(), user["email"].as_str()), (None, Some("a@x.example")));
    leads_to(&browser.post("/users/anna/disable", "").await, "/users/anna?done=disabled");
    assert_eq!(world.get("/v1/users/anna").await.json()["disabled"], true);
    leads_to(&browser.post("/users/anna/enable", "").await, "/users/anna");
    leads_to(&browser.post("/users/anna/remove", "").await, "/users?done=removed");
    assert_eq!(browser.get("/users/anna").await.status.as_u16(), 404);

    let page = browser.post("/keys", "name=backend&scope=send").await;
    let secret = between(&page.text, r#"<pre id="secret">"#, "</pre>").to_owned();
    assert!(page.text.contains("curl "));
    assert!(!browser.get("/keys").await.text.contains(&secret), "shown once");
    let send = r#"{"to": {"all": true}, "title": "t"}"#;
    assert_eq!(world.call(&secret, "POST", "/v1/notifications", Some(send)).await.status.as_u16(), 202);
    let keys = world.get("/v1/keys").await.json();
    let id =
        keys["keys"].as_array().unwrap().iter().find(|key| key["name"] == "backend").unwrap()["id"].clone();
    leads_to(
        &browser.post("/keys/revoke", &format!("id={}", id.as_str().unwrap())).await,
        "/keys?done=revoked",
    );
    world.call(&secret, "POST", "/v1/notifications", Some(send)).await.problem(401);

    let viewer = Browser::log_in(&world, "viewer").await;
    leads_to(
        &browser.post("/operators", "name=viewer&password=another+horse&role=sender").await,
        "/operators",
    );
    leads_to(&viewer.get("/").await, "/login");
    assert_eq!(
        browser.post("/operators", "username=admin&password=another+horse&role=viewer").await.status.as_u16(),
        422
    );
    assert_eq!(browser.post("/operators", "name=x&password=short&role=viewer").await.status.as_u16(), 422);
    leads_to(&browser.post("/operators/remove", "name=viewer").await, "/operators");
    assert_eq!(browser.post("/operators/remove", "name=admin").await.status.as_u16(), 422);

    let second = Browser::log_in(&world, "admin").await;
    assert_eq!(browser.post("/password", "current=wrong&password=another+horse").await.status.as_u16(), 422);
    let changed = browser.post("/password", "current=correct+horse&password=another+horse").await;
    leads_to(&changed, "/password?done=password");
    leads_to(&second.get("/").await, "/login");
    let cookie = changed.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(world.browse(&cookie, "GET", "/", None).await.status.as_u16(), 200);
}

#[tokio::test]
async fn many_users_are_paged() {
    let world = world().await;
    for n in 0..120 {
        world.user(&format!("user{n:03}")).await;
    }
    let browser = Browser::log_in(&world, "viewer").await;
    let mut path = "/users".to_owned();
    let mut seen = 0;
    loop {
        let page = browser.get(&path).await.text;
        seen += page.matches(r#"href="/users/user"#).count();
        match page.split_once(r#"rel="next" href=""#) {
            Some((_, rest)) => path = rest.split('"').next().unwrap().replace("&#38;", "&"),
            None => break,
        }
    }
    assert_eq!(seen, 120);
    let found = browser.get("/users?q=user11&online=false").await.text;
    assert_eq!(found.matches(r#"href="/users/user"#).count(), 10);
    let names: Vec<String> = serde_json::from_str(&browser.get("/complete?q=user00").await.text).unwrap();
    assert_eq!(names.len(), 8);
    for (text, offered) in
        [("User119", "user119"), ("ser11", "user110"), ("user11", "user110"), ("r118", "user118")]
    {
        let names: Vec<String> =
            serde_json::from_str(&browser.get(&format!("/complete?q={text}")).await.text).unwrap();
        assert_eq!(names.first().map(String::as_str), Some(offered), "{text}");
    }
}

#[tokio::test]
async fn an_empty_dashboard_says_how_to_connect() {
    let world = world().await;
    let browser = Browser::log_in(&world, "viewer").await;
    let page = browser.get("/").await.text;
    assert!(page.contains("tidings listen --server localhost"), "{page}");
    assert!(page.contains(r#"class="qr""#));
    world.user("anna").await;
    assert!(!browser.get("/").await.text.contains("tidings listen"));
}

#[tokio::test]
async fn assets_are_kept_by_their_version() {
    let world = world().await;
    let page = world.browse("", "GET", "/login", None).await.text;
    for (name, kind) in [("console.css", "text/css"), ("console.js", "text/javascript")] {
        let path = between(&page, &format!("\"/assets/{name}"), "\"");
        let asset = world.browse("", "GET", &format!("/assets/{name}{path}"), None).await;
        assert!(asset.header("content-type").starts_with(kind));
        assert!(asset.header("cache-control").contains("immutable"));
    }
    assert_eq!(world.browse("", "GET", "/assets/nothing", None).await.status.as_u16(), 404);
    let lost = world.browse("", "GET", "/nothing", None).await;
    assert_eq!(lost.status.as_u16(), 404);
    assert!(lost.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn what_a_page_hears_ends_with_its_login() {
    let world = world().await;
    let browser = Browser::log_in(&world, "viewer").await;
    let administrator = Browser::log_in(&world, "admin").await;
    let (heard, removed) = tokio::join!(browser.get("/live"), async {
        // Others' logins do not matter.
        Browser::log_in(&world, "sender").await.post("/logout", "").await;
        administrator.post("/operators/remove", "name=viewer").await
    });
    leads_to(&removed, "/operators?done=removed");
    assert_eq!(heard.status.as_u16(), 200);
    assert!(heard.text.contains("event: change"), "{}", heard.text);
}

#[tokio::test]
async fn who_sets_their_own_password_anew_is_logged_in_again_here_alone() {
    let world = world().await;
    let elsewhere = Browser::log_in(&world, "admin").await;
    let browser = Browser::log_in(&world, "admin").await;
    let form = "name=admin&password=another+horse&role=administrator";
    let answer = browser.post("/operators", form).await;
    leads_to(&answer, "/operators?done=saved");
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(world.browse(&cookie, "GET", "/operators", None).await.status.as_u16(), 200);
    for old in [&elsewhere, &browser] {
        assert_eq!(old.get("/operators").await.status.as_u16(), 303);
    }
}
