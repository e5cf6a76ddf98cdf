//! `tidings serve`.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::server::{Server, complaint, run, tidings};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_first_start_makes_what_it_needs_and_sigterm_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start_with(&data, &[], |_| ());
    assert!([server.xmpp.port(), server.xmpps.port(), server.http.port()].iter().all(|port| *port != 0));
    TcpStream::connect(server.xmpp).unwrap();
    TcpStream::connect(server.xmpps).unwrap();
    assert_eq!(server.api("GET", "/healthz", None).0, 200);
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("admin-password")), 0o600);
    let password = fs::read_to_string(data.join("admin-password")).unwrap();
    assert!(password.trim().len() >= 16);

    let (status, rest, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(rest, "", "the ready line was the only one");
    assert_eq!(log.matches(password.trim()).count(), 1, "printed once: {log}");

    let server = Server::start_with(&data, &[], |_| ());
    let (status, _, log) = server.stop();
    assert_eq!(status.code(), Some(0));
    assert!(!log.contains(password.trim()), "not printed again: {log}");
}

#[test]
fn the_administrators_password_may_come_from_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(dir.path(), &[], |command| {
        command.env("TIDINGS_ADMIN_PASSWORD", "from outside");
    });
    assert!(!dir.path().join("admin-password").exists());
    let (status, _, log) = server.stop();
    assert_eq!(status.code(), Some(0));
    assert!(!log.contains("from outside"), "{log}");
}

#[test]
fn sigint_ends_it_too_while_devices_are_connected() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let mut device = TcpStream::connect(server.xmpp).unwrap();
    device.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
        to='localhost' version='1.0'>";
    device.write_all(header.as_bytes()).unwrap();
    let mut said = String::new();
    let mut buffer = [0; 4096];
    while !said.contains("</stream:features>") {
        let count = device.read(&mut buffer).unwrap();
        assert!(count > 0, "it closed: {said}");
        said += std::str::from_utf8(&buffer[..count]).unwrap();
    }
    server.signal("INT");
    let (status, _, log) = server.stop_after_signal();
    assert_eq!(status.code(), Some(0), "{log}");
    let mut rest = String::new();
    device.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("<system-shutdown"), "{rest}");
}

#[test]
fn a_port_in_use_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--http", "--xmpp", "--xmpps"] {
        let data = dir.path().join(&flag[2..]);
        let mut command = tidings();
        command.args(["serve", "--log-format", "json", "--data-dir"]).arg(&data);
        for listener in ["--xmpp", "--xmpps", "--http"] {
            command.args([listener, if listener == flag { &address } else { "127.0.0.1:0" }]);
        }
        let output =
            command.env("TIDINGS_LOG", "off").env("TIDINGS_ADMIN_PASSWORD", "12345678").output().unwrap();
        let said = complaint(&output, 1);
        assert!(said.contains(&address) && said.contains("in use"), "{said}");
    }
}

#[test]
fn a_data_directory_serves_one_server() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let data = dir.path().to_str().unwrap();
    let listen = ["--xmpp", "127.0.0.1:0", "--xmpps", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let second = run(&[&["serve", "--data-dir", data][..], &listen].concat());
    assert!(complaint(&second, 1).contains("in use"));
    let list = run(&["account", "list", "--data-dir", data]);
    assert!(complaint(&list, 1).contains("--server"));
    assert_eq!(server.api("GET", "/healthz", None).0, 200);
}

#[test]
fn settings_come_from_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tidings.toml");
    fs::write(&file, "domain = 'file.example'\n[registration]\npolicy = 'closed'\n").unwrap();
    let data = dir.path().join("data");
    let server = Server::start_with(&data, &["--set", "limits.depth=16"], |command| {
        command.env("TIDINGS_CONFIG", &file).env("TIDINGS_LIMITS__ATTRIBUTES", "32");
    });
    drop(server);
    // The domain in the certificate is the one of the file.
    let pem = fs::read_dir(&data)
        .unwrap()
        .filter_map(Result::ok)
        .any(|entry| entry.path().extension().is_some_and(|extension| extension == "pem"));
    assert!(pem, "a certificate was made");
}

#[test]
fn sighup_does_not_end_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    server.signal("HUP");
    assert_eq!(server.api("GET", "/healthz", None).0, 200);
    let (status, _, log) = server.stop();
    assert_eq!(status.code(), Some(0));
    assert!(log.contains("certificate"), "{log}");
}

#[test]
fn logs_are_json_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(dir.path(), &["--log-format", "json"], |command| {
        command.env("TIDINGS_ADMIN_PASSWORD", "12345678").env("TIDINGS_API_KEY", "short");
    });
    let (_, _, log) = server.stop();
    assert!(log.lines().count() > 0);
    for line in log.lines() {
        let parsed: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(parsed.get("level").is_some(), "{line}");
    }
    assert!(log.contains("TIDINGS_API_KEY is short") && !log.contains("\"short\""), "{log}");
}

/// A sample of `/metrics`.
fn metric(server: &Server, name: &str) -> String {
    let mut socket = TcpStream::connect(server.http).unwrap();
    socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} in {answer}")).to_owned()
}

#[test]
fn refused_connections_and_failed_handshakes_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--set", "limits.connections_per_address=1"]);
    // What the server has closed, it has counted.
    let closed = |mut socket: TcpStream| {
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.read_to_end(&mut Vec::new()).ok();
    };
    let mut broken = TcpStream::connect(server.xmpps).unwrap();
    broken.write_all(b"this is not TLS\r\n\r\n").unwrap();
    closed(broken);
    assert_eq!(metric(&server, "tidings_tls_handshake_failures_total"), "1");
    let refused: u64 = metric(&server, "tidings_connections_refused_total").parse().unwrap();

    let mut first = TcpStream::connect(server.xmpp).unwrap();
    first.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    first.write_all(b"<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>").unwrap();
    first.read_exact(&mut [0; 16]).unwrap();
    closed(TcpStream::connect(server.xmpp).unwrap());
    assert_eq!(metric(&server, "tidings_connections_refused_total"), (refused + 1).to_string());
    assert_eq!(metric(&server, "tidings_connections"), "1");
    assert_eq!(metric(&server, "tidings_connections_unauthenticated"), "1");
    assert_eq!(metric(&server, "tidings_connections_stalled_total"), "0");
    drop(first);
    server.stop();
}
