//! Whole-program tests: clients of other makers against the real binary.

use crate::command::{self, Failed, cargo, command, root, target};
use crate::setup;

/// Installs, builds and runs them. `names` picks tests whose name contains one of the words.
pub(crate) fn run(names: &[&str]) -> Result<(), Failed> {
    setup::everything()?;
    command::run(cargo().args(["build", "--package", "tidings", "--locked"]))?;
    command::run(
        command(setup::venv().join("bin/python"))
            .arg("-u")
            .arg(root().join("tests/foreign/run.py"))
            .args(names)
            .env("TIDINGS_BIN", target().join("debug/tidings"))
            .env("SMACK_DIR", setup::smack_folder()),
    )
}
