//! Two nodes on one store, with one bus between them: what is done on one is so on the other.

#![allow(clippy::unwrap_used, reason = "a test's helpers are the test")]

mod world;

use std::sync::Arc;

use tidings_core::audit::Actor;
use tidings_core::auth::NewKey;
use tidings_core::bus::{Bus, LocalBus};
use tidings_core::clock::{Clock, SystemRandom};
use tidings_core::config::Config;
use tidings_core::model::{AccountRef, Scope, Username};
use tidings_core::store::Store;
use tidings_core::{Core, Ports};
use tidings_store::MemoryStore;
use world::{TestClock, World, to};

/// Two nodes.
async fn nodes() -> [World; 2] {
    let database = MemoryStore::new();
    let bus: Arc<dyn Bus> = Arc::new(LocalBus::default());
    let clock = Arc::new(TestClock::new());
    [node(&database, &bus, &clock).await, node(&database, &bus, &clock).await]
}

async fn node(database: &MemoryStore, bus: &Arc<dyn Bus>, clock: &Arc<TestClock>) -> World {
    let config = Config { domain: "push.test".into(), ..Config::default() };
    let store: Arc<dyn Store> = Arc::new(database.another_handle());
    let ports = Ports {
        store: Arc::clone(&store),
        bus: Arc::clone(bus),
        cluster: None,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        random: Arc::new(SystemRandom),
    };
    let core = Core::start(config, ports).await.unwrap();
    World { core, store, clock: Arc::clone(clock) }
}

#[tokio::test(start_paused = true)]
async fn a_notification_reaches_a_session_of_another_node() {
    let [here, there] = nodes().await;
    here.account("ana").await;
    let (mut device, _) = there.available("ana", "phone").await;
    here.send(to("ana"), "from afar").await;
    assert!(device.receive().await.contains("from afar"));
}

#[tokio::test(start_paused = true)]
async fn sessions_of_another_node_end() {
    let [here, there] = nodes().await;
    here.account("ana").await;
    let ana = here.store.account(&Username::parse("ana").unwrap()).await.unwrap().unwrap();
    let (mut phone, _) = there.available("ana", "phone").await;
    let (mut tablet, _) = there.available("ana", "tablet").await;
    phone.receive().await;
    // One of them: this node has none of the name, and says so.
    let ended = here.core.session.end(&Actor::CommandLine, "ana@push.test/phone").await;
    assert!(ended.is_err());
    here.settle().await;
    let told = phone.receive().await;
    assert!(told.contains("<policy-violation") && !phone.is_open(), "{told}");
    assert!(!tablet.receive().await.contains("<policy-violation"));
    // All, with the account.
    let account = AccountRef { id: ana.id, username: &ana.username };
    here.core.auth.remove_account(&Actor::CommandLine, account).await.unwrap();
    here.settle().await;
    let told = tablet.receive().await;
    assert!(told.contains("<not-authorized") && !tablet.is_open(), "{told}");
    assert_eq!(there.core.session.connected(), 0);
}

#[tokio::test(start_paused = true)]
async fn keys_of_another_node_are_known_and_revoked() {
    let [here, there] = nodes().await;
    let (key, secret) =
        here.core.auth.create_key(&Actor::CommandLine, NewKey::new("shop", Scope::Send)).await.unwrap();
    here.settle().await;
    assert_eq!(there.core.auth.check_key(&secret).map(|grant| grant.name), Some("shop".to_owned()));
    here.core.auth.revoke_key(&Actor::CommandLine, &key.id).await.unwrap();
    here.settle().await;
    assert!(there.core.auth.check_key(&secret).is_none());
}
