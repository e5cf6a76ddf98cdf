//! What the writer writes is one well-formed element, and reads as what was written.

use proptest::prelude::*;
use tidings_xmpp::ns;
use tidings_xmpp::xml::{Element, Frame, FrameLimits, FrameReader, Node, parse_stanza};

const LIMITS: FrameLimits = FrameLimits { bytes: 1 << 20, depth: 64, attributes: 64 };

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec!["message", "body", "x", "id", "stream", "a0", "xml"]).prop_map(str::to_owned),
        1 => "[a-zA-Z_\u{e9}\u{65e5}][a-zA-Z0-9._\u{e9}\u{65e5}-]{0,5}",
    ]
}

/// Namespaces that an attribute's prefix may stand for.
fn bound_namespaces() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec![ns::CLIENT, ns::STREAM, ns::PUSH, "a'b\"<&>}{c"]).prop_map(str::to_owned),
        1 => "[ -~\u{e9}\u{1f4e8}]{1,8}",
    ]
}

fn namespaces() -> impl Strategy<Value = String> {
    prop_oneof![6 => bound_namespaces(), 1 => Just(ns::XML.to_owned()), 1 => Just(String::new())]
}

fn attributes() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        3 => names(),
        1 => Just("xml:lang".to_owned()),
        1 => (bound_namespaces(), names()).prop_map(|(ns, name)| format!("{{{ns}}}{name}")),
    ];
    prop::collection::vec((name, text()), 0..4)
}

/// Any text, and often what has to be escaped or replaced.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec![
            "&", "<", ">", "'", "\"", "]]>", "&amp;", "\r", "\n", "\t", " ", "\0", "\u{1b}", "\u{fffe}", "\u{ffff}",
            "\u{ffef}", "\u{7f}", "\u{85}", "\u{feff}",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[a-z]{1,5}",
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn elements() -> impl Strategy<Value = Element> {
    let build = |(name, ns, attributes): (String, String, Vec<(String, String)>)| {
        attributes
            .into_iter()
            .fold(Element::new(name, ns), |element, (name, value)| element.with_attribute(name, value))
    };
    let leaf = (names(), namespaces(), attributes()).prop_map(build);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let child = prop_oneof![inner.prop_map(Node::Element), text().prop_map(Node::Text)];
        let children = prop::collection::vec(child, 0..4);
        ((names(), namespaces(), attributes()).prop_map(build), children).prop_map(|(element, children)| {
            children.into_iter().fold(element, |element, child| match child {
                Node::Element(child) => element.with_child(child),
                Node::Text(text) => element.with_text(text),
            })
        })
    })
}

/// What XML 1.0 cannot carry (section 2.2) is replaced.
fn carried(text: &str) -> String {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if allowed(c) { c } else { '\u{fffd}' }).collect()
}

fn expected(element: &Element) -> Element {
    let start = Element::new(element.name().to_owned(), element.ns().to_owned());
    let start = element
        .attributes()
        .fold(start, |start, (name, value)| start.with_attribute(name.to_owned(), carried(value)));
    element.nodes().iter().fold(start, |start, node| match node {
        Node::Element(child) => start.with_child(expected(child)),
        Node::Text(text) => start.with_text(carried(text)),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(element in elements()) {
        let bytes = element.to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        prop_assert_eq!(parse_stanza(&bytes), Ok(expected(&element)), "{}", text);

        // A first-level element of this name is the stream's header come again.
        prop_assume!(!element.is("stream", ns::STREAM));
        let mut reader = FrameReader::new(LIMITS);
        let mut header: &[u8] = b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>";
        reader.read(&mut header).unwrap();
        let mut input = bytes.as_slice();
        prop_assert_eq!(reader.read(&mut input), Ok(Some(Frame::Stanza(&bytes))));
        prop_assert!(input.is_empty());
    }
}

#[test]
fn an_element_in_xmls_own_namespace_keeps_its_prefix() {
    for text in ["<presence><xml:x/></presence>", "<xml:x xml:lang='en'>y</xml:x>"] {
        let element = parse_stanza(text.as_bytes()).unwrap();
        assert_eq!(element.to_string(), text);
    }
}
