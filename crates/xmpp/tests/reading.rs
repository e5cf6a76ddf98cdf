//! The reader and the writer: against each other, against a foreign parser, against attacks.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a failed test panics")]

use proptest::prelude::*;
use rxml::{Event, Parse, Parser};
use tidings_xmpp::ns;
use tidings_xmpp::xml::{
    Element, Frame, FrameLimits, FrameReader, MAX_DEPTH, Node, StreamContext, XmlError, escape_attribute,
    escape_text, parse_open, parse_stanza, parse_stanza_with,
};

const HEADER: &str = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

fn read(text: &str) -> Element {
    parse_stanza(text.as_bytes()).unwrap()
}

fn refused(bytes: impl AsRef<[u8]>) -> XmlError {
    let error = parse_stanza(bytes.as_ref()).unwrap_err();
    // What went wrong with one stanza must not touch the next one.
    assert!(parse_stanza(b"<presence/>").unwrap().is("presence", ns::CLIENT));
    error
}

#[test]
fn namespaces_are_resolved() {
    let stanza =
        read("<iq><a xmlns='u' xmlns:p='v'><b/><p:c p:x='1' y='2'/></a><d/><stream:e/><f xmlns=''/></iq>");
    let names: Vec<_> = stanza.children().map(|child| (child.name(), child.ns())).collect();
    assert_eq!(names, [("a", "u"), ("d", ns::CLIENT), ("e", ns::STREAM), ("f", "")]);
    let a = stanza.child("a", "u").unwrap();
    assert!(a.child("b", "u").is_some());
    let c = a.child("c", "v").unwrap();
    assert_eq!(c.attributes().collect::<Vec<_>>(), [("{v}x", "1"), ("y", "2")]);
    assert!(read("<iq xmlns='jabber:client' xml:lang='de'/>").is("iq", ns::CLIENT));
    assert_eq!(read("<iq xml:lang='de'/>").attribute("xml:lang"), Some("de"));
    assert!(read("<x:iq xmlns:x='jabber:client'/>").is("iq", ns::CLIENT));
}

#[test]
fn a_prefix_ends_with_its_element() {
    assert_eq!(refused("<iq><a xmlns:p='u'/><p:b/></iq>"), XmlError::NotWellFormed);
    assert_eq!(refused("<p:iq/>"), XmlError::NotWellFormed);
    assert_eq!(refused("<iq p:a='1'/>"), XmlError::NotWellFormed);
    let shadowed = read("<iq><a xmlns='u'><b xmlns='v'/><c/></a></iq>");
    assert!(shadowed.child("a", "u").unwrap().child("c", "u").is_some());
}

#[test]
fn prefixes_of_the_header_may_be_used() {
    let header = parse_open(
        b"<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams' xmlns:x='urn:x' version='1.0'>",
    )
    .unwrap();
    assert!(parse_stanza_with(b"<s:error/>", &header.context).unwrap().is("error", ns::STREAM));
    assert!(parse_stanza_with(b"<x:a x:b='1'/>", &header.context).unwrap().is("a", "urn:x"));
    assert_eq!(parse_stanza(b"<s:error/>"), Err(XmlError::NotWellFormed));
    assert!(
        parse_stanza_with(b"<stream:error/>", &StreamContext::default()).unwrap().is("error", ns::STREAM)
    );
}

#[test]
fn text_is_unescaped_and_joined() {
    let body = read("<body>a &amp; b&#x20;&lt;<![CDATA[<c>]]&]]>&gt;\u{1f600}<i/>d</body>");
    assert_eq!(body.nodes().len(), 3);
    assert_eq!(body.text(), "a & b <<c>]]&>\u{1f600}d");
}

