//! A network that stalls, cuts and half-closes, and crowds that never read: everything arrives, and
//! those who read pay nothing for those who do not.
//!
//! `TIDINGS_CROWD=1000` has the crowds of the full size; the default keeps debug builds short.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed test panics"
)]

mod common;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::device::{Device, Kind};
use common::proxy::Proxy;
use common::random::Rng;
use common::server::{Home, Server};
use common::wire::{Wire, Word};
use common::{accounts, api, setting, until};
use serde_json::json;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_network_delays_and_loses_nothing() {
    const SENT: usize = 400;
    const NAMES: [&str; 4] = ["managed", "receipts", "legacy", "pair"];
    let mut rng = Rng::of_environment("proxy");
    let home = Home::new();
    accounts::create(&home.database(), NAMES.map(str::to_owned), &[]).await;
    let server = home.start();
    let proxy = Proxy::start(server.addresses.xmpps, rng.fork()).await;
    let (_to, place) = watch::channel(Some(proxy.address));
    let mut device = |name, resource, kind| Device::start(name, resource, kind, place.clone(), rng.fork());
    let devices = [
        device("managed", "phone", Kind::Managed),
        device("receipts", "phone", Kind::Receipts),
        device("legacy", "AndroidpnClient", Kind::Legacy),
        device("pair", "phone", Kind::Managed),
        device("pair", "tablet", Kind::Managed),
    ];
    let mut sent = Vec::new();
    for number in 0..SENT {
        let priority = *rng.pick(&["low", "normal", "high"]);
        let body = json!({ "to": { "all": true }, "title": format!("{number}"), "priority": priority,
            "message": "x".repeat(rng.below(3000) as usize) });
        sent.push((api::send(server.addresses.http, &body).await, priority));
        tokio::time::sleep(Duration::from_millis(rng.below(20))).await;
    }
    proxy.calm();
    let pending = async || {
        let stats = api::ask(server.addresses.http, "GET", "/v1/stats", None).await.body;
        (stats["pending"].as_u64(), stats["delivered"].as_u64())
    };
    until("delivery", PATIENCE, pending, |(pending, _)| *pending == Some(0)).await;

    let numbers: HashMap<_, _> =
        sent.iter().enumerate().map(|(n, (id, priority))| (id, (n, *priority))).collect();
    for name in NAMES {
        let own: Vec<_> = devices.iter().filter(|device| device.name == name).collect();
        for (id, _) in &sent {
            let seen = own.iter().any(|device| device.first_sightings().iter().any(|seen| seen.id == *id));
            assert!(seen, "{name}: {id} was settled and not seen");
        }
    }
    for device in &devices {
        assert_eq!(device.complaints(), Vec::<String>::new(), "{}", device.label());
        let mut newest = HashMap::new();
        for sighting in device.first_sightings() {
            let (number, priority) = numbers[&sighting.id];
            let before = newest.insert(priority, number);
            assert!(before < Some(number), "{}: {before:?}, then {number}", device.label());
        }
        let (bound, resumed) = device.sessions();
        eprintln!(
            "  {}: {bound} sessions bound, {resumed} resumed, {} seen again",
            device.label(),
            device.repeats()
        );
    }
    eprintln!("proxy: {:?}", proxy.deeds);
    assert!(proxy.deeds.cuts.load(Ordering::Relaxed) > 0, "the network was bad");
    drop(devices);
    server.stop();
    assert_eq!(accounts::verify_counters(&home.database()).await, Vec::<String>::new());
}

/// Stanzas that may wait for one connection, and then its last one, in the clear, encrypted and on
/// its way: what a peer that does not read may cost, in KiB.
const OUTGOING_KIB: u64 = 64;
const STALLED_KIB: u64 = OUTGOING_KIB + 128;
/// What everything else may take meanwhile: the readers' share, the store, the allocator.
const REST_KIB: u64 = 64 * 1024;

