//! Who may know whom. An edge that is not listed here is refused; `ARCHITECTURE.md` says why each is there.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a failed test panics")]

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// For each crate: what it may depend on, and what its tests may use besides.
const ALLOWED: &[(&str, &[&str], &[&str])] = &[
    ("tidings-xmpp", &[], &[]),
    ("tidings-core", &["tidings-xmpp"], &["tidings-store"]),
    ("tidings-store", &["tidings-core"], &[]),
    ("tidings-net", &["tidings-core"], &["tidings-store", "tidings-xmpp"]),
    ("tidings-http", &["tidings-core"], &["tidings-store", "tidings-xmpp"]),
    ("tidings-client", &["tidings-xmpp"], &[]),
    ("tidings-sim", &["tidings-core", "tidings-store", "tidings-xmpp"], &["tidings-net"]),
    ("tidings-bench", &["tidings-core", "tidings-store", "tidings-xmpp"], &[]),
    (
        "tidings",
        &["tidings-client", "tidings-core", "tidings-http", "tidings-net", "tidings-store", "tidings-xmpp"],
        &[],
    ),
    ("xtask", &[], &[]),
];

/// What the sans-IO core must not even be able to name: sockets, clocks and run times.
const NO_IO: &[(&str, &[&str])] = &[
    ("tidings-xmpp", &["tokio", "rustls", "mio", "socket2", "time", "tracing", "rusqlite", "axum"]),
    ("tidings-core", &["rustls", "mio", "socket2", "rusqlite", "axum", "tower-http"]),
    ("tidings-http", &["rusqlite", "rustls"]),
    ("tidings-net", &["rusqlite", "axum"]),
];

fn packages() -> Vec<Value> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs this test, so it runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let metadata: Value = serde_json::from_slice(&out.stdout).expect("cargo metadata writes JSON");
    metadata["packages"].as_array().expect("metadata lists packages").clone()
}

/// Names of a package's dependencies, those of its tests apart.
fn dependencies(package: &Value, of_tests: bool) -> BTreeSet<String> {
    package["dependencies"]
        .as_array()
        .expect("a package lists its dependencies")
        .iter()
        .filter(|dependency| (dependency["kind"] == "dev") == of_tests)
        .map(|dependency| dependency["name"].as_str().expect("a dependency has a name").to_owned())
        .collect()
}

#[test]
fn no_crate_knows_one_it_may_not() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let listed: BTreeSet<&str> = ALLOWED.iter().map(|(name, ..)| *name).collect();
    assert_eq!(ours, listed, "every crate of the workspace has a line in ALLOWED");

    let mut refused = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().expect("a package has a name");
        let (_, normal, of_tests) =
            ALLOWED.iter().find(|(listed, ..)| *listed == name).expect("compared just above");
        for dependency in dependencies(package, false) {
            if ours.contains(dependency.as_str()) && !normal.contains(&dependency.as_str()) {
                refused.push(format!("{name} depends on {dependency}"));
            }
        }
        for dependency in dependencies(package, true) {
            let allowed = normal.contains(&dependency.as_str()) || of_tests.contains(&dependency.as_str());
            if ours.contains(dependency.as_str()) && !allowed {
                refused.push(format!("{name}'s tests depend on {dependency}"));
            }
        }
    }
    assert!(refused.is_empty(), "edges that ARCHITECTURE.md does not know: {refused:#?}");
}

#[test]
fn the_core_cannot_name_a_socket() {
    let packages = packages();
    let mut refused = Vec::new();
    for (name, banned) in NO_IO {
        let package = packages.iter().find(|package| package["name"] == *name).expect("the crate exists");
        for dependency in dependencies(package, false) {
            if banned.contains(&dependency.as_str()) {
                refused.push(format!("{name} depends on {dependency}"));
            }
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn core_takes_no_network_from_tokio() {
    let packages = packages();
    for name in ["tidings-core", "tidings-store"] {
        let package = packages.iter().find(|package| package["name"] == name).expect("the crate exists");
        let tokio = package["dependencies"]
            .as_array()
            .expect("a package lists its dependencies")
            .iter()
            .filter(|dependency| dependency["name"] == "tokio" && dependency["kind"].is_null());
        for dependency in tokio {
            let features = dependency["features"].as_array().expect("features are a list");
            for banned in ["net", "full", "fs", "process"] {
                assert!(!features.iter().any(|feature| feature == banned), "{name} takes tokio's `{banned}`");
            }
        }
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let text = include_str!("../../ARCHITECTURE.md");
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut unexplained = BTreeSet::new();
    for package in &packages {
        for of_tests in [false, true] {
            for name in dependencies(package, of_tests) {
                if !ours.contains(name.as_str()) && !text.contains(&format!("`{name}`")) {
                    unexplained.insert(name);
                }
            }
        }
    }
    assert!(unexplained.is_empty(), "ARCHITECTURE.md does not say what these are for: {unexplained:?}");
}