#[test]
fn refuses_what_is_not_one_element() {
    for bad in [
        "",
        " <a/>",
        "<a/> ",
        "<a/><b/>",
        "<a>",
        "<a/>text",
        "text",
        "</a>",
        "<a></b>",
        "<a",
        "<a b>",
        "<a b=c/>",
        "<a b='1' b='2'/>",
        "<a x:b='1' y:b='2' xmlns:x='u' xmlns:y='u'/>",
        "<a xmlns='u' xmlns='v'/>",
        "<a><b></a></b>",
        "<a>]]></a>",
        "<a b='<'/>",
        "<a></s>",
        "<a/></s>",
        "</s>",
        "<1/>",
        "<a:b:c/>",
        "<:a/>",
        "<a b='1'c='2'/>",
        "<a>&amp</a>",
        "<a xmlns:p=''/>",
        "<a xmlns:xmlns='u'/>",
        "<a xmlns:xml='u'/>",
        "<xmlns:a/>",
    ] {
        assert!(matches!(refused(bad), XmlError::NotWellFormed | XmlError::BadFormat), "{bad}");
    }
}

#[test]
fn refuses_restricted_xml() {
    for bad in [
        "<!DOCTYPE a><a/>",
        "<a><!-- c --></a>",
        "<a><?pi x?></a>",
        "<?xml version='1.0'?><a/>",
        "<a>&lol;</a>",
        "<a b='&lol;'/>",
        "<!DOCTYPE l [<!ENTITY l 'l'><!ENTITY m '&l;&l;'>]><a>&m;</a>",
    ] {
        let error = refused(bad);
        assert!(matches!(error, XmlError::Restricted | XmlError::NotWellFormed), "{bad}: {error:?}");
    }
}

#[test]
fn refuses_characters_that_xml_does_not_have() {
    for bad in [
        "<a>\0</a>",
        "<a>\u{1}</a>",
        "<a>&#0;</a>",
        "<a>&#xFFFE;</a>",
        "<a>\u{ffff}</a>",
        "<a b='\u{b}'/>",
        "<a>&#xD800;</a>",
        "<a>&#x110000;</a>",
    ] {
        assert_eq!(refused(bad), XmlError::NotWellFormed, "{bad:?}");
    }
    for bad in [
        &b"<a>\xff</a>"[..],
        b"<a>\xc0\x80</a>",
        b"<a>\xed\xa0\x80</a>",
        b"<a b='\xe2\x82'/>",
        b"<a>\xf4\x90\x80\x80</a>",
        b"<\xff/>",
    ] {
        let error = refused(bad);
        assert!(matches!(error, XmlError::BadEncoding | XmlError::NotWellFormed), "{bad:?}: {error:?}");
    }
}

#[test]
fn nesting_ends_before_the_stack_does() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let deepest = read(&nested(MAX_DEPTH));
    assert_eq!(deepest.to_bytes().len(), nested(MAX_DEPTH).len() - 3, "the innermost is written short");
    assert_eq!(refused(nested(MAX_DEPTH + 1)), XmlError::TooDeep);
    assert_eq!(refused(nested(100_000)), XmlError::TooDeep);
    assert_eq!(refused("<a>".repeat(100_000)), XmlError::TooDeep);
}

#[test]
fn large_values_pass_where_the_framer_lets_them() {
    let megabyte = "x".repeat(1 << 20);
    assert_eq!(read(&format!("<a b='{megabyte}'>{megabyte}</a>")).text().len(), megabyte.len());
    let many: String = (0..2000).map(|n| format!(" a{n}='{n}'")).collect();
    assert_eq!(read(&format!("<a{many}/>")).attributes().count(), 2000);
    assert_eq!(refused(format!("<a{many} a77=''/>")), XmlError::NotWellFormed);
}

#[test]
fn streams_elements_are_written_with_their_prefix() {
    let error = Element::new("error", ns::STREAM)
        .with_child(Element::new("host-unknown", ns::STREAMS))
        .with_child(Element::new("features", ns::STREAM).with_child(Element::new("x", ns::CLIENT)));
    let text = error.to_string();
    assert_eq!(
        text,
        "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
         <stream:features><x/></stream:features></stream:error>"
    );
    assert_eq!(read(&text), error);
}

