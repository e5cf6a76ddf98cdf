//! Very many sessions in one process, over pipes in memory, TLS included:
//! `cargo run --release -p tidings-sim --example million [SESSIONS] [STEPS]`
//!
//! Each session is a real one: TLS 1.3 handshake, SCRAM-SHA-256, bind, XEP-0198,
//! presence. After that its client is forgotten, and its pipe swallows what the
//! server writes; so what is measured is the server and nothing else. No socket is
//! involved: the kernel's part is not in these figures.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement prints, and stops when it fails"
)]

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tidings_core::clock::{Clock, SystemClock, SystemRandom};
use tidings_core::config::Config;
use tidings_core::model::{Audience, Content, NewAccount, ScramKeys, Sender, Username};
use tidings_core::notification::Request;
use tidings_core::session::Peer;
use tidings_core::store::prelude::*;
use tidings_core::{Core, Ports};
use tidings_net::{CertificateSource, Certificates, Security, Server, Settings};
use tidings_store::MemoryStore;
use tidings_xmpp::sasl::{ClientBinding, SaltedPassword, ScramClient, ScramHash, ScramSecret, derive_keys};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::task::JoinSet;

const PASSWORD: &str = "secret";
const SALT: [u8; 16] = [7; 16];
const ITERATIONS: u32 = 4096;
/// Logins under way at once.
const AT_ONCE: usize = 128;

/// Writes that were swallowed, and their bytes.
static SWALLOWED: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<usize>().expect("a number"));
    let sessions = arguments.next().unwrap_or(1_000_000);
    let steps = arguments.next().unwrap_or(10).max(1);

    let store = Arc::new(MemoryStore::new());
    let mut config = Config::default();
    config.limits.connections = sessions + 1000;
    config.limits.login_failures_per_minute = 0;
    // A process that was suspended for a while goes on as if nothing had been.
    config.limits.auth_seconds = 86_400;
    // These devices do not answer the ping; a run on a busy machine takes longer than the default's 20 minutes.
    config.limits.idle_seconds = 24 * 3600;
    let core = Core::start(
        config,
        Ports::local(Arc::clone(&store) as _, Arc::new(SystemClock), Arc::new(SystemRandom)),
    )
    .await
    .expect("it starts");
    let dir = tempfile::tempdir().expect("a directory");
    let source =
        CertificateSource::SelfSigned { directory: dir.path().to_owned(), domain: "localhost".to_owned() };
    let chain = source.chain_path();
    let certificates = Certificates::open(source, SystemClock.now()).expect("a certificate");
    let server =
        Arc::new(Server::start(Arc::clone(&core), &Settings::default(), certificates).expect("it starts"));
    let client = Arc::new(Client::new(&chain));

    println!(
        "{:>10} {:>10} {:>12} {:>14} {:>16} {:>12}",
        "sessions", "Pss, MiB", "KiB each", "CPU µs/login", "CPU µs/copy", "seconds"
    );
    let (mut open, mut sessions_pss) = (0, 0);
    for step in 1..=steps {
        let target = sessions * step / steps;
        // Their accounts are new: what was sent to all before is not for them.
        accounts(&store, open, target).await;
        let (before, cpu) = (pss(), cpu_nanos());
        connect(&server, &client, open, target).await;
        let login = (cpu_nanos() - cpu) as f64 / (target - open) as f64 / 1e3;
        open = target;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let memory = pss();
        let started = Instant::now();
        let copy = broadcast(&core, open).await;
        let seconds = started.elapsed().as_secs_f64();
        // What the broadcast left behind is the sessions' too.
        sessions_pss += pss().saturating_sub(before);
        println!(
            "{open:>10} {:>10} {:>12.2} {login:>14.0} {copy:>16.1} {seconds:>12.1}",
            memory >> 10,
            sessions_pss as f64 / open as f64
        );
    }
    std::process::exit(0);
}

async fn accounts(store: &MemoryStore, from: usize, to: usize) {
    let keys = |hash| {
        let (stored_key, server_key) = derive_keys(hash, PASSWORD, &SALT, ITERATIONS);
        ScramKeys { salt: SALT.to_vec(), iterations: ITERATIONS, stored_key, server_key }
    };
    let (sha1, sha256) = (keys(ScramHash::Sha1), keys(ScramHash::Sha256));
    for number in from..to {
        let new = NewAccount {
            username: Username::parse(&name(number)).expect("a name"),
            name: None,
            email: None,
            sha1: sha1.clone(),
            sha256: sha256.clone(),
            created_at: SystemClock.now(),
        };
        store.create_account(new).await.expect("an account");
    }
}

fn name(number: usize) -> String {
    format!("d{number}")
}

async fn connect(server: &Arc<Server>, client: &Arc<Client>, from: usize, to: usize) {
    let mut under_way = JoinSet::new();
    for number in from..to {
        if under_way.len() >= AT_ONCE {
            under_way.join_next().await.expect("some").expect("a login");
        }
        let wire = Arc::new(Mutex::new(Wire::default()));
        let peer = Peer { address: ([127, 0, 0, 1], 1).into() };
        let task = server.attach(ServerEnd(Arc::clone(&wire)), peer, Security::Direct).expect("room");
        drop(task);
        let client = Arc::clone(client);
        under_way.spawn(async move { client.login(wire, number).await });
    }
    while let Some(login) = under_way.join_next().await {
        login.expect("a login");
    }
}

