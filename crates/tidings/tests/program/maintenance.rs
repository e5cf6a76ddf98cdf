//! `backup`, `restore` and `doctor`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::server::{Server, complaint, run, text};

fn backup(data: &Path, file: &Path) -> std::process::Output {
    run(&["backup", "--data-dir", data.to_str().unwrap(), file.to_str().unwrap()])
}

fn doctor(data: &Path) -> (Option<i32>, String) {
    let output = run(&["doctor", "--data-dir", data.to_str().unwrap()]);
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn a_copy_of_a_running_server_is_a_server_again() {
    let dir = tempfile::tempdir().unwrap();
    let (data, other, file) = (dir.path().join("data"), dir.path().join("other"), dir.path().join("copy.db"));
    let server = Server::start(&data, &[]);
    let alice = json!({"username": "alice", "password": "secret"});
    assert_eq!(server.api("POST", "/v1/users", Some(alice)).0, 201);
    let hello = json!({"to": {"user": "alice"}, "title": "Hello"});
    let (status, accepted) = server.api("POST", "/v1/notifications", Some(hello));
    assert_eq!(status, 202);

    let made = backup(&data, &file);
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    complaint(&backup(&data, &file), 1);
    assert_eq!(server.api("GET", "/readyz", None).0, 200);
    drop(server);

    fs::create_dir(&other).unwrap();
    fs::set_permissions(&other, Permissions::from_mode(0o700)).unwrap();
    fs::copy(&file, other.join("tidings.db")).unwrap();
    let (status, said) = doctor(&other);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("1 accounts, 1 notifications"), "{said}");
    let server = Server::start(&other, &[]);
    let id = accepted["id"].as_str().unwrap();
    let (status, notification) = server.api("GET", &format!("/v1/notifications/{id}"), None);
    assert_eq!((status, &notification["pending"]), (200, &json!(1)));
}

#[test]
fn a_backup_of_nothing_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let said = complaint(&backup(dir.path(), &dir.path().join("copy.db")), 1);
    assert!(said.contains("no database"), "{said}");
    assert!(!dir.path().join("copy.db").exists());
}

#[test]
fn the_doctor_finds_a_healthy_server_healthy() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data, &[]);
    let (status, said) = doctor(&data);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("one is running"), "{said}");
    assert!(!said.contains("WRONG"), "{said}");
    assert_eq!(server.api("GET", "/readyz", None).0, 200);
    let (status, _, _) = server.stop();
    assert_eq!(status.code(), Some(0));
    assert!(doctor(&data).1.contains("none is running"));
}

#[test]
fn the_doctor_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    assert_eq!(doctor(&data).0, Some(1), "there is no such directory");
    drop(Server::start(&data, &[]).stop());

    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    let (status, said) = doctor(&data);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("chmod 700"), "{said}");
    fs::set_permissions(&data, Permissions::from_mode(0o700)).unwrap();
    assert_eq!(doctor(&data).0, Some(0));

    let certificate = data.join("cert.pem");
    let pem = fs::read(&certificate).unwrap();
    fs::write(&certificate, "not a certificate").unwrap();
    let (status, said) = doctor(&data);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("WRONG  certificate"), "{said}");
    fs::write(&certificate, pem).unwrap();

    // Pages in the middle of the file are not what they were.
    let database = data.join("tidings.db");
    let mut bytes = fs::read(&database).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xa5);
    fs::write(&database, bytes).unwrap();
    let (status, said) = doctor(&data);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("WRONG  database"), "{said}");
    fs::write(&database, "something else entirely, and long enough to be looked at by anyone").unwrap();
    assert!(doctor(&data).1.contains("not a Tidings database"));
}

fn restore(file: &Path, data: &Path, more: &[&str]) -> std::process::Output {
    let arguments = ["restore", "--data-dir", data.to_str().unwrap(), file.to_str().unwrap()];
    run(&[&arguments[..], more].concat())
}

/// All files of a directory, but for the lock, which is left by who looks.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| !entry.file_name().to_str().unwrap().contains("lock"))
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    found.sort();
    found
}

#[test]
fn a_backup_finds_its_way_back_and_mixes_with_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (data, other, file) = (dir.path().join("data"), dir.path().join("new"), dir.path().join("copy.db"));
    let server = Server::start(&data, &[]);
    let user = |name: &str| json!({"username": name, "password": "secret"});
    assert_eq!(server.api("POST", "/v1/users", Some(user("alice"))).0, 201);
    assert!(backup(&data, &file).status.success());
    assert_eq!(server.api("POST", "/v1/users", Some(user("bob"))).0, 201);
    let said = complaint(&restore(&file, &data, &["--replace"]), 1);
    assert!(said.contains("a server is running"), "{said}");
    assert_eq!(server.api("GET", "/v1/users/bob", None).0, 200);
    drop(server);

    let before = files(&data);
    let said = complaint(&restore(&file, &data, &[]), 1);
    assert!(said.contains("not empty") && said.contains("--replace"), "{said}");
    for (broken, words) in [
        (dir.path().join("missing.db"), "missing.db"),
        (data.join("cert.pem"), "not a Tidings database"),
        (data.join("tidings.db"), "the database itself"),
        (damaged(&file), "is damaged"),
    ] {
        let said = complaint(&restore(&broken, &data, &["--replace"]), 1);
        assert!(said.contains(words), "{said}");
    }
    let said = complaint(&restore(&file, &data, &["--database", "postgres://x"]), 2);
    assert!(said.contains("--database"), "{said}");
    assert_eq!(files(&data), before, "nothing was changed");

    let restored = restore(&file, &data, &["--replace"]);
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    assert!(text(&restored.stderr).contains("1 accounts"), "{}", text(&restored.stderr));
    assert!(restore(&file, &other, &[]).status.success(), "a directory that is not there is made");
    assert_eq!(fs::metadata(&other).unwrap().permissions().mode() & 0o777, 0o700);
    for data in [data, other] {
        assert_eq!(doctor(&data).0, Some(0));
        let server = Server::start(&data, &[]);
        assert_eq!(server.api("GET", "/v1/users/alice", None).0, 200);
        assert_eq!(server.api("GET", "/v1/users/bob", None).0, 404);
    }
}

/// A copy of a backup with one content changed, as a disk does it.
fn damaged(backup: &Path) -> std::path::PathBuf {
    let damaged = backup.with_file_name("damaged.db");
    fs::copy(backup, &damaged).unwrap();
    let connection = rusqlite::Connection::open(&damaged).unwrap();
    connection.execute_batch("UPDATE accounts SET username = 'not a name@'").unwrap();
    damaged
}

#[test]
fn packages_find_a_manual_page_and_completions() {
    let page = run(&["man"]);
    assert!(page.status.success());
    let page = text(&page.stdout);
    for part in [".TH tidings 1", "TIDINGS SERVE", "TIDINGS ACCOUNT ADD", "data\\-dir", "restore"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let made = run(&["completions", shell]);
        assert!(made.status.success() && text(&made.stdout).contains("restore"), "{shell}");
    }
    assert!(complaint(&run(&["completions", "tcsh"]), 2).contains("bash"));
}
