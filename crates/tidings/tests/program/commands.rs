//! `account`, `key` and `send`, on a running server and on a data directory.

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::server::{KEY, Server, complaint, run, text, tidings};

/// Runs it, and gives its standard output after a success.
fn succeed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Both ways to reach the same data: what to add to a command line.
fn on_both(check: impl Fn(&[&str])) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    check(&["--server", &server.url(), "--api-key", KEY]);
    drop(server);
    let dir = tempfile::tempdir().unwrap();
    check(&["--data-dir", dir.path().to_str().unwrap()]);
}

fn rows(listing: &str) -> Vec<Value> {
    listing.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn accounts_make_a_round_trip() {
    on_both(|target| {
        let with = |arguments: &[&str]| succeed(&[arguments, target].concat());
        let made = with(&["account", "add", "alice", "--name", "Alice A.", "--email", "a@example.org"]);
        assert!(made.trim().len() >= 20, "a password was made: {made}");
        assert_eq!(with(&["account", "add", "bob", "--password", "secret"]), "");
        let taken = run(&[&["account", "add", "bob", "--password", "x"][..], target].concat());
        assert!(complaint(&taken, 1).contains("bob"), "{target:?}");

        let listed = rows(&with(&["account", "list", "--json"]));
        assert_eq!(listed.len(), 2);
        assert_eq!(listed[0]["username"], "alice");
        assert_eq!(listed[0]["name"], "Alice A.");
        assert_eq!(rows(&with(&["account", "list", "--json", "--query", "bo"])).len(), 1);
        assert!(with(&["account", "list"]).contains("USERNAME"));

        assert!(with(&["account", "passwd", "alice"]).trim().len() >= 20);
        with(&["account", "remove", "bob"]);
        assert_eq!(rows(&with(&["account", "list", "--json"])).len(), 1);
        for gone in [&["account", "remove", "bob"][..], &["account", "passwd", "bob"]] {
            complaint(&run(&[gone, target].concat()), 1);
        }
        complaint(&run(&[&["account", "add", "not a name"][..], target].concat()), 1);
    });
}

#[test]
fn a_password_may_come_from_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = tidings()
        .args(["account", "add", "alice", "--password-stdin", "--data-dir", dir.path().to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"secret\n").unwrap();
    let output: Output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty());
}

#[test]
fn keys_make_a_round_trip() {
    on_both(|target| {
        let with = |arguments: &[&str]| succeed(&[arguments, target].concat());
        let secret = with(&["key", "create", "shop", "--scope", "send"]);
        assert!(secret.starts_with("tk_") && secret.lines().count() == 1, "{secret}");
        let listed = rows(&with(&["key", "list", "--json"]));
        assert_eq!((listed.len(), &listed[0]["scope"]), (1, &Value::from("send")));
        let id = listed[0]["id"].as_str().unwrap();
        assert!(with(&["key", "list"]).contains(id));
        with(&["key", "revoke", id]);
        assert!(with(&["key", "list", "--json"]).is_empty());
        complaint(&run(&[&["key", "revoke", id][..], target].concat()), 1);
    });
}

#[test]
fn a_key_made_before_the_first_start_works() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let key = succeed(&["key", "create", "early", "--data-dir", data]);
    succeed(&["account", "add", "alice", "--data-dir", data]);
    let server = Server::start(dir.path(), &[]);
    let url = server.url();
    let send = ["send", "--server", &url, "--api-key", key.trim(), "--user", "alice", "--title", "Hello"];
    let id = succeed(&send);
    assert_eq!(id.trim().len(), 36, "{id}");
    let (status, notification) = server.api("GET", &format!("/v1/notifications/{}", id.trim()), None);
    assert_eq!((status, &notification["title"]), (200, &Value::from("Hello")));
    assert_eq!(notification["recipients"], 1);
    // This key may send, and nothing else.
    let list = run(&["account", "list", "--server", &url, "--api-key", key.trim()]);
    assert!(complaint(&list, 1).contains("403"));
}

