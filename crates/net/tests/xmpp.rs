//! The whole path from a socket to the managers and back: both listeners, a
//! foreign TLS client, literal XML.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tidings_core::audit::Actor;
use tidings_core::auth::RegistrationRequest;
use tidings_core::clock::{Clock, SystemClock, SystemRandom};
use tidings_core::config::Config;
use tidings_core::model::{Audience, Content, Counters, NotificationId, Sender};
use tidings_core::notification::Request;
use tidings_core::{Core, Ports};
use tidings_net::{CertificateSource, Certificates, Security, Server, Settings};
use tidings_store::MemoryStore;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const DOMAIN: &str = "push.test";
/// NUL `ana` NUL `secret`.
const CREDENTIALS: &str = "AGFuYQBzZWNyZXQ=";

struct World {
    core: Arc<Core>,
    server: Server,
    certificates: Arc<Certificates>,
    client: Arc<ClientConfig>,
    _directory: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let source = CertificateSource::SelfSigned {
            directory: directory.path().join("tls"),
            domain: DOMAIN.to_owned(),
        };
        let certificates = Certificates::open(source, SystemClock.now()).unwrap();
        let config = Config { domain: DOMAIN.into(), ..Config::default() };
        let store = Arc::new(MemoryStore::new());
        let core = Core::start(config, Ports::local(store, Arc::new(SystemClock), Arc::new(SystemRandom)))
            .await
            .unwrap();
        let request = RegistrationRequest {
            username: "ana".into(),
            password: "secret".into(),
            ..RegistrationRequest::default()
        };
        core.auth.create_account(&Actor::CommandLine, request).await.unwrap();
        let any = Some("127.0.0.1:0".parse().unwrap());
        let settings = Settings { xmpp: any, xmpps: any, ..Settings::default() };
        let server = Server::start(Arc::clone(&core), &settings, Arc::clone(&certificates)).unwrap();
        let client = trusting(&certificates);
        Self { core, server, certificates, client, _directory: directory }
    }

    async fn connect(&self, security: Security) -> TlsStream<TcpStream> {
        let addresses = self.server.addresses();
        let tcp = match security {
            Security::Direct => TcpStream::connect(addresses.xmpps.unwrap()).await.unwrap(),
            Security::StartTls => {
                let mut tcp = TcpStream::connect(addresses.xmpp.unwrap()).await.unwrap();
                open(&mut tcp).await;
                say(&mut tcp, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").await;
                until(&mut tcp, "<proceed").await;
                tcp
            }
        };
        let name = ServerName::try_from(DOMAIN).unwrap();
        TlsConnector::from(Arc::clone(&self.client)).connect(name, tcp).await.unwrap()
    }

    /// A device that is logged in and available.
    async fn device(&self, security: Security, resource: &str) -> TlsStream<TcpStream> {
        let mut device = self.connect(security).await;
        let features = open(&mut device).await;
        assert!(features.contains("SCRAM-SHA-256-PLUS") && features.contains("tls-exporter"), "{features}");
        let auth =
            format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{CREDENTIALS}</auth>");
        say(&mut device, &auth).await;
        until(&mut device, "<success").await;
        open(&mut device).await;
        say(&mut device, &format!("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind></iq>")).await;
        until(&mut device, "</iq>").await;
        say(&mut device, "<presence/><iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>").await;
        until(&mut device, "id='p'").await;
        device
    }

    async fn broadcast(&self, message: &str) -> NotificationId {
        let content = Content { message: Some(message.into()), ..Content::default() };
        let request = Request::new(Sender::Operator("ada".into()), Audience::All, content);
        self.core.notification.accept(request).await.unwrap().id
    }

    async fn counters(&self, id: NotificationId) -> Counters {
        self.core.notification.settled().await;
        self.core.notification.get(id).await.unwrap().unwrap().counters
    }
}

