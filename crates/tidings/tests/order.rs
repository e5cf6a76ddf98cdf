//! Order is the commit order: whoever sends, however many at once, a device gets notifications in
//! the order of the history, and of one collapse key it shows the newest last.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed test panics"
)]

mod common;

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::back_ends::BackEnds;
use common::server::{Home, Server};
use common::sightings::Sighting;
use common::wire::{Heard, Wire};
use common::{accounts, api, until};
use serde_json::{Value, json};
use tidings_xmpp::xml::Element;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const SENDERS: usize = 8;
/// 1,200 notifications.
const ROUNDS: usize = 150;
const RIVALS: usize = 6;
const COLLAPSE_ROUNDS: usize = 300;
/// A device that loses its network does so after this many notifications.
const RESUME_AFTER: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_account_gets_what_many_send_at_once_in_the_order_of_the_history() {
    in_order(|_| json!({ "user": "anna" })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broadcasts_of_many_senders_come_in_the_order_of_the_history() {
    in_order(|_| json!({ "all": true })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn direct_ones_topics_and_broadcasts_come_in_one_order() {
    in_order(|number| match number % 3 {
        0 => json!({ "user": "anna" }),
        1 => json!({ "all": true }),
        _ => json!({ "topic": "news" }),
    })
    .await;
}

async fn in_order(to: impl Fn(usize) -> Value) {
    let (home, server) = start().await;
    let device = Device::start(server.addresses.xmpps, "phone", None).await;
    send_in_step(&server, to).await;
    let history = history(&server).await;
    device.waits_for(|shown| shown.iter().collect::<HashSet<_>>().len() == history.len()).await;
    let shown = device.shown();
    assert_eq!(disorder(&shown, &history), 0, "of {} neighbours", shown.len() - 1);
    assert_eq!(shown, history, "each once");
    server.stop();
    drop(home);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_devices_of_an_account_each_get_the_order_of_the_history() {
    let (home, server) = start().await;
    let phone = Device::start(server.addresses.xmpps, "phone", None).await;
    let tablet = Device::start(server.addresses.xmpps, "tablet", None).await;
    send_in_step(
        &server,
        |number| if number % 2 == 0 { json!({ "user": "anna" }) } else { json!({ "all": true }) },
    )
    .await;
    nothing_pending(&server).await;
    let history = history(&server).await;
    let (phone, tablet) = (phone.shown(), tablet.shown());
    // What one of them has acknowledged, the other may not get any more.
    assert_eq!((disorder(&phone, &history), disorder(&tablet, &history)), (0, 0));
    let missing = history.iter().filter(|id| !phone.contains(id) && !tablet.contains(id)).count();
    assert_eq!(missing, 0);
    // Otherwise this says little.
    let common = history.iter().filter(|id| phone.contains(id) && tablet.contains(id)).count();
    assert!(common > history.len() / 2, "{common} of {} on both", history.len());
    server.stop();
    drop(home);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_outlives_resumptions() {
    let (home, server) = start().await;
    let device = Device::start(server.addresses.xmpps, "phone", Some(RESUME_AFTER)).await;
    send_in_step(
        &server,
        |number| if number % 2 == 0 { json!({ "user": "anna" }) } else { json!({ "all": true }) },
    )
    .await;
    let history = history(&server).await;
    device.waits_for(|shown| shown.iter().collect::<HashSet<_>>().len() == history.len()).await;
    // A repeat after a resumption is no disorder.
    let shown = first_times(device.shown());
    assert_eq!(disorder(&shown, &history), 0, "of {} neighbours", shown.len() - 1);
    assert_eq!(shown, history);
    assert!(device.resumed.load(Ordering::Relaxed) >= 5, "it resumed");
    server.stop();
    drop(home);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_collapse_key_the_newest_is_shown_last() {
    never_an_older_one_last(&["phone"], None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_collapse_key_the_newest_is_shown_last_on_both_devices() {
    never_an_older_one_last(&["phone", "tablet"], None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_collapse_key_the_newest_is_shown_last_after_resumptions() {
    never_an_older_one_last(&["phone"], Some(RESUME_AFTER)).await;
}

/// Rivals send with the same collapse key, and when a round is on every device, so does the next.
async fn never_an_older_one_last(resources: &[&str], resume_after: Option<usize>) {
    let (home, server) = start().await;
    let mut devices = Vec::new();
    for resource in resources {
        devices.push(Device::start(server.addresses.xmpps, resource, resume_after).await);
    }
    let mut rivals = BackEnds::connect(server.addresses.http, RIVALS).await;
    let mut referee = BackEnds::connect(server.addresses.http, 1).await;
    let mut rounds = Vec::new();
    for _ in 0..COLLAPSE_ROUNDS {
        let score = |number: usize| json!({ "to": { "user": "anna" }, "title": number.to_string(), "collapse_key": "score" });
        let scores = rivals.send(score).await;
        let end = referee.send(|_| json!({ "to": { "user": "anna" }, "title": "full time" })).await.remove(0);
        for device in &devices {
            device.waits_for(|shown| shown.contains(&end)).await;
        }
        rounds.push((scores, end));
    }
    nothing_pending(&server).await;
    let history = history(&server).await;
    let place: HashMap<_, _> = history.iter().enumerate().map(|(place, id)| (id, place)).collect();
    for device in devices {
        let shown = device.shown();
        let wrong = rounds.iter().filter(|(scores, end)| {
            let end = shown.iter().position(|id| id == end).unwrap();
            let last = shown[..end].iter().rfind(|id| scores.contains(id));
            last != scores.iter().max_by_key(|id| place[id])
        });
        let wrong = wrong.count();
        eprintln!("{}: {} shown, {wrong} times another than the newest last", device.resource, shown.len());
        assert_eq!(wrong, 0, "of {COLLAPSE_ROUNDS} rounds");
        assert_eq!(disorder(&first_times(shown), &history), 0);
        assert!(resume_after.is_none() || device.resumed.load(Ordering::Relaxed) >= 3, "it resumed");
    }
    server.stop();
    drop(home);
}

/// A server, and an account that everything is for.
async fn start() -> (Home, Server) {
    let home = Home::new().env("TIDINGS_LOG", "warn");
    accounts::create(&home.database(), ["anna".to_owned()], &["news"]).await;
    let server = home.start();
    (home, server)
}

/// Each of the senders sends once in each round, all at the same moment.
async fn send_in_step(server: &Server, to: impl Fn(usize) -> Value) {
    let mut senders = BackEnds::connect(server.addresses.http, SENDERS).await;
    for round in 0..ROUNDS {
        senders.send(|number| json!({ "to": to(number), "title": format!("{round}-{number}") })).await;
    }
}

/// The ids of all that was accepted, oldest first.
async fn history(server: &Server) -> Vec<String> {
    let newest_first = api::notifications(server.addresses.http).await;
    newest_first.iter().rev().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

async fn nothing_pending(server: &Server) {
    let pending =
        async || api::ask(server.addresses.http, "GET", "/v1/stats", None).await.body["pending"].as_u64();
    until("delivery", Duration::from_secs(30), pending, |pending| *pending == Some(0)).await;
}

/// How many are shown right after one that is newer.
fn disorder(shown: &[String], history: &[String]) -> usize {
    let place: HashMap<_, _> = history.iter().enumerate().map(|(place, id)| (id, place)).collect();
    let wrong = shown.windows(2).filter(|pair| place[&pair[0]] >= place[&pair[1]]).count();
    eprintln!("{} shown, {wrong} neighbours in another order than the history's", shown.len());
    wrong
}

fn first_times(mut shown: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    shown.retain(|id| seen.insert(id.clone()));
    shown
}

/// A device that notes what it is shown, repeats included, and acknowledges when it is asked to.
struct Device {
    resource: String,
    shown: watch::Receiver<Vec<String>>,
    resumed: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Device {
    /// Logs in; when this returns, the server knows it as available. With `resume_after` it loses
    /// its connection each time it was shown so many, and resumes.
    async fn start(xmpps: SocketAddr, resource: &str, resume_after: Option<usize>) -> Self {
        let (mut wire, resumption) = Wire::session(xmpps, "anna", resource).await.unwrap();
        wire.say("<iq type='get' id='there' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
            .await
            .unwrap();
        // Besides the answer there is the presence of a sibling.
        let mut handled = 0;
        while {
            handled += 1;
            wire.element().await.unwrap().name() != "iq"
        } {}
        let ((noted, shown), resumed) = (watch::channel(Vec::new()), Arc::default());
        let memory =
            Memory { xmpps, resumption, handled, resume_after, shown: noted, resumed: Arc::clone(&resumed) };
        let task = tokio::spawn(async move {
            if let Err(error) = memory.live(wire).await {
                eprintln!("a device ended: {error}");
            }
        });
        Self { resource: resource.to_owned(), shown, resumed, task }
    }

    fn shown(&self) -> Vec<String> {
        self.shown.borrow().clone()
    }

    async fn waits_for(&self, done: impl FnMut(&Vec<String>) -> bool) {
        let mut shown = self.shown.clone();
        let found = timeout(Duration::from_secs(30), shown.wait_for(done)).await.map(|found| found.is_ok());
        assert_eq!(found, Ok(true), "{} were shown", self.shown.borrow().len());
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a device keeps when its connection is gone.
struct Memory {
    xmpps: SocketAddr,
    resumption: String,
    handled: u32,
    resume_after: Option<usize>,
    shown: watch::Sender<Vec<String>>,
    resumed: Arc<AtomicU32>,
}

impl Memory {
    async fn live(mut self, mut wire: Wire) -> io::Result<()> {
        let mut since_login = 0;
        while let Heard::Stanza(element) = wire.hear().await? {
            since_login += usize::from(self.note(&element));
            match element.name() {
                "r" => wire.acknowledge(self.handled).await?,
                "iq" | "message" | "presence" => self.handled += 1,
                _ => {}
            }
            if self.resume_after.is_some_and(|after| since_login >= after) {
                since_login = 0;
                wire = Wire::connect(self.xmpps).await?;
                wire.authenticate("anna").await?;
                assert!(wire.resume(&self.resumption, self.handled).await?, "the session waits for it");
                self.resumed.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn note(&self, element: &Element) -> bool {
        let sighting = Sighting::of(element);
        let note = |id: String| self.shown.send_modify(|shown| shown.push(id));
        sighting.map(|sighting| note(sighting.id)).is_some()
    }
}
