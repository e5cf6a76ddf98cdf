//! The schedule: what happens next, decided by the seed.

mod checks;

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tidings_core::audit::Actor;
use tidings_core::bus::{Bus, LocalBus};
use tidings_core::clock::Clock;
use tidings_core::config::Config;
use tidings_core::model::{
    Audience, Content, NewAccount, NotificationId, Priority, ScramKeys, Sender, Timestamp, Topic, Username,
};
use tidings_core::notification::{AcceptError, Accepted, Request};
use tidings_core::session::{Connection, Control, Peer};
use tidings_core::store::prelude::*;
use tidings_core::{Core, Ports};
use tidings_store::MemoryStore;
use tidings_xmpp::sasl::{ScramHash, TlsBinding, derive_keys};
use tokio::time::Instant;

use crate::bus::FaultyBus;
use crate::device::{Device, Kind};
use crate::rng::{Rng, SeededRandom};

/// Senders that wait for their answers at the same time.
const MAX_SENDERS: usize = 6;

/// How long and how wild a schedule is.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Devices. The first two may be one account's.
    pub devices: usize,
    /// Steps before everything is allowed to heal.
    pub steps: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self { devices: 3, steps: 250 }
    }
}

/// What a schedule came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcome {
    /// Notifications accepted.
    pub accepted: usize,
    /// Copies seen by devices, repeats included.
    pub sightings: usize,
    /// Connections cut.
    pub cuts: usize,
}

struct FakeClock(AtomicI64);

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// The server, its devices, and the bytes between them.
pub struct World {
    rng: Rng,
    /// One a node.
    cores: Vec<Arc<Core>>,
    store: Arc<MemoryStore>,
    /// The bus, in half of the schedules.
    faulty: Arc<FaultyBus>,
    clock: Arc<FakeClock>,
    ends: Vec<End>,
    accounts: Vec<Username>,
    sent: Vec<Sent>,
    sending: Vec<Sending>,
    outcome: Outcome,
}

struct End {
    device: Device,
    /// Which of the accounts.
    account: usize,
    server: Option<Connection>,
    /// Bytes on their way to the device.
    to_device: Vec<u8>,
    /// What was sent from this number on is owed to the device's session.
    owed_from: Option<usize>,
    topics: HashSet<&'static str>,
}

impl End {
    /// The server's transport is gone. False where it was before.
    fn hang_up(&mut self) -> bool {
        let server = self.server.take();
        server.map(|server| server.closed(Instant::now())).is_some()
    }

    /// Bytes have come to the device, when so many were sent.
    fn arrived(&mut self, bytes: &[u8], sent: usize) {
        self.device.receive(bytes);
        match (self.device.available(), self.owed_from) {
            (true, None) => self.owed_from = Some(sent),
            (false, Some(_)) => self.owed_from = None,
            _ => {}
        }
    }

    /// For the report of a broken promise.
    fn state(&self, id: &str) -> String {
        let server = self
            .server
            .as_ref()
            .map(|server| (server.established(), server.backpressured(), server.deadline()));
        let device = &self.device;
        format!(
            "{}: ready {}, saw it {}, {} bytes on the way down; server (established, backpressured, deadline) {server:?}",
            device.label(),
            device.ready(),
            device.seen.iter().any(|seen| seen == id),
            self.to_device.len(),
        )
    }
}

struct Sent {
    /// Known once the sender has its answer.
    id: Option<NotificationId>,
    /// The accounts that must get it in the end; `None` where it may end otherwise (cancelled, replaced,
    /// unsubscribed).
    certain: Option<Vec<usize>>,
}

/// A sender that has no answer yet. What it sends is committed at its first poll.
struct Sending {
    number: usize,
    future: Pin<Box<dyn Future<Output = Result<Accepted, AcceptError>>>>,
}

const TOPICS: [&str; 2] = ["news", "sport"];

/// Plays the schedule that `seed` determines; panics where a promise is broken.
pub fn run(seed: u64, plan: Plan) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(seed, plan).await;
        for _ in 0..plan.steps {
            world.step().await;
        }
        world.heal().await;
        world.check().await;
        for core in &world.cores {
            core.stop().await;
        }
        world.outcome
    })
}

