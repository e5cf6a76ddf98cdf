//! A load generator for XMPP servers, and the bare programs to compare them with.
//!
//! One process gives the orders: it starts the server (or is told where one
//! runs), starts the bare program (`baseline`), and starts worker processes that
//! hold the connections. It talks to its children in lines of JSON over their
//! standard input and output. CPU time and memory come from `/proc`.

mod args;
mod baseline;
mod error;
mod hist;
mod load;
mod measure;
mod report;
mod run;
mod subject;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Worker => load::worker::run(),
        Command::BaselineChild => baseline::program::run(),
        command => run::run(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Writes an error for people.
#[expect(clippy::print_stderr, reason = "this is where it goes")]
fn complain(error: &error::Error) {
    eprintln!("tidings-bench: {error}");
}
