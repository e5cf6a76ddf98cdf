//! The `tidings` binary: a push server, and the commands around it.

mod api;
mod args;
mod commands;
mod config;
mod data_dir;
mod failure;
mod limits;
mod logging;
mod output;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    // What this program writes has keys and passwords in it: its owner's alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    match commands::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::error(&failure.line());
            ExitCode::from(failure.status())
        }
    }
}
