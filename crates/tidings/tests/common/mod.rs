//! What the proofs share: the real program, its API, devices that speak the wire
//! protocol, a network that misbehaves, and a disk that fails.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "each test program uses its own part"
)]
#![allow(missing_docs, reason = "test helpers")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "test helpers")]

pub mod accounts;
pub mod api;
pub mod back_ends;
pub mod device;
pub mod disk;
pub mod proxy;
pub mod random;
pub mod server;
pub mod sightings;
pub mod wire;

use std::time::{Duration, Instant};

/// A number that the environment may set.
pub fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
        Err(_) => default,
    }
}

/// Waits until `done`. Fails when `progress` has not changed for `patience`: what
/// matters is that things move, not how fast they do.
pub async fn until<P: PartialEq + std::fmt::Debug>(
    what: &str,
    patience: Duration,
    mut progress: impl AsyncFnMut() -> P,
    mut done: impl FnMut(&P) -> bool,
) {
    let mut last = progress().await;
    let mut changed = Instant::now();
    while !done(&last) {
        assert!(changed.elapsed() < patience, "{what}: stuck at {last:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        let next = progress().await;
        if next != last {
            changed = Instant::now();
            last = next;
        }
    }
}
