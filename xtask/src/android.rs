//! The Android part's tests, which need no phone and no SDK of Google's.

use crate::command::{Failed, cargo, command, root, run, target};

/// `android/test` against this workspace's server.
pub(crate) fn test() -> Result<(), Failed> {
    run(cargo().args(["build", "--package", "tidings", "--locked"]))?;
    run(command(root().join("android/test")).env("TIDINGS_BIN", target().join("debug/tidings")))
}
