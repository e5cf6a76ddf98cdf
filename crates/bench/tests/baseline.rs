//! The load generator against its own bare program.

use std::process::Command;

#[test]
fn fifty_connections_exchange_records_with_the_bare_program() {
    let out = Command::new(env!("CARGO_BIN_EXE_tidings-bench"))
        .args(["baseline", "exchange", "--sessions", "50", "--json", "-"])
        .output()
        .expect("the program runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).expect("the report is JSON");
    assert_eq!(report["size"], 50);
    let figures = report["figures"].as_array().expect("a list of figures");
    let names: Vec<_> = figures.iter().map(|figure| figure["name"].as_str().expect("a name")).collect();
    assert_eq!(
        names,
        [
            "handshakes a CPU second",
            "memory a connection, above the empty program",
            "records exchanged a CPU second"
        ]
    );
    assert!(figures.iter().all(|figure| figure["value"].is_number() && figure["unit"].is_string()));
}