#[test]
fn what_would_break_a_stream_is_replaced() {
    let mut out = Vec::new();
    escape_text("a\0b\u{b}\u{fffe}\u{ffff}\u{efff}\r\n<]]>", &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}\u{efff}&#13;\n&lt;]]&gt;"
    );
    let mut out = Vec::new();
    escape_attribute("'\"<&>\t\n\r\u{7f}", &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), "&apos;&quot;&lt;&amp;&gt;&#9;&#10;&#13;\u{7f}");
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,3}", "[A-Za-z_é][A-Za-z0-9_.é-]{0,8}"]
}

fn namespaces() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(ns::CLIENT.to_owned()),
        2 => Just(ns::STREAM.to_owned()),
        2 => prop::sample::select(vec!["", "urn:a", "urn:b", "u'&<>\""]).prop_map(String::from),
    ]
}

/// Text as it comes back: without what XML cannot carry.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[<>&'\"\\]\\t\\n\\r x]{0,12}"].prop_map(|text: String| {
        text.chars().filter(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)).collect()
    })
}

fn attribute_names() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => names().prop_filter("declares", |name| name != "xmlns"),
        1 => names().prop_map(|name| format!("xml:{name}")),
        1 => names().prop_map(|name| format!("{{urn:q}}{name}")),
    ]
}

fn bare() -> impl Strategy<Value = Element> {
    (names(), namespaces(), prop::collection::vec((attribute_names(), texts()), 0..4)).prop_map(
        |(name, ns, attributes)| {
            attributes
                .into_iter()
                .fold(Element::new(name, ns), |element, (name, value)| element.with_attribute(name, value))
        },
    )
}

fn elements() -> impl Strategy<Value = Element> {
    bare().prop_recursive(4, 24, 4, |inner| {
        let child = prop_oneof![inner.prop_map(Node::Element), texts().prop_map(Node::Text)];
        (bare(), prop::collection::vec(child, 0..4)).prop_map(|(mut element, children)| {
            for child in children {
                match child {
                    Node::Element(child) => element.push_child(child),
                    Node::Text(text) => element.push_text(text),
                }
            }
            element
        })
    })
}

/// What a foreign parser makes of a whole document, or nothing where it refuses.
fn foreign(document: &[u8]) -> Option<Vec<Event>> {
    let mut parser = Parser::new();
    let mut rest = document;
    let mut events = Vec::new();
    loop {
        match parser.parse(&mut rest, true) {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return Some(events),
            Err(_) => return None,
        }
    }
}

/// The tree that the foreign parser's events make, for each first-level element. Nothing
/// where text stands between them, which a stream does not allow and a document does.
fn trees(document: &[u8]) -> Option<Vec<Element>> {
    let mut open: Vec<Element> = Vec::new();
    let mut done = Vec::new();
    for event in foreign(document)? {
        match event {
            Event::XmlDeclaration(..) => {}
            Event::StartElement(_, (ns, name), attributes) => {
                let mut element = Element::new(name.to_string(), ns.as_str().to_owned());
                for ((ns, name), value) in attributes {
                    let name = match ns.as_str() {
                        "" => name.to_string(),
                        rxml::XMLNS_XML => format!("xml:{name}"),
                        ns => format!("{{{ns}}}{name}"),
                    };
                    element.set_attribute(name, value);
                }
                open.push(element);
            }
            Event::Text(_, text) if open.len() < 2 => {
                if !text.trim_ascii().is_empty() {
                    return None;
                }
            }
            Event::Text(_, text) => open.last_mut()?.push_text(text),
            Event::EndElement(_) => {
                let element = open.pop()?;
                match open.last_mut() {
                    Some(parent) => parent.push_child(element),
                    None => done.extend(element.into_children()),
                }
            }
        }
    }
    Some(done)
}

