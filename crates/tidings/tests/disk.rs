//! A disk that is full, fails, is read-only or tears what was written last: senders are told, sessions
//! live, and what was accepted is there afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed test panics"
)]

mod common;

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use common::device::{Device, Kind};
use common::disk::{EIO, EROFS, Shim, SmallDisk};
use common::random::Rng;
use common::server::{Home, Server};
use common::wire::Wire;
use common::{accounts, api, until};
use serde_json::{Value, json};
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(60);
/// Megabytes that a server may grow by while its disk does not take anything.
const GROWTH_KIB: u64 = 64 * 1024;

fn names() -> [String; 2] {
    ["phone".to_owned(), "away".to_owned()]
}

fn body(title: &str, bytes: usize) -> Value {
    json!({ "to": { "all": true }, "title": title, "message": "x".repeat(bytes) })
}

async fn post(http: SocketAddr, title: &str, bytes: usize) -> api::Answer {
    let body = body(title, bytes);
    api::request(http, "POST", "/v1/notifications", Some(&body), None).await.expect("an answer comes")
}

/// A refusal that a sender can make something of.
fn assert_problem(answer: &api::Answer, status: &[u16], kind: &str) {
    assert!(status.contains(&answer.status), "{} {}", answer.status, answer.body);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.head);
    assert_eq!(answer.body["type"], format!("urn:tidings:problem:{kind}"));
    assert!(answer.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    assert!(answer.status != 503 || answer.header("retry-after").is_some(), "{}", answer.head);
}

