//! The load generator against the real server, which `cargo build` and `cargo test` put beside it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const BENCH: &str = env!("CARGO_BIN_EXE_tidings-bench");

fn bench(arguments: &[&str]) -> Output {
    Command::new(BENCH).args(arguments).output().unwrap()
}

fn server_binary() -> PathBuf {
    let path = Path::new(BENCH).with_file_name("tidings");
    assert!(path.exists(), "{} is missing: run `cargo build` first", path.display());
    path
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A server of the test's own; gone with it.
struct Server {
    child: Child,
    xmpp: String,
}

impl Server {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(server_binary())
            .args(["serve", "--set", "limits.registrations_per_minute=0"])
            .args(["--xmpp", "127.0.0.1:0", "--xmpps", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let xmpp = line.split_whitespace().find_map(|word| word.strip_prefix("xmpp=")).map(str::to_owned);
        Self { child, xmpp: xmpp.unwrap_or_else(|| panic!("no ready line: {line:?}")) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn fifty_devices_get_a_broadcast_and_the_report_is_json() {
    server_binary();
    let out = bench(&["broadcast", "--acks", "--sessions", "50", "--rounds", "1", "--json", "-"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(report["benchmark"], "broadcast, acknowledged");
    assert_eq!(report["size"], 50);
    let figures = report["figures"].as_array().unwrap();
    let first = &figures[0];
    assert_eq!(first["name"], "delivered and settled a server CPU second");
    for field in ["value", "baseline", "ratio"] {
        assert!(first[field].is_number(), "{field} in {first}");
    }
    assert!(figures.iter().any(|figure| figure["name"] == "request to all settled on disk"));
}

#[test]
fn devices_log_in_by_each_flow() {
    server_binary();
    let flows = [
        (None, "connect", "connect", "three round trips"),
        (Some("--rfc6120"), "connect", "connect, RFC 6120", "six round trips"),
        (Some("--pipelined"), "connect", "connect, pipelined", "two round trips"),
        (Some("--pipelined"), "storm", "storm, pipelined", "two round trips"),
    ];
    for (flow, benchmark, name, note) in flows {
        let mut arguments = vec![benchmark, "--no-baseline", "--sessions", "20", "--json", "-"];
        arguments.extend(flow);
        let out = bench(&arguments);
        assert!(out.status.success(), "{name}: {}", text(&out.stderr));
        let report: Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!(report["benchmark"], name);
        assert!(report["notes"].to_string().contains(note), "{report}");
    }
}

#[test]
fn devices_register_at_a_server_that_does_not_know_them() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let connect = |extra: &[&str]| {
        let arguments = ["connect", "--no-baseline", "--sessions", "3", "--target", &server.xmpp];
        bench(&[&arguments, extra].concat())
    };
    let unknown = connect(&[]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("login refused"), "{}", text(&unknown.stderr));
    // The second time they are there already.
    for _ in 0..2 {
        let known = connect(&["--register"]);
        assert!(known.status.success(), "{}", text(&known.stderr));
    }
}

#[test]
fn a_target_that_does_not_exist_is_one_line() {
    let out = bench(&["connect", "--no-baseline", "--sessions", "2", "--target", "127.0.0.1:9"]);
    assert_eq!(out.status.code(), Some(1));
    let said = text(&out.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("connections failed"), "{said}");
}
