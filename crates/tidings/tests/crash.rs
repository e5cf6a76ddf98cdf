//! `202` is a promise: the server is killed at random moments while it accepts and
//! delivers, and in the end every accepted notification is on every device it was for.
//!
//! `TIDINGS_CRASH_KILLS=500` makes it a long run; `TIDINGS_SEED` has a failing one again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed test panics"
)]

mod common;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::device::{Device, Kind};
use common::random::Rng;
use common::server::Home;
use common::{accounts, api, setting, until};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

/// Accounts; the last one's device comes at the very end.
const NAMES: [&str; 6] = ["managed", "receipts", "legacy", "pair", "news-reader", "late"];
const TOPIC: &str = "news";
const PRIORITIES: [&str; 3] = ["low", "normal", "high"];
/// Notifications that one sender sends between two crashes, at most.
const MOST: u64 = 40;

/// A notification that was answered with 202.
#[derive(Debug, Clone)]
struct Accepted {
    id: String,
    /// `sender-number`: a sender numbers its own.
    title: String,
    priority: &'static str,
    recipients: Vec<&'static str>,
    /// It was sent to be released later, so its place is not its number's.
    scheduled: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_outlives_any_number_of_crashes() {
    let kills = setting("TIDINGS_CRASH_KILLS", 50);
    let mut rng = Rng::of_environment("crash");
    let home = Home::new().env("TIDINGS_LOG", "warn");
    accounts::create(&home.database(), NAMES.map(str::to_owned), &[]).await;

    let (http, http_place) = watch::channel(None);
    let (xmpps, place) = watch::channel(None);
    let mut devices = [
        Device::start("managed", "phone", Kind::Managed, place.clone(), rng.fork()),
        Device::start("receipts", "phone", Kind::Receipts, place.clone(), rng.fork()),
        Device::start("legacy", "AndroidpnClient", Kind::Legacy, place.clone(), rng.fork()),
        Device::start("pair", "phone", Kind::Managed, place.clone(), rng.fork()),
        Device::start("pair", "tablet", Kind::Receipts, place.clone(), rng.fork()),
        Device::start("news-reader", "phone", Kind::Managed, place.clone(), rng.fork()),
    ]
    .into_iter()
    .collect::<Vec<_>>();

    // A first life, to subscribe to the topic.
    let server = home.start();
    for name in ["news-reader", "legacy"] {
        let path = format!("/v1/topics/{TOPIC}/subscribers/{name}");
        let answer = api::ask(server.addresses.http, "PUT", &path, None).await;
        assert!((200..300).contains(&answer.status), "{}", answer.body);
    }
    server.kill();

    let stop = Arc::new(AtomicBool::new(false));
    let accepted = Arc::<Mutex<Vec<Accepted>>>::default();
    let lives = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let senders: Vec<_> = (0..2)
        .map(|number| {
            let sender = Sender {
                number,
                rng: rng.fork(),
                http: http_place.clone(),
                accepted: Arc::clone(&accepted),
                stop: Arc::clone(&stop),
                lives: Arc::clone(&lives),
            };
            tokio::spawn(sender.run())
        })
        .collect();

    let mut early = 0;
    for kill in 0..kills {
        let starting = home.spawn();
        if rng.chance(10) {
            // Before it is ready, wherever it may be.
            sleep(Duration::from_millis(rng.below(60))).await;
            starting.kill();
            early += 1;
            continue;
        }
        let server = match starting.ready() {
            Ok(server) => server,
            Err(said) => panic!("after {kill} kills: {said}\n{}", home.log_tail()),
        };
        lives.fetch_add(1, Ordering::Relaxed);
        http.send_replace(Some(server.addresses.http));
        xmpps.send_replace(Some(server.addresses.xmpps));
        sleep(Duration::from_millis(rng.below(600))).await;
        server.kill();
        http.send_replace(None);
        xmpps.send_replace(None);
    }

    // The last life ends well.
    let server = home.start();
    http.send_replace(Some(server.addresses.http));
    xmpps.send_replace(Some(server.addresses.xmpps));
    devices.push(Device::start("late", "phone", Kind::Managed, place, rng.fork()));
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.expect("a sender ends well");
    }
    let accepted = accepted.lock().unwrap().clone();
    let delivered = delivered_everywhere(server.addresses.http, accepted.len()).await;

    let repeats: u32 = devices.iter().map(Device::repeats).sum();
    eprintln!(
        "crash: {kills} kills ({early} before it was ready), {} accepted, {} copies delivered, {repeats} seen again",
        accepted.len(),
        accepted.iter().map(|accepted| accepted.recipients.len()).sum::<usize>(),
    );
    for device in &devices {
        let (bound, resumed) = device.sessions();
        eprintln!("  {}: {} seen, {bound} sessions bound, {resumed} resumed", device.label(), device.seen());
    }
    server.stop();

    check_counters(&accepted, &delivered);
    for name in NAMES {
        let owned: Vec<_> = devices.iter().filter(|device| device.name == name).collect();
        check_account(name, &owned, &accepted);
    }
    for device in &devices {
        assert_eq!(device.complaints(), Vec::<String>::new(), "{}", device.label());
    }
    assert_eq!(accounts::verify_counters(&home.database()).await, Vec::<String>::new());
    assert!(!accepted.is_empty(), "something was accepted");
}

