//! `tidings bench` against the server that it starts itself.

use std::process::Command;

use serde_json::Value;

use crate::server::{Server, run, text};

#[test]
fn fifty_devices_get_a_broadcast_and_the_report_is_json() {
    let out = Command::new(env!("CARGO_BIN_EXE_tidings"))
        .args(["bench", "broadcast", "--acks", "--sessions", "50", "--rounds", "1", "--json", "-"])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
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
fn devices_may_log_in_ahead_of_the_answers() {
    for (benchmark, name) in [("connect", "connect, pipelined"), ("storm", "storm, pipelined")] {
        let args = ["bench", benchmark, "--pipelined", "--no-baseline", "--sessions", "20", "--json", "-"];
        let out = run(&args);
        assert!(out.status.success(), "{}", text(&out.stderr));
        let report: Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!(report["benchmark"], name);
        assert!(report["notes"].to_string().contains("two round trips"), "{report}");
    }
}

#[test]
fn devices_register_at_a_server_that_does_not_know_them() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--set", "limits.registrations_per_minute=0"]);
    let address = server.xmpp.to_string();
    let bench = |extra: &[&str]| {
        run(&[&["bench", "connect", "--no-baseline", "--sessions", "3", "--target", &address], extra]
            .concat())
    };
    let unknown = bench(&[]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("login refused"), "{}", text(&unknown.stderr));
    // The second time they are there already.
    for _ in 0..2 {
        let known = bench(&["--register"]);
        assert!(known.status.success(), "{}", text(&known.stderr));
    }
}

#[test]
fn a_target_that_does_not_exist_is_one_line() {
    let out = Command::new(env!("CARGO_BIN_EXE_tidings"))
        .args(["bench", "connect", "--no-baseline", "--sessions", "2", "--target", "127.0.0.1:9"])
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("connections failed"), "{said}");
}
