//! The load generator by itself, without a server in it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "tidings-bench", version)]
struct Cli {
    #[command(flatten)]
    args: tidings_bench::Args,
}

fn main() -> ExitCode {
    match tidings_bench::run(&Cli::parse().args, &[]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tidings_bench::complain(&error);
            ExitCode::FAILURE
        }
    }
}
