//! A client for the HTTP API that costs as little as possible.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::ops::Range;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::Error;

const NOTIFICATIONS: &str = "/v1/notifications";
const CLOSED: &str = "the HTTP API closed the connection";

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
        write_request(&mut self.outgoing, &self.fields, method, path, body)?;
        // Kept only when all went well: what is left over must not be read as the next answer.
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.address).await?,
        };
        stream.write_all(&self.outgoing).await?;
        let (status, body) =
            response(&mut stream, &mut self.incoming).await?.ok_or_else(|| Error::new(CLOSED))?;
        self.stream = Some(stream);
        Ok(body.of(status, &self.incoming))
    }

    /// The two halves of a new connection: a thread that keeps time writes by itself.
    pub(crate) async fn halves(&self) -> Result<(Sender, Receiver), Error> {
        let stream = connect(self.address).await?.into_std()?;
        let sender =
            Sender { stream: stream.try_clone()?, fields: self.fields.clone(), outgoing: Vec::new() };
        Ok((sender, Receiver { stream: TcpStream::from_std(stream)?, incoming: Vec::new() }))
    }
}

/// Writes notifications, one at a time, without a runtime.
#[derive(Debug)]
pub(crate) struct Sender {
    stream: std::net::TcpStream,
    fields: String,
    outgoing: Vec<u8>,
}

impl Sender {
    /// A notification whose answer the other half reads.
    pub(crate) fn notify(&mut self, document: &str) -> io::Result<()> {
        write_request(&mut self.outgoing, &self.fields, "POST", NOTIFICATIONS, document)?;
        // The socket does not block; a request always has room after an answered one.
        self.stream.write_all(&self.outgoing)
    }

    /// Sends no more: the server then closes the connection.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write)
    }
}

/// Reads what a [`Sender`]'s notifications are answered.
#[derive(Debug)]
pub(crate) struct Receiver {
    stream: TcpStream,
    incoming: Vec<u8>,
}

impl Receiver {
    /// Waits until one is accepted; false where the server closed the connection.
    pub(crate) async fn accepted(&mut self) -> Result<bool, Error> {
        match response(&mut self.stream, &mut self.incoming).await? {
            None => Ok(false),
            Some((202, _)) => Ok(true),
            Some((status, body)) => Err(refused(NOTIFICATIONS, &body.of(status, &self.incoming))),
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn write_request(
    outgoing: &mut Vec<u8>,
    fields: &str,
    method: &str,
    path: &str,
    body: &str,
) -> io::Result<()> {
    outgoing.clear();
    let length = body.len();
    write!(outgoing, "{method} {path} HTTP/1.1\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
}

/// Reads a whole response; `None` where the connection was closed instead.
async fn response(stream: &mut TcpStream, incoming: &mut Vec<u8>) -> Result<Option<(u16, Body)>, Error> {
    incoming.clear();
    incoming.reserve(1024);
    loop {
        if stream.read_buf(incoming).await? == 0 {
            return if incoming.is_empty() { Ok(None) } else { Err(Error::new(CLOSED)) };
        }
        if let Some(whole) = parse(incoming) {
            return Ok(Some(whole));
        }
    }
}

fn refused(path: &str, response: &Response<'_>) -> Error {
    let said = String::from_utf8_lossy(&response.body);
    Error::new(format!("{path} answered {}: {said}", response.status))
}

/// Where a response's body is.
#[derive(Debug, PartialEq)]
enum Body {
    Plain(Range<usize>),
    Chunked(Vec<u8>),
}

impl Body {
    fn of(self, status: u16, bytes: &[u8]) -> Response<'_> {
        let body = match self {
            Self::Plain(range) => Cow::Borrowed(bytes.get(range).unwrap_or_default()),
            Self::Chunked(bytes) => Cow::Owned(bytes),
        };
        Response { status, body }
    }
}

/// The status and the body of a whole response, or nothing yet.
fn parse(bytes: &[u8]) -> Option<(u16, Body)> {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.trim().parse::<usize>().ok();
    let (line, mut rest) = cut_line(bytes)?;
    let status = u16::try_from(number(line.get(9..12)?)?).ok()?;
    let (mut length, mut chunked) = (0, false);
    loop {
        let line;
        (line, rest) = cut_line(rest)?;
        if line.is_empty() {
            break;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
        if name.eq_ignore_ascii_case(b"content-length") {
            length = number(value)?;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            chunked = value.trim_ascii().eq_ignore_ascii_case(b"chunked");
        }
    }
    if chunked {
        return Some((status, Body::Chunked(chunks(rest)?)));
    }
    let start = bytes.len() - rest.len();
    (rest.len() >= length).then_some((status, Body::Plain(start..start + length)))
}

/// A line without its end, and what follows.
fn cut_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = (bytes.get(..end)?, bytes.get(end + 1..)?);
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest))
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
        assert_eq!(parse(text), Some((202, Body::Plain(44..48))));
        assert!((0..text.len()).all(|end| parse(&text[..end]).is_none()));
        let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(parse(text), Some((200, Body::Chunked(b"abcd".to_vec()))));
        assert!((0..text.len() - 4).all(|end| parse(&text[..end]).is_none()));
    }
}
