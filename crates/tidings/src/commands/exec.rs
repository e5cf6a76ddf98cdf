//! What `tidings listen --exec` runs for each notification.

use std::process::Stdio;

use serde_json::Value;
use tidings_client::Notification;

use crate::failure::{self, Failure};
use crate::output;

/// Runs a command line by `sh` and waits for its end. A command that fails is told of, and no more:
/// offered again at each connection, one notification would keep the others from coming.
///
/// # Errors
/// Where there is no `sh` to run it.
pub(super) async fn run(command: &str, notification: &Notification) -> Result<(), Failure> {
    let mut child = tokio::process::Command::new("sh");
    child.arg("-c").arg(command).stdin(Stdio::null()).envs(environment(notification));
    let status = child.status().await;
    let status =
        status.map_err(|error| Failure::failed(format!("cannot run sh: {}", failure::io(&error))))?;
    if !status.success() {
        output::note(format_args!("--exec for {}: {status}", output::one_line(&notification.id)));
    }
    Ok(())
}

/// `TIDINGS_ID`, `TIDINGS_TITLE` and so on for what is there; `TIDINGS_DATA` is a JSON object.
fn environment(notification: &Notification) -> Vec<(String, String)> {
    let Ok(Value::Object(fields)) = serde_json::to_value(notification) else { return Vec::new() };
    let text = |value: Value| match value {
        // A variable cannot hold the one character that ends it.
        Value::String(text) => text.replace('\0', ""),
        other => other.to_string(),
    };
    let named = fields.into_iter().map(|(name, value)| (name.to_uppercase(), text(value)));
    named.map(|(name, text)| (format!("TIDINGS_{name}"), text)).collect()
}
