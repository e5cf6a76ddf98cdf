//! What `crates/xmpp/tests/fuzzed/stanza.rs` says, of whatever libFuzzer thinks of.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/xmpp/tests/fuzzed/stanza.rs"]
mod stanza;

fuzz_target!(|data: &[u8]| stanza::check(data));
