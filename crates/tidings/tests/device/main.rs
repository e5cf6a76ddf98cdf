//! The device SDK against the real server over real sockets, with a proxy between the two
//! that can cut and stall.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers are the test")]

mod examples;
mod listen;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tidings_client::{
    Account, ClientError, Device, DeviceBuilder, KnownBy, Notification, Status, StatusUpdates, Trust,
};
use tidings_core::audit::Actor;
use tidings_core::clock::{Clock, SystemClock, SystemRandom};
use tidings_core::config::{Config, RegistrationPolicy};
use tidings_core::model::{Audience, Content, Counters, NotificationId, Sender, Topic, Username};
use tidings_core::notification::Request;
use tidings_core::{Core, Ports};
use tidings_net::{CertificateSource, Certificates, Server, Settings};
use tidings_store::{SqliteOptions, SqliteStore};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// More than anything takes on the slowest machine. Nothing is awaited for its duration.
const LIMIT: Duration = Duration::from_secs(60);

async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    timeout(LIMIT, work).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

struct World {
    dir: TempDir,
    config: Config,
    running: Option<(Arc<Core>, Server)>,
    xmpp: SocketAddr,
    xmpps: SocketAddr,
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

impl World {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { domain: "push.test".into(), ..Config::default() };
        change(&mut config);
        let dir = tempfile::tempdir().unwrap();
        let mut world = Self { dir, config, running: None, xmpp: local(0), xmpps: local(0) };
        world.start().await;
        world
    }

    async fn start(&mut self) {
        let store = SqliteStore::open(&self.dir.path().join("tidings.db"), SqliteOptions::default()).unwrap();
        let core = Core::start(
            self.config.clone(),
            Ports::local(Arc::new(store), Arc::new(SystemClock), Arc::new(SystemRandom)),
        )
        .await
        .unwrap();
        let certificates = Certificates::open(self.certificate(), SystemClock.now()).unwrap();
        let settings = Settings { xmpp: Some(self.xmpp), xmpps: Some(self.xmpps), ..Settings::default() };
        let server = Server::start(Arc::clone(&core), &settings, certificates).unwrap();
        self.xmpp = server.addresses().xmpp.unwrap();
        self.xmpps = server.addresses().xmpps.unwrap();
        self.running = Some((core, server));
    }

    async fn stop(&mut self) {
        let (core, server) = self.running.take().unwrap();
        assert_eq!(server.shutdown(LIMIT).await, 0, "every stream is told and closed");
        core.stop().await;
    }

    fn core(&self) -> &Arc<Core> {
        &self.running.as_ref().unwrap().0
    }