/// Waits until nothing is pending any more; all notifications.
async fn delivered_everywhere(http: SocketAddr, expected: usize) -> Vec<Value> {
    let stats = async || {
        let stats = api::ask(http, "GET", "/v1/stats", None).await.body;
        (stats["pending"].as_u64(), stats["scheduled"].as_u64(), stats["delivered"].as_u64())
    };
    until("delivery", Duration::from_secs(60), stats, |(pending, scheduled, _)| {
        assert!(pending.is_some(), "/v1/stats says how much is pending");
        *pending == Some(0) && scheduled.unwrap_or(0) == 0
    })
    .await;
    let all = api::notifications(http).await;
    assert_eq!(all.len(), expected, "a repeat with the same key makes no second one");
    all
}

fn check_counters(accepted: &[Accepted], found: &[Value]) {
    let by_id: HashMap<_, _> =
        found.iter().map(|one| (one["id"].as_str().unwrap_or_default(), one)).collect();
    for accepted in accepted {
        let one = by_id.get(accepted.id.as_str());
        let one = one.unwrap_or_else(|| panic!("{} is gone: {accepted:?}", accepted.id));
        let recipients = accepted.recipients.len() as u64;
        assert_eq!(api::counters(one), [recipients, recipients, 0, 0, 0, 0], "{accepted:?}");
        assert_eq!(one["title"], accepted.title.as_str());
    }
}

/// Everything for this account is on one of its devices, and each saw what it saw in order.
fn check_account(name: &str, devices: &[&Device], accepted: &[Accepted]) {
    let wanted: HashMap<_, _> = accepted
        .iter()
        .filter(|accepted| accepted.recipients.contains(&name))
        .map(|accepted| (accepted.id.clone(), accepted))
        .collect();
    let seen: HashSet<_> =
        devices.iter().flat_map(|device| device.first_sightings()).map(|sighting| sighting.id).collect();
    let missing: Vec<_> = wanted.iter().filter(|(id, _)| !seen.contains(*id)).map(|(_, one)| one).collect();
    assert!(missing.is_empty(), "{name}: never delivered: {missing:?}");
    let strange: Vec<_> = seen.iter().filter(|id| !wanted.contains_key(*id)).collect();
    assert!(strange.is_empty(), "{name}: delivered, and not for it: {strange:?}");

    for device in devices {
        let mut newest = HashMap::<(&str, &str), u64>::new();
        for sighting in device.first_sightings() {
            let Some(one) = wanted.get(&sighting.id).filter(|one| !one.scheduled) else { continue };
            let (sender, number) = one.title.split_once('-').expect("sender-number");
            let number = number.parse().expect("a number");
            let before = newest.insert((sender, one.priority), number);
            assert!(before < Some(number), "{}: {before:?}, then {one:?}", device.label());
        }
    }
}

/// Sends one after the other; repeats what got no answer until it gets one.
struct Sender {
    number: u32,
    rng: Rng,
    http: watch::Receiver<Option<SocketAddr>>,
    accepted: Arc<Mutex<Vec<Accepted>>>,
    stop: Arc<AtomicBool>,
    /// How often the server was started.
    lives: Arc<std::sync::atomic::AtomicU64>,
}

impl Sender {
    async fn run(mut self) {
        let (mut life, mut sent) = (0, 0);
        for number in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            while sent >= MOST && life == self.lives.load(Ordering::Relaxed) {
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                sleep(Duration::from_millis(5)).await;
            }
            if life != self.lives.load(Ordering::Relaxed) {
                (life, sent) = (self.lives.load(Ordering::Relaxed), 0);
            }
            sent += 1;
            self.one(number).await;
        }
    }

    async fn one(&mut self, number: u64) {
        let priority = *self.rng.pick(&PRIORITIES);
        let (to, recipients) = self.audience();
        let title = format!("{}-{number}", self.number);
        let mut body = json!({ "to": to, "title": title, "message": "x".repeat(self.rng.below(400) as usize),
            "priority": priority });
        let scheduled = self.rng.chance(5);
        if scheduled {
            // The API takes seconds and fractions of them.
            let at = time::OffsetDateTime::now_utc() + Duration::from_millis(self.rng.below(1500));
            let format = time::format_description::well_known::Rfc3339;
            body["send_at"] = at.format(&format).expect("a time").into();
        }
        let id = self.accepted(&body, &title).await;
        let one = Accepted { id, title, priority, recipients, scheduled };
        self.accepted.lock().unwrap().push(one);
    }

    fn audience(&mut self) -> (Value, Vec<&'static str>) {
        match self.rng.below(4) {
            0 => (json!({ "all": true }), NAMES.to_vec()),
            1 => (json!({ "topic": TOPIC }), vec!["news-reader", "legacy"]),
            2 => {
                let name = *self.rng.pick(&NAMES);
                (json!({ "user": name }), vec![name])
            }
            _ => {
                let some: Vec<_> = NAMES.into_iter().filter(|_| self.rng.chance(50)).collect();
                if some.is_empty() {
                    return (json!({ "all": true }), NAMES.to_vec());
                }
                (json!({ "users": some }), some)
            }
        }
    }

    /// Sends until it is accepted.
    async fn accepted(&mut self, body: &Value, title: &str) -> String {
        let key = format!("key-{title}");
        loop {
            let at = *self.http.borrow_and_update();
            let Some(at) = at else {
                self.http.changed().await.expect("there is another life");
                continue;
            };
            match api::request(at, "POST", "/v1/notifications", Some(body), Some(&key)).await {
                Ok(answer) if answer.status == 202 => {
                    return answer.body["id"].as_str().expect("an id").to_owned();
                }
                Ok(answer) if answer.status == 503 || answer.status == 429 => {}
                Ok(answer) => panic!("{title}: {} {}", answer.status, answer.body),
                // Nobody knows whether that was accepted: again, with the same key.
                Err(_) => {}
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}
