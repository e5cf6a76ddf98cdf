//! The HTTP side on real sockets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail")]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use tidings_core::audit::Actor;
use tidings_core::auth::NewKey;
use tidings_core::clock::SystemRandom;
use tidings_core::config::Config;
use tidings_core::events::Event;
use tidings_core::model::{NotificationId, Scope};
use tidings_core::{Core, Ports};
use tidings_http::{Http, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

/// A server with the key `secret`.
async fn start() -> Http {
    let store = Arc::new(tidings_store::MemoryStore::new());
    let core = Core::start(
        Config::default(),
        Ports::local(store, Arc::new(common::StoppedClock), Arc::new(SystemRandom)),
    );
    let core = core.await.unwrap();
    core.auth.add_process_key("secret");
    Http::new(core, Settings::default())
}

type Server = JoinHandle<()>;

async fn serve(http: Http) -> (SocketAddr, oneshot::Sender<()>, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(http.serve(listener, async move {
        let _ = stopped.await;
    }));
    (address, stop, server)
}

/// Head and body of the answer to the only request of a connection.
async fn ask(address: SocketAddr, request: &[u8]) -> (String, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[tokio::test]
async fn a_real_socket_keeps_alive_and_stops() {
    let http = start().await;
    let (address, stop, server) = serve(http).await;

    let mut socket = TcpStream::connect(address).await.unwrap();
    for _ in 0..2 {
        socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 1024];
        let read = socket.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
    // Who sends far too much before it reads is answered all the same, not reset.
    let mut verbose = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/notifications HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret\r\n\
        content-type: application/json\r\ncontent-length: 8388608\r\n\r\n";
    verbose.write_all(head.as_bytes()).await.unwrap();
    verbose.write_all(&vec![b' '; 8_388_608]).await.unwrap();
    verbose.shutdown().await.unwrap();
    let mut answer = Vec::new();
    verbose.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));

    let mut events = TcpStream::connect(address).await.unwrap();
    events
        .write_all(b"GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 1024];
    let read = events.read(&mut head).await.unwrap();
    assert!(head[..read].starts_with(b"HTTP/1.1 200 OK\r\n"));

    stop.send(()).unwrap();
    let mut rest = Vec::new();
    // Both end: the idle one, and the stream that would go on for ever.
    socket.read_to_end(&mut rest).await.unwrap();
    events.read_to_end(&mut rest).await.unwrap();
    server.await.unwrap();
}

/// A key, header fields and a body.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

/// A request as a router gets it, and what goes over a socket.
fn both(key: &str, fields: &[(&str, &str)], body: &str) -> (Request<Body>, String) {
    let mut request = Request::post("/v1/notifications?unused=1");
    let mut text = "POST /v1/notifications?unused=1 HTTP/1.1\r\nhost: x\r\n".to_owned();
    let key = format!("Bearer {key}");
    let length = body.len().to_string();
    for (name, value) in [("authorization", key.as_str()), ("content-length", &length)].iter().chain(fields) {
        request = request.header(*name, *value);
        text += &format!("{name}: {value}\r\n");
    }
    (request.body(Body::from(body.to_owned())).unwrap(), format!("{text}\r\n{body}"))
}

/// What is the same however often it is asked: the status, the headers but the
/// date's, the body but the new id.
async fn by_router(router: &Router, request: Request<Body>) -> (u16, Vec<String>, serde_json::Value) {
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let mut headers: Vec<_> =
        parts.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    headers.sort();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    (parts.status.as_u16(), headers, without_id(serde_json::from_slice(&body).unwrap()))
}

fn without_id(mut document: serde_json::Value) -> serde_json::Value {
    document.as_object_mut().unwrap().remove("id");
    document
}

#[tokio::test]
async fn what_goes_past_the_router_is_answered_like_what_goes_through_it() {
    let http = start().await;
    let router = http.router();
    let anna = Request::post("/v1/users")
        .header("authorization", "Bearer secret")
        .body(Body::from(r#"{"username": "anna", "password": "correct horse"}"#));
    assert_eq!(router.clone().oneshot(anna.unwrap()).await.unwrap().status(), 201);
    let (address, stop, server) = serve(http).await;
    let json = ("content-type", "application/json");
    let good = r#"{"to": {"user": "anna"}, "message": "m"}"#;
    let (other, large) = (r#"{"to": {"all": true}, "message": "n"}"#, " ".repeat(70_000));
    let cases: &[Case<'_>] = &[
        ("secret", &[json], good),
        ("secret", &[], good),
        ("secret", &[json, ("idempotency-key", "k")], good),
        ("secret", &[json, ("idempotency-key", "k")], good),
        ("secret", &[json, ("idempotency-key", "k")], other),
        ("secret", &[json, ("idempotency-key", "")], good),
        ("wrong", &[json], good),
        ("", &[json], good),
        ("secret", &[("content-type", "text/plain")], good),
        ("secret", &[json], "{"),
        ("secret", &[json], r#"{"to": {"user": "nobody"}, "message": "m", "extra": 1}"#),
        ("secret", &[json], r#"{"to": {"user": "nobody"}, "message": "m"}"#),
        ("secret", &[json], &large),
    ];
    let mut statuses = Vec::new();
    for (key, fields, body) in cases {
        let (request, text) = both(key, fields, body);
        let (status, headers, document) = by_router(&router, request).await;
        let (head, body) = ask(address, text.as_bytes()).await;
        let mut lines = head.lines();
        assert!(lines.next().unwrap().starts_with(&format!("HTTP/1.1 {status} ")), "{head}, not {status}");
        let made_by_hyper = ["date: ", "connection: ", "content-length: "];
        let mut found: Vec<_> =
            lines.filter(|line| !made_by_hyper.iter().any(|name| line.starts_with(name))).collect();
        found.sort_unstable();
        let wanted: Vec<_> =
            headers.iter().filter(|line| !line.starts_with("content-length: ")).map(String::as_str).collect();
        assert_eq!(found, wanted, "{text}");
        assert_eq!(without_id(serde_json::from_str(&body).unwrap()), document, "{text}");
        statuses.push(status);
    }
    assert_eq!(statuses, [202, 202, 202, 202, 422, 422, 401, 401, 415, 400, 422, 422, 413]);
    let (_, metrics) = ask(address, b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let counted = r#"tidings_http_requests_total{route="/v1/notifications",method="POST",status="202"} 8"#;
    assert!(metrics.contains(counted), "{metrics}");
    stop.send(()).unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn the_listener_for_metrics_sends_nothing() {
    let http = start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(http.serve_metrics(listener, std::future::pending()));
    let (_, text) =
        both("secret", &[("content-type", "application/json")], r#"{"to":{"all":true},"message":"m"}"#);
    let (head, _) = ask(address, text.as_bytes()).await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    let (head, _) = ask(address, b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    server.abort();
}

/// A server that has few places for connections, with what stands in `settings` besides.
async fn with_places(connections: usize) -> SocketAddr {
    let store = Arc::new(tidings_store::MemoryStore::new());
    let ports = Ports::local(store, Arc::new(common::StoppedClock), Arc::new(SystemRandom));
    let core = Core::start(Config::default(), ports).await.unwrap();
    core.auth.add_process_key("secret");
    let http = Http::new(core, Settings { connections, ..Settings::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(http.serve(listener, std::future::pending()));
    address
}

#[tokio::test]
async fn idle_connections_give_way_and_streams_do_not() {
    let address = with_places(4).await;
    let mut events = TcpStream::connect(address).await.unwrap();
    events
        .write_all(b"GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 1024];
    assert!(events.read(&mut head).await.unwrap() > 0);
    // One that has said nothing, one whose request is over, one that trickles.
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut kept = TcpStream::connect(address).await.unwrap();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(kept.read(&mut head).await.unwrap() > 0);
    let mut trickling = TcpStream::connect(address).await.unwrap();
    trickling.write_all(b"GET /heal").await.unwrap();

    let mut answered = Vec::new();
    for _ in 0..3 {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let read = socket.read(&mut head).await.unwrap();
        assert!(head[..read].starts_with(b"HTTP/1.1 200 OK\r\n"));
        answered.push(socket);
    }
    for socket in [&mut silent, &mut kept, &mut trickling] {
        // Closed over bytes that were not read, it may be reset.
        assert_eq!(socket.read(&mut head).await.unwrap_or(0), 0);
    }
    assert!(events.try_read(&mut head).is_err(), "neither an end nor an event");
}

#[tokio::test]
async fn slow_bodies_of_strangers_do_not_keep_an_operator_out() {
    let address = with_places(4096).await;
    let mut slow = Vec::new();
    for number in 0..70 {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let path = if number % 2 == 0 { "/login" } else { "/notification.do" };
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             x-forwarded-for: 192.0.2.{number}\r\ncontent-length: 1000\r\n\r\na"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        slow.push(socket);
    }
    let body = "username=admin&password=wrong";
    let request = format!(
        "POST /login HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    // Those that have only just come do not give way.
    let head = loop {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut head = String::new();
        socket.read_to_string(&mut head).await.unwrap();
        if !head.starts_with("HTTP/1.1 503 ") {
            break head;
        }
        tokio::task::yield_now().await;
    };
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    // And not because their time was over: the most patient of them still waits.
    let waiting = slow.iter().filter(|socket| socket.try_read(&mut [0; 1]).is_err()).count();
    assert!(waiting > 0);
}

#[tokio::test]
async fn events_end_with_the_key_that_they_were_asked_for_by() {
    let store = Arc::new(tidings_store::MemoryStore::new());
    let ports = Ports::local(store, Arc::new(common::StoppedClock), Arc::new(SystemRandom));
    let core = Core::start(Config::default(), ports).await.unwrap();
    let (key, secret) =
        core.auth.create_key(&Actor::CommandLine, NewKey::new("dash", Scope::Read)).await.unwrap();
    let (other, _) =
        core.auth.create_key(&Actor::CommandLine, NewKey::new("other", Scope::Read)).await.unwrap();
    let (address, _stop, _server) = serve(Http::new(Arc::clone(&core), Settings::default())).await;
    let mut events = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {secret}\r\n\r\n");
    events.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 1024];
    let read = events.read(&mut head).await.unwrap();
    assert!(head[..read].starts_with(b"HTTP/1.1 200 OK\r\n"));
    core.auth.revoke_key(&Actor::CommandLine, &other.id).await.unwrap();
    // It still goes on; what happens next comes.
    core.events.send(Event::Expired { id: NotificationId(7), accounts: 1 });
    let read = events.read(&mut head).await.unwrap();
    assert!(String::from_utf8_lossy(&head[..read]).contains("event: expired"));
    core.auth.revoke_key(&Actor::CommandLine, &key.id).await.unwrap();
    let mut rest = Vec::new();
    // The last chunk, and then the connection waits for another request.
    while !rest.ends_with(b"0\r\n\r\n") {
        let read = events.read(&mut head).await.unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&rest));
        rest.extend_from_slice(&head[..read]);
    }
}
