//! Devices that speak literal XML to the core.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidings_core::session::{Connection, Control, Peer};
use tidings_xmpp::sasl::TlsBinding;
use tokio::time::Instant;

use super::World;

const OPEN: &str = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
                    xmlns:stream='http://etherx.jabber.org/streams'>";

/// A device; its session lasts as long as it is kept.
pub struct Device {
    connection: Connection,
    open: bool,
}

impl Device {
    /// Connects from this address.
    pub async fn connect(world: &World, address: &str) -> Self {
        let tls = TlsBinding { version: "TLSv1.3", server_end_point: None, exporter: None };
        let peer = Peer { address: format!("{address}:40000").parse().unwrap() };
        let connection = world.core.connect(peer, Some(tls), Instant::now());
        let mut device = Self { connection, open: true };
        device.send(OPEN).await;
        device
    }

    /// Sends XML; what the server answers at once.
    pub async fn send(&mut self, xml: &str) -> String {
        let mut out = Vec::new();
        let control = self.connection.receive(xml.as_bytes(), Instant::now(), &mut out).await;
        self.open &= control != Control::Close;
        String::from_utf8(out).unwrap()
    }

    /// Whether the server has not ended the stream by now.
    pub async fn is_open(&mut self) -> bool {
        let control = self.connection.wake(0, Instant::now(), &mut Vec::new()).await;
        self.open &= control != Control::Close;
        self.open
    }
}

/// A device of `name` at this address, logged in and available with the resource `Phone`.
pub async fn device(world: &World, name: &str, address: &str) -> Device {
    device_with(world, name, address, "Phone").await
}

/// The same with another resource.
pub async fn device_with(world: &World, name: &str, address: &str, resource: &str) -> Device {
    let mut device = Device::connect(world, address).await;
    let plain = STANDARD.encode(format!("\0{name}\0correct horse"));
    let auth = format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>");
    let bind = format!(
        "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
         <resource>{resource}</resource></bind></iq>"
    );
    device.send(&auth).await;
    device.send(OPEN).await;
    let bound = device.send(&bind).await;
    assert!(bound.contains("<jid>"), "{bound}");
    device.send("<presence/>").await;
    device
}
