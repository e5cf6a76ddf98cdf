//! The reader: never panics, keeps its depth, agrees with a parser that reads the same
//! bytes as a document; and what it read is written and read back unchanged.

use rxml::{Parse, Parser};
use tidings_xmpp::ext::push::PushMessage;
use tidings_xmpp::ext::sm::Nonza;
use tidings_xmpp::stanza::{Iq, Presence, StanzaError};
use tidings_xmpp::xml::{Element, MAX_DEPTH, parse_open, parse_stanza};

fn depth(element: &Element) -> usize {
    1 + element.children().map(depth).max().unwrap_or(0)
}

fn foreign_accepts(bytes: &[u8]) -> bool {
    let document = [
        b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>".as_slice(),
        bytes,
        b"</stream:stream>",
    ]
    .concat();
    let mut parser = Parser::new();
    let mut rest = document.as_slice();
    loop {
        match parser.parse(&mut rest, true) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Panics where it does not hold.
pub fn check(data: &[u8]) {
    let _ = parse_open(data);
    let parsed = parse_stanza(data);
    let Ok(element) = parsed else { return };
    assert!(depth(&element) <= MAX_DEPTH);
    assert!(foreign_accepts(data), "another parser refuses it");
    let written = element.to_bytes();
    assert_eq!(parse_stanza(&written).as_ref(), Ok(&element), "{}", String::from_utf8_lossy(&written));

    let _ = Presence::from_element(&element);
    let _ = PushMessage::from_element(&element);
    let _ = StanzaError::of(&element);
    if let Some(nonza) = Nonza::from_element(&element) {
        let written = parse_stanza(&nonza.to_element().to_bytes()).expect("our own");
        assert_eq!(Nonza::from_element(&written), Some(nonza));
    }
    if let Err(invalid) = Iq::from_element(element)
        && let Some(reply) = invalid.reply()
    {
        assert!(parse_stanza(&reply.to_bytes()).is_ok());
    }
}
