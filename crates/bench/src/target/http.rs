//! A client for the HTTP API that costs as little as possible.

use std::borrow::Cow;
use std::io::Write as _;
use std::net::SocketAddr;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::Error;

const NOTIFICATIONS: &str = "/v1/notifications";

/// One kept-alive connection.
#[derive(Debug)]
pub(crate) struct Http {
    address: SocketAddr,
    /// The header fields that every request has.
    fields: String,
    stream: Option<TcpStream>,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Response<'b> {
    pub status: u16,
    pub body: Cow<'b, [u8]>,
}

#[derive(Deserialize)]
struct Accepted {
    id: String,
}

impl Http {
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        let fields =
            format!("Host: {address}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n");
        Self { address, fields, stream: None, outgoing: Vec::new(), incoming: Vec::new() }
    }

    /// A document of the API.
    pub(crate) async fn get(&mut self, path: &str) -> Result<serde_json::Value, Error> {
        let response = self.request("GET", path, "").await?;
        match response.status {
            200 => Ok(serde_json::from_slice(&response.body)?),
            _ => Err(refused(path, &response)),
        }
    }

    /// A page that is no document.
    pub(crate) async fn text(&mut self, path: &str) -> Result<String, Error> {
        let response = self.request("GET", path, "").await?;
        match response.status {
            200 => Ok(String::from_utf8_lossy(&response.body).into_owned()),
            _ => Err(refused(path, &response)),
        }
    }

    /// Sends a notification that must be accepted.
    pub(crate) async fn notify(&mut self, document: &str) -> Result<(), Error> {
        self.accepted(document).await.map(drop)
    }

    /// The same; answers its id.
    pub(crate) async fn notify_for_id(&mut self, document: &str) -> Result<String, Error> {
        let response = self.accepted(document).await?;
        Ok(serde_json::from_slice::<Accepted>(&response.body)?.id)
    }

    async fn accepted(&mut self, document: &str) -> Result<Response<'_>, Error> {
        let response = self.request("POST", NOTIFICATIONS, document).await?;
        match response.status {
            202 => Ok(response),
            _ => Err(refused(NOTIFICATIONS, &response)),
        }
    }

    pub(crate) async fn request(
        &mut self,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<Response<'_>, Error> {
        self.outgoing.clear();
        let (fields, length) = (&self.fields, body.len());
        write!(self.outgoing, "{method} {path} HTTP/1.1\r\n{fields}Content-Length: {length}\r\n\r\n{body}")?;
        // Kept only when all went well: what is left over must not be read as the next answer.
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        stream.write_all(&self.outgoing).await?;
        self.incoming.clear();
        self.incoming.reserve(1024);
        while !is_whole(&self.incoming) {
            if stream.read_buf(&mut self.incoming).await? == 0 {
                return Err(Error::new("the HTTP API closed the connection"));
            }
        }
        self.stream = Some(stream);
        parse(&self.incoming).ok_or_else(|| Error::new("the HTTP API's answer cannot be read"))
    }
}

fn refused(path: &str, response: &Response<'_>) -> Error {
    let said = String::from_utf8_lossy(&response.body);
    Error::new(format!("{path} answered {}: {said}", response.status))
}

fn is_whole(bytes: &[u8]) -> bool {
    parse(bytes).is_some()
}

/// A whole response, or nothing yet.
fn parse(bytes: &[u8]) -> Option<Response<'_>> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (bytes.get(..end)?, bytes.get(end + 4..)?);
    let mut lines = head.split(|byte| *byte == b'\n');
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.trim().parse::<usize>().ok();
    let status = u16::try_from(number(lines.next()?.get(9..12)?)?).ok()?;
    let mut length = 0;
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
        if name.eq_ignore_ascii_case(b"content-length") {
            length = number(value)?;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding")
            && value.trim_ascii().eq_ignore_ascii_case(b"chunked")
        {
            return Some(Response { status, body: chunks(body)?.into() });
        }
    }
    Some(Response { status, body: body.get(..length)?.into() })
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
        assert_eq!(*parse(text).unwrap().body, *b"abcd");
        assert!(parse(&text[..text.len() - 1]).is_none());
        let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(*parse(text).unwrap().body, *b"abcd");
        assert!(parse(&text[..text.len() - 8]).is_none());
    }
}
