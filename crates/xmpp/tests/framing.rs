//! The framer against what the network and attackers do to a stream.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a failed test panics")]

use proptest::prelude::*;
use tidings_xmpp::xml::{Frame, FrameError, FrameLimits, FrameReader};

const LIMITS: FrameLimits = FrameLimits { bytes: 4096, depth: 8, attributes: 8 };
const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' to='example.org' version='1.0'>";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Open(Vec<u8>),
    Stanza(Vec<u8>),
    Close,
    Failed(FrameError),
}

fn stanza(text: &str) -> Seen {
    Seen::Stanza(text.as_bytes().to_vec())
}

/// Everything that comes out of a stream which arrives in these pieces.
fn run<'p>(limits: FrameLimits, pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<Seen> {
    let mut reader = FrameReader::new(limits);
    let mut seen = Vec::new();
    for piece in pieces {
        let mut input = piece;
        loop {
            match reader.read(&mut input) {
                Ok(Some(Frame::Open(bytes))) => seen.push(Seen::Open(bytes.to_vec())),
                Ok(Some(Frame::Stanza(bytes))) => seen.push(Seen::Stanza(bytes.to_vec())),
                Ok(Some(Frame::Close)) => seen.push(Seen::Close),
                Ok(None) => {
                    assert!(input.is_empty(), "None means that all input is used up");
                    assert!(reader.partial_len() <= limits.bytes);
                    break;
                }
                Err(error) => {
                    seen.push(Seen::Failed(error));
                    return seen;
                }
            }
        }
    }
    seen
}

/// What follows the header.
fn body(bytes: &[u8]) -> Vec<Seen> {
    let whole: Vec<u8> = [HEADER.as_bytes(), bytes].concat();
    let mut at_once = run(LIMITS, [whole.as_slice()]);
    let bytewise = run(LIMITS, whole.chunks(1));
    assert_eq!(at_once, bytewise);
    assert_eq!(at_once.remove(0), Seen::Open(HEADER.as_bytes().to_vec()));
    at_once
}

fn failure(bytes: &[u8]) -> FrameError {
    match body(bytes).pop() {
        Some(Seen::Failed(error)) => error,
        other => panic!("accepted: {other:?}"),
    }
}

#[test]
fn cuts_stanzas_out_of_a_stream() {
    assert_eq!(
        body(b" <a/>\n<b x='>' y=\"/b>\"><c>t</c><![CDATA[</b>]]]]>]]></b  ><r xmlns='u'/>\r\n</stream:stream>\n"),
        [
            stanza("<a/>"),
            stanza("<b x='>' y=\"/b>\"><c>t</c><![CDATA[</b>]]]]>]]></b  >"),
            stanza("<r xmlns='u'/>"),
            Seen::Close
        ]
    );
}

#[test]
fn a_header_needs_no_declaration_and_may_follow_white_space() {
    let open = "<s:stream\n a='1'>";
    assert_eq!(
        run(LIMITS, [format!("\r\n {open}</s:stream >").as_bytes()]),
        [Seen::Open(open.as_bytes().to_vec()), Seen::Close]
    );
}

#[test]
fn only_the_headers_own_end_tag_ends_the_stream() {
    assert_eq!(body(b"</stream:stream>"), [Seen::Close]);
    assert_eq!(failure(b"</stream>"), FrameError::NotWellFormed);
    assert_eq!(failure(b"</s:stream>"), FrameError::NotWellFormed);
    assert_eq!(failure(b"</>"), FrameError::NotWellFormed);
    assert_eq!(body(b"<a></stream:stream>"), [stanza("<a></stream:stream>")], "the parser refuses this one");
}

