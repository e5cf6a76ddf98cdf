//! The Android part's tests, which need no phone and no SDK of Google's.

use crate::command::{Failed, cargo, command, root, run, target};

/// The core's tests, the library's and the app's, against this workspace's server.
pub(crate) fn test() -> Result<(), Failed> {
    parts(&["--core", "--robolectric"])
}

/// The app's own code, shrunk as it is installed, through its screens against this workspace's server.
pub(crate) fn shrunk() -> Result<(), Failed> {
    parts(&["--shrunk"])
}

fn parts(parts: &[&str]) -> Result<(), Failed> {
    run(cargo().args(["build", "--package", "tidings", "--locked"]))?;
    run(command(root().join("android/test")).args(parts).env("TIDINGS_BIN", target().join("debug/tidings")))
}