impl World {
    async fn new(seed: u64, plan: Plan) -> Self {
        let mut rng = Rng::new(seed);
        let mut config = Config { domain: "push.test".into(), ..Config::default() };
        config.session.window = 1 + rng.below(8);
        config.session.resume_seconds = if rng.one_in(4) { 0 } else { 60 };
        config.session.inactive_hold_seconds = 30;
        config.limits.stanzas_per_second = 0;
        config.limits.outgoing_bytes = 512 + rng.below(4096);
        let lateness = Mutex::new(Rng::new(rng.draw()));
        let store = Arc::new(MemoryStore::new().with_late_answers(move || lateness.lock().below(4)));
        let clock = Arc::new(FakeClock(AtomicI64::new(1_800_000_000_000)));
        let (mut ends, mut accounts) = (Vec::<End>::new(), Vec::new());
        for index in 0..plan.devices {
            let mut kind = [Kind::Managed, Kind::Receipts, Kind::Legacy, Kind::Managed][rng.below(4)];
            let sibling = index == 1 && rng.one_in(2);
            if !sibling {
                let account = Username::parse(&format!("account{}", accounts.len())).unwrap();
                store.create_account(new_account(&account)).await.unwrap();
                accounts.push(account);
            } else if ends.iter().all(|end| end.device.kind == Kind::Legacy) {
                // Their resource is always the same: two would take it from each other for ever.
                kind = Kind::Managed;
            }
            let resource = if sibling { "tablet" } else { "phone" };
            ends.push(End {
                device: Device::new(accounts[accounts.len() - 1].to_string(), resource, kind, rng.one_in(2)),
                account: accounts.len() - 1,
                server: None,
                to_device: Vec::new(),
                owed_from: None,
                topics: HashSet::new(),
            });
        }
        let random = Arc::new(SeededRandom::new(rng.draw()));
        let faulty = Arc::new(FaultyBus::new(Rng::new(rng.draw())));
        let bus: Arc<dyn Bus> =
            if rng.one_in(2) { Arc::clone(&faulty) as _ } else { Arc::new(LocalBus::default()) };
        let mut cores = Vec::new();
        for node in 0..if rng.one_in(3) { 2 } else { 1 } {
            let store: Arc<dyn Store> = match node {
                0 => Arc::clone(&store) as _,
                _ => Arc::new(store.another_handle()),
            };
            let ports = Ports {
                store,
                bus: Arc::clone(&bus),
                cluster: None,
                clock: Arc::clone(&clock) as _,
                random: Arc::clone(&random) as _,
            };
            cores.push(Core::start(config.clone(), ports).await.unwrap());
        }
        Self {
            rng,
            cores,
            store,
            faulty,
            clock,
            ends,
            accounts,
            sent: Vec::new(),
            sending: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    async fn step(&mut self) {
        let index = self.rng.below(self.ends.len());
        match self.rng.below(36) {
            0 => self.cut(index),
            1..=3 if self.ends[index].server.is_none() => self.connect(index),
            4..=6 => self.send(),
            32..=35 => self.go_on(),
            7 => self.cancel().await,
            8 => {
                let millis = 200 + self.rng.below(20_000) as u64;
                self.pass(Duration::from_millis(millis)).await;
            }
            9 => self.jump(),
            10 => self.chatter(index),
            11..=19 => self.carry_up(index).await,
            _ => self.carry_down(index).await,
        }
        self.let_run().await;
    }

    fn connect(&mut self, index: usize) {
        let tls = TlsBinding { version: "TLSv1.3", server_end_point: None, exporter: None };
        let peer = Peer { address: ([127, 0, 0, 1], 1000).into() };
        let node = self.rng.below(self.cores.len());
        let end = &mut self.ends[index];
        // Sometimes the old connection lives on for the server: a half-open link.
        end.server = Some(self.cores[node].connect(peer, Some(tls), Instant::now()));
        end.to_device.clear();
        end.device.connect();
    }

    fn cut(&mut self, index: usize) {
        let end = &mut self.ends[index];
        if end.hang_up() {
            self.outcome.cuts += 1;
        }
        end.to_device.clear();
        end.device.disconnect();
    }

    /// Some bytes of what the device said reach the server.
    async fn carry_up(&mut self, index: usize) {
        let end = &mut self.ends[index];
        let Some(outgoing) = end.device.outgoing() else { return };
        if outgoing.is_empty() {
            return;
        }
        let count = amount(&mut self.rng, outgoing.len());
        let bytes: Vec<u8> = outgoing.drain(..count).collect();
        let Some(server) = &mut end.server else { return };
        if server.receive(&bytes, Instant::now(), &mut end.to_device).await == Control::Close {
            end.hang_up();
        }
    }

    /// What waits for the session is written, and some bytes of it reach the device.
    async fn carry_down(&mut self, index: usize) {
        self.wake(index).await;
        let end = &mut self.ends[index];
        if !end.to_device.is_empty() {
            let count = amount(&mut self.rng, end.to_device.len());
            let bytes: Vec<u8> = end.to_device.drain(..count).collect();
            end.arrived(&bytes, self.sent.len());
        } else if end.server.is_none() {
            end.device.disconnect();
        }
    }

    async fn wake(&mut self, index: usize) {
        let end = &mut self.ends[index];
        let Some(server) = &mut end.server else { return };
        let woken = tokio::time::timeout(Duration::ZERO, server.woken()).await.is_ok();
        let drained = server.backpressured() && end.to_device.is_empty();
        let mut control = Control::Continue;
        if woken || drained {
            control = server.wake(end.to_device.len(), Instant::now(), &mut end.to_device).await;
        }
        if control != Control::Close && server.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            control = server.timeout(Instant::now(), &mut end.to_device).await;
        }
        if control == Control::Close {
            end.hang_up();
        }
    }

    /// A sender asks; others may be waiting for their answers.
    fn send(&mut self) {
        if self.sending.len() >= MAX_SENDERS {
            return self.go_on();
        }
        let rng = &mut self.rng;
        let priority = Priority::DESCENDING[rng.below(3)];
        let number = self.sent.len();
        let text = number.to_string();
        let accounts = self.accounts.len();
        let (audience, mut certain) = match rng.below(4) {
            0 => (Audience::All, Some((0..accounts).collect())),
            1 => {
                // Subscriptions change while this is under way, so no account is certain to get it.
                (Audience::Topic(Topic::parse(TOPICS[rng.below(2)]).unwrap()), None)
            }
            2 => {
                let users: Vec<usize> = (0..accounts).filter(|_| rng.one_in(2)).collect();
                if users.is_empty() {
                    return;
                }
                (Audience::Users(users.iter().map(|i| self.accounts[*i].clone()).collect()), Some(users))
            }
            _ => {
                let user = rng.below(accounts);
                (Audience::Users(vec![self.accounts[user].clone()]), Some(vec![user]))
            }
        };
        let content = Content { message: Some(text), ..Content::default() };
        let mut request = Request::new(Sender::Operator("ada".into()), audience, content);
        request.priority = priority;
        if rng.one_in(5) {
            request.collapse_key = Some(format!("key{}", rng.below(2)));
            certain = None;
        }
        match rng.below(8) {
            0 => {
                request.ttl = Some(Duration::from_secs(rng.below(30) as u64));
                certain = None;
            }
            1 => request.send_at = Some(self.clock.now().plus(Duration::from_secs(rng.below(40) as u64))),
            _ => {}
        }
        let core = Arc::clone(&self.cores[self.rng.below(self.cores.len())]);
        let future = Box::pin(async move { core.notification.accept(request).await });
        self.sent.push(Sent { id: None, certain });
        self.sending.push(Sending { number, future });
        self.poll_sender(self.sending.len() - 1);
    }

    /// One of those that wait looks whether its answer has come, or waits no longer.
    fn go_on(&mut self) {
        if self.sending.is_empty() {
            return;
        }
        let index = self.rng.below(self.sending.len());
        if self.rng.one_in(12) {
            // It is accepted, and nothing that follows needs the sender.
            self.sending.swap_remove(index);
            self.outcome.accepted += 1;
        } else {
            self.poll_sender(index);
        }
    }

    fn poll_sender(&mut self, index: usize) {
        let sending = &mut self.sending[index];
        let polled = sending.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(accepted) = polled {
            self.sent[sending.number].id = Some(accepted.unwrap().id);
            self.sending.swap_remove(index);
            self.outcome.accepted += 1;
        }
    }

    async fn cancel(&mut self) {
        if self.sent.is_empty() || !self.rng.one_in(3) {
            return;
        }
        let index = self.rng.below(self.sent.len());
        if let Some(id) = self.sent[index].id {
            let node = self.rng.below(self.cores.len());
            self.cores[node].notification.cancel(&Actor::CommandLine, id).await.unwrap();
            self.sent[index].certain = None;
        }
    }

    /// Something that a device may say at any time.
    fn chatter(&mut self, index: usize) {
        let topic = TOPICS[self.rng.below(2)];
        let end = &mut self.ends[index];
        if !end.device.ready() {
            return;
        }
        match self.rng.below(5) {
            0 => {
                end.topics.insert(topic);
                end.device.say(&format!(
                    "<iq type='set' id='s'><subscribe xmlns='urn:tidings:push:1' topic='{topic}'/></iq>"
                ));
            }
            1 => {
                end.topics.remove(topic);
                end.device.say(&format!(
                    "<iq type='set' id='u'><unsubscribe xmlns='urn:tidings:push:1' topic='{topic}'/></iq>"
                ));
            }
            2 => end.device.say("<inactive xmlns='urn:xmpp:csi:0'/>"),
            3 => end.device.say("<active xmlns='urn:xmpp:csi:0'/>"),
            _ => end.device.say("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"),
        }
    }

    async fn pass(&mut self, span: Duration) {
        self.clock.0.fetch_add(i64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
        tokio::time::sleep(span).await;
    }

    /// The operator corrects the wall clock, by up to an hour either way. Forward
    /// jumps expire nothing here: the default time to live is weeks.
    fn jump(&mut self) {
        if self.rng.one_in(4) {
            let span = self.rng.below(7_200_000) as i64 - 3_600_000;
            self.clock.0.fetch_add(span, Ordering::SeqCst);
        }
    }

    async fn let_run(&self) {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }

    /// The network is good again; scheduled ones come due; every device drains.
    async fn heal(&mut self) {
        while !self.sending.is_empty() {
            self.poll_sender(0);
            self.let_run().await;
        }
        self.faulty.heal();
        // Further than all jumps back together.
        self.clock.0.fetch_add(40 * 3_600_000, Ordering::SeqCst);
        let mut quiet = 0;
        for _ in 0..20_000 {
            let before: usize = self.ends.iter().map(|end| end.device.sightings).sum();
            let mut moved = false;
            for index in 0..self.ends.len() {
                if self.ends[index].server.is_none() {
                    self.cut(index);
                    self.connect(index);
                    moved = true;
                }
                loop {
                    let end = &mut self.ends[index];
                    let waiting = end.device.outgoing().is_some_and(|bytes| !bytes.is_empty());
                    if !waiting {
                        break;
                    }
                    moved = true;
                    self.carry_up(index).await;
                    if self.ends[index].server.is_none() {
                        break;
                    }
                }
                self.wake(index).await;
                let end = &mut self.ends[index];
                if !end.to_device.is_empty() {
                    moved = true;
                    let bytes = std::mem::take(&mut end.to_device);
                    end.arrived(&bytes, self.sent.len());
                }
            }
            self.pass(Duration::from_millis(300)).await;
            self.let_run().await;
            let after: usize = self.ends.iter().map(|end| end.device.sightings).sum();
            quiet = if moved || before != after { 0 } else { quiet + 1 };
            // Longer than low priority waits for an inactive client.
            if quiet > 120 {
                return;
            }
        }
        panic!("the world does not come to rest");
    }
}

/// All of it, or up to some byte boundary.
fn amount(rng: &mut Rng, available: usize) -> usize {
    if rng.one_in(3) { 1 + rng.below(available) } else { available }
}

fn new_account(username: &Username) -> NewAccount {
    let keys = |hash| {
        // One iteration: a simulation logs in a great many times.
        let (stored_key, server_key) = derive_keys(hash, "secret", b"salt", 1);
        ScramKeys { salt: b"salt".to_vec(), iterations: 1, stored_key, server_key }
    };
    NewAccount {
        username: username.clone(),
        name: None,
        email: None,
        sha1: keys(ScramHash::Sha1),
        sha256: keys(ScramHash::Sha256),
        created_at: Timestamp(0),
    }
}
