//! Devices against a server that plays by a script, over memory instead of sockets.

mod ahead;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::PrivateKeyDer;
use tidings_xmpp::stream::client::NegotiationError;
use tidings_xmpp::xml::{Element, Frame, FrameLimits, FrameReader, parse_stanza};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connect::{BoxFuture, Dial, Io};
use crate::random::tests::Seeded;
use crate::tls::tests::{Identity, self_signed};
use crate::{Account, ClientError, Device, DeviceBuilder, KnownBy, Status};

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

fn acceptor(identity: &Identity) -> TlsAcceptor {
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

#[tokio::test(start_paused = true)]
async fn a_new_device_registers_and_keeps_its_account_and_its_server() {
    let dir = tempfile::tempdir().unwrap();
    let (builder, mut server) = world();
    let device = builder.account_file(file(dir.path())).start().unwrap();
    let mut status = device.status();
    let mut peer = server.bound(MANAGED).await;
    peer.send("<a xmlns='urn:xmpp:sm:3' h='2'/>").await;
    let online = status.wait_for(|status| matches!(status, Status::Online { .. })).await.unwrap().clone();
    assert_eq!(online, Status::Online { jid: "phone@example.org/r".into(), resumed: false });

    let account = Account::load(&file(dir.path())).unwrap().unwrap();
    assert!(account.registered && matches!(account.certificate, Some(KnownBy::Pin(_))));
    assert_eq!(account.username, device.username());
}

#[tokio::test(start_paused = true)]
async fn a_registration_whose_answer_was_lost_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let (builder, mut server) = world();
    let _device = builder.account_file(file(dir.path())).start().unwrap();
    let mut peer = server.accept().await;
    peer.open(MECHANISMS).await;
    assert_eq!(peer.next().await.name(), "iq");
    assert!(!Account::load(&file(dir.path())).unwrap().unwrap().registered);
    drop(peer);

    let mut peer = server.accept().await;
    peer.open(MECHANISMS).await;
    assert_eq!(peer.next().await.name(), "iq");
    peer.send(
        "<iq type='error' id='register'><error type='cancel'>\
         <conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
    )
    .await;
    let mut peer = server.bound(MANAGED).await;
    assert!(Account::load(&file(dir.path())).unwrap().unwrap().registered);
    peer.send("</stream:stream>").await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_registration_leaves_no_account_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (builder, mut server) = world();
    let mut device = builder.account_file(file(dir.path())).start().unwrap();
    let mut peer = server.accept().await;
    peer.open(MECHANISMS).await;
    peer.next().await;
    peer.send(
        "<iq type='error' id='register'><error type='cancel'>\
         <not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
    )
    .await;
    assert_eq!(device.next().await.unwrap_err().to_string(), "the server closed registration");
    assert!(matches!(device.next().await, Err(ClientError::Closed)));
    assert!(!file(dir.path()).exists());
}

