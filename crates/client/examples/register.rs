//! Registers an account, and says what other programs need to know of it.
//!
//! `cargo run --example register -- push.example.org phone.json [TOKEN]`
#![allow(clippy::print_stdout, reason = "it prints")]

use std::path::Path;

use tidings_client::{Account, ClientError, Device, DeviceBuilder, KnownBy, Status};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ClientError> {
    let mut arguments = std::env::args().skip(1);
    let host = arguments.next().unwrap_or_else(|| "127.0.0.1".to_owned());
    let path = arguments.next().unwrap_or_else(|| "device.json".to_owned());
    let device = Device::builder(host);
    let device = match arguments.next() {
        // Where registration is not open to everyone.
        Some(token) => device.registration_token(token),
        None => device,
    };
    if let Some(username) = register(device, Path::new(&path)).await? {
        println!("{username}");
    }
    Ok(())
}

/// Registers a random account, unless there is one in the file already; its name.
pub async fn register(device: DeviceBuilder, path: &Path) -> Result<Option<String>, ClientError> {
    let mut device = device.account_file(path).start()?;
    let mut status = device.status();
    let status = status.wait_for(|status| matches!(status, Status::Online { .. } | Status::Ended)).await;
    if let Some(Status::Online { jid, .. }) = status {
        println!("online as {jid}");
    } else {
        // Why it ended: registration is closed, for one.
        device.next().await?;
    }
    device.close().await?;

    let account = Account::load(path)?;
    if let Some(Account { certificate: Some(KnownBy::Pin(pin)), .. }) = &account {
        println!("no authority vouches for the server; its certificate is {} (SHA-256)", pin.sha256);
    }
    Ok(account.map(|account| account.username))
}