#[test]
fn a_second_header_is_told_rather_than_waited_for() {
    let open = "<stream:stream to='a>b' version='1.0'>";
    assert_eq!(
        body(format!("<a/>{open}<b/>").as_bytes()),
        [stanza("<a/>"), Seen::Open(open.as_bytes().to_vec()), stanza("<b/>")]
    );
    // Only where it could be taken for one.
    let inside = format!("<a>{open}</stream:stream></a>");
    assert_eq!(body(inside.as_bytes()), [stanza(&inside)]);
    assert_eq!(body(b"<stream:streams></stream:streams>"), [stanza("<stream:streams></stream:streams>")]);
}

#[test]
fn what_comes_after_the_end_is_dropped() {
    assert_eq!(body(b"</stream:stream><a/><!DOCTYPE x>garbage"), [Seen::Close]);
}

#[test]
fn refuses_restricted_xml() {
    for bad in [
        "<!DOCTYPE a [<!ENTITY a 'aaaa'>]>",
        "<!-- comment -->",
        "<a><!-- comment --></a>",
        "<?php ?>",
        "<a><?pi?></a>",
        "<?xml version='1.0'?>",
        "<![CDATA[x]]>",
        "<a><![cdata[x]]></a>",
        "<a><!></a>",
    ] {
        assert_eq!(failure(bad.as_bytes()), FrameError::Restricted, "{bad}");
    }
    assert_eq!(run(LIMITS, [&b"<!DOCTYPE stream>"[..]]), [Seen::Failed(FrameError::Restricted)]);
    assert_eq!(
        run(LIMITS, [&b"<?xml version='1.0'?><?xml version='1.0'?>"[..]]),
        [Seen::Failed(FrameError::Restricted)]
    );
}

#[test]
fn refuses_what_is_not_xml() {
    for bad in [
        "text",
        "<a/>text",
        "\0",
        "< a/>",
        "<a/ >",
        "<a b='<'/>",
        "<a <b/>",
        "<>",
        "<='x'/>",
        "<a></ a>",
        "<a></a b>",
    ] {
        assert_eq!(
            failure(bad.as_bytes()),
            if bad == "\0" { FrameError::BadEncoding } else { FrameError::NotWellFormed },
            "{bad}"
        );
    }
    assert_eq!(run(LIMITS, [&b"\xff\xfe<\0s\0"[..]]), [Seen::Failed(FrameError::BadEncoding)]);
    assert_eq!(run(LIMITS, [&b"\0<\0s"[..]]), [Seen::Failed(FrameError::BadEncoding)]);
    assert_eq!(run(LIMITS, [&b"GET / HTTP/1.1\r\n"[..]]), [Seen::Failed(FrameError::NotWellFormed)]);
    assert_eq!(run(LIMITS, [&b"<stream:stream/>"[..]]), [Seen::Failed(FrameError::NotWellFormed)]);
    assert_eq!(run(LIMITS, [&b"</stream:stream>"[..]]), [Seen::Failed(FrameError::NotWellFormed)]);
}

#[test]
fn an_error_is_for_good_until_a_new_stream() {
    let mut reader = FrameReader::new(LIMITS);
    assert_eq!(reader.read(&mut &b"x"[..]), Err(FrameError::NotWellFormed));
    assert_eq!(reader.read(&mut HEADER.as_bytes()), Err(FrameError::NotWellFormed));
    reader.reset();
    assert_eq!(reader.read(&mut HEADER.as_bytes()), Ok(Some(Frame::Open(HEADER.as_bytes()))));
}

#[test]
fn every_limit_holds_at_its_exact_value() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert_eq!(body(nested(8).as_bytes()), [stanza(&nested(8))]);
    assert_eq!(failure(nested(9).as_bytes()), FrameError::TooDeep);
    let empty_inside = format!("{}<b/>{}", "<a>".repeat(7), "</a>".repeat(7));
    assert_eq!(body(empty_inside.as_bytes()), [stanza(&empty_inside)]);
    assert_eq!(failure(format!("{}<b/>", "<a>".repeat(8)).as_bytes()), FrameError::TooDeep);

    let wide = |count: usize| format!("<a{}/>", " b='c'".repeat(count));
    assert_eq!(body(wide(8).as_bytes()), [stanza(&wide(8))]);
    assert_eq!(failure(wide(9).as_bytes()), FrameError::TooManyAttributes);

    let long = |bytes: usize| format!("<a>{}</a>", "x".repeat(bytes - 7));
    assert_eq!(body(long(4096).as_bytes()), [stanza(&long(4096))]);
    assert_eq!(failure(long(4097).as_bytes()), FrameError::TooLarge);
}

