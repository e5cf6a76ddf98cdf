//! The commands, one file each.

mod account;
mod backup;
mod cli;
mod demo;
mod doctor;
mod exec;
mod import;
mod key;
mod listen;
mod packaged;
mod restore;
mod send;
mod serve;
mod target;

use self::cli::Command;
use crate::failure::Failure;

/// Runs the command that the command line asks for.
///
/// # Errors
/// One line for people.
pub(crate) fn run() -> Result<(), Failure> {
    match cli::parse()?.command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Listen(args) => listen::run(&args),
        Command::Account(args) => account::run(&args),
        Command::Key(args) => key::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Completions(args) => packaged::completions(&args, cli::definition()),
        Command::Man => packaged::man(cli::definition()),
    }
}
