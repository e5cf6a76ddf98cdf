//! Whatever becomes of the log's reader, the server goes on and ends when it is told to.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write, pipe};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use serde_json::json;

use crate::server::{KEY, Server};

/// Starts a server that logs there, at the level that says most.
fn logging_to(log: impl Into<Stdio>) -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(&dir.path().join("data"), &[], |command| {
        command.env("TIDINGS_API_KEY", KEY).env("TIDINGS_LOG", "trace").stderr(log);
    });
    (dir, server)
}

/// Lines of the log that the server says it has dropped.
fn dropped(server: &Server) -> u64 {
    let mut connection = TcpStream::connect(server.http).unwrap();
    connection.write_all(b"GET /metrics HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("tidings_log_lines_dropped_total "));
    line.expect("it is counted").parse().unwrap()
}

/// What a device sees of a server first.
fn greets(server: &Server) {
    let mut device = TcpStream::connect(server.xmpp).unwrap();
    device.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
        to='localhost' version='1.0'>";
    device.write_all(header.as_bytes()).unwrap();
    let mut said = [0; 16];
    device.read_exact(&mut said).unwrap();
}

/// It serves, before and after it was told to read its certificate again, and ends well.
fn serves_and_ends(server: Server) {
    for round in 0..3 {
        assert_eq!(server.api("GET", "/healthz", None).0, 200);
        let body = json!({ "to": { "all": true }, "title": format!("round {round}") });
        assert_eq!(server.api("POST", "/v1/notifications", Some(body)).0, 202);
        greets(&server);
        server.signal("HUP");
    }
    assert_eq!(server.api("GET", "/readyz", None).0, 200);
    let (status, ..) = server.stop();
    assert_eq!(status.code(), Some(0));
}

fn waits_for_drops(server: &Server) {
    let begin = Instant::now();
    while dropped(server) == 0 {
        assert!(begin.elapsed() < Duration::from_secs(30), "no line was dropped");
    }
}

#[test]
fn a_disk_that_takes_no_line_costs_lines_only() {
    let (_dir, server) = logging_to(OpenOptions::new().write(true).open("/dev/full").unwrap());
    waits_for_drops(&server);
    serves_and_ends(server);
}

#[test]
fn a_reader_that_is_gone_costs_lines_only() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let (_dir, server) = logging_to(writer);
    waits_for_drops(&server);
    serves_and_ends(server);
}

#[test]
fn a_reader_that_does_not_read_costs_lines_only() {
    let (mut reader, mut writer) = pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'\n'; 4096]).is_ok() {}
    while writer.write(b"\n").is_ok() {}
    fcntl_setfl(&writer, flags).unwrap();
    let (_dir, server) = logging_to(writer);
    serves_and_ends(server);
    // Nothing got past what filled the pipe.
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text.trim(), "");
}

#[test]
fn the_log_comes_whole_and_in_order_where_it_is_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let (_dir, server) = logging_to(file.reopen().unwrap());
    server.signal("HUP");
    server.stop();
    let mut log = String::new();
    File::open(file.path()).unwrap().read_to_string(&mut log).unwrap();
    let place = |words: &str| log.find(words).unwrap_or_else(|| panic!("{words}: {log}"));
    assert!(place("kept in") < place("serving") && place("serving") < place("stopping"), "{log}");
}