/// Sends until it is accepted again, as a sender that was told to come back does.
async fn accepted_again(http: SocketAddr, title: &str) -> String {
    for _ in 0..500 {
        let answer = post(http, title, 100).await;
        if answer.status == 202 {
            return answer.body["id"].as_str().expect("an id").to_owned();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the server does not recover");
}

/// A session lives: it is answered.
async fn ping(wire: &mut Wire) {
    wire.say("<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>").await.unwrap();
    while wire.await_element("iq").await.unwrap().attribute("id") != Some("p") {}
}

async fn titles(server: &Server) -> Vec<String> {
    let mut titles: Vec<_> = api::notifications(server.addresses.http)
        .await
        .iter()
        .map(|one| one["title"].as_str().unwrap_or_default().to_owned())
        .collect();
    titles.reverse();
    titles
}

/// Waits until both devices have seen all of these, and nothing is pending.
async fn all_delivered(server: &Server, devices: &[&Device], ids: &[String]) {
    let state = async || {
        let stats = api::ask(server.addresses.http, "GET", "/v1/stats", None).await.body;
        (stats["pending"].clone(), devices.iter().map(|device| device.seen()).collect::<Vec<_>>())
    };
    until("delivery", PATIENCE, state, |(pending, _)| *pending == 0).await;
    for device in devices {
        let seen = device.first_sightings();
        for id in ids {
            assert!(seen.iter().any(|sighting| sighting.id == *id), "{}: {id}", device.label());
        }
        assert_eq!(device.complaints(), Vec::<String>::new(), "{}", device.label());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_recovers() {
    let mut rng = Rng::of_environment("disk");
    let home = Home::new();
    let Some(disk) = SmallDisk::mount(&home.beside("disk"), 16) else { return };
    let data = home.beside("disk").join("data");
    let home = home.data_at(&data);
    accounts::create(&home.database(), names(), &[]).await;
    let server = home.start();
    let http = server.addresses.http;
    let (to, place) = watch::channel(Some(server.addresses.xmpps));
    let phone = Device::start("phone", "r", Kind::Managed, place.clone(), rng.fork());
    let (mut witness, _) = Wire::session(server.addresses.xmpps, "phone", "witness").await.unwrap();
    witness.say("<presence type='unavailable'/>").await.unwrap();

    let mut accepted = Vec::new();
    for n in 0..20 {
        let answer = post(http, &format!("before {n}"), 1000).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        accepted.push(answer.body["id"].as_str().expect("an id").to_owned());
    }
    disk.fill();
    // The log's file may have room of its own for a while.
    let mut refusals = 0;
    for n in 0..2000 {
        let answer = post(http, &format!("full {n}"), 30_000).await;
        match answer.status {
            202 => accepted.push(answer.body["id"].as_str().expect("an id").to_owned()),
            _ => {
                assert_problem(&answer, &[503], "disk-full");
                refusals += 1;
            }
        }
        if refusals == 20 {
            break;
        }
    }
    assert_eq!(refusals, 20, "the disk is full");
    let (before, _) = server.memory();
    for n in 0..200 {
        let answer = post(http, &format!("full and refused {n}"), 30_000).await;
        if answer.status == 202 {
            accepted.push(answer.body["id"].as_str().expect("an id").to_owned());
        }
        if n % 20 == 0 {
            ping(&mut witness).await;
            assert_eq!(api::ask(http, "GET", "/v1/notifications?limit=5", None).await.status, 200);
        }
    }
    let (after, _) = server.memory();
    assert!(after < before + GROWTH_KIB, "{before} KiB, then {after} KiB");
    // Devices may still log in: that needs no room.
    let (mut late, _) = Wire::session(server.addresses.xmpps, "phone", "late").await.unwrap();
    ping(&mut late).await;
    drop(late);

    disk.free();
    accepted.push(accepted_again(http, "after").await);
    let away = Device::start("away", "r", Kind::Receipts, place.clone(), rng.fork());
    all_delivered(&server, &[&phone, &away], &accepted).await;
    ping(&mut witness).await;

    // Killed while it is full: it comes back, or says in one line why not, and loses nothing.
    disk.fill();
    for n in 0..50 {
        let answer = post(http, &format!("full again {n}"), 20_000).await;
        if answer.status == 202 {
            accepted.push(answer.body["id"].as_str().expect("an id").to_owned());
        }
    }
    to.send_replace(None);
    server.kill();
    let log = home.log().len();
    match home.spawn().ready() {
        Ok(server) => server.kill(),
        Err(said) => {
            assert!(said.contains("exit status: 1"), "{said}");
            let why = home.log()[log..].to_owned();
            assert_eq!(why.lines().count(), 1, "one line: {why}");
            eprintln!("on a full disk: {}", why.trim());
        }
    }
    assert!(!home.log().contains("panicked"), "{}", home.log());
    disk.free();
    let server = home.start();
    to.send_replace(Some(server.addresses.xmpps));
    accepted.push(accepted_again(server.addresses.http, "at last").await);
    all_delivered(&server, &[&phone, &away], &accepted).await;
    server.stop();
    assert_eq!(accounts::verify_counters(&home.database()).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_disk_refuses_and_recovers() {
    let mut rng = Rng::of_environment("disk");
    let home = Home::new();
    let Some(shim) = Shim::build(&home) else { return };
    let home = shim.under(home);
    shim.heal();
    accounts::create(&home.database(), names(), &[]).await;
    let mut server = home.start();
    let (to, place) = watch::channel(Some(server.addresses.xmpps));
    let phone = Device::start("phone", "r", Kind::Managed, place.clone(), rng.fork());
    let away = Device::start("away", "r", Kind::Legacy, place, rng.fork());
    let mut accepted = Vec::new();
    let faults = [format!("write {EIO}"), format!("sync {EIO}"), format!("write {EROFS}")];
    for (round, fault) in faults.iter().cycle().take(9).enumerate() {
        for n in 0..rng.within(1..=10) {
            let answer = post(server.addresses.http, &format!("{round}-{n}"), 1000).await;
            assert_eq!(answer.status, 202, "{fault}: {}", answer.body);
            accepted.push(answer.body["id"].as_str().expect("an id").to_owned());
        }
        shim.now(fault);
        for n in 0..20 {
            let answer = post(server.addresses.http, &format!("refused {round}-{n}"), 20_000).await;
            assert_problem(&answer, &[503], "store-failed");
            let detail = answer.body["detail"].as_str().unwrap_or_default();
            assert!(!detail.contains("tidings.db"), "no paths for strangers: {detail}");
        }
        assert_eq!(
            api::ask(server.addresses.http, "GET", "/v1/notifications?limit=5", None).await.status,
            200
        );
        let (mut wire, _) = Wire::session(server.addresses.xmpps, "phone", "other").await.unwrap();
        ping(&mut wire).await;
        drop(wire);
        let crash = round % 3 == 2;
        if crash {
            to.send_replace(None);
            server.kill();
            shim.heal();
            server = home.start();
            to.send_replace(Some(server.addresses.xmpps));
        } else {
            shim.heal();
        }
        accepted.push(accepted_again(server.addresses.http, &format!("after {round}")).await);
        all_delivered(&server, &[&phone, &away], &accepted).await;
    }
    let (now, most) = server.memory();
    eprintln!("failing disk: {} accepted, {now} KiB, {most} KiB at most", accepted.len());
    server.stop();
    assert_eq!(accounts::verify_counters(&home.database()).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_holds_up_senders_and_nobody_else() {
    let mut rng = Rng::of_environment("disk");
    let home = Home::new();
    let Some(shim) = Shim::build(&home) else { return };
    let home = shim.under(home);
    shim.heal();
    accounts::create(&home.database(), names(), &[]).await;
    let server = home.start();
    let (_to, place) = watch::channel(Some(server.addresses.xmpps));
    let phone = Device::start("phone", "r", Kind::Managed, place.clone(), rng.fork());
    let away = Device::start("away", "r", Kind::Legacy, place, rng.fork());
    let (mut wire, _) = Wire::session(server.addresses.xmpps, "phone", "other").await.unwrap();
    let mut accepted = Vec::new();
    for round in 0..3 {
        accepted.push(accepted_again(server.addresses.http, &format!("before {round}")).await);
        all_delivered(&server, &[&phone, &away], &accepted).await;
        shim.now("hang 1");
        // The first commits by itself, the others wait behind it.
        let http = server.addresses.http;
        let senders: Vec<_> = (0..4)
            .map(|n| tokio::spawn(async move { post(http, &format!("{round}-{n}"), 1000).await }))
            .collect();
        for n in 0..8 {
            ping(&mut wire).await;
            let (mut newcomer, _) =
                Wire::session(server.addresses.xmpps, "away", &format!("new{n}")).await.unwrap();
            ping(&mut newcomer).await;
            assert_eq!(api::ask(http, "GET", "/v1/notifications?limit=5", None).await.status, 200);
        }
        assert!(senders.iter().all(|sender| !sender.is_finished()), "accepted before it was on disk");
        shim.heal();
        for sender in senders {
            let answer = sender.await.unwrap();
            assert_eq!(answer.status, 202, "{}", answer.body);
            accepted.push(answer.body["id"].as_str().expect("an id").to_owned());
        }
        all_delivered(&server, &[&phone, &away], &accepted).await;
    }
    server.stop();
    assert_eq!(accounts::verify_counters(&home.database()).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_disk_is_named_at_the_start() {
    let home = Home::new();
    let Some(disk) = SmallDisk::mount(&home.beside("disk"), 16) else { return };
    let data = home.beside("disk").join("data");
    let home = home.data_at(&data);
    accounts::create(&home.database(), names(), &[]).await;
    let server = home.start();
    let answer = post(server.addresses.http, "kept", 100).await;
    assert_eq!(answer.status, 202);
    server.stop();

    disk.remount("ro");
    let log = home.log().len();
    let said = home.spawn().ready().err().expect("nothing can be accepted here");
    assert!(said.contains("exit status: 1"), "{said}");
    let why = home.log()[log..].to_owned();
    assert_eq!(why.lines().count(), 1, "one line: {why}");
    assert!(why.to_lowercase().contains("read-only"), "{why}");
    let doctor = home.run(&["doctor"]);
    let words = String::from_utf8_lossy(&doctor.stdout).to_lowercase();
    assert_eq!(doctor.status.code(), Some(1), "{words}");
    assert!(words.contains("read-only"), "{words}");

    disk.remount("rw");
    let server = home.start();
    assert_eq!(titles(&server).await, ["kept"]);
    assert_eq!(post(server.addresses.http, "more", 100).await.status, 202);
    server.stop();
    assert_eq!(accounts::verify_counters(&home.database()).await, Vec::<String>::new());
}

/// What a power failure leaves of the log's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tear {
    /// Bytes that were never written whole follow the last commit.
    Garbage,
    /// A frame of before follows it, as in a file that is used again.
    Stale,
    /// The end is missing, which costs what it held.
    Short,
    /// One bit of the end is wrong, which costs what follows it.
    Flipped,
}

impl Tear {
    /// Whether what was answered must have survived it: only what follows the last
    /// commit was touched.
    fn spares_commits(self) -> bool {
        matches!(self, Self::Garbage | Self::Stale)
    }

    fn inflict(self, home: &Home, rng: &mut Rng) {
        const HEADER: u64 = 32;
        const FRAME: u64 = 24 + 4096;
        let log = home.data().join("tidings.db-wal");
        let file = OpenOptions::new().read(true).write(true).open(log).expect("a log");
        let length = file.metadata().unwrap().len();
        let frames = length.saturating_sub(HEADER) / FRAME;
        if frames < 4 {
            return;
        }
        let end = HEADER + frames * FRAME;
        match self {
            Self::Garbage => {
                let junk: Vec<u8> = (0..rng.within(1..=3 * FRAME)).map(|_| rng.next() as u8).collect();
                file.write_all_at(&junk, end).unwrap();
            }
            Self::Stale => {
                let mut frame = vec![0; FRAME as usize];
                file.read_exact_at(&mut frame, HEADER + rng.below(frames) * FRAME).unwrap();
                file.write_all_at(&frame, end).unwrap();
            }
            Self::Short => file.set_len(length - rng.within(1..=3 * FRAME)).unwrap(),
            Self::Flipped => {
                let at = end - rng.within(1..=3 * FRAME);
                let mut byte = [0];
                file.read_exact_at(&mut byte, at).unwrap();
                file.write_all_at(&[byte[0] ^ (1 << rng.below(8))], at).unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_log_gives_back_whole_commits_and_nothing_else() {
    let mut rng = Rng::of_environment("disk");
    let home = Home::new();
    accounts::create(&home.database(), names(), &[]).await;
    let mut known = Vec::<String>::new();
    let mut costs = 0;
    let tears = [Tear::Garbage, Tear::Short, Tear::Stale, Tear::Flipped];
    for (round, tear) in tears.into_iter().cycle().take(16).enumerate() {
        let server = home.start();
        let http = server.addresses.http;
        // One after the other, so that the order of answers is the order of commits.
        let sender = tokio::spawn(async move {
            let mut answered = Vec::new();
            for n in 0..100_000 {
                let title = format!("{round}-{n}");
                let body = body(&title, 700);
                match api::request(http, "POST", "/v1/notifications", Some(&body), None).await {
                    Ok(answer) if answer.status == 202 => answered.push(title),
                    _ => break,
                }
            }
            answered
        });
        tokio::time::sleep(Duration::from_millis(rng.within(50..=400))).await;
        server.kill();
        let answered = sender.await.unwrap();
        let before = known.len();
        known.extend(answered);
        tear.inflict(&home, &mut rng);

        let server = home.start();
        let found = titles(&server).await;
        // The last request may have been committed without an answer.
        let kept = found.iter().zip(&known).take_while(|(found, known)| found == known).count();
        assert!(found.len() <= kept + 1, "{tear:?}: whole commits, in their order, and one more at most");
        assert!(kept >= before, "{tear:?}: what an earlier start had taken over is safe");
        if tear.spares_commits() {
            assert_eq!(kept, known.len(), "{tear:?}: what was answered is there");
        }
        costs += known.len() - kept;
        known = found;
        assert_eq!(post(server.addresses.http, &format!("{round}-mark"), 10).await.status, 202);
        known.push(format!("{round}-mark"));
        server.stop();
        assert_eq!(accounts::verify_counters(&home.database()).await, Vec::<String>::new(), "{tear:?}");
    }
    eprintln!("torn log: {} notifications known, {costs} torn off by hand", known.len());
}
