//! Prints notifications as they come, and acknowledges each once it is printed.
//!
//! `cargo run --example listen -- push.example.org`
#![allow(clippy::print_stdout, reason = "it prints")]

use futures_util::StreamExt;
use tidings_client::{ClientError, Device, DeviceBuilder};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ClientError> {
    let host = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1".to_owned());
    // Registered on the first run, and kept there.
    listen(Device::builder(host).account_file("device.json"), usize::MAX).await
}

/// Prints so many notifications.
pub async fn listen(device: DeviceBuilder, count: usize) -> Result<(), ClientError> {
    let mut device = device.start()?;
    let mut notifications = device.by_ref().take(count);
    while let Some(notification) = notifications.next().await {
        let notification = notification?;
        let title = notification.title.as_deref().unwrap_or("(no title)");
        println!("{title}: {}", notification.message.as_deref().unwrap_or_default());
        // From here on the server counts it as delivered.
        notification.ack();
    }
    device.close().await
}