fn trusting(certificates: &Certificates) -> Arc<ClientConfig> {
    let pem = std::fs::read(certificates.source().chain_path()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let provider = tidings_net::tls::provider();
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(builder.unwrap().with_root_certificates(roots).with_no_client_auth())
}

async fn open<T: AsyncRead + AsyncWrite + Unpin>(stream: &mut T) -> String {
    let header = format!(
        "<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
    );
    say(stream, &header).await;
    until(stream, "</stream:features>").await
}

async fn say<T: AsyncWrite + Unpin>(stream: &mut T, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

/// Reads until this text has come. A test that waits in vain says for what.
async fn until<T: AsyncRead + Unpin>(stream: &mut T, text: &str) -> String {
    let mut received = Vec::new();
    let reading = async {
        loop {
            let so_far = String::from_utf8_lossy(&received).into_owned();
            if so_far.contains(text) {
                return so_far;
            }
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer).await {
                Ok(read) if read > 0 => received.extend_from_slice(&buffer[..read]),
                end => panic!("{end:?} instead of {text}, after {so_far}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reading).await.unwrap()
}

async fn rest<T: AsyncRead + Unpin>(stream: &mut T) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_broadcast_reaches_devices_on_both_ports_and_is_settled() {
    let world = World::new().await;
    let mut direct = world.device(Security::Direct, "one").await;
    let mut starttls = world.device(Security::StartTls, "two").await;
    assert_eq!(world.server.counts().open, 2);
    assert_eq!(world.server.counts().unauthenticated, 0);
    let id = world.broadcast("hello").await;
    for device in [&mut direct, &mut starttls] {
        let received = until(device, "</message>").await;
        assert!(received.contains("<body>hello</body>"), "{received}");
        say(device, &format!("<message to='{DOMAIN}'><received xmlns='urn:xmpp:receipts' id='{id}'/></message><iq type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>")).await;
        until(device, "id='q'").await;
    }
    assert_eq!(world.counters(id).await.delivered, 1);
    say(&mut direct, "</stream:stream>").await;
    assert!(rest(&mut direct).await.contains("</stream:stream>"));
}

#[tokio::test]
async fn bad_input_gets_the_streams_own_error_and_hurts_no_other_stream() {
    let world = World::new().await;
    let mut other = world.device(Security::Direct, "other").await;
    let flood = "a".repeat(1_000_000);
    for (input, condition) in [
        ("<!DOCTYPE x [<!ENTITY e 'e'>]>".to_owned(), "<stream:error>"),
        (format!("<iq a='{flood}'/>"), "<policy-violation"),
        ("<a>".repeat(100_000), "<stream:error>"),
        ("\u{1}garbage".to_owned(), "<stream:error>"),
    ] {
        let mut client = world.connect(Security::Direct).await;
        open(&mut client).await;
        // The server may close before it has heard everything.
        let _ = client.write_all(input.as_bytes()).await;
        let _ = client.flush().await;
        let answer = rest(&mut client).await;
        assert!(answer.contains(condition), "{answer}");
        assert!(answer.ends_with("</stream:stream>"), "{answer}");
    }
    let id = world.broadcast("still here").await;
    assert!(until(&mut other, "</message>").await.contains(&id.to_string()));
}

#[tokio::test]
async fn the_end_of_the_server_is_said_to_every_stream() {
    let world = World::new().await;
    let mut bound = world.device(Security::StartTls, "one").await;
    let mut fresh = world.connect(Security::Direct).await;
    open(&mut fresh).await;
    let World { server, core, .. } = world;
    let ended = tokio::spawn(server.shutdown(Duration::from_secs(8)));
    for client in [&mut bound, &mut fresh] {
        let answer = rest(client).await;
        assert!(answer.contains("<system-shutdown"), "{answer}");
    }
    drop((bound, fresh));
    assert_eq!(ended.await.unwrap(), 0);
    core.stop().await;
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections() {
    let world = World::new().await;
    let mut old = world.device(Security::Direct, "old").await;
    let source = world.certificates.source().clone();
    std::fs::remove_file(source.chain_path()).unwrap();
    std::fs::remove_file(source.key_path()).unwrap();
    let before = world.certificates.fingerprint();
    assert!(world.certificates.reload(SystemClock.now()).unwrap());
    assert_ne!(world.certificates.fingerprint(), before);

    let world = World { client: trusting(&world.certificates), ..world };
    world.device(Security::Direct, "new").await;
    say(&mut old, "<iq type='get' id='z'><ping xmlns='urn:xmpp:ping'/></iq>").await;
    until(&mut old, "id='z'").await;
}
