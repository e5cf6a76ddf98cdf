//! A connection after login: counts what comes, and acknowledges it.

use std::cell::{Cell, RefCell};

use tidings_xmpp::xml::{Frame, FrameReader};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

use crate::hist::Times;
use crate::measure;

/// Encloses the moment of departure in a notification's text.
const STAMP: u8 = b'@';

/// What one worker's connections have seen since the last mark.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) received: Cell<u64>,
    pub(super) bytes: Cell<u64>,
    pub(super) first: Cell<u64>,
    pub(super) last: Cell<u64>,
    pub(super) delays: RefCell<Times>,
    pub(super) wanted: Cell<u64>,
    pub(super) enough: Notify,
}

impl Seen {
    pub(super) fn mark(&self) {
        self.received.set(0);
        self.bytes.set(0);
        self.first.set(0);
        self.last.set(0);
        self.wanted.set(0);
        *self.delays.borrow_mut() = Times::default();
    }

    fn count(&self, plaintext: &[u8]) {
        let now = measure::now();
        let received = self.received.get() + 1;
        self.received.set(received);
        self.bytes.set(self.bytes.get() + plaintext.len() as u64);
        if self.first.get() == 0 {
            self.first.set(now);
        }
        self.last.set(now);
        if let Some(departure) = stamp(plaintext) {
            self.delays.borrow_mut().record(now.saturating_sub(departure));
        }
        if received == self.wanted.get() {
            self.enough.notify_one();
        }
    }
}

/// The moment of departure in `@…@`. Addresses have an `@`, too.
fn stamp(text: &[u8]) -> Option<u64> {
    text.split(|byte| *byte == STAMP)
        .skip(1)
        .filter(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
        .find_map(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
}

/// A connection without XMPP: counts records, and answers them.
pub(super) async fn bare<S>(mut stream: S, answer: bool, seen: &Seen)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // As long as an acknowledgement is.
    const ANSWER: &[u8] = b"<a xmlns='urn:xmpp:sm:3' h='12'/>";
    let mut buffer = vec![0; 1024];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        seen.count(buffer.get(..read).unwrap_or_default());
        if answer && (stream.write_all(ANSWER).await.is_err() || stream.flush().await.is_err()) {
            return;
        }
    }
}

/// A device: `reader` has had the stream's header, `rest` came behind the login.
pub(super) async fn device<S>(mut stream: S, mut reader: FrameReader, rest: Vec<u8>, acks: bool, seen: &Seen)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut handled = 0u32;
    let mut answer = Vec::new();
    let mut buffer = rest;
    loop {
        let mut input = buffer.as_slice();
        while let Ok(Some(frame)) = reader.read(&mut input) {
            let Frame::Stanza(stanza) = frame else { return };
            take(stanza, acks, &mut handled, &mut answer, seen);
        }
        if !answer.is_empty() {
            if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
                return;
            }
            answer = Vec::new();
        }
        buffer.resize(1024, 0);
        match stream.read(&mut buffer).await {
            Ok(read @ 1..) => buffer.truncate(read),
            _ => return,
        }
    }
}

fn take(stanza: &[u8], acks: bool, handled: &mut u32, answer: &mut Vec<u8>, seen: &Seen) {
    match stanza.get(1) {
        // <r/>
        Some(b'r') if acks => {
            answer.extend_from_slice(format!("<a xmlns='urn:xmpp:sm:3' h='{handled}'/>").as_bytes());
        }
        // <iq/>
        Some(b'i') => {
            *handled += 1;
            if contains(stanza, b"urn:xmpp:ping") {
                if acks && let Some(id) = attribute(stanza, b"id=") {
                    answer.extend_from_slice(format!("<iq type='result' id='{id}'/>").as_bytes());
                }
            } else if contains(stanza, b"<notification") {
                seen.count(stanza);
            }
        }
        // <message/>
        Some(b'm') => {
            *handled += 1;
            seen.count(stanza);
        }
        // <presence/>
        Some(b'p') => *handled += 1,
        _ => {}
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The value behind `name` (which ends in `=`).
fn attribute<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let start = text.windows(name.len()).position(|window| window == name)? + name.len();
    let quote = text.get(start)?;
    let value = text.get(start + 1..)?;
    let end = value.iter().position(|byte| byte == quote)?;
    std::str::from_utf8(value.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_counts_stanzas_and_acknowledges_what_it_counted() {
        let seen = Seen::default();
        let (mut handled, mut answer) = (0, Vec::new());
        let text = b"<message id='x'><notification><message>@5@</message></notification></message>";
        take(text, true, &mut handled, &mut answer, &seen);
        take(b"<r xmlns='urn:xmpp:sm:3'/>", true, &mut handled, &mut answer, &seen);
        assert_eq!(answer, b"<a xmlns='urn:xmpp:sm:3' h='1'/>");
        assert_eq!(seen.received.get(), 1);
        assert_eq!(seen.delays.borrow().count(), 1);
        answer.clear();
        take(
            b"<iq type='get' id='p7'><ping xmlns='urn:xmpp:ping'/></iq>",
            true,
            &mut handled,
            &mut answer,
            &seen,
        );
        assert_eq!(answer, b"<iq type='result' id='p7'/>");
        assert_eq!(handled, 2);
    }

    #[test]
    fn the_moment_of_departure_is_read() {
        assert_eq!(stamp(b"<message>@123@</message>"), Some(123));
        assert_eq!(stamp(b"<message to='a@localhost/x'><message>@123@</message>"), Some(123));
        assert_eq!(stamp(b"to='a@localhost'>none"), None);
        assert_eq!(attribute(b"<iq id=\"7\"/>", b"id="), Some("7"));
    }
}
