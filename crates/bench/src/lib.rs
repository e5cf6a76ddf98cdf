//! A load generator for XMPP servers, and the bare programs to compare them with.
//!
//! One process gives the orders: it starts the server (or is told where one
//! runs), starts the bare program (`baseline`), and starts worker processes that
//! hold the connections. It talks to its children in lines of JSON over their
//! standard input and output. CPU time and memory come from `/proc`.
#![forbid(unsafe_code)]

mod args;
mod baseline;
mod error;
mod hist;
mod load;
mod measure;
mod report;
mod run;
mod subject;

pub use args::Args;
pub use error::Error;

use args::Command;

/// Runs what the arguments ask for. `reenter` are the words that lead from this
/// program's name to this command line: children are started with them.
///
/// # Errors
/// One line for people.
pub fn run(args: &Args, reenter: &[&str]) -> Result<(), Error> {
    match &args.command {
        Command::Worker => load::worker::run(),
        Command::BaselineChild => baseline::program::run(),
        command => run::run(command, reenter),
    }
}

/// Writes an error for people.
#[expect(clippy::print_stderr, reason = "this is where it goes")]
pub fn complain(error: &Error) {
    eprintln!("tidings-bench: {error}");
}
