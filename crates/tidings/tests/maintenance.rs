//! Copies made while the server works, what the doctor says of a data directory that is not well, and
//! databases of other versions.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a failed test panics"
)]

mod common;

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::device::{Device, Kind};
use common::random::Rng;
use common::server::Home;
use common::{accounts, api, until};
use serde_json::json;
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(60);

/// What the doctor says, and whether it is content.
fn doctor(home: &Home) -> (bool, String) {
    let output = home.run(&["doctor"]);
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{said}");
    (output.status.success(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_made_under_load_is_whole() {
    let mut rng = Rng::of_environment("maintenance");
    let home = Home::new();
    accounts::create(&home.database(), ["here".to_owned(), "away".to_owned()], &[]).await;
    let server = home.start();
    let http = server.addresses.http;
    let (_to, place) = watch::channel(Some(server.addresses.xmpps));
    let here = Device::start("here", "r", Kind::Managed, place, rng.fork());

    let (accepted, stop) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(AtomicBool::new(false)));
    let (answered, stopping) = (Arc::clone(&accepted), Arc::clone(&stop));
    let sender = tokio::spawn(async move {
        for n in 0.. {
            if stopping.load(Ordering::Relaxed) {
                return;
            }
            let to = if n % 2 == 0 { json!({ "all": true }) } else { json!({ "users": ["here", "away"] }) };
            let body = json!({ "to": to, "title": format!("{n}"), "message": "x".repeat(2000) });
            let id = api::send(http, &body).await;
            answered.lock().unwrap().push(id);
        }
    });
    let accepted_so_far = || accepted.lock().unwrap().len();
    let mut copies = Vec::new();
    for number in 0..5 {
        let more = accepted_so_far() + 20;
        until("acceptance", PATIENCE, async || accepted_so_far(), |count| *count >= more).await;
        let file = home.beside(&format!("copy-{number}.db"));
        let before = accepted_so_far();
        let made = home.run(&["backup", file.to_str().expect("a path")]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        copies.push((file, before));
    }
    stop.store(true, Ordering::Relaxed);
    sender.await.expect("the sender ends well");
    server.stop();
    drop(here);
    let accepted = accepted.lock().unwrap().clone();

    for (file, before) in copies {
        let other = Home::new();
        fs::create_dir(other.data()).unwrap();
        fs::set_permissions(other.data(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::copy(&file, other.database()).unwrap();
        assert_eq!(accounts::verify_counters(&other.database()).await, Vec::<String>::new());
        let server = other.start();
        let mut found: Vec<_> = api::notifications(server.addresses.http)
            .await
            .iter()
            .map(|one| one["id"].as_str().unwrap_or_default().to_owned())
            .collect();
        found.reverse();
        assert!(found.len() >= before, "what was accepted before the copy is in it");
        // One more may have been committed than answered by then.
        assert_eq!(found, accepted[..found.len()], "and what follows, in order, without a gap");
        // It is a server again: who was away gets all of it.
        let (_to, place) = watch::channel(Some(server.addresses.xmpps));
        let away = Device::start("away", "r", Kind::Managed, place, rng.fork());
        until("delivery", PATIENCE, async || away.seen(), |seen| *seen >= found.len()).await;
        let ids: Vec<_> = away.first_sightings().into_iter().map(|sighting| sighting.id).collect();
        assert_eq!(ids, found);
        drop(away);
        server.stop();
        assert!(doctor(&other).0, "{}", doctor(&other).1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_counts_again() {
    let home = Home::new();
    accounts::create(&home.database(), ["phone".to_owned()], &[]).await;
    let server = home.start();
    api::send(server.addresses.http, &json!({ "to": { "user": "phone" }, "title": "one" })).await;
    server.stop();
    let (well, said) = doctor(&home);
    assert!(well, "{said}");

    let database = rusqlite::Connection::open(home.database()).unwrap();
    database.execute("UPDATE notifications SET delivered = delivered + 1", []).unwrap();
    drop(database);
    let (well, said) = doctor(&home);
    assert!(!well, "{said}");
    assert!(said.contains("WRONG  database") && said.contains("delivered"), "{said}");
}

#[test]
fn the_doctor_reads_certificates() {
    let home = Home::new();
    home.start().stop();
    let (chain, key) = (home.beside("chain.pem"), home.beside("key.pem"));
    let expiring = |days: i64| {
        let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let now = time::OffsetDateTime::now_utc();
        parameters.not_before = now - time::Duration::days(400);
        parameters.not_after = now + time::Duration::days(days);
        let pair = rcgen::KeyPair::generate().unwrap();
        fs::write(&chain, parameters.self_signed(&pair).unwrap().pem()).unwrap();
        fs::write(&key, pair.serialize_pem()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let settings = [("tls.certificate", &chain), ("tls.key", &key)];
        let settings = settings.map(|(name, path)| format!("{name}={}", path.display()));
        let output = home.run(&["doctor", "--set", &settings[0], "--set", &settings[1]]);
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (well, said) = expiring(-1);
    assert!(!well && said.contains("WRONG  certificate") && said.contains("expired"), "{said}");
    let (well, said) = expiring(3);
    assert!(!well && said.contains("WRONG  certificate") && said.contains("expires in"), "{said}");
    let (well, said) = expiring(90);
    assert!(well && said.contains("ok     certificate"), "{said}");
}

/// A server that does not start says why in one line, and leaves the database as it is.
fn refused(home: &Home, why: &str) {
    let before = fs::read(home.database()).unwrap();
    let log = home.log().len();
    let said = home.spawn().ready().err().expect("it does not start");
    assert!(said.contains("exit status: 1"), "{said}");
    let words = home.log()[log..].to_owned();
    assert_eq!(words.lines().count(), 1, "one line: {words}");
    assert!(words.contains(why), "{words}");
    assert_eq!(fs::read(home.database()).unwrap(), before, "it was left alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_of_others_are_left_alone() {
    let home = Home::new();
    accounts::create(&home.database(), ["phone".to_owned()], &[]).await;
    let server = home.start();
    let id = api::send(server.addresses.http, &json!({ "to": { "user": "phone" }, "title": "one" })).await;

    // Two servers on one directory.
    let log = home.log().len();
    let said = home.spawn().ready().err().expect("it does not start");
    assert!(said.contains("exit status: 1"), "{said}");
    assert!(home.log()[log..].contains("in use"), "{}", &home.log()[log..]);
    assert_eq!(api::figures(server.addresses.http, &id).await, [1, 0, 0, 1, 0, 0]);
    server.stop();

    // A version from the future: SQLite's user_version, at byte 60 of the file.
    let file = fs::OpenOptions::new().read(true).write(true).open(home.database()).unwrap();
    let mut version = [0; 4];
    file.read_exact_at(&mut version, 60).unwrap();
    file.write_all_at(&9999u32.to_be_bytes(), 60).unwrap();
    refused(&home, "newer version");
    file.write_all_at(&version, 60).unwrap();

    // Back to its own: everything is there.
    let server = home.start();
    assert_eq!(api::figures(server.addresses.http, &id).await, [1, 0, 0, 1, 0, 0]);
    server.stop();
    fs::write(home.database(), "this is no database, whatever it may be called").unwrap();
    refused(&home, "not a Tidings database");
}

/// Whatever was damaged, and wherever: the doctor sees it or it does not matter, and nothing panics.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_database_is_never_served_in_silence() {
    let mut rng = Rng::of_environment("maintenance");
    let home = Home::new();
    accounts::create(&home.database(), (0..20).map(|n| format!("phone-{n}")), &["news"]).await;
    let server = home.start();
    for n in 0..60 {
        let to =
            if n % 3 == 0 { json!({ "all": true }) } else { json!({ "user": format!("phone-{}", n % 20) }) };
        api::send(server.addresses.http, &json!({ "to": to, "title": format!("{n}") })).await;
    }
    server.stop();
    let intact = fs::read(home.database()).unwrap();
    let pages = intact.len() as u64 / 4096;
    let (mut seen, mut refused) = (0, 0);
    for round in 0..12 {
        let mut damaged = intact.clone();
        // A page's first bytes say what it is; elsewhere SQLite may not care, or notice.
        let within = if round % 2 == 0 { 0 } else { rng.below(4000) };
        let start = (rng.within(1..=pages - 1) * 4096 + within) as usize;
        damaged.iter_mut().skip(start).take(96).for_each(|byte| *byte ^= 0x5a);
        fs::write(home.database(), &damaged).unwrap();
        for name in ["tidings.db-wal", "tidings.db-shm"] {
            fs::remove_file(home.data().join(name)).ok();
        }
        let (well, said) = doctor(&home);
        seen += usize::from(!well);
        assert!(!said.contains("panicked"), "{said}");
        match home.spawn().ready() {
            Ok(server) => {
                // It answers, be it with an error.
                let answer =
                    api::ask(server.addresses.http, "GET", "/v1/notifications?limit=100", None).await;
                assert!(well || answer.status == 200 || answer.status >= 500, "{}", answer.status);
                server.terminate();
                assert!(server.ended().0.success());
            }
            Err(said) => {
                assert!(said.contains("exit status: 1"), "{said}");
                refused += 1;
            }
        }
    }
    eprintln!("damaged: of 12, the doctor saw {seen}, {refused} were refused");
    assert!(!home.log().contains("panicked"), "{}", home.log_tail());
    assert!(seen > 0, "damage is seen");
}
