//! The framer: the same frames however the stream is cut, limits that hold, and
//! agreement with a parser that reads the stream as one document.

use rxml::{Event, Parse, Parser};
use tidings_xmpp::xml::{Frame, FrameError, FrameLimits, FrameReader, parse_open, parse_stanza};

const HEADER: &[u8] =
    b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
const LIMITS: FrameLimits = FrameLimits { bytes: 512, depth: 6, attributes: 5 };

#[derive(Debug, PartialEq)]
enum Seen {
    Open(Vec<u8>),
    Stanza(Vec<u8>),
    Close,
    Failed(FrameError),
}

fn frames<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> Vec<Seen> {
    let mut reader = FrameReader::new(LIMITS);
    let mut seen = Vec::new();
    for mut input in pieces {
        loop {
            match reader.read(&mut input) {
                Ok(Some(Frame::Open(bytes))) => seen.push(Seen::Open(bytes.to_vec())),
                Ok(Some(Frame::Stanza(bytes))) => seen.push(Seen::Stanza(bytes.to_vec())),
                Ok(Some(Frame::Close)) => seen.push(Seen::Close),
                Ok(None) => break,
                Err(error) => {
                    seen.push(Seen::Failed(error));
                    assert_eq!(reader.partial_len(), 0);
                    return seen;
                }
            }
        }
        assert!(input.is_empty());
        assert!(reader.partial_len() <= LIMITS.bytes);
    }
    seen
}

/// How many stanzas a parser sees that reads the whole stream; nothing where it refuses.
fn stanzas_of_document(document: &[u8]) -> Option<usize> {
    let mut parser = Parser::new();
    let mut rest = document;
    let (mut depth, mut stanzas) = (0usize, 0);
    loop {
        match parser.parse(&mut rest, true).ok()? {
            None => return Some(stanzas),
            Some(Event::StartElement(..)) => {
                depth += 1;
                stanzas += usize::from(depth == 2);
            }
            Some(Event::EndElement(_)) => depth -= 1,
            Some(_) => {}
        }
    }
}

/// Panics where it does not hold.
pub fn check(data: &[u8]) {
    let Some((&cut, body)) = data.split_first() else { return };
    let stream = if cut & 0x80 == 0 { [HEADER, body].concat() } else { body.to_vec() };

    let whole = frames(std::iter::once(stream.as_slice()));
    assert_eq!(whole, frames(stream.chunks(1)));
    assert_eq!(whole, frames(stream.chunks(usize::from(cut & 0x7f) + 2)));

    let mut accepted = Vec::new();
    let mut sound = true;
    for frame in &whole {
        match frame {
            Seen::Open(bytes) => {
                assert!(bytes.len() <= LIMITS.bytes);
                sound &= parse_open(bytes).is_ok();
            }
            Seen::Stanza(bytes) => {
                assert!(bytes.len() <= LIMITS.bytes);
                match parse_stanza(bytes) {
                    Ok(stanza) => accepted.push(stanza),
                    Err(_) => sound = false,
                }
            }
            Seen::Close => {}
            Seen::Failed(_) => sound = false,
        }
    }
    // What follows the end of a stream is dropped; a document with anything there is refused.
    if sound
        && whole.last() == Some(&Seen::Close)
        && let Some(stanzas) = stanzas_of_document(&stream)
    {
        assert_eq!(stanzas, accepted.len(), "a parser sees other stanzas");
    }
}
