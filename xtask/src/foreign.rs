//! Whole-program tests: clients of other makers, and a browser, against the real binary.

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

/// The console's tests, in a headless Chromium. `TIDINGS_SCREENSHOTS` names a folder for pictures of every page.
pub(crate) fn console() -> Result<(), Failed> {
    setup::everything()?;
    command::run(cargo().args(["build", "--package", "tidings", "--locked"]))?;
    command::run(cargo().args(["build", "--package", "tidings-store", "--example", "fill", "--locked"]))?;
    command::run(
        command("node")
            .args(["--test", "--test-force-exit", "--test-reporter=spec", "tests/console/console.test.js"])
            .env("TIDINGS_BIN", target().join("debug/tidings"))
            .env("TIDINGS_FILL", target().join("debug/examples/fill")),
    )
}
