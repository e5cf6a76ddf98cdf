//! What `crates/xmpp/tests/fuzzed/framer.rs` says, of whatever libFuzzer thinks of.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/xmpp/tests/fuzzed/framer.rs"]
mod framer;

fuzz_target!(|data: &[u8]| framer::check(data));
