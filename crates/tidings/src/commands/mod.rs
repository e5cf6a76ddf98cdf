//! The commands, one file each.

//account
//backup
//demo
//doctor
//key
pub(crate) mod listen;
pub(crate) mod send;
//mod target;

use crate::args::{Cli, Command};
use crate::failure::Failure;

/// Runs the command that was asked for.
///
/// # Errors
/// One line for people.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Send(args) => send::run(&args),
        Command::Listen(args) => listen::run(&args),
    }
}