    fn certificate(&self) -> CertificateSource {
        CertificateSource::SelfSigned { directory: self.dir.path().join("tls"), domain: "push.test".into() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn device(&self, address: SocketAddr) -> DeviceBuilder {
        Device::builder(address.ip().to_string())
            .port(address.port())
            .account_file(self.file("device.json"))
            .reconnect_delays(Duration::from_millis(5), Duration::from_millis(50))
    }

    async fn send(&self, audience: Audience, title: &str) -> NotificationId {
        self.send_content(audience, Content { title: Some(title.into()), ..Content::default() }).await
    }

    async fn send_content(&self, audience: Audience, content: Content) -> NotificationId {
        self.core()
            .notification
            .accept(Request::new(Sender::Operator("ada".into()), audience, content))
            .await
            .unwrap()
            .id
    }

    /// Waits until the counters of a notification are so.
    async fn counters(&self, id: NotificationId, wanted: impl Fn(&Counters) -> bool) -> Counters {
        soon("settlement", async {
            loop {
                self.core().notification.settled().await;
                let record = self.core().notification.get(id).await.unwrap().unwrap();
                if wanted(&record.counters) {
                    return record.counters;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    async fn delivered(&self, id: NotificationId) {
        self.counters(id, |counters| counters.delivered == counters.recipients && counters.recipients > 0)
            .await;
    }
}

async fn online(status: &mut StatusUpdates) -> bool {
    let status =
        soon("a session", status.wait_for(|status| matches!(status, Status::Online { .. } | Status::Ended)))
            .await
            .unwrap();
    let Status::Online { resumed, .. } = status else { panic!("the device ended") };
    resumed
}

async fn next(device: &mut Device) -> Notification {
    soon("a notification", device.next()).await.unwrap()
}

fn user(device: &Device) -> Audience {
    Audience::Users(vec![Username::parse(device.username()).unwrap()])
}

/// A TCP proxy that can cut all that goes through it.
struct Proxy {
    address: SocketAddr,
    cut: watch::Sender<u64>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(local(0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, cuts) = watch::channel(0);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(target).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { address, cut, _accepting: accepting }
    }

    fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_registers_receives_and_acknowledges() {
    let world = World::new().await;
    let mut device = world.device(world.xmpp).topic("news").start().unwrap();
    online(&mut device.status()).await;
    let account = Account::load(&world.file("device.json")).unwrap().unwrap();
    assert!(account.registered && matches!(account.certificate, Some(KnownBy::Pin(_))));

    for audience in [Audience::All, user(&device), Audience::Topic(Topic::parse("news").unwrap())] {
        let id = world.send(audience.clone(), "hello").await;
        let notification = next(&mut device).await;
        assert_eq!((notification.id.clone(), notification.title.as_deref()), (id.to_string(), Some("hello")));
        assert_eq!(notification.topic.is_some(), matches!(audience, Audience::Topic(_)));
        let counters = world.counters(id, |_| true).await;
        assert_eq!((counters.recipients, counters.delivered), (1, 0), "not before it is acknowledged");
        notification.ack();
        world.delivered(id).await;
        device.handle().opened(id.to_string()).await;
        world.counters(id, |counters| counters.opened == 1).await;
    }
    soon("closing", device.close()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_comes_in_order_and_only_the_unacknowledged_comes_again() {
    let world = World::new().await;
    let device = world.device(world.xmpps).direct_tls(true).start().unwrap();
    online(&mut device.status()).await;
    let to = user(&device);
    soon("closing", device.close()).await.unwrap();
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(world.send(to.clone(), &n.to_string()).await);
    }

    let mut device = world.device(world.xmpp).start().unwrap();
    for (n, id) in ids.iter().enumerate() {
        let notification = next(&mut device).await;
        assert_eq!(notification.id, id.to_string());
        if n < 3 {
            notification.ack();
        }
    }
    soon("closing", device.close()).await.unwrap();
    for id in ids.iter().take(3) {
        world.delivered(*id).await;
    }

    let mut device = world.device(world.xmpp).start().unwrap();
    for id in ids.iter().skip(3) {
        let notification = next(&mut device).await;
        assert_eq!(notification.id, id.to_string());
        notification.ack();
        world.delivered(*id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_line_is_resumed_and_each_notification_is_shown_once() {
    let world = World::new().await;
    let proxy = Proxy::to(world.xmpp).await;
    let mut device = world.device(proxy.address).start().unwrap();
    let mut status = device.status();
    online(&mut status).await;
    let mut ids = Vec::new();
    for round in 0..10 {
        for n in 0..3 {
            ids.push(world.send(user(&device), &format!("{round} {n}")).await);
        }
        let first = next(&mut device).await;
        status.current();
        proxy.cut();
        soon("the loss", status.changed()).await.unwrap();
        assert_eq!(first.id, ids[round * 3].to_string());
        // Before, while or after the line is back: it must make no difference.
        first.ack();
        for n in 1..3 {
            let notification = next(&mut device).await;
            assert_eq!(notification.id, ids[round * 3 + n].to_string());
            notification.ack();
        }
        assert!(online(&mut status).await, "round {round} was bound anew");
    }
    for id in ids {
        world.delivered(id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_finds_its_devices_again() {
    let mut world = World::new().await;
    let mut device = world.device(world.xmpp).start().unwrap();
    let mut status = device.status();
    online(&mut status).await;
    let to = user(&device);
    let before = world.send(to.clone(), "before").await;
    let unacknowledged = next(&mut device).await;
    world.stop().await;
    soon("the loss", status.wait_for(|status| matches!(status, Status::Waiting { .. }))).await.unwrap();
    world.start().await;
    let after = world.send(to, "after").await;
    assert!(!online(&mut status).await, "the session died with the server");
    let notification = next(&mut device).await;
    assert_eq!(notification.id, after.to_string(), "the other one is with the application already");
    notification.ack();
    unacknowledged.ack();
    world.delivered(before).await;
    world.delivered(after).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_certificate_is_checked() {
    let world = World::new().await;
    let ca = std::fs::read(world.certificate().chain_path()).unwrap();
    let device = world.device(world.xmpp).trust(Trust::Ca(ca.clone())).start().unwrap();
    online(&mut device.status()).await;
    soon("closing", device.close()).await.unwrap();

    let device = world.device(world.xmpp).start().unwrap();
    online(&mut device.status()).await;
    soon("closing", device.close()).await.unwrap();

    // Another server, at the same name, with the same account or not: it is not asked.
    let other = World::new().await;
    let mut device = world.device(other.xmpp).start().unwrap();
    let error = soon("an error", device.next()).await.unwrap_err();
    assert!(matches!(error, ClientError::CertificateChanged(_)), "{error}");
    let mut device = world.device(other.xmpp).trust(Trust::Ca(ca)).start().unwrap();
    let error = soon("an error", device.next()).await.unwrap_err();
    assert!(matches!(error, ClientError::Untrusted(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_heal_is_said() {
    let world = World::with(|config| config.registration.policy = RegistrationPolicy::Closed).await;
    let ending = async |device: DeviceBuilder| {
        let mut device = device.start().unwrap();
        soon("an error", device.next()).await.unwrap_err().to_string()
    };
    assert_eq!(ending(world.device(world.xmpp)).await, "the server closed registration");
    assert!(!world.file("device.json").exists());
    let wrong = world.device(world.xmpp).credentials("nobody", "secret");
    assert_eq!(ending(wrong).await, "wrong username or password");
    let elsewhere = world.device(world.xmpp).domain("elsewhere.test");
    assert!(ending(elsewhere).await.contains("host-unknown"));

    let world = World::with(|config| {
        config.registration.policy = RegistrationPolicy::Token;
        config.registration.tokens = vec!["key".into()];
    })
    .await;
    let error = ending(world.device(world.xmpp).registration_token("guess")).await;
    assert!(error.contains("registration"), "{error}");
    let device = world.device(world.xmpp).registration_token("key").start().unwrap();
    online(&mut device.status()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_account_is_removed_ends() {
    let world = World::new().await;
    let mut device = world.device(world.xmpp).start().unwrap();
    online(&mut device.status()).await;
    let core = world.core();
    let username = Username::parse(device.username()).unwrap();
    let account = core.auth.account(&username).await.unwrap().unwrap();
    core.auth.remove_account(&Actor::CommandLine, account.reference()).await.unwrap();
    let error = soon("an error", device.next()).await.unwrap_err();
    assert_eq!(error.to_string(), "wrong username or password");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_application_gets_everything_in_the_end() {
    let world = World::new().await;
    let mut device = world.device(world.xmpp).start().unwrap();
    online(&mut device.status()).await;
    let mut ids = Vec::new();
    for n in 0..600 {
        ids.push(world.send(Audience::All, &n.to_string()).await.to_string());
    }
    for id in &ids {
        let notification = next(&mut device).await;
        assert_eq!(&notification.id, id);
        notification.ack();
    }
}
