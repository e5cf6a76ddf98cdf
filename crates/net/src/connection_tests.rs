//! The driver over real sockets and pipes, with sessions that speak lines.

use std::io;
use std::net::SocketAddr;

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::admission::Counts;
use crate::server::Running;
use crate::settings::Settings;
use crate::testing::{self, Toy, ToyFactory, ToyState};

struct TestServer {
    running: Running<ToyFactory>,
    toys: Arc<ToyState>,
}

impl TestServer {
    fn open(change: impl FnOnce(&mut ToyFactory)) -> Self {
        let mut factory = ToyFactory::default();
        change(&mut factory);
        let toys = Arc::clone(&factory.toys);
        let any: Option<SocketAddr> = Some("127.0.0.1:0".parse().unwrap());
        let settings = Settings { xmpp: any, xmpps: any, ..Settings::default() };
        let running = Running::start(factory, &settings, testing::certificates()).unwrap();
        Self { running, toys }
    }

    fn counts(&self) -> Counts {
        self.running.state.connections.counts()
    }

    async fn tcp(&self, security: Security) -> TcpStream {
        let addresses = self.running.addresses;
        let address = match security {
            Security::StartTls => addresses.xmpp,
            Security::Direct => addresses.xmpps,
        };
        TcpStream::connect(address.unwrap()).await.unwrap()
    }

    /// A client on the direct port, over a real socket.
    async fn direct(&self, version: &'static SupportedProtocolVersion) -> TlsStream<TcpStream> {
        secure(self.tcp(Security::Direct).await, testing::client(version)).await.unwrap()
    }

    /// A pipe of this size into the server, for tests that stop the clock.
    fn pipe(&self, security: Security, size: usize) -> DuplexStream {
        let (ours, theirs) = duplex(size);
        let peer = Peer { address: "192.0.2.1:1000".parse().unwrap() };
        self.running.attach(theirs, peer, security).unwrap();
        ours
    }

    async fn login(&self, security: Security, size: usize) -> TlsStream<DuplexStream> {
        let mut stream = secure(self.pipe(security, size), testing::client(&TLS13)).await.unwrap();
        say(&mut stream, b"login\n").await;
        expect(&mut stream, "welcome\n").await;
        stream
    }

    async fn emptied(&self) {
        while self.counts().open > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn secure<T>(transport: T, config: ClientConfig) -> io::Result<TlsStream<T>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    TlsConnector::from(Arc::new(config)).connect(testing::name(), transport).await
}

/// Writes all of it: what a TLS client has accepted may still be in its own buffer.
async fn say<T: AsyncWrite + Unpin>(stream: &mut T, bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
}

async fn expect<T: AsyncRead + Unpin>(stream: &mut T, text: &str) {
    let mut buffer = vec![0; text.len()];
    stream.read_exact(&mut buffer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&buffer), text);
}

/// What comes until the end. An end without `close_notify` is an error.
async fn rest<T: AsyncRead + Unpin>(stream: &mut T) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn direct_tls_carries_a_session_from_hello_to_close_notify() {
    let server = TestServer::open(|_| {});
    for version in [&TLS13, &TLS12] {
        let mut client = server.direct(version).await;
        say(&mut client, b"login\necho one\n").await;
        expect(&mut client, "welcome\none\n").await;
        assert_eq!(server.counts().unauthenticated, 0);
        say(&mut client, b"bye\n").await;
        assert_eq!(rest(&mut client).await, "goodbye\n");
        client.shutdown().await.unwrap();
    }
    server.emptied().await;
    let bindings = server.toys.bindings.lock().clone();
    assert_eq!(bindings.iter().map(|b| b.version).collect::<Vec<_>>(), ["TLSv1.3", "TLSv1.2"]);
    assert_eq!(*server.toys.closed.lock(), 2);
    assert_eq!(server.counts().handshake_failures, 0);
}

#[tokio::test]
async fn starttls_turns_the_same_socket_into_tls() {
    let server = TestServer::open(|_| {});
    for version in [&TLS13, &TLS12] {
        let mut tcp = server.tcp(Security::StartTls).await;
        say(&mut tcp, b"echo clear\nstart").await;
        expect(&mut tcp, "clear\n").await;
        say(&mut tcp, b"tls\n").await;
        expect(&mut tcp, "proceed\n").await;
        let mut client = secure(tcp, testing::client(version)).await.unwrap();
        let exporter =
            client.get_ref().1.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""));
        say(&mut client, b"login\nbye\n").await;
        assert_eq!(rest(&mut client).await, "welcome\ngoodbye\n");
        let binding = server.toys.bindings.lock().pop().unwrap();
        assert_eq!(binding.exporter, (version.version == TLS13.version).then(|| exporter.unwrap().into()));
    }
    server.emptied().await;
}