/// Attributes in one order, since the foreign parser keeps none.
fn sorted(element: &Element) -> Element {
    let mut attributes: Vec<_> = element.attributes().collect();
    attributes.sort_unstable();
    let mut copy = attributes
        .into_iter()
        .fold(Element::new(element.name().to_owned(), element.ns().to_owned()), |copy, (name, value)| {
            copy.with_attribute(name.to_owned(), value)
        });
    for node in element.nodes() {
        match node {
            Node::Element(child) => copy.push_child(sorted(child)),
            Node::Text(text) => copy.push_text(text.as_str()),
        }
    }
    copy
}

/// Fragments that make XML more often than noise does.
fn almost_xml() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "<a",
        "<a>",
        "</a>",
        "<p:b",
        "</p:b>",
        "<c/>",
        ">",
        "/>",
        " ",
        "\n",
        " x='1'",
        " x=\"2\"",
        " p:x='3'",
        " xmlns='u'",
        " xmlns:p='v'",
        " xmlns:q='v' q:x=''",
        "text",
        "&amp;",
        "&#65;",
        "&#0;",
        "&x;",
        "<![CDATA[",
        "]]>",
        "]",
        "<!-- -->",
        "<?x ?>",
        "é",
        "\u{1}",
        "'",
        "\"",
        "=",
        " xml:lang='de'",
        "</stream:stream>",
        "<stream:d/>",
    ]);
    prop::collection::vec(part, 0..14).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(element in elements()) {
        let bytes = element.to_bytes();
        prop_assert_eq!(parse_stanza(&bytes).unwrap(), element);
    }

    #[test]
    fn what_is_written_is_one_frame(element in elements()) {
        let bytes = element.to_bytes();
        let mut reader = FrameReader::new(FrameLimits { bytes: 1 << 20, depth: 64, attributes: 64 });
        prop_assert!(matches!(reader.read(&mut HEADER.as_bytes()), Ok(Some(Frame::Open(_)))));
        let mut input = bytes.as_slice();
        prop_assert_eq!(reader.read(&mut input), Ok(Some(Frame::Stanza(&bytes))));
        prop_assert!(input.is_empty());
    }

    #[test]
    fn a_foreign_parser_reads_what_is_written(element in elements()) {
        let document = [HEADER.as_bytes(), &element.to_bytes(), b"</stream:stream>"].concat();
        let read = trees(&document).unwrap();
        prop_assert_eq!(read.iter().map(sorted).collect::<Vec<_>>(), vec![sorted(&element)]);
    }

    #[test]
    fn a_foreign_parser_agrees_on_streams(body in prop_oneof![almost_xml(), almost_xml().prop_map(|inner| format!("<a>{inner}</a>"))]) {
        let document = format!("{HEADER}{body}</stream:stream>");
        let mut reader = FrameReader::new(FrameLimits { bytes: 1 << 16, depth: 64, attributes: 64 });
        let mut input = document.as_bytes();
        let mut ours = Vec::new();
        let accepted = loop {
            match reader.read(&mut input) {
                Ok(Some(Frame::Open(_))) => {}
                Ok(Some(Frame::Stanza(bytes))) => match parse_stanza(bytes) {
                    Ok(stanza) => ours.push(sorted(&stanza)),
                    Err(_) => break false,
                },
                Ok(Some(Frame::Close)) => break input.is_empty(),
                Ok(None) | Err(_) => break false,
            }
        };
        let ours = accepted.then_some(ours);
        let theirs = trees(document.as_bytes()).map(|trees| trees.iter().map(sorted).collect::<Vec<_>>());
        // A first-level character reference or CDATA section is text that only looks like none.
        if ours.is_some() || !(body.contains("&#") || body.contains("CDATA")) {
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_stanza(&bytes);
        let _ = parse_open(&bytes);
        let _ = parse_stanza(&[b"<a>", bytes.as_slice(), b"</a>"].concat());
    }
}
