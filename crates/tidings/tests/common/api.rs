//! Requests to a server's HTTP API: one connection each, so that none outlives a crash.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::server::KEY;

/// An answer that came whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Asks, and waits for the whole answer.
///
/// # Errors
/// When none came, or only a part: the caller cannot know then whether it was done.
pub async fn request(
    http: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
    idempotency: Option<&str>,
) -> std::io::Result<Answer> {
    request_with(http, KEY, method, path, body, idempotency).await
}

async fn request_with(
    http: SocketAddr,
    key: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
    idempotency: Option<&str>,
) -> std::io::Result<Answer> {
    let body = body.map(Value::to_string).unwrap_or_default();
    exchange(http, key, method, path, "application/json", &body, idempotency).await
}

async fn exchange(
    http: SocketAddr,
    key: &str,
    method: &str,
    path: &str,
    kind: &str,
    body: &str,
    idempotency: Option<&str>,
) -> std::io::Result<Answer> {
    let ask = async {
        let mut stream = TcpStream::connect(http).await?;
        let repeat = idempotency.map(|key| format!("idempotency-key: {key}\r\n")).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {http}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
             content-type: {kind}\r\n{repeat}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        parse(&answer).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
    };
    timeout(Duration::from_secs(60), ask).await.map_err(|_| std::io::ErrorKind::TimedOut)?
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?.to_owned();
    let body = &answer[end + 4..];
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let found = Answer { status, head, body: Value::Null };
    let length = found.header("content-length").map_or(Some(0), |length| length.parse().ok())?;
    if body.len() != length {
        return None;
    }
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(body).unwrap_or_default() };
    Some(Answer { body, ..found })
}

/// A form, as browsers and androidpn's back ends send it.
pub async fn post_form(http: SocketAddr, key: &str, path: &str, fields: &str) -> Answer {
    let kind = "application/x-www-form-urlencoded";
    let answer = exchange(http, key, "POST", path, kind, fields, None).await;
    answer.unwrap_or_else(|error| panic!("POST {path}: {error}"))
}

/// As [`ask`], with a key of one's own.
pub async fn ask_with(http: SocketAddr, key: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let answer = request_with(http, key, method, path, body, None).await;
    answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// A request that a running server answers.
pub async fn ask(http: SocketAddr, method: &str, path: &str, body: Option<&Value>) -> Answer {
    request(http, method, path, body, None).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// Sends a notification; its id.
pub async fn send(http: SocketAddr, body: &Value) -> String {
    let answer = ask(http, "POST", "/v1/notifications", Some(body)).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.body["id"].as_str().expect("an id").to_owned()
}

/// Every notification that there is, newest first.
pub async fn notifications(http: SocketAddr) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = None::<String>;
    loop {
        let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = ask(http, "GET", &format!("/v1/notifications?limit=100{after}"), None).await;
        assert_eq!(page.status, 200, "{}", page.body);
        all.extend(page.body["notifications"].as_array().expect("a list").iter().cloned());
        match page.body["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return all,
        }
    }
}

/// A notification's figures: recipients, delivered, opened, pending, expired, cancelled.
pub async fn figures(http: SocketAddr, id: &str) -> [u64; 6] {
    let answer = ask(http, "GET", &format!("/v1/notifications/{id}"), None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    counters(&answer.body)
}

/// As [`figures`], of a document.
pub fn counters(notification: &Value) -> [u64; 6] {
    ["recipients", "delivered", "opened", "pending", "expired", "cancelled"]
        .map(|name| notification[name].as_u64().unwrap_or_else(|| panic!("{name} of {notification}")))
}
