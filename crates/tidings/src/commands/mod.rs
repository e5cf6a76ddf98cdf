//! The commands, one file each.

pub(crate) mod account;
pub(crate) mod backup;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod key;
pub(crate) mod listen;
pub(crate) mod send;
mod target;

use crate::args::{Cli, Command};
use crate::failure::Failure;

/// Runs the command that was asked for.
///
/// # Errors
/// One line for people.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Serve(args) => crate::serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Listen(args) => listen::run(&args),
        Command::Account(args) => account::run(&args),
        Command::Key(args) => key::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Doctor(args) => doctor::run(&args),
    }
}