#[tokio::test(start_paused = true)]
async fn h_counts_only_what_the_application_acknowledged_and_all_before_it() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    let before = peer.handled().await;
    peer.send(&[push("a"), push("b"), push("c")].concat()).await;
    let a = device.next().await.unwrap();
    let b = device.next().await.unwrap();
    assert_eq!((a.id.as_str(), b.id.as_str()), ("a", "b"));
    assert_eq!(peer.handled().await, before);
    b.ack();
    assert_eq!(peer.handled().await, before);
    a.ack();
    // The last request was answered with less than had come: no need for another one.
    assert_eq!(peer.ack().await, before + 2);
    device.next().await.unwrap().ack();
    assert_eq!(peer.ack().await, before + 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_ask_hears_of_acknowledgements_all_the_same() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    let before = peer.handled().await;
    peer.send(&push("a")).await;
    device.next().await.unwrap().ack();
    assert_eq!(peer.ack().await, before + 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_is_not_shown_again_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    Account::new("phone", "secret").save(&file(dir.path())).unwrap();
    let (builder, mut server) = world();
    let mut device = builder.account_file(file(dir.path())).start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    peer.send(&push("a")).await;
    device.next().await.unwrap().ack();
    peer.ack().await;
    drop((device, peer));
    // The server that died with the acknowledgement sends it once more.
    let stored = Account::load(&file(dir.path())).unwrap().unwrap();
    assert!(stored.certificate.is_some());

    let (builder, mut other) = world();
    other.acceptor = server.acceptor.clone();
    let mut device = builder.account_file(file(dir.path())).start().unwrap();
    let mut peer = other.bound(MANAGED).await;
    let before = peer.handled().await;
    peer.send(&[push("a"), push("b")].concat()).await;
    assert_eq!(device.next().await.unwrap().id, "b");
    assert_eq!(peer.handled().await, before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_cut_session_is_resumed_and_nothing_is_shown_twice() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut status = device.status();
    let mut peer = server.bound(MANAGED).await;
    let before = peer.handled().await;
    peer.send(&[push("a"), push("b"), push("c")].concat()).await;
    let a = device.next().await.unwrap();
    let b = device.next().await.unwrap();
    a.ack();
    assert_eq!(peer.ack().await, before + 1);
    drop(peer);
    status.wait_for(|status| matches!(status, Status::Waiting { .. })).await.unwrap();
    // Acknowledged between two connections: not in `h` of the old numbers, but not lost.
    b.ack();

    let mut peer = server.login(MANAGED).await;
    let resume = peer.next().await;
    assert_eq!((resume.name(), resume.attribute("previd")), ("resume", Some("s1")));
    assert_eq!(resume.attribute("h"), Some((before + 1).to_string().as_str()));
    peer.send("<resumed xmlns='urn:xmpp:sm:3' previd='s1' h='2'/>").await;
    peer.send(&[push("b"), push("c"), push("d")].concat()).await;
    let c = device.next().await.unwrap();
    let d = device.next().await.unwrap();
    assert_eq!((c.id.as_str(), d.id.as_str()), ("c", "d"));
    assert_eq!(peer.handled().await, before + 2);
    c.ack();
    d.ack();
    assert_eq!(peer.ack().await, before + 4);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_the_server_lost_is_bound_anew_and_what_was_opened_is_said_again() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").topic("news").start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    peer.send(&push("a")).await;
    let a = device.next().await.unwrap();
    device.handle().opened("old").await;
    device.handle().set_active(false).await;
    loop {
        let element = peer.next().await;
        if element.name() == "inactive" {
            break;
        }
    }
    drop(peer);

    let mut peer = server.login(MANAGED).await;
    assert_eq!(peer.next().await.name(), "resume");
    peer.send(
        "<failed xmlns='urn:xmpp:sm:3'>\
         <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
    )
    .await;
    let bind = peer.next().await;
    assert!(bind.to_string().contains("<bind"), "{bind}");
    peer.send(
        "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
         <jid>phone@example.org/r</jid></bind></iq>",
    )
    .await;
    assert_eq!(peer.next().await.name(), "enable");
    peer.send(ENABLED).await;
    let mut said = String::new();
    while !said.contains("<displayed") {
        said.push_str(&peer.next().await.to_string());
    }
    for part in ["<enable xmlns='urn:tidings:push:1'", "topic='news'", "<inactive", "<presence", "id='old'"] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }

    let before = peer.handled().await;
    peer.send(&[push("a"), push("b")].concat()).await;
    assert_eq!(device.next().await.unwrap().id, "b");
    a.ack();
    assert_eq!(peer.ack().await, before + 1);
}

#[tokio::test(start_paused = true)]
async fn without_stream_management_there_are_receipts() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut peer = server.bound(BARE).await;
    let ping = peer.next().await;
    peer.grant(&ping).await;
    peer.send(&push("a")).await;
    let a = device.next().await.unwrap();
    a.ack();
    let receipt = peer.next().await;
    assert_eq!(receipt.attribute("to"), Some("example.org"));
    assert_eq!(tidings_xmpp::ext::receipts::received_id(&receipt), Some("a"));
    // Again: the receipt was lost.
    peer.send(&push("a")).await;
    assert_eq!(tidings_xmpp::ext::receipts::received_id(&peer.next().await), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn errors_that_need_a_person_end_a_device_or_slow_it_down() {
    let failure = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>";
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "wrong").start().unwrap();
    let mut peer = server.accept().await;
    peer.open(MECHANISMS).await;
    peer.next().await;
    peer.send(failure).await;
    let error = device.next().await.unwrap_err();
    assert!(matches!(error, ClientError::Negotiation(NegotiationError::Login(_))));
    assert_eq!(error.to_string(), "wrong username or password");
    assert!(matches!(*device.status().borrow(), Status::Ended));

    let (builder, mut server) = world();
    let device = builder.credentials("phone", "wrong").keep_trying(true).start().unwrap();
    let mut status = device.status();
    let mut peer = server.accept().await;
    peer.open(MECHANISMS).await;
    peer.next().await;
    peer.send(failure).await;
    let waiting = status.wait_for(|status| matches!(status, Status::Waiting { .. })).await.unwrap().clone();
    let Status::Waiting { retry_in, .. } = waiting else { panic!("{waiting:?}") };
    assert!(retry_in >= Duration::from_secs(150), "{retry_in:?}");
    server.bound(MANAGED).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_asked_and_then_left() {
    for features in [MANAGED, BARE] {
        let (builder, mut server) = world();
        let device = builder.credentials("phone", "secret").start().unwrap();
        let mut status = device.status();
        let mut peer = server.bound(features).await;
        let first = peer.next().await;
        match first.name() {
            "r" => peer.send("<a xmlns='urn:xmpp:sm:3' h='2'/>").await,
            _ => peer.grant(&first).await,
        }
        status.wait_for(|status| matches!(status, Status::Online { .. })).await.unwrap();
        let probe = peer.next().await;
        assert!(matches!(probe.name(), "r" | "iq"), "{probe}");
        let waiting =
            status.wait_for(|status| matches!(status, Status::Waiting { .. })).await.unwrap().clone();
        let Status::Waiting { error, .. } = waiting else { panic!("{waiting:?}") };
        assert_eq!(error, "the server did not answer within 30 s");
    }
}

#[tokio::test(start_paused = true)]
async fn another_certificate_is_refused() {
    let (builder, mut server) = world();
    let dir = tempfile::tempdir().unwrap();
    Account::new("phone", "secret").save(&file(dir.path())).unwrap();
    let mut device = builder.account_file(file(dir.path())).start().unwrap();
    drop(server.bound(MANAGED).await);
    server.acceptor = acceptor(&self_signed("example.org"));
    let io = server.connections.recv().await.unwrap();
    assert!(server.acceptor.accept(io).await.is_err());
    let error = device.next().await.unwrap_err();
    assert!(matches!(error, ClientError::CertificateChanged(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn closing_says_what_was_acknowledged_and_waits_for_the_server() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    let before = peer.handled().await;
    peer.send(&[push("a"), push("b")].concat()).await;
    device.next().await.unwrap().ack();
    let server = async {
        assert_eq!(peer.ack().await, before + 1);
        let mut count = 2;
        while let Some(element) = peer.frame().await {
            match element.name() {
                "presence" | "iq" | "message" => count += 1,
                "r" => peer.send(&format!("<a xmlns='urn:xmpp:sm:3' h='{count}'/>")).await,
                _ => {}
            }
        }
        peer.send("</stream:stream>").await;
    };
    let (closed, ()) = tokio::join!(device.close(), server);
    closed.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_device_whose_application_is_slow_stops_reading_and_loses_nothing() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    let text: String = (0..2000).map(|n| push(&n.to_string())).collect();
    let mut send = std::pin::pin!(peer.send(&text));
    // An hour in which nobody takes a notification: the socket fills, nothing breaks.
    assert!(tokio::time::timeout(LONG, &mut send).await.is_err());
    let take = async {
        for n in 0..2000 {
            let notification = device.next().await.unwrap();
            assert_eq!(notification.id, n.to_string());
            notification.ack();
        }
    };
    tokio::join!(send, take);
}

#[tokio::test(start_paused = true)]
async fn topics_come_and_go_and_a_refusal_is_told() {
    let (builder, mut server) = world();
    let device = builder.credentials("phone", "secret").start().unwrap();
    let handle = device.handle();
    let mut peer = server.bound(MANAGED).await;
    let answer = async {
        for (name, topic) in [("subscribe", "news"), ("unsubscribe", "news"), ("subscribe", "no")] {
            let iq = loop {
                let element = peer.next().await;
                if element.name() == "iq" {
                    break element;
                }
            };
            let payload = iq.children().next().unwrap();
            assert_eq!((payload.name(), payload.attribute("topic")), (name, Some(topic)));
            match topic {
                "news" => peer.grant(&iq).await,
                _ => {
                    let id = iq.attribute("id").unwrap();
                    peer.send(&format!(
                        "<iq type='error' id='{id}'><error type='cancel'>\
                         <not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
                    ))
                    .await;
                }
            }
        }
    };
    let ask = async {
        handle.subscribe("news").await.unwrap();
        handle.unsubscribe("news").await.unwrap();
        assert!(matches!(handle.subscribe("no").await, Err(ClientError::Topic { .. })));
    };
    tokio::join!(answer, ask);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_acknowledges_too_much_is_left_for_a_new_session() {
    let (builder, mut server) = world();
    let _device = builder.credentials("phone", "secret").start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    peer.send("<a xmlns='urn:xmpp:sm:3' h='77'/>").await;
    let mut peer = server.login(MANAGED).await;
    let bind = peer.next().await;
    assert!(bind.to_string().contains("<bind"), "not resumed: {bind}");
}

#[tokio::test(start_paused = true)]
async fn notifications_in_another_accounts_name_are_passed_over() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    let forged = push("x").replace("from='example.org'", "from='thief@example.org/r'");
    peer.send(&[forged, push("a")].concat()).await;
    assert_eq!(device.next().await.unwrap().id, "a");
}
