//! Strangers who take all the sockets, bodies and logins that they can get keep nobody else out: devices log
//! in, sends are answered, operators log in, and the server lives.
//!
//! `TIDINGS_STRANGERS=full` makes the attacks as large as they were when they succeeded; that takes minutes, and
//! 16,384 open files. `cargo xtask proof strangers` does it with the program as it is released.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed test panics"
)]

mod common;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use common::server::{Addresses, Home, Server};
use common::wire::{Heard, Wire};
use common::{accounts, api, until};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A device gives up where it is not logged in by then.
const LOGIN: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(60);
/// Where those come from who mean no good: no proxy that is trusted.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// The beginning of a ClientHello that never ends.
const HALF_A_HANDSHAKE: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 7, 7, 7, 7, 7];

/// How many of each.
struct Sizes {
    silent: usize,
    handshakes: usize,
    idle: usize,
    bodies: usize,
    logins: usize,
    /// Times that everyone else tries.
    tries: usize,
}

impl Sizes {
    /// As large as they were when they succeeded.
    const FULL: Self =
        Self { silent: 5200, handshakes: 9500, idle: 4200, bodies: 70, logins: 520, tries: 20 };
    /// With limits to match.
    const SMALL: Self = Self { silent: 150, handshakes: 150, idle: 150, bodies: 70, logins: 40, tries: 2 };
}

