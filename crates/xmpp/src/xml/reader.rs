//! Turns one framed stanza into an [`Element`].

use std::cell::Cell;

use rxml::error::EndOrError;
use rxml::{Options, Parse, RawEvent, RawParser, RawQName, WithOptions};

use super::element::Element;
use super::error::{MAX_DEPTH, XmlError};
use super::fast_path;
use super::namespaces::{Scopes, StreamContext, refuse_duplicates};

/// Values up to this many bytes are read by the pooled parser, larger stanzas by a fresh one.
const POOLED_TOKEN: usize = 16 * 1024;

/// Opens the document in which a stanza is read. Ours, hence never wrong.
const PREAMBLE: &[u8] = b"<s>";

/// Reads one stanza of a stream with the usual header.
///
/// # Errors
/// [`XmlError`] unless `bytes` are exactly one well-formed element.
pub fn parse_stanza(bytes: &[u8]) -> Result<Element, XmlError> {
    parse_stanza_with(bytes, &StreamContext::default())
}

/// Reads one stanza of a stream whose header declared more than the usual.
///
/// # Errors
/// As [`parse_stanza`].
pub fn parse_stanza_with(bytes: &[u8], context: &StreamContext) -> Result<Element, XmlError> {
    match fast_path::element(bytes, context) {
        Some(element) => Ok(element),
        None => parse_any(bytes, context),
    }
}

/// Reads one stanza, whatever is in it.
fn parse_any(bytes: &[u8], context: &StreamContext) -> Result<Element, XmlError> {
    if bytes.first() != Some(&b'<') {
        return Err(XmlError::NotWellFormed);
    }
    if bytes.len() > POOLED_TOKEN {
        return read_element(&mut primed(bytes.len())?, bytes, context);
    }
    let mut parser = match POOL.take() {
        Some(parser) => parser,
        None => Box::new(primed(POOLED_TOKEN)?),
    };
    let element = read_element(&mut parser, bytes, context)?;
    // Only a parser that is back where it began is used again.
    POOL.set(Some(parser));
    Ok(element)
}

thread_local! {
    static POOL: Cell<Option<Box<RawParser>>> = const { Cell::new(None) };
}

/// A parser that can take names and values of `token` bytes.
pub(super) fn fresh(token: usize) -> RawParser {
    RawParser::with_options(Options { max_token_length: token.max(64), ..Options::default() })
}

/// A parser inside of an open element.
fn primed(token: usize) -> Result<RawParser, XmlError> {
    let mut parser = fresh(token);
    let mut rest = PREAMBLE;
    while !matches!(next(&mut parser, &mut rest)?, RawEvent::ElementHeadClose(_)) {}
    Ok(parser)
}

/// The next event; the input's end is an error.
pub(super) fn next(parser: &mut RawParser, rest: &mut &[u8]) -> Result<RawEvent, XmlError> {
    match parser.parse(rest, false) {
        Ok(Some(event)) => Ok(event),
        Ok(None) | Err(EndOrError::NeedMoreData) => Err(XmlError::NotWellFormed),
        Err(EndOrError::Error(error)) => Err(error.into()),
    }
}