#[tokio::test]
async fn what_is_smuggled_in_behind_starttls_is_dropped() {
    let server = TestServer::open(|_| {});
    let mut tcp = server.tcp(Security::StartTls).await;
    say(&mut tcp, b"starttls\necho smuggled\nlogin\n").await;
    expect(&mut tcp, "proceed\n").await;
    let mut client = secure(tcp, testing::client(&TLS13)).await.unwrap();
    assert_eq!(server.counts().unauthenticated, 1);
    say(&mut client, b"echo real\nbye\n").await;
    assert_eq!(rest(&mut client).await, "real\ngoodbye\n");
}

#[tokio::test]
async fn garbage_instead_of_tls_gets_an_alert_and_the_end() {
    let server = TestServer::open(|_| {});
    let mut tcp = server.tcp(Security::Direct).await;
    say(&mut tcp, b"<stream:stream xmlns='jabber:client'>").await;
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer.first(), Some(&0x15));
    drop(tcp);
    server.emptied().await;
    assert_eq!(server.counts().handshake_failures, 1);
    assert_eq!(*server.toys.closed.lock(), 0, "no session was opened");

    let mut tcp = server.tcp(Security::StartTls).await;
    say(&mut tcp, b"starttls\n").await;
    expect(&mut tcp, "proceed\n").await;
    say(&mut tcp, b"echo not TLS\n").await;
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer.first(), Some(&0x15));
    drop(tcp);
    server.emptied().await;
    assert_eq!(server.counts().handshake_failures, 2);
    assert_eq!(*server.toys.closed.lock(), 1);
}

#[tokio::test]
async fn an_error_is_read_by_a_client_that_had_more_to_say() {
    let server = TestServer::open(|_| {});
    let mut client = server.direct(&TLS13).await;
    let mut flood = b"nonsense\n".to_vec();
    flood.resize(200_000, b'a');
    say(&mut client, &flood).await;
    assert_eq!(rest(&mut client).await, "not-well-formed\n");
}

#[tokio::test]
async fn a_client_that_ends_its_side_gets_what_it_asked_for() {
    let server = TestServer::open(|_| {});
    let mut client = server.direct(&TLS13).await;
    say(&mut client, b"login\necho last\n").await;
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, "welcome\nlast\n");
    server.emptied().await;
    assert_eq!(*server.toys.closed.lock(), 1);
}

#[tokio::test]
async fn a_client_that_vanishes_is_cleared_away() {
    let server = TestServer::open(|_| {});
    for security in [Security::Direct, Security::StartTls] {
        drop(server.tcp(security).await);
    }
    let mut client = server.direct(&TLS13).await;
    say(&mut client, b"login\n").await;
    expect(&mut client, "welcome\n").await;
    drop(client.into_inner().0);
    server.emptied().await;
    assert_eq!(server.counts().unauthenticated, 0);
}

#[tokio::test]
async fn huge_output_arrives_whole() {
    let server = TestServer::open(|_| {});
    for version in [&TLS13, &TLS12] {
        let mut client = server.direct(version).await;
        say(&mut client, b"huge 1000000\nbye\n").await;
        let all = rest(&mut client).await;
        assert_eq!(all.len(), 1_000_001 + "goodbye\n".len());
        assert!(all.starts_with("xxxx") && all.ends_with("x\ngoodbye\n"));
    }
}

#[tokio::test]
async fn many_small_exchanges_keep_their_order() {
    let server = TestServer::open(|_| {});
    let client = server.direct(&TLS13).await;
    let (mut reader, mut writer) = tokio::io::split(client);
    let writing = tokio::spawn(async move {
        for number in 0..2000 {
            say(&mut writer, format!("echo {number}\n").as_bytes()).await;
        }
        say(&mut writer, b"bye\n").await;
        writer
    });
    let expected: String = (0..2000).map(|number| format!("{number}\n")).collect();
    assert!(rest(&mut reader).await == expected + "goodbye\n");
    drop(writing.await.unwrap());
}

#[tokio::test]
async fn what_a_session_is_woken_for_is_written() {
    let server = TestServer::open(|_| {});
    let mut client = server.direct(&TLS13).await;
    say(&mut client, b"login\n").await;
    expect(&mut client, "welcome\n").await;
    for _ in 0..3 {
        server.toys.queued.lock().extend_from_slice(b"news\n");
        server.toys.wake_up.notify_one();
        expect(&mut client, "news\n").await;
    }
}

#[tokio::test]
async fn a_session_that_waits_for_room_goes_on_when_all_was_written_at_once() {
    let server = TestServer::open(|_| {});
    let mut client = server.direct(&TLS13).await;
    say(&mut client, b"login\n").await;
    expect(&mut client, "welcome\n").await;
    server.toys.queued.lock().extend_from_slice(b"the rest\n");
    say(&mut client, b"part\n").await;
    expect(&mut client, "part\nthe rest\n").await;
}