/// Notifications in a broadcast, and the bytes of one; a stanza carries them twice.
const NOTIFICATIONS: u64 = 40;
const BYTES: usize = 16 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_never_read_cost_a_bounded_sum_and_nobody_else_anything() {
    let crowd = setting("TIDINGS_CROWD", 200);
    let home = Home::new()
        .set(&format!("limits.outgoing_bytes={}", OUTGOING_KIB * 1024))
        .set("limits.stall_seconds=3")
        // Those who were dropped are gone, and can be counted.
        .set("session.resume_seconds=0");
    let readers = (0..crowd).map(|n| format!("reader-{n}"));
    let stalled = (0..crowd).map(|n| format!("stalled-{n}"));
    accounts::create(&home.database(), readers, &["readers"]).await;
    accounts::create(&home.database(), stalled, &[]).await;
    let server = home.start();

    let read = Arc::new(AtomicU64::new(0));
    let gate = Arc::new(Semaphore::new(16));
    let mut reading = Vec::new();
    for n in 0..crowd {
        reading.push(reader(&server, format!("reader-{n}"), &gate, &read));
    }
    sessions_become(&server, crowd).await;
    let alone = broadcast(&server, &json!({ "topic": "readers" }), &read, crowd).await;

    let silent: Vec<_> = (0..crowd).map(|n| never_reads(&server, format!("stalled-{n}"), &gate)).collect();
    let mut held = Vec::new();
    for task in silent {
        held.push(task.await.expect("it logs in"));
    }
    let (before, _) = server.memory();
    let together = broadcast(&server, &json!({ "all": true }), &read, crowd).await;
    let (_, most) = server.memory();
    let bound = before + crowd * STALLED_KIB + REST_KIB;
    eprintln!(
        "crowds of {crowd}: readers alone {alone:?}, beside as many who never read {together:?} ({:.2} times); \
         {before} KiB before, {most} KiB at most, {bound} KiB allowed",
        together.as_secs_f64() / alone.as_secs_f64()
    );
    assert!(most < bound, "{most} KiB at most, {bound} KiB allowed");
    // Those who never read are dropped; the others are all there.
    sessions_become(&server, crowd).await;
    for reader in reading {
        assert!(!reader.is_finished(), "readers stay connected");
        reader.abort();
    }
    drop(held);
    server.stop();
    assert_eq!(accounts::verify_counters(&home.database()).await, Vec::<String>::new());
}

/// Sends a broadcast and waits until every reader has read all of it.
async fn broadcast(server: &Server, to: &serde_json::Value, read: &AtomicU64, crowd: u64) -> Duration {
    let wanted = read.load(Ordering::Relaxed) + crowd * NOTIFICATIONS;
    let begin = Instant::now();
    for n in 0..NOTIFICATIONS {
        let body = json!({ "to": to, "title": format!("{n}"), "message": "x".repeat(BYTES) });
        api::send(server.addresses.http, &body).await;
    }
    until("the broadcast", PATIENCE, async || read.load(Ordering::Relaxed), |read| *read >= wanted).await;
    assert_eq!(read.load(Ordering::Relaxed), wanted, "each got each once");
    begin.elapsed()
}

async fn sessions_become(server: &Server, wanted: u64) {
    let sessions = async || {
        let stats = api::ask(server.addresses.http, "GET", "/v1/stats", None).await.body;
        stats["sessions"].as_u64().expect("a figure")
    };
    until("sessions", PATIENCE, sessions, |found| *found == wanted).await;
}

/// A device that reads, acknowledges, and counts what it gets.
fn reader(server: &Server, name: String, gate: &Arc<Semaphore>, read: &Arc<AtomicU64>) -> JoinHandle<()> {
    let (to, gate, read) = (server.addresses.xmpps, Arc::clone(gate), Arc::clone(read));
    tokio::spawn(async move {
        let turn = gate.acquire().await.expect("a turn");
        let (mut wire, _) = Wire::session(to, &name, "phone").await.expect("a session");
        drop(turn);
        let mut handled = 0;
        loop {
            match wire.word().await.expect("the stream goes on") {
                Word::Message => {
                    handled += 1;
                    read.fetch_add(1, Ordering::Relaxed);
                }
                Word::OtherStanza => handled += 1,
                Word::Request => wire.acknowledge(handled).await.expect("the stream goes on"),
                Word::Other => {}
                Word::End => return,
            }
        }
    })
}

/// A device that is available, and from then on reads nothing.
fn never_reads(server: &Server, name: String, gate: &Arc<Semaphore>) -> JoinHandle<Wire> {
    let (to, gate) = (server.addresses.xmpps, Arc::clone(gate));
    tokio::spawn(async move {
        let _turn = gate.acquire().await.expect("a turn");
        let mut wire = Wire::connect_narrow(to).await.expect("a connection");
        wire.authenticate(&name).await.expect("a login");
        wire.bind("phone").await.expect("a resource");
        wire.enable().await.expect("stream management");
        wire.available().await.expect("it is available");
        wire.say("<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
            .await
            .expect("asked");
        while wire.await_element("iq").await.expect("answered").attribute("id") != Some("p") {}
        wire
    })
}
