//! The real program, from outside: what it prints, how it ends, what it leaves.
#![expect(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail")]

mod server;

mod commands;
mod demo;
mod log;
mod maintenance;
mod serve;
mod usage;
