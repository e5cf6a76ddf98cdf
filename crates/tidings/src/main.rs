//! The `tidings` binary: a push server, and the commands around it.
#![forbid(unsafe_code)]
#![expect(dead_code, reason = "being wired")]

mod api;
mod args;
mod commands;
mod config;
mod data_dir;
mod failure;
mod limits;
mod logging;
mod output;

use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = args::parse().and_then(commands::run);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::error(&failure.line());
            ExitCode::from(failure.status())
        }
    }
}