fn read_element(parser: &mut RawParser, bytes: &[u8], context: &StreamContext) -> Result<Element, XmlError> {
    let mut rest = bytes;
    let mut scopes = Scopes::new(context);
    let mut open: Vec<Element> = Vec::new();
    let mut name: Option<RawQName> = None;
    let mut attributes: Vec<(RawQName, String)> = Vec::new();
    loop {
        match next(parser, &mut rest)? {
            RawEvent::ElementHeadOpen(_, qname) => {
                if open.len() >= MAX_DEPTH {
                    return Err(XmlError::TooDeep);
                }
                name = Some(qname);
            }
            RawEvent::Attribute(_, (prefix, local), value) => {
                let declares = match prefix.as_ref().map(|prefix| prefix.as_str()) {
                    Some("xmlns") => Some(Some(local.to_string())),
                    None if local == "xmlns" => Some(None),
                    _ => None,
                };
                match declares {
                    Some(prefix) => scopes.declare(open.len(), prefix, &value)?,
                    None => attributes.push(((prefix, local), value)),
                }
            }
            RawEvent::ElementHeadClose(_) => {
                let (prefix, local) = name.take().ok_or(XmlError::NotWellFormed)?;
                let ns = scopes.lookup(prefix.as_ref().map(|prefix| prefix.as_str()))?;
                let mut element = Element::new(String::from(local), ns);
                element.reserve_attributes(attributes.len());
                for ((prefix, local), value) in attributes.drain(..) {
                    element.append_attribute(
                        scopes.attribute_name(prefix.as_ref().map(|p| p.as_str()), local.into())?,
                        value,
                    );
                }
                refuse_duplicates(element.attributes().map(|(name, _)| name))?;
                open.push(element);
            }
            RawEvent::Text(_, text) => match open.last_mut() {
                Some(element) => element.push_text(text),
                None => return Err(XmlError::BadFormat),
            },
            RawEvent::ElementFoot(_) => {
                let element = open.pop().ok_or(XmlError::NotWellFormed)?;
                scopes.leave(open.len());
                match open.last_mut() {
                    Some(parent) => parent.push_child(element),
                    None if rest.is_empty() => return Ok(element),
                    None => return Err(XmlError::BadFormat),
                }
            }
            RawEvent::XmlDeclaration(..) => return Err(XmlError::Restricted),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pieces that make XML, nearly XML, and things on the border of what is plain.
    const PIECES: [&str; 52] = [
        "<",
        ">",
        "/",
        "=",
        "'",
        "\"",
        " ",
        "\n",
        "\t",
        "\r",
        "a",
        "iq",
        "message",
        "p:a",
        "q:b",
        "xml:lang",
        "xmlns",
        "xmlns:p",
        "xmlns:xml",
        "xmlns:q=''",
        "<a>",
        "</a>",
        "<a/>",
        "<iq",
        " id='1'",
        " type=\"get\"",
        " xmlns='jabber:client'",
        " xmlns:p='u'",
        " xmlns=''",
        " p:x='y'",
        " x='y'",
        " x='z'",
        "text",
        "&amp;",
        "&#x41;",
        "]",
        "]]>",
        "<![CDATA[",
        "<!--",
        "<?xml version='1.0'?>",
        "\u{7f}",
        "\u{1}",
        "\u{fffe}",
        "\u{e9}",
        "\u{1f600}",
        "<p:a xmlns:p='u'>",
        "</p:a>",
        "<stream:e/>",
        "<x:y/>",
        "</a >",
        "<a />",
        ":",
    ];

    fn pieces() -> impl Strategy<Value = String> {
        let piece = proptest::sample::select(PIECES.to_vec());
        proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    /// Elements as they come, and with a piece of something else in between.
    fn nested() -> impl Strategy<Value = String> {
        let attributes = || {
            let attribute = proptest::sample::select(vec![
                "",
                " id='1'",
                " type=\"get\"",
                " xmlns='u'",
                " xmlns:p='v'",
                " p:x='1'",
                " xml:lang='de'",
                " id='2'",
                "  x='>'",
                "\ny='\u{e9}'",
            ]);
            proptest::collection::vec(attribute, 0..4).prop_map(|all| all.concat())
        };
        let names = || proptest::sample::select(vec!["a", "iq", "p:b", "stream:c", "_x-1.y"]);
        let leaf =
            (names(), attributes(), pieces(), 0..8_u8).prop_map(|(name, attributes, odd, kind)| match kind {
                0 => odd,
                1..3 => format!("<{name}{attributes}/>"),
                3..5 => "some text\n".to_owned(),
                _ => format!("<{name}{attributes}>text \u{e9}</{name}>"),
            });
        leaf.prop_recursive(4, 24, 4, move |inner| {
            (names(), attributes(), proptest::collection::vec(inner, 0..4)).prop_map(
                |(name, attributes, inner)| format!("<{name}{attributes}>{}</{name}>", inner.concat()),
            )
        })
    }

    fn agrees(text: &str) {
        let context = StreamContext::new([("x".into(), "urn:x".into())]);
        for context in [StreamContext::default(), context] {
            if let Some(element) = fast_path::element(text.as_bytes(), &context) {
                assert_eq!(Ok(element), parse_any(text.as_bytes(), &context), "{text:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn both_readers_agree_on_pieces(text in pieces()) {
            agrees(&text);
        }

        #[test]
        fn both_readers_agree_on_elements(text in nested()) {
            agrees(&text);
        }
    }

    #[test]
    fn what_devices_send_is_plain() {
        for text in [
            "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>",
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>biwsbj11c2VyLHI9cg==</auth>",
            "<enable xmlns='urn:xmpp:sm:3' resume='true'/>",
            "<presence/>",
            "<message to=\"a@b\" xml:lang='de'><body>\u{fc}ber</body>\n</message>",
        ] {
            assert!(fast_path::element(text.as_bytes(), &StreamContext::default()).is_some(), "{text}");
            agrees(text);
        }
        let deep = "<a>".repeat(MAX_DEPTH + 1) + &"</a>".repeat(MAX_DEPTH + 1);
        assert_eq!(fast_path::element(deep.as_bytes(), &StreamContext::default()), None);
    }
}