#[test]
fn attacks_end_early_and_keep_nothing() {
    for attack in [
        "<a>".repeat(100_000),
        format!("<a b='{}'/>", "x".repeat(1 << 20)),
        format!("<a{}", " b=''".repeat(100_000)),
    ] {
        let mut reader = FrameReader::new(LIMITS);
        assert!(matches!(reader.read(&mut HEADER.as_bytes()), Ok(Some(_))));
        let result = attack.as_bytes().chunks(1000).find_map(|mut piece| reader.read(&mut piece).err());
        assert!(result.is_some());
        assert_eq!(reader.partial_len(), 0);
    }
}

#[test]
fn limits_may_grow_between_stanzas() {
    let mut reader = FrameReader::new(FrameLimits { bytes: 200, ..LIMITS });
    assert!(matches!(reader.read(&mut HEADER.as_bytes()), Ok(Some(Frame::Open(_)))));
    reader.set_limits(LIMITS);
    let long = format!("<a>{}</a>", "x".repeat(1000));
    assert_eq!(reader.read(&mut long.as_bytes()), Ok(Some(Frame::Stanza(long.as_bytes()))));
}

#[test]
fn a_frame_that_lies_in_the_input_is_not_copied() {
    let mut reader = FrameReader::new(LIMITS);
    assert!(reader.read(&mut HEADER.as_bytes()).is_ok());
    let bytes = b"<a/><b/>".to_vec();
    let mut input = bytes.as_slice();
    match reader.read(&mut input) {
        Ok(Some(Frame::Stanza(frame))) => assert_eq!(frame.as_ptr(), bytes.as_ptr()),
        other => panic!("{other:?}"),
    }
    assert_eq!(reader.partial_len(), 0);
    assert_eq!(input, b"<b/>");
}

/// Streams that are mostly sound, with the bytes that matter to a framer over-represented.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        8 => prop::sample::select(vec![
            "<a>", "</a>", "<b/>", "<c d='e'>", "</c>", " ", "text", "<![CDATA[", "]]>", "]", "<f g=\"'>\"/>", "'", "\"",
            "</stream:stream>", ">", "<", "/", "=", "é", "&amp;", "\n",
        ])
        .prop_map(|part| part.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
        1 => prop::sample::select(vec!["<!-- -->", "<?x?>", "<!DOCTYPE>"]).prop_map(|part| part.as_bytes().to_vec()),
    ];
    prop::collection::vec(part, 0..30).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_do_not_depend_on_how_the_stream_was_cut(
        stream in streams(),
        cuts in prop::collection::vec(1usize..40, 1..8),
        bytes in prop_oneof![Just(4096usize), 10usize..200],
        header in any::<bool>(),
    ) {
        let limits = FrameLimits { bytes, depth: 3, attributes: 2 };
        let limits = if header { FrameLimits { bytes: bytes + HEADER.len(), attributes: 5, ..limits } } else { limits };
        let stream = if header { [HEADER.as_bytes(), &stream].concat() } else { stream };
        let whole = run(limits, [stream.as_slice()]);
        prop_assert_eq!(&whole, &run(limits, stream.chunks(1)));
        let mut pieces = Vec::new();
        let mut rest = stream.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(&whole, &run(limits, pieces));
        for frame in &whole {
            if let Seen::Stanza(frame) | Seen::Open(frame) = frame {
                prop_assert!(frame.len() <= limits.bytes);
            }
        }
    }
}
