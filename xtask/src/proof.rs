//! Attacks and accidents at full size, on the program as it is released.

use crate::android;
use crate::command::{Failed, cargo, run};

/// Runs the proof of this name.
pub(crate) fn run_named(name: &str) -> Result<(), Failed> {
    match name {
        "android" => android::shrunk(),
        "strangers" => run(cargo()
            .args(["test", "--release", "--locked", "--package", "tidings", "--test", "strangers"])
            .args(["strangers_keep_nobody_out", "--", "--nocapture"])
            .env("TIDINGS_STRANGERS", "full")),
        other => Err(Failed(format!("there is no proof `{other}`; there are: android, strangers"))),
    }
}
