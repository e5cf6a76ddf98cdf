//! The `tidings` binary: a push server, and the commands around it.

mod api;
mod args;
mod commands;
mod config;
mod data_dir;
mod descriptors;
mod failure;
mod log_queue;
mod logging;
mod output;
mod serve;

use std::process::ExitCode;
use std::time::Duration;

/// How long the end waits for who reads standard error.
const LAST_LINES: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    // What this program writes has keys and passwords in it: its owner's alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let status = match commands::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::error(&failure.line());
            ExitCode::from(failure.status())
        }
    };
    if let Some(queue) = log_queue::started() {
        queue.finish(LAST_LINES);
    }
    status
}