/// Answers the CPU microseconds for each copy.
async fn broadcast(core: &Arc<Core>, sessions: usize) -> f64 {
    SWALLOWED.store(0, Ordering::Relaxed);
    let (cpu, started) = (cpu_nanos(), Instant::now());
    let content = Content {
        title: Some("Your parcel is on its way".to_owned()),
        message: Some("It leaves the depot this morning and will be with you by noon.".to_owned()),
        uri: Some("https://example.org/parcels/4711".to_owned()),
        ..Content::default()
    };
    let request = Request::new(Sender::Operator("ada".into()), Audience::All, content);
    core.notification.accept(request).await.expect("accepted");
    while SWALLOWED.load(Ordering::Relaxed) < sessions as u64 {
        assert!(started.elapsed() < Duration::from_secs(300), "not everybody got it");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (cpu_nanos() - cpu) as f64 / sessions as f64 / 1e3
}

struct Client {
    tls: tokio_rustls::TlsConnector,
    /// The costly step of the password that all have.
    salted: OnceLock<SaltedPassword>,
}

impl Client {
    /// Trusts the server's own certificate.
    fn new(chain: &Path) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(chain).expect("a certificate")).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        Self { tls: tokio_rustls::TlsConnector::from(Arc::new(config)), salted: OnceLock::new() }
    }

    async fn login(&self, wire: Arc<Mutex<Wire>>, number: usize) {
        const HEADER: &str = "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
            xmlns:stream='http://etherx.jabber.org/streams'>";
        let domain = ServerName::try_from("localhost").expect("a name");
        let end = ClientEnd(Arc::clone(&wire));
        let mut stream = self.tls.connect(domain, end).await.expect("a handshake");
        ask(&mut stream, HEADER, "</stream:features>").await;
        let secret = ScramSecret { password: Some(PASSWORD.to_owned()), salted: self.salted.get().cloned() };
        let nonce = number.to_be_bytes().repeat(3);
        let scram =
            ScramClient::new(ScramHash::Sha256, &name(number), secret, ClientBinding::Unsupported, &nonce);
        let first = STANDARD.encode(scram.first());
        let auth = format!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{first}</auth>"
        );
        let challenge = ask(&mut stream, &auth, "</challenge>").await;
        let inner = challenge.split(['>', '<']).nth(2).expect("a payload");
        let (verifier, proof) = scram.respond(&STANDARD.decode(inner).expect("base64")).expect("a challenge");
        let response = format!(
            "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{}</response>",
            STANDARD.encode(proof)
        );
        let success = ask(&mut stream, &response, "</success>").await;
        let inner = success.split(['>', '<']).nth(2).expect("a payload");
        let salted = verifier.verify(&STANDARD.decode(inner).expect("base64")).expect("the server's proof");
        self.salted.get_or_init(|| salted);
        ask(&mut stream, HEADER, "</stream:features>").await;
        let bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
        ask(&mut stream, bind, "</iq>").await;
        ask(&mut stream, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>", "/>").await;
        // The answer to a ping shows that the presence has been handled.
        let rest = "<presence/><iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>";
        ask(&mut stream, rest, "id='p'").await;
        let mut wire = wire.lock();
        wire.to_client = VecDeque::new();
        wire.client = None;
        wire.swallows = true;
    }
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, text: &str, until: &str) -> String {
    stream.write_all(text.as_bytes()).await.expect("written");
    stream.flush().await.expect("written");
    let mut answer = String::new();
    let mut buffer = [0; 2048];
    while !answer.contains(until) {
        let read = stream.read(&mut buffer).await.expect("an answer");
        assert!(read > 0, "the server closed after: {answer}");
        answer.push_str(std::str::from_utf8(&buffer[..read]).expect("text"));
        assert!(!answer.contains("error"), "refused: {answer}");
    }
    answer
}

/// A connection: two directions and the tasks that wait.
#[derive(Default)]
struct Wire {
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    server: Option<Waker>,
    client: Option<Waker>,
    swallows: bool,
}

struct ServerEnd(Arc<Mutex<Wire>>);
struct ClientEnd(Arc<Mutex<Wire>>);

fn take(
    from: &mut VecDeque<u8>,
    waker: &mut Option<Waker>,
    cx: &Context<'_>,
    into: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    if from.is_empty() {
        *waker = Some(cx.waker().clone());
        return Poll::Pending;
    }
    while into.remaining() > 0 {
        let (front, _) = from.as_slices();
        let count = front.len().min(into.remaining());
        if count == 0 {
            break;
        }
        into.put_slice(&front[..count]);
        from.drain(..count);
    }
    if from.is_empty() {
        *from = VecDeque::new();
    }
    Poll::Ready(Ok(()))
}

impl AsyncRead for ServerEnd {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = &mut *self.0.lock();
        take(&mut wire.to_server, &mut wire.server, cx, into)
    }
}

impl AsyncWrite for ServerEnd {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut wire = self.0.lock();
        if wire.swallows {
            SWALLOWED.fetch_add(1, Ordering::Relaxed);
            BYTES.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        } else {
            wire.to_client.extend(bytes);
            if let Some(waker) = wire.client.take() {
                waker.wake();
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for ClientEnd {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = &mut *self.0.lock();
        take(&mut wire.to_client, &mut wire.client, cx, into)
    }
}

impl AsyncWrite for ClientEnd {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut wire = self.0.lock();
        wire.to_server.extend(bytes);
        if let Some(waker) = wire.server.take() {
            waker.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// KiB.
fn pss() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").expect("Linux");
    let line = text.lines().find(|line| line.starts_with("Pss:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// Of all threads, by the scheduler's own count.
fn cpu_nanos() -> u64 {
    std::fs::read_dir("/proc/self/task")
        .expect("Linux")
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}
