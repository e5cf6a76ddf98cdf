//! A server core over an in-memory store, and devices that speak literal XML to it.
#![allow(clippy::unwrap_used, clippy::panic, dead_code, missing_docs, reason = "each test file uses a part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use base64::Engine;
use tidings_core::audit::Actor;
use tidings_core::auth::RegistrationRequest;
use tidings_core::clock::{Clock, SystemRandom};
use tidings_core::config::Config;
use tidings_core::model::{Audience, Content, Counters, NotificationId, Sender, Timestamp, Username};
use tidings_core::notification::{Accepted, Request};
use tidings_core::session::{Connection, Control, Peer};
use tidings_core::store::Store;
use tidings_core::{Core, Ports};
use tidings_store::MemoryStore;
use tidings_xmpp::sasl::TlsBinding;
use tokio::time::Instant;

/// Wall-clock time that only moves when told to.
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn new() -> Self {
        Self(AtomicI64::new(1_800_000_000_123))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

pub struct World {
    pub core: Arc<Core>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<TestClock>,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { domain: "push.test".into(), ..Config::default() };
        change(&mut config);
        let clock = Arc::new(TestClock::new());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let ports = Ports::local(Arc::clone(&store), Arc::clone(&clock) as _, Arc::new(SystemRandom));
        let core = Core::start(config, ports).await.unwrap();
        Self { core, store, clock }
    }

    /// Moves wall-clock and tokio time, so that whatever is due happens.
    pub async fn pass(&self, span: Duration) {
        self.clock.0.fetch_add(span.as_millis() as i64, Ordering::SeqCst);
        tokio::time::sleep(span).await;
        self.settle().await;
    }

    /// Lets tasks run until what was caused has happened.
    pub async fn settle(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        self.core.notification.settled().await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    pub async fn account(&self, name: &str) {
        let request = RegistrationRequest {
            username: name.into(),
            password: "secret".into(),
            ..RegistrationRequest::default()
        };
        self.core.auth.create_account(&Actor::CommandLine, request).await.unwrap();
    }

    pub async fn send(&self, audience: Audience, message: &str) -> Accepted {
        self.send_with(audience, message, |_| {}).await
    }

    pub async fn send_with(
        &self,
        audience: Audience,
        message: &str,
        change: impl FnOnce(&mut Request),
    ) -> Accepted {
        let content = Content { message: Some(message.into()), ..Content::default() };
        let mut request = Request::new(Sender::Operator("ada".into()), audience, content);
        change(&mut request);
        let accepted = self.core.notification.accept(request).await.unwrap();
        self.settle().await;
        accepted
    }

    pub async fn counters(&self, id: NotificationId) -> Counters {
        self.settle().await;
        let disagreements = self.store.verify_counters().await.unwrap();
        assert_eq!(disagreements, Vec::<String>::new(), "counters agree");
        self.core.notification.get(id).await.unwrap().unwrap().counters
    }

    pub fn connect(&self) -> Device {
        self.connect_over("TLSv1.3")
    }

    pub fn connect_over(&self, version: &'static str) -> Device {
        let tls = TlsBinding { version, server_end_point: Some([7; 32].into()), exporter: None };
        let peer = Peer { address: "192.0.2.1:40000".parse().unwrap() };
        Device { connection: Some(self.core.connect(peer, Some(tls), Instant::now())) }
    }

    /// Connects and logs in by PLAIN.
    pub async fn device(&self, name: &str, resource: &str) -> Device {
        let mut device = self.authenticated(name).await;
        let bound = device
            .send(&format!(
                "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind></iq>"
            ))
            .await;
        assert!(bound.contains(&format!("<jid>{name}@push.test/{resource}</jid>")), "{bound}");
        device
    }

    pub async fn authenticated(&self, name: &str) -> Device {
        let mut device = self.connect();
        let features = device.open().await;
        assert!(features.contains("<mechanism>PLAIN</mechanism>"), "{features}");
        let plain = base64::engine::general_purpose::STANDARD.encode(format!("\0{name}\0secret"));
        let success = device
            .send(&format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>"))
            .await;
        assert!(success.contains("<success"), "{success}");
        let features = device.open().await;
        assert!(features.contains("urn:ietf:params:xml:ns:xmpp-bind"), "{features}");
        device
    }

    /// Connects, logs in and becomes available; what came at once is returned.
    pub async fn available(&self, name: &str, resource: &str) -> (Device, String) {
        let mut device = self.device(name, resource).await;
        let received = device.send("<presence/>").await;
        (device, received)
    }
}

pub struct Device {
    connection: Option<Connection>,
}

impl Device {
    pub async fn open(&mut self) -> String {
        self.send("<?xml version='1.0'?><stream:stream to='push.test' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>").await
    }

    /// Sends XML and gives what the server answers at once. A closed connection answers no more.
    pub async fn send(&mut self, xml: &str) -> String {
        let Some(connection) = &mut self.connection else { return String::new() };
        let mut out = Vec::new();
        let control = connection.receive(xml.as_bytes(), Instant::now(), &mut out).await;
        if control == Control::Close {
            self.cut();
        }
        String::from_utf8(out).unwrap()
    }

    /// What the server sends on its own by now.
    pub async fn receive(&mut self) -> String {
        let mut all = Vec::new();
        while let Some(connection) = &mut self.connection {
            let woken = tokio::time::timeout(Duration::from_millis(1), connection.woken()).await.is_ok();
            if !woken && !connection.backpressured() {
                break;
            }
            let mut out = Vec::new();
            if connection.wake(0, Instant::now(), &mut out).await == Control::Close {
                self.cut();
            }
            all.extend_from_slice(&out);
        }
        String::from_utf8(all).unwrap()
    }

    /// What the server sends because time has passed.
    pub async fn time_passed(&mut self) -> String {
        let mut out = Vec::new();
        if let Some(connection) = &mut self.connection
            && connection.timeout(Instant::now(), &mut out).await == Control::Close
        {
            self.cut();
        }
        String::from_utf8(out).unwrap()
    }

    /// How long the server does not read from the device.
    pub fn paused(&self) -> Duration {
        let until = self.connection.as_ref().and_then(Connection::paused_until);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// How long until time makes the server do something.
    pub fn time_left(&self) -> Option<Duration> {
        let deadline = self.connection.as_ref()?.deadline()?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    pub fn is_open(&self) -> bool {
        self.connection.is_some()
    }

    /// The network is gone without a word.
    pub fn cut(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.closed(Instant::now());
        }
    }
}

impl Device {
    /// The task that drives the connection is gone, without a word to the connection.
    pub fn abort(mut self) {
        drop(self.connection.take());
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.cut();
    }
}

pub fn to(name: &str) -> Audience {
    Audience::Users(vec![Username::parse(name).unwrap()])
}

/// The value of attribute `name` where it first appears.
pub fn attribute(xml: &str, name: &str) -> String {
    let start = xml.find(&format!(" {name}='")).unwrap_or_else(|| panic!("{name} in {xml}")) + name.len() + 3;
    xml[start..].split('\'').next().unwrap().to_owned()
}

/// Lets the time pass that a receipt may take, and answers the ping that follows.
pub async fn pong(world: &World, device: &mut Device) -> String {
    world.pass(Duration::from_secs(1)).await;
    let asked = device.time_passed().await;
    answer(device, &asked).await
}

/// Answers the server's ping in `xml`, the way a client that does not know pings does.
pub async fn answer(device: &mut Device, xml: &str) -> String {
    let ping = xml.find("<iq type='get' id='tidings-ping-").unwrap_or_else(|| panic!("a ping in {xml}"));
    let id = attribute(&xml[ping..], "id");
    device
        .send(&format!("<iq type='error' id='{id}'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"))
        .await
}