async fn connect(from: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

/// A socket that says this, is silent from then on, and begins anew whenever it is closed.
async fn nuisance(to: SocketAddr, says: Vec<u8>) {
    loop {
        if let Ok(Ok(mut socket)) = timeout(PATIENCE, connect(STRANGER, to)).await {
            socket.write_all(&says).await.ok();
            let mut scrap = [0; 1024];
            while let Ok(1..) = socket.read(&mut scrap).await {}
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Sockets of strangers, until it is dropped.
struct Attack {
    _sockets: JoinSet<()>,
}

impl Attack {
    fn of(count: usize, to: SocketAddr, says: impl Fn(usize) -> Vec<u8>) -> Self {
        let mut nuisances = JoinSet::new();
        for number in 0..count {
            nuisances.spawn(nuisance(to, says(number)));
        }
        Self { _sockets: nuisances }
    }
}

fn form(path: &str, length: usize, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Logs in to the console from there; the status of the answer.
async fn console_login(http: SocketAddr, from: IpAddr, password: &str) -> std::io::Result<u16> {
    let body = format!("username=admin&password={password}");
    let mut socket = connect(from, http).await?;
    socket.write_all(form("/login", body.len(), &body).as_bytes()).await?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0))
}

/// What everyone else wants: how long the device took to log in, the send, and the operator to log in.
async fn everyone_else(addresses: Addresses, attempt: usize) -> [Duration; 3] {
    let begin = Instant::now();
    let login = timeout(LOGIN, Wire::session(addresses.xmpps, "phone", "one")).await;
    let (mut wire, _) = login.expect("a device logs in in time").expect("a device logs in");
    let logged_in = begin.elapsed();

    let begin = Instant::now();
    let title = format!("attempt {attempt}");
    let id = api::send(addresses.http, &json!({ "to": { "user": "phone" }, "title": title })).await;
    let sent = begin.elapsed();
    loop {
        let heard = timeout(PATIENCE, wire.hear()).await.expect("it comes").expect("it comes");
        let Heard::Stanza(element) = heard else { panic!("the stream ended") };
        if element.attribute("id") == Some(&id) {
            break;
        }
    }
    wire.say("</stream:stream>").await.ok();

    let begin = Instant::now();
    let operator =
        console_login(addresses.http, IpAddr::V4(Ipv4Addr::LOCALHOST), "a+password+for+these+proofs");
    assert_eq!(operator.await.expect("an answer"), 303, "an operator logs in");
    [logged_in, sent, begin.elapsed()]
}

async fn prove(server: &Server, attack: &str, tries: usize) {
    let mut slowest = [Duration::ZERO; 3];
    for attempt in 0..tries {
        let took = everyone_else(server.addresses, attempt).await;
        slowest = [0, 1, 2].map(|part| slowest[part].max(took[part]));
    }
    let [login, send, operator] = slowest.map(|time| time.as_millis());
    let (now, most) = server.memory();
    println!(
        "{attack}: at the slowest of {tries} a device's login {login} ms, a send {send} ms, an operator's login {operator} ms; \
         {} MiB resident, at most {} MiB",
        now / 1024,
        most / 1024
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_keep_nobody_out() {
    let full = std::env::var("TIDINGS_STRANGERS").is_ok_and(|size| size == "full");
    let sizes = if full { Sizes::FULL } else { Sizes::SMALL };
    let mut home = Home::new();
    if !full {
        home = home.set("limits.unauthenticated_per_address=32").set("http.connections=64");
    }
    accounts::create(&home.database(), ["phone".to_owned()], &[]).await;
    let server = home.start();
    let Addresses { xmpp, xmpps, http } = server.addresses;
    prove(&server, "nobody else there", sizes.tries).await;
    let idle = server.memory().0;

    let attacks = [
        ("silent on the port for STARTTLS", sizes.silent, xmpp),
        ("silent on the port for TLS", sizes.silent, xmpps),
        ("half a handshake", sizes.handshakes, xmpps),
        ("silent on the port for HTTP", sizes.idle, http),
        ("half a request", sizes.idle, http),
        ("slow bodies", sizes.bodies, http),
    ];
    for (name, count, to) in attacks {
        let attack = Attack::of(count, to, |number| match name {
            "half a handshake" => HALF_A_HANDSHAKE.to_vec(),
            "half a request" => b"GET / HTTP/1.1\r\nhost: ".to_vec(),
            "slow bodies" if number % 2 == 0 => form("/login", 1000, "username=admin").into_bytes(),
            "slow bodies" => form("/notification.do", 1000, "action=send").into_bytes(),
            _ => Vec::new(),
        });
        let opened = async || api::ask(http, "GET", "/healthz", None).await.status;
        until("an answer", PATIENCE, opened, |status| *status == 200).await;
        prove(&server, &format!("{count} × {name}"), sizes.tries).await;
        drop(attack);
    }

    let mut logins = JoinSet::new();
    for number in 0..sizes.logins {
        let [high, low] = u16::try_from(number + 256).unwrap().to_be_bytes();
        let from = IpAddr::V4(Ipv4Addr::new(127, 1, high, low));
        logins.spawn(console_login(http, from, "wrong"));
    }
    prove(&server, &format!("{} × wrong logins to the console", sizes.logins), 1).await;
    let mut refused = 0;
    while let Some(login) = logins.join_next().await {
        let status = login.unwrap().expect("an answer");
        // Too many wait, or it has waited for too long.
        assert!([401, 408, 503].contains(&status), "{status}");
        refused += usize::from(status == 401);
    }
    assert!(refused > 0);
    // What passwords are checked in is used again, and two are checked at once.
    let (_, most) = server.memory();
    let bound = if full { 512 * 1024 } else { idle + 160 * 1024 };
    assert!(most < bound, "{most} KiB, of which {idle} before");
    server.stop();
}

/// At every limit of open files there is room for a device and a request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_few_descriptors_serves_and_outlives_a_flood() {
    for most in [64, 96, 256] {
        let home = Home::new().open_files(most);
        accounts::create(&home.database(), ["phone".to_owned()], &[]).await;
        let server = home.start();
        everyone_else(server.addresses, 0).await;
        let addresses = [server.addresses.http, server.addresses.xmpp, server.addresses.xmpps];
        let attacks: Vec<_> =
            addresses.iter().map(|to| Attack::of(most as usize, *to, |_| Vec::new())).collect();
        for attempt in 0..3 {
            everyone_else(server.addresses, attempt).await;
        }
        drop(attacks);
        everyone_else(server.addresses, 4).await;
        let log = home.log();
        assert!(
            !log.contains("cannot accept"),
            "what there is was reckoned wrongly at {most}: {}",
            home.log_tail()
        );
        server.stop();
    }
}

/// Behind a balancer, a client's address is the one that the balancer names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_behind_one_balancer_have_limits_of_their_own() {
    let home =
        Home::new().set("listen.proxy_protocol_from=127.0.0.1").set("limits.connections_per_address=1");
    let names = ["one", "two", "three"].map(str::to_owned);
    accounts::create(&home.database(), names, &[]).await;
    let server = home.start();
    let Addresses { xmpp, xmpps, http } = server.addresses;

    let line = |from: &str| format!("PROXY TCP4 {from} 192.0.2.200 4000 5223\r\n").into_bytes();
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    let binary = [&signature[..], &[0x21, 0x11, 0, 12, 192, 0, 2, 2, 192, 0, 2, 200, 0, 80, 0, 80]].concat();
    let mut sessions = Vec::new();
    for (name, header) in [("one", line("192.0.2.1")), ("two", binary)] {
        let mut wire = Wire::connect_behind(xmpps, &header).await.unwrap();
        wire.authenticate(name).await.unwrap();
        wire.bind("phone").await.unwrap();
        sessions.push(wire);
    }
    let listed = api::ask(http, "GET", "/v1/sessions", None).await.body;
    let mut seen: Vec<_> =
        listed["sessions"].as_array().unwrap().iter().map(|one| one["client_ip"].as_str().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, ["192.0.2.1", "192.0.2.2"]);
    assert!(
        Wire::connect_behind(xmpps, &line("192.0.2.1")).await.is_err(),
        "that address has its connection"
    );

    // Without a header, and with one from elsewhere, there is no stream.
    for port in [xmpp, xmpps] {
        let mut bare = connect(Ipv4Addr::LOCALHOST.into(), port).await.unwrap();
        bare.write_all(b"<stream:stream to='localhost'>").await.unwrap();
        let mut said = Vec::new();
        bare.read_to_end(&mut said).await.ok();
        assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
    }
    let mut elsewhere = connect(STRANGER, xmpp).await.unwrap();
    elsewhere.write_all(&line("192.0.2.3")).await.unwrap();
    let mut said = String::new();
    elsewhere.read_to_string(&mut said).await.ok();
    assert!(!said.contains("<stream:features"), "{said}");
    until(
        "the log",
        PATIENCE,
        async || home.log().matches("what=proxy-header address=127.0.0.1").count(),
        |n| *n >= 2,
    )
    .await;
    drop(sessions);
    server.stop();
}