#[test]
fn send_says_what_the_server_says() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let url = server.url();
    let send =
        |arguments: &[&str]| run(&[&["send", "--server", &url, "--api-key", KEY][..], arguments].concat());
    let unknown = complaint(&send(&["--user", "nobody", "--title", "x"]), 1);
    assert!(unknown.contains("nobody"), "{unknown}");
    let key = run(&["send", "--server", &url, "--api-key", "wrong", "--all", "--title", "x"]);
    assert!(complaint(&key, 1).contains("401"));

    succeed(&["account", "add", "alice", "--server", &url, "--api-key", KEY]);
    let all = ["--all", "--message", "m", "--data", "k=v", "--ttl", "1h", "--priority", "high"];
    let more =
        ["--collapse-key", "c", "--at", "+10m", "--uri", "https://example.org/", "--idempotency-key", "i"];
    let all = [&all[..], &more].concat();
    let first = send(&all);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let id = text(&first.stdout).trim().to_owned();
    let (_, stored) = server.api("GET", &format!("/v1/notifications/{id}"), None);
    let expected = [
        ("to", json!({ "all": true })),
        ("message", json!("m")),
        ("data", json!({ "k": "v" })),
        ("ttl", json!(3600)),
        ("priority", json!("high")),
        ("collapse_key", json!("c")),
        ("uri", json!("https://example.org/")),
        ("state", json!("scheduled")),
    ];
    for (field, value) in expected {
        assert_eq!(stored[field], value, "{field} of {stored}");
    }
    let moment = |field: &str| OffsetDateTime::parse(stored[field].as_str().unwrap(), &Rfc3339).unwrap();
    let wait = moment("send_at") - moment("created_at");
    assert!((9 * 60..=10 * 60).contains(&wait.whole_seconds()), "{stored}");
    // The idempotency key: at the same moment, which --at +10m is not, the same request sends nothing again.
    let at = stored["send_at"].as_str().unwrap();
    let again = [&["--at", at], &["--all", "--title", "t", "--idempotency-key", "j"][..]].concat();
    let (one, two) = (send(&again), send(&again));
    assert!(one.status.success(), "{}", text(&one.stderr));
    assert_eq!(text(&one.stdout), text(&two.stdout));
    assert_ne!(text(&one.stdout).trim(), id);
}

#[test]
fn an_absent_server_is_named() {
    let said =
        complaint(&run(&["send", "--server", "127.0.0.1:1", "--api-key", "k", "--all", "--title", "x"]), 1);
    assert!(said.contains("http://127.0.0.1:1") && said.contains("refused"), "{said}");
}

/// androidpn's own dumps: what is taken can log in as it did.
#[test]
fn androidpns_accounts_are_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let (data, other) = (dir.path().join("data"), dir.path().join("other"));
    let file = |name: &str| format!("{}/tests/androidpn/{name}", env!("CARGO_MANIFEST_DIR"));
    let hsqldb = [file("androidpndb.script"), file("androidpndb.log")];
    let import = |data: &std::path::Path, more: &[&str]| {
        let line = ["import", "androidpn", "--data-dir", data.to_str().unwrap()];
        let output = run(&[&line[..], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let said = import(&data, &["--dry-run", &hsqldb[0], &hsqldb[1]]);
    assert_eq!(said, "skipped nopass: it has no password\n3 would be taken, 1 skipped\n");
    assert!(!data.exists(), "nothing was changed");
    let said = import(&data, &[&hsqldb[0], &hsqldb[1]]);
    assert_eq!(said, "skipped nopass: it has no password\n3 taken, 1 skipped\n");
    let again = import(&data, &[&file("mysql.sql")]);
    assert!(again.ends_with("0 taken, 4 skipped\n") && again.contains("admin: there is such"), "{again}");
    let doctor = run(&["doctor", "--data-dir", data.to_str().unwrap()]);
    assert!(doctor.status.success(), "{}", text(&doctor.stdout));

    // The same through a server.
    let server = Server::start(&other, &[]);
    let url = format!("http://{}", server.http);
    let line = ["import", "androidpn", "--server", &url, "--api-key", KEY, &file("postgresql.sql")];
    let output = run(&line);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with("3 taken, 1 skipped\n"), "{}", text(&output.stdout));
    assert!(
        text(&run(&line).stdout).contains("admin: username: the username is taken"),
        "{}",
        text(&run(&line).stdout)
    );
    let (_, user) = server.api("GET", "/v1/users/c3f1a0de", None);
    assert_eq!(user["name"], json!("Zoë “📱”, (x)"));
    let (_, user) = server.api("GET", "/v1/users/case", None);
    assert_eq!((&user["name"], &user["email"]), (&json!(null), &json!(null)));

    let nothing = dir.path().join("nothing.sql");
    std::fs::write(&nothing, "-- MySQL dump\n").unwrap();
    let said = complaint(&run(&["import", "androidpn", nothing.to_str().unwrap()]), 1);
    assert!(said.contains("apn_user"), "{said}");
}

#[test]
fn a_secret_that_cannot_be_shown_is_not_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut create = tidings();
    create.args(["key", "create", "lost", "--data-dir", data]).stdout(full());
    let output = create.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("revoked again"), "{}", text(&output.stderr));
    assert!(!text(&run(&["key", "list", "--data-dir", data]).stdout).contains("lost"));
    let mut add = tidings();
    add.args(["account", "add", "alice", "--data-dir", data]).stdout(full());
    let output = add.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("passwd"), "{}", text(&output.stderr));
}