#[tokio::test]
async fn the_end_of_the_server_reaches_every_stream() {
    let server = TestServer::open(|_| {});
    let mut direct = server.direct(&TLS13).await;
    say(&mut direct, b"login\n").await;
    expect(&mut direct, "welcome\n").await;
    let mut clear = server.tcp(Security::StartTls).await;
    say(&mut clear, b"echo hello\n").await;
    expect(&mut clear, "hello\n").await;
    let silent = server.tcp(Security::Direct).await;

    let address = server.running.addresses.xmpps.unwrap();
    let toys = Arc::clone(&server.toys);
    let ended = tokio::spawn(server.running.shutdown(Duration::from_secs(8)));
    assert_eq!(rest(&mut direct).await, "system-shutdown\n");
    assert_eq!(rest(&mut clear).await, "system-shutdown\n");
    drop((direct, clear, silent));
    assert_eq!(ended.await.unwrap(), 0);
    assert_eq!(*toys.closed.lock(), 2);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn one_connection_too_many_is_closed() {
    let server = TestServer::open(|factory| factory.limits.connections = 1);
    let mut first = server.direct(&TLS13).await;
    say(&mut first, b"login\n").await;
    expect(&mut first, "welcome\n").await;
    let mut second = server.tcp(Security::Direct).await;
    assert_eq!(second.read(&mut [0]).await.unwrap_or(0), 0);
    assert_eq!(server.counts().refused, 1);
    say(&mut first, b"bye\n").await;
    rest(&mut first).await;
    drop(first);
    server.emptied().await;
    server.direct(&TLS13).await;
}

#[tokio::test(start_paused = true)]
async fn silence_before_the_login_is_bounded() {
    let server = TestServer::open(|factory| factory.limits.auth_seconds = 30);
    let start = Instant::now();
    let mut direct = server.pipe(Security::Direct, 4096);
    let mut clear = server.pipe(Security::StartTls, 4096);
    assert_eq!(rest(&mut direct).await, "");
    assert_eq!(rest(&mut clear).await, "connection-timeout\n");
    assert!(start.elapsed() >= Duration::from_secs(30));
    assert_eq!(server.counts().handshake_failures, 1);
    drop((direct, clear));
    server.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn both_ports_have_the_same_patience() {
    let server = TestServer::open(|_| {});
    let begin = Instant::now();
    let mut late = server.pipe(Security::Direct, 4096);
    // TLS comes when most of the time is over already; that gives it no more.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let mut late = secure(&mut late, testing::client(&TLS13)).await.unwrap();
    assert_eq!(rest(&mut late).await, "connection-timeout\n");
    let took = begin.elapsed();
    assert!((Duration::from_secs(30)..Duration::from_secs(33)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn silent_connections_of_an_address_give_way_before_they_log_in() {
    let server = TestServer::open(|factory| factory.limits.unauthenticated_per_address = 4);
    for security in [Security::StartTls, Security::Direct] {
        let mut silent: Vec<_> = (0..4).map(|_| server.pipe(security, 4096)).collect();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let logged_in = server.login(Security::Direct, 4096).await;
        // The oldest is closed without a word; the others still have their time.
        assert_eq!(rest(&mut silent.remove(0)).await, "");
        assert_eq!((server.counts().open, server.counts().unauthenticated), (4, 3));
        drop((silent, logged_in));
        while server.counts().open > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    assert_eq!((server.counts().gave_way, server.counts().refused), (2, 0));
}

#[tokio::test]
async fn a_panic_ends_the_stream_that_it_is_in_with_an_error_and_no_other() {
    let server = TestServer::open(|_| {});
    let mut other = server.direct(&TLS13).await;
    say(&mut other, b"login\n").await;
    expect(&mut other, "welcome\n").await;
    let mut client = server.direct(&TLS13).await;
    say(&mut client, b"login\n").await;
    expect(&mut client, "welcome\n").await;
    say(&mut client, b"echo half a st\npanic\n").await;
    assert_eq!(rest(&mut client).await, "internal-server-error\n");
    drop(client);
    while server.counts().open > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    say(&mut other, b"echo here\n").await;
    expect(&mut other, "here\n").await;
    assert_eq!(*server.toys.closed.lock(), 0, "a session that panicked is dropped");
}

#[tokio::test(start_paused = true)]
async fn silence_after_the_login_lasts_as_long_as_the_session_says() {
    let server = TestServer::open(|factory| factory.limits.idle_seconds = 1200);
    let mut client = server.login(Security::Direct, 4096).await;
    tokio::time::sleep(Duration::from_secs(1000)).await;
    say(&mut client, b"echo here\n").await;
    expect(&mut client, "here\n").await;
    let start = Instant::now();
    assert_eq!(rest(&mut client).await, "connection-timeout\n");
    assert!(start.elapsed() >= Duration::from_secs(1200));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_dropped_and_another_does_not_notice() {
    let server = TestServer::open(|factory| factory.limits.stall_seconds = 60);
    let mut slow = server.login(Security::Direct, 2048).await;
    let mut other = server.login(Security::Direct, 2048).await;
    say(&mut slow, b"huge 100000\n").await;
    let start = Instant::now();
    while server.counts().stalled == 0 {
        say(&mut other, b"echo still here\n").await;
        expect(&mut other, "still here\n").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(start.elapsed() >= Duration::from_secs(60));
    while server.counts().open > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(*server.toys.closed.lock(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_gets_everything() {
    let server = TestServer::open(|factory| factory.limits.stall_seconds = 60);
    let mut slow = server.login(Security::Direct, 512).await;
    say(&mut slow, b"huge 20000\n").await;
    server.toys.queued.lock().extend_from_slice(b"mail\n");
    server.toys.wake_up.notify_one();
    let mut received = Vec::new();
    while !received.ends_with(b"mail\n") {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut buffer = [0; 400];
        let read = slow.read(&mut buffer).await.unwrap();
        received.extend_from_slice(&buffer[..read]);
    }
    assert_eq!(received.len(), 20_001 + 5);
    let wakes = server.toys.wakes.lock().clone();
    assert!(wakes.first().is_some_and(|pending| *pending > 10_000), "{wakes:?}");
    assert_eq!(wakes.last(), Some(&0));
    assert_eq!(server.counts().stalled, 0);
}

#[tokio::test(start_paused = true)]
async fn too_much_for_one_peer_ends_its_connection() {
    let server = TestServer::open(|factory| factory.limits.outgoing_bytes = 1000);
    let mut slow = server.login(Security::Direct, 2048).await;
    say(&mut slow, b"huge 2000000\n").await;
    server.emptied().await;
    assert_eq!(server.counts().stalled, 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_its_answers_is_not_read_from() {
    let server = TestServer::open(|factory| factory.limits.outgoing_bytes = 5000);
    let slow = server.login(Security::Direct, 1024).await;
    let (_reader, mut writer) = tokio::io::split(slow);
    let flood = async {
        loop {
            say(&mut writer, b"echo 0123456789012345678901234567890123456789\n").await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), flood).await.is_err());
    assert_eq!(server.counts().stalled, 0);
    server.emptied().await;
    assert_eq!(server.counts().stalled, 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_server_does_not_wait_for_a_peer_that_does_not_read() {
    let server = TestServer::open(|_| {});
    let mut slow = server.login(Security::Direct, 1024).await;
    say(&mut slow, b"huge 100000\n").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    assert_eq!(server.running.shutdown(Duration::from_secs(8)).await, 1);
    assert!(start.elapsed() < Duration::from_secs(9));
    assert_eq!(*server.toys.closed.lock(), 1);
}

#[tokio::test]
async fn an_idle_connection_is_small() {
    let server = TestServer::open(|_| {});
    let (_, theirs) = duplex(1);
    let tcp = server.tcp(Security::Direct).await;
    drop(theirs);
    let admission = server.running.state.connections.admit("192.0.2.1".parse().unwrap()).unwrap();
    let peer = Peer { address: "192.0.2.1:1000".parse().unwrap() };
    let state = Arc::clone(&server.running.state);
    let future = Driver::new(tcp, peer, Security::Direct, state, admission).run();
    let size = size_of_val(&future);
    let session = size_of::<Option<Toy>>();
    println!("future {size}, of which the session {session}");
    assert!(size - session <= 320, "{size} - {session}");
}

#[tokio::test]
async fn an_idle_connection_of_the_product_is_small() {
    use tidings_core::clock::{SystemClock, SystemRandom};
    use tidings_core::config::Config;
    use tidings_core::session::Connection;
    use tidings_core::{Core, Ports};

    use crate::session::CoreSessionFactory;

    let store = Arc::new(tidings_store::MemoryStore::new());
    let clock = Arc::new(SystemClock);
    let core =
        Core::start(Config::default(), Ports::local(store, clock, Arc::new(SystemRandom))).await.unwrap();
    let server =
        Running::start(CoreSessionFactory(core), &Settings::default(), testing::certificates()).unwrap();
    let peer = Peer { address: "192.0.2.1:1000".parse().unwrap() };
    let admission = server.state.connections.admit(peer.address.ip()).unwrap();
    let (ours, _theirs) = duplex(1);
    let future = Driver::new(ours, peer, Security::StartTls, Arc::clone(&server.state), admission).run();
    // A socket takes 24 bytes more than a pipe.
    println!("future {}, of which the session {}", size_of_val(&future) + 24, size_of::<Connection>());
    assert!(size_of_val(&future) + 24 <= 400, "{}", size_of_val(&future));
}
