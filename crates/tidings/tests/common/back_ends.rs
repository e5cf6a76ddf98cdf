//! Back ends that send at the same moment, each over a connection that it keeps.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::server::KEY;

/// Several back ends. Nothing but the server decides whose notification comes first.
pub struct BackEnds(Vec<TcpStream>);

impl BackEnds {
    /// Connects so many.
    pub async fn connect(http: SocketAddr, count: usize) -> Self {
        let mut connections = Vec::new();
        for _ in 0..count {
            let connection = TcpStream::connect(http).await.expect("a connection");
            connection.set_nodelay(true).expect("an option");
            connections.push(connection);
        }
        Self(connections)
    }

    /// All send at once, the one with number `n` what `body(n)` says, and wait for their answers:
    /// the ids, by number.
    pub async fn send(&mut self, body: impl Fn(usize) -> Value) -> Vec<String> {
        let mut tasks = JoinSet::new();
        for (number, mut connection) in self.0.drain(..).enumerate() {
            let request = request(&body(number));
            tasks.spawn(async move {
                let id = send(&mut connection, &request).await;
                (number, connection, id)
            });
        }
        let mut done = tasks.join_all().await;
        done.sort_by_key(|(number, ..)| *number);
        let (connections, ids) = done.into_iter().map(|(_, connection, id)| (connection, id)).unzip();
        self.0 = connections;
        ids
    }
}

fn request(body: &Value) -> String {
    let body = body.to_string();
    format!(
        "POST /v1/notifications HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn send(connection: &mut TcpStream, request: &str) -> String {
    connection.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    loop {
        assert!(connection.read_buf(&mut answer).await.expect("an answer") > 0, "a whole answer");
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 202"), "{text}");
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if length == Some(body.len()) {
            let accepted: Value = serde_json::from_str(body).expect("a document");
            return accepted["id"].as_str().expect("an id").to_owned();
        }
    }
}
