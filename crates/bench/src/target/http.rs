//! A client for the HTTP API that costs as little as possible.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::Error;

/// One kept-alive connection.
#[derive(Debug)]
pub(crate) struct Http {
    address: SocketAddr,
    key: String,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Response {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Http {
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        Self { address, key: key.to_owned(), stream: None, buffer: Vec::new() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<serde_json::Value, Error> {
        let response = self.request("GET", path, "").await?;
        match response.status {
            200 => Ok(serde_json::from_slice(&response.body)?),
            _ => Err(refused(path, &response)),
        }
    }

    /// Sends a notification that must be accepted; answers its id.
    pub(crate) async fn notify(&mut self, document: &str) -> Result<String, Error> {
        let response = self.request("POST", "/v1/notifications", document).await?;
        if response.status != 202 {
            return Err(refused("/v1/notifications", &response));
        }
        let answer: serde_json::Value = serde_json::from_slice(&response.body)?;
        let id = answer.get("id").and_then(|id| id.as_str()).unwrap_or_default();
        Ok(id.to_owned())
    }

    pub(crate) async fn request(&mut self, method: &str, path: &str, body: &str) -> Result<Response, Error> {
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            self.key,
            body.len()
        );
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        stream.write_all(text.as_bytes()).await?;
        self.buffer.clear();
        loop {
            let mut chunk = [0; 4096];
            let read = stream.read(&mut chunk).await?;
            if read == 0 {
                return Err(Error::new("the HTTP API closed the connection"));
            }
            self.buffer.extend_from_slice(chunk.get(..read).unwrap_or_default());
            if let Some(response) = parse(&self.buffer) {
                self.stream = Some(stream);
                return Ok(response);
            }
        }
    }
}

fn refused(path: &str, response: &Response) -> Error {
    let said = String::from_utf8_lossy(&response.body);
    Error::new(format!("{path} answered {}: {said}", response.status))
}

/// A whole response, or nothing yet.
fn parse(bytes: &[u8]) -> Option<Response> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let body = bytes.get(end + 4..)?;
    if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return Some(Response { status, body: chunks(body)? });
    }
    let length: usize = header("content-length").map_or(Some(0), |value| value.parse().ok())?;
    Some(Response { status, body: body.get(..length)?.to_vec() })
}

fn chunks(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(body.get(..end)?).ok()?.trim(), 16).ok()?;
        let chunk = body.get(end + 2..)?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(chunk.get(..size)?);
        body = chunk.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_whole_or_not_at_all() {
        let text = b"HTTP/1.1 202 Accepted\r\ncontent-length: 4\r\n\r\nabcd";
        assert_eq!(parse(text).unwrap().body, b"abcd");
        assert!(parse(&text[..text.len() - 1]).is_none());
        let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(parse(text).unwrap().body, b"abcd");
        assert!(parse(&text[..text.len() - 8]).is_none());
    }
}
