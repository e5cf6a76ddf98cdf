//! Devices against a server that plays by a script, over memory instead of sockets.

mod account;
mod delivery;
mod pipelining;
mod sasl2;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::PrivateKeyDer;
use tidings_xmpp::xml::{Element, Frame, FrameLimits, FrameReader, parse_stanza};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connect::{BoxFuture, Dial, Io};
use crate::random::tests::Seeded;
use crate::tls::tests::{ServerCertificate, self_signed};
use crate::{Account, ClientError, Device, DeviceBuilder, KnownBy, LoginErrorKind, Status, StatusUpdates};

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' id='1' from='example.org' version='1.0'>";
const MECHANISMS: &str = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
    <mechanism>PLAIN</mechanism></mechanisms>\
    <register xmlns='http://jabber.org/features/iq-register'/></stream:features>";
const SUCCESS: &str = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
const MANAGED: &str = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>\
    <sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/></stream:features>";
const BARE: &str = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>";
const ENABLED: &str = "<enabled xmlns='urn:xmpp:sm:3' id='s1' resume='true'/>";
const REQUEST: &str = "<r xmlns='urn:xmpp:sm:3'/>";
/// Longer than anything a device does by itself.
const LONG: Duration = Duration::from_secs(3600);

fn push(id: &str) -> String {
    format!(
        "<message type='headline' id='{id}' from='example.org' to='phone@example.org/r'>\
         <notification xmlns='urn:tidings:push:1' id='{id}' priority='normal' sent='2026-01-02T03:04:05Z'>\
         <title>{id}</title></notification><body>{id}</body><request xmlns='urn:xmpp:receipts'/></message>"
    )
}

struct Wire(mpsc::UnboundedSender<DuplexStream>);

impl Dial for Wire {
    fn dial(&self) -> BoxFuture<'_, std::io::Result<Box<dyn Io>>> {
        let (ours, theirs) = duplex(1 << 16);
        let result = self.0.send(theirs).map_err(|_| std::io::ErrorKind::ConnectionRefused.into());
        Box::pin(async move { result.map(|()| Box::new(ours) as Box<dyn Io>) })
    }
}

struct Server {
    connections: mpsc::UnboundedReceiver<DuplexStream>,
    acceptor: TlsAcceptor,
}

struct Peer {
    io: TlsStream<DuplexStream>,
    reader: FrameReader,
    read: Vec<u8>,
}

fn acceptor(identity: &ServerCertificate) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let PrivateKeyDer::Pkcs8(key) = &identity.key else { panic!("the tests' keys are PKCS 8") };
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate.clone()], PrivateKeyDer::Pkcs8(key.clone_key()))
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A device and the server that it will find.
fn world() -> (DeviceBuilder, Server) {
    let (sender, connections) = mpsc::unbounded_channel();
    let device = Device::builder("example.org")
        .direct_tls(true)
        .allow_plain(true)
        .random(Arc::new(Seeded::default()))
        .dial(Box::new(Wire(sender)));
    (device, Server { connections, acceptor: acceptor(&self_signed("example.org")) })
}

impl Server {
    async fn accept(&mut self) -> Peer {
        let io = self.connections.recv().await.expect("the device dials");
        let io = self.acceptor.accept(io).await.expect("the handshake succeeds");
        let reader = FrameReader::new(FrameLimits { bytes: 1 << 16, depth: 32, attributes: 64 });
        Peer { io, reader, read: Vec::new() }
    }

    /// As far as the features behind the login.
    async fn login(&mut self, features: &str) -> Peer {
        let mut peer = self.accept().await;
        peer.open(MECHANISMS).await;
        let mut auth = peer.next().await;
        if auth.name() == "iq" {
            let answer = format!("<iq type='result' id='{}'/>", auth.attribute("id").unwrap());
            peer.send(&answer).await;
            auth = peer.next().await;
        }
        assert_eq!(auth.name(), "auth");
        peer.send(SUCCESS).await;
        peer.reader.reset();
        peer.open(features).await;
        peer
    }

    /// As far as a bound session; `enabled` under stream management.
    async fn bound(&mut self, features: &str) -> Peer {
        let mut peer = self.login(features).await;
        let first = peer.next().await;
        peer.bind(first, features == MANAGED).await;
        peer
    }
}

impl Peer {
    async fn send(&mut self, text: &str) {
        self.io.write_all(text.as_bytes()).await.unwrap();
        self.io.flush().await.unwrap();
    }

    /// The next frame: an element, or `None` for the end of the stream.
    async fn frame(&mut self) -> Option<Element> {
        loop {
            let mut input = self.read.as_slice();
            let before = input.len();
            let found = match self.reader.read(&mut input).unwrap() {
                Some(Frame::Stanza(bytes)) => Some(Some(parse_stanza(bytes).unwrap())),
                Some(Frame::Open(_)) => Some(Some(Element::new("stream", ""))),
                Some(Frame::Close) => Some(None),
                None => None,
            };
            let used = before - input.len();
            self.read.drain(..used);
            if let Some(found) = found {
                return found;
            }
            let mut buffer = [0; 4096];
            let read =
                tokio::time::timeout(LONG, self.io.read(&mut buffer)).await.expect("the device speaks");
            match read {
                Ok(read) if read > 0 => self.read.extend_from_slice(&buffer[..read]),
                _ => return None,
            }
        }
    }

    async fn next(&mut self) -> Element {
        self.frame().await.expect("the device goes on")
    }

    async fn open(&mut self, features: &str) {
        assert_eq!(self.next().await.name(), "stream");
        self.send(&format!("{HEADER}{features}")).await;
    }

    /// Answers a bind, reads on to the first presence, and says that all was read.
    async fn bind(&mut self, bind: Element, managed: bool) {
        assert!(bind.to_string().contains("<bind"), "{bind}");
        self.send(
            "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
             <jid>phone@example.org/r</jid></bind></iq>",
        )
        .await;
        if managed {
            assert_eq!(self.next().await.name(), "enable");
            self.send(ENABLED).await;
        }
        loop {
            let element = self.next().await;
            if element.name() == "presence" {
                break;
            }
            self.grant(&element).await;
        }
    }

    /// Answers an iq with an empty result.
    async fn grant(&mut self, iq: &Element) {
        if let ("iq", Some(id)) = (iq.name(), iq.attribute("id")) {
            self.send(&format!("<iq type='result' id='{id}' from='example.org'/>")).await;
        }
    }

    /// The `h` that the device answers a request with.
    async fn handled(&mut self) -> u32 {
        self.send(REQUEST).await;
        self.ack().await
    }

    /// The `h` of the next acknowledgement.
    async fn ack(&mut self) -> u32 {
        loop {
            let element = self.next().await;
            if element.name() == "a" {
                return element.attribute("h").unwrap().parse().unwrap();
            }
        }
    }
}

fn file(dir: &Path) -> std::path::PathBuf {
    dir.join("device.json")
}
