//! A short run of the fuzz targets of `fuzz/`, with inputs that are the same each time: valid stanzas, changed at
//! random places by random bytes and by pieces that often matter.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    missing_docs,
    reason = "a failed test panics"
)]

mod framer;
mod stanza;

use std::panic::catch_unwind;

const SEED: u64 = 0x7469_6469_6e67_7321;
const RUNS: usize = 20_000;

/// Where mutation begins.
const INPUTS: &[&str] = &[
    "<presence/>",
    "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<iq type='set' id='2' to='localhost'><subscribe xmlns='urn:tidings:push:1' topic='news'/></iq>",
    "<message id='3' xml:lang='en'><received xmlns='urn:xmpp:receipts' id='4'/></message>",
    "<message type='headline'><notification xmlns='urn:tidings:push:1' id='1' sent='2026-01-02T03:04:05Z'>\
     <title>&lt;a&gt; &amp; b</title><data key='k'>v</data></notification><body>text</body></message>",
    "<presence type='unavailable'><priority>-1</priority><status>away</status></presence>",
    "<a xmlns='urn:xmpp:sm:3' h='7'/>",
    "<r xmlns='urn:xmpp:sm:3'/>",
    "<p:iq xmlns:p='jabber:client' type='error' id='5'><p:error type='cancel'>\
     <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></p:error></p:iq>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>",
    "<message><![CDATA[<not/> &this;]]></message></stream:stream>",
];

/// The pieces of the fuzzers' dictionary.
fn pieces() -> Vec<String> {
    let lines = include_str!("../../../../fuzz/stanza.dict").lines();
    let pieces = lines.filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    pieces.map(|piece| piece.replace("\\\"", "\"")).collect()
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 1).expect("64 bits") % bound
    }
}

/// An input, changed a few times.
fn mutated(random: &mut Random, pieces: &[String]) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..=random.below(3) {
        text.extend_from_slice(INPUTS[random.below(INPUTS.len())].as_bytes());
    }
    for _ in 0..random.below(6) {
        let at = random.below(text.len() + 1);
        match random.below(5) {
            0 => drop(text.splice(at..at, [u8::try_from(random.below(256)).expect("a byte")])),
            1 => drop(text.splice(at..at, pieces[random.below(pieces.len())].bytes())),
            2 => drop(text.drain(at..(at + random.below(9)).min(text.len()))),
            3 => text.truncate(at),
            _ => {
                let part = text[at..(at + random.below(40)).min(text.len())].to_vec();
                let to = random.below(text.len() + 1);
                drop(text.splice(to..to, part));
            }
        }
    }
    text
}

/// Checks each input, and says which one it was that failed.
fn run(check: fn(&[u8]), prefix: bool) {
    let (mut random, pieces) = (Random(SEED), pieces());
    assert!(pieces.len() > 10, "the dictionary was not read: {pieces:?}");
    for number in 0..RUNS {
        let mut input = mutated(&mut random, &pieces);
        if prefix {
            // Whether a header comes first, and how the stream is cut.
            input.insert(0, u8::try_from(random.below(256)).expect("a byte"));
        }
        let failed = catch_unwind(|| check(&input)).is_err();
        assert!(!failed, "input {number}: {}", String::from_utf8_lossy(&input).escape_debug());
    }
}

#[test]
fn the_framer_agrees_with_a_parser_however_the_stream_is_cut() {
    run(framer::check, true);
}

#[test]
fn the_reader_agrees_with_a_parser_and_with_the_writer() {
    run(stanza::check, false);
}
