//! Clients that never acknowledge: the backlog is not theirs to have for ever.

mod world;

use std::time::Duration;

use tidings_core::model::Username;
use world::{World, answer, to};

#[tokio::test(start_paused = true)]
async fn what_was_handed_out_three_times_in_vain_waits_for_a_client_that_acknowledges() {
    let world = World::new().await;
    world.account("ana").await;
    let ana = world.store.account(&Username::parse("ana").unwrap()).await.unwrap().unwrap().id;
    let waited = world.send(to("ana"), "waited").await.id;
    for _ in 0..3 {
        assert_eq!(world.core.session.withheld(ana), 0);
        let (mut device, received) = world.available("ana", "phone").await;
        assert!(received.contains("waited"), "{received}");
        world.pass(Duration::from_secs(1)).await;
        assert!(device.time_passed().await.contains("tidings-ping"));
        world.pass(Duration::from_secs(30)).await;
        device.send("</stream:stream>").await;
    }
    assert_eq!(world.core.session.withheld(ana), 1);
    // It stays pending, and such a client gets what is new.
    let (mut device, received) = world.available("ana", "phone").await;
    assert!(!received.contains("waited"), "{received}");
    let new = world.send(to("ana"), "new").await.id;
    let received = device.receive().await;
    assert!(received.contains("new") && !received.contains("waited"), "{received}");
    device.cut();
    assert_eq!((world.counters(waited).await.delivered, world.counters(new).await.delivered), (0, 0));
    // One with XEP-0198 gets all.
    let mut managed = world.device("ana", "managed").await;
    managed.send("<enable xmlns='urn:xmpp:sm:3'/>").await;
    let received = managed.send("<presence/>").await;
    assert!(received.contains("waited") && received.contains("new"), "{received}");
    managed.cut();
    // It is asked at once whether it does better now: then it gets all, too.
    let (mut device, received) = world.available("ana", "phone").await;
    assert!(!received.contains("waited") && received.contains("new"), "{received}");
    world.pass(Duration::from_secs(1)).await;
    let asked = device.time_passed().await;
    let received = answer(&mut device, &asked).await;
    assert!(received.contains("waited"), "{received}");
    assert_eq!(world.core.session.withheld(ana), 0);
    answer(&mut device, &received).await;
    assert_eq!(world.counters(waited).await.delivered, 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_nothing_but_what_is_withheld_is_asked_too() {
    let world = World::new().await;
    world.account("ana").await;
    let waited = world.send(to("ana"), "waited").await.id;
    for _ in 0..3 {
        let (mut device, received) = world.available("ana", "phone").await;
        assert!(received.contains("waited"), "{received}");
        world.pass(Duration::from_secs(1)).await;
        assert!(device.time_passed().await.contains("tidings-ping"));
        world.pass(Duration::from_secs(30)).await;
        device.send("</stream:stream>").await;
    }
    let (mut device, received) = world.available("ana", "phone").await;
    assert!(!received.contains("waited"), "{received}");
    world.pass(Duration::from_secs(1)).await;
    let asked = device.time_passed().await;
    let received = answer(&mut device, &asked).await;
    assert!(received.contains("waited"), "{received}");
    answer(&mut device, &received).await;
    assert_eq!(world.counters(waited).await.delivered, 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_was_handed_nothing_in_vain() {
    let world = World::new().await;
    world.account("ana").await;
    world.send(to("ana"), "waited").await;
    for _ in 0..5 {
        let (mut device, received) = world.available("ana", "phone").await;
        assert!(received.contains("waited"), "{received}");
        world.pass(Duration::from_secs(1)).await;
        assert!(device.time_passed().await.contains("tidings-ping"));
        world.pass(Duration::from_secs(30)).await;
        device.cut();
    }
    // Nor was it where the peer had no time to answer.
    for _ in 0..5 {
        let (mut device, received) = world.available("ana", "phone").await;
        assert!(received.contains("waited"), "{received}");
        device.send("</stream:stream>").await;
    }
}
