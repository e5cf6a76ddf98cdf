//! Subscribes to a topic, waits for one notification, and unsubscribes.
//!
//! `cargo run --example topics -- push.example.org news`
#![allow(clippy::print_stdout, reason = "it prints")]

use tidings_client::{ClientError, Device, DeviceBuilder, Notification};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ClientError> {
    let mut arguments = std::env::args().skip(1);
    let host = arguments.next().unwrap_or_else(|| "127.0.0.1".to_owned());
    let topic = arguments.next().unwrap_or_else(|| "news".to_owned());
    let notification = one_of(Device::builder(host).account_file("device.json"), &topic).await?;
    println!("{}", notification.title.as_deref().unwrap_or("(no title)"));
    Ok(())
}

/// The next notification to a topic. Others are acknowledged and passed over.
pub async fn one_of(device: DeviceBuilder, topic: &str) -> Result<Notification, ClientError> {
    let mut device = device.start()?;
    // The handle goes to other tasks; the device stays with the one that reads.
    let handle = device.handle();
    handle.subscribe(topic).await?;
    println!("subscribed to {topic}");
    let notification = loop {
        let notification = device.next().await?;
        notification.clone().ack();
        if notification.topic.as_deref() == Some(topic) {
            break notification;
        }
    };
    handle.opened(notification.id.as_str()).await;
    handle.unsubscribe(topic).await?;
    device.close().await?;
    Ok(notification)
}
