//! From acceptance to settlement, over literal XML.

mod world;

use std::time::Duration;

use tidings_core::audit::Actor;
use tidings_core::model::{
    Audience, Content, Counters, EndpointId, Payload, Priority, Sender, Topic, Username,
};
use tidings_core::notification::Request;
use tidings_core::store::NewEndpoint;
use world::{World, answer, attribute, pong, to};

fn counters(recipients: u64, delivered: u64) -> Counters {
    Counters { recipients, delivered, ..Counters::default() }
}

#[tokio::test(start_paused = true)]
async fn a_direct_notification_reaches_a_messenger_and_a_ping_settles_it() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, _) = world.available("ana", "phone").await;
    let accepted = world.send(to("ana"), "hello <world>").await;
    assert_eq!(accepted.recipients, 1);
    let received = device.receive().await;
    assert!(received.contains("<message type='headline'"), "{received}");
    assert!(received.contains("to='ana@push.test/phone'"), "{received}");
    assert!(received.contains("sent='2027-01-15T08:00:00Z' expires='2027-02-12T08:00:00Z'"), "{received}");
    assert!(received.contains("<body>hello &lt;world&gt;</body>"), "{received}");
    assert_eq!(world.counters(accepted.id).await, counters(1, 0));
    pong(&world, &mut device).await;
    assert_eq!(world.counters(accepted.id).await, counters(1, 1));
}

#[tokio::test(start_paused = true)]
async fn androidpns_client_gets_its_iq() {
    let world = World::new().await;
    world.account("old").await;
    let mut device = world.connect();
    device.open().await;
    let fields = device
        .send("<iq type='get' id='1'><query xmlns='jabber:iq:auth'><username>old</username></query></iq>")
        .await;
    assert!(fields.contains("<password/>") && !fields.contains("<digest"), "{fields}");
    let login = "<iq type='set' id='2'><query xmlns='jabber:iq:auth'><username>old</username><password>secret</password><resource>AndroidpnClient</resource></query></iq>";
    assert!(device.send(login).await.contains("type='result'"));
    device.send("<presence id='3'/>").await;
    let accepted = world.send(Audience::All, "news").await;
    let received = device.receive().await;
    let expected = "<notification xmlns='androidpn:iq:notification'>";
    assert!(received.contains("<iq type='set'") && received.contains(expected), "{received}");
    assert!(received.contains("<apiKey>1234567890</apiKey>"), "{received}");
    pong(&world, &mut device).await;
    assert_eq!(world.counters(accepted.id).await, counters(1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_was_not_acknowledged_comes_again_with_the_same_id() {
    let world = World::new().await;
    world.account("ana").await;
    let first = world.send(to("ana"), "while offline").await;
    let (mut device, received) = world.available("ana", "phone").await;
    assert!(received.contains(&first.id.to_string()), "{received}");
    device.cut();
    assert_eq!(world.counters(first.id).await, counters(1, 0));
    let (mut device, received) = world.available("ana", "phone").await;
    assert!(received.contains(&first.id.to_string()), "{received}");
    device
        .send(&format!(
            "<message to='push.test' id='r'><received xmlns='urn:xmpp:receipts' id='{}'/></message>",
            first.id
        ))
        .await;
    assert_eq!(world.counters(first.id).await, counters(1, 1));
    device.cut();
    let (_device, received) = world.available("ana", "phone").await;
    assert!(!received.contains(&first.id.to_string()), "{received}");
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_is_for_who_was_there() {
    let world = World::new().await;
    world.account("ana").await;
    let accepted = world.send(Audience::All, "before ben").await;
    world.account("ben").await;
    let (_ben, received) = world.available("ben", "phone").await;
    assert!(!received.contains("before ben"), "{received}");
    let (mut ana, received) = world.available("ana", "phone").await;
    assert!(received.contains("before ben"), "{received}");
    pong(&world, &mut ana).await;
    assert_eq!(world.counters(accepted.id).await, counters(1, 1));
}

#[tokio::test(start_paused = true)]
async fn one_acknowledgement_settles_for_all_resources() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut phone, _) = world.available("ana", "phone").await;
    let (mut tablet, _) = world.available("ana", "tablet").await;
    let accepted = world.send(to("ana"), "both").await;
    let (on_phone, on_tablet) = (phone.receive().await, tablet.receive().await);
    assert!(on_phone.contains("both") && on_tablet.contains("both"), "{on_phone} {on_tablet}");
    pong(&world, &mut phone).await;
    pong(&world, &mut tablet).await;
    assert_eq!(world.counters(accepted.id).await, counters(1, 1));
    let (_third, received) = world.available("ana", "third").await;
    assert!(!received.contains("both"), "{received}");
}

#[tokio::test(start_paused = true)]
async fn topics_reach_their_subscribers() {
    let world = World::new().await;
    world.account("ana").await;
    world.account("ben").await;
    let (mut ana, _) = world.available("ana", "phone").await;
    let (mut ben, _) = world.available("ben", "phone").await;
    let topic = || Audience::Topic(Topic::parse("news").unwrap());
    assert_eq!(world.send(topic(), "to nobody").await.recipients, 0);
    let answer =
        ana.send("<iq type='set' id='s'><subscribe xmlns='urn:tidings:push:1' topic='news'/></iq>").await;
    assert!(answer.contains("type='result'"), "{answer}");
    let list = ana.send("<iq type='get' id='l'><subscriptions xmlns='urn:tidings:push:1'/></iq>").await;
    assert!(list.contains("<topic>news</topic>"), "{list}");
    let accepted = world.send(topic(), "to ana").await;
    assert_eq!(accepted.recipients, 1);
    let received = ana.receive().await;
    assert!(received.contains("to ana") && !received.contains("to nobody"), "{received}");
    assert!(!ben.receive().await.contains("to ana"));
    ana.send("<iq type='set' id='u'><unsubscribe xmlns='urn:tidings:push:1' topic='news'/></iq>").await;
    // What was pending by the subscription is cancelled with it.
    assert_eq!(world.counters(accepted.id).await, Counters { cancelled: 1, ..counters(1, 0) });
    assert_eq!(world.send(topic(), "to nobody again").await.recipients, 0);
}

#[tokio::test(start_paused = true)]
async fn high_goes_before_low_and_the_newest_replaces() {
    let world = World::new().await;
    world.account("ana").await;
    world.send_with(to("ana"), "low one", |r| r.priority = Priority::Low).await;
    let old = world.send_with(to("ana"), "score 1:0", |r| r.collapse_key = Some("score".into())).await;
    world.send_with(to("ana"), "score 2:0", |r| r.collapse_key = Some("score".into())).await;
    world.send_with(to("ana"), "high one", |r| r.priority = Priority::High).await;
    let (_device, received) = world.available("ana", "phone").await;
    let at = |text: &str| received.find(text);
    assert!(at("high one") < at("score 2:0") && at("score 2:0") < at("low one"), "{received}");
    assert!(at("high one").is_some() && at("score 1:0").is_none(), "{received}");
    assert_eq!(world.counters(old.id).await, Counters { cancelled: 1, ..counters(1, 0) });
}

#[tokio::test(start_paused = true)]
async fn expires_schedules_and_cancels() {
    let world = World::new().await;
    world.account("ana").await;
    let short = world.send_with(to("ana"), "short", |r| r.ttl = Some(Duration::from_secs(60))).await;
    let now_or_never = world.send_with(to("ana"), "now or never", |r| r.ttl = Some(Duration::ZERO)).await;
    let later = {
        let at = world.core.clock.now().plus(Duration::from_secs(300));
        world.send_with(to("ana"), "later", |r| r.send_at = Some(at)).await
    };
    let cancelled = world.send(to("ana"), "cancelled").await;
    assert_eq!(world.core.notification.cancel(&Actor::CommandLine, cancelled.id).await.unwrap(), Some(1));
    let (mut device, received) = world.available("ana", "phone").await;
    assert!(received.contains("short") && !received.contains("now or never"), "{received}");
    assert!(!received.contains("later") && !received.contains("cancelled"), "{received}");
    world.pass(Duration::from_secs(70)).await;
    assert_eq!(world.counters(short.id).await, Counters { expired: 1, ..counters(1, 0) });
    assert_eq!(world.counters(now_or_never.id).await, Counters { expired: 1, ..counters(1, 0) });
    world.pass(Duration::from_secs(240)).await;
    let received = device.receive().await;
    assert!(received.contains("later"), "{received}");
    device
        .send(&format!(
            "<message id='r'><displayed xmlns='urn:xmpp:chat-markers:0' id='{}'/></message>",
            later.id
        ))
        .await;
    assert_eq!(world.counters(later.id).await, Counters { opened: 1, ..counters(1, 1) });
}

#[tokio::test(start_paused = true)]
async fn a_full_window_is_fed_again_from_the_store() {
    let world = World::with(|config| config.session.window = 4).await;
    world.account("ana").await;
    let (mut device, _) = world.available("ana", "phone").await;
    for n in 0..100 {
        world.send(to("ana"), &format!("number {n};")).await;
    }
    let mut received = device.receive().await;
    assert_eq!(received.matches("<body>").count(), 4);
    let mut batch = received.clone();
    while batch.contains("tidings-ping") {
        batch = answer(&mut device, &batch).await;
        world.settle().await;
        batch.push_str(&device.receive().await);
        received.push_str(&batch);
    }
    let order: Vec<usize> = (0..100).map(|n| received.find(&format!("<body>number {n};")).unwrap()).collect();
    assert!(order.is_sorted());
    assert_eq!(received.matches("<body>").count(), 100, "each exactly once");
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_to_a_client_that_sends_receipts_is_one_stanza() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, _) = world.available("ana", "phone").await;
    for round in 0..3 {
        let accepted = world.send(Audience::All, "news").await;
        let received = device.receive().await;
        assert!(received.contains("news") && received.ends_with("</message>"), "{received}");
        assert_eq!(received.matches("<message ").count(), 1, "{received}");
        assert!(!received.contains("ping"), "round {round}: {received}");
        world.pass(Duration::from_millis(900)).await;
        assert_eq!(device.time_passed().await, "");
        let id = accepted.id;
        let receipt = format!("<message><received xmlns='urn:xmpp:receipts' id='{id}'/></message>");
        assert_eq!(device.send(&receipt).await, "");
        assert_eq!(device.time_left(), Some(Duration::from_secs(20 * 60)), "nothing but silence is due");
        world.pass(Duration::from_secs(60)).await;
        assert_eq!(device.time_passed().await, "");
        assert_eq!(world.counters(id).await, counters(1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_no_receipts_is_pinged_once_for_what_came_in_a_second_and_then_at_once() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, _) = world.available("ana", "phone").await;
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push(world.send(Audience::All, "news").await.id);
        assert!(!device.receive().await.contains("ping"));
        world.pass(Duration::from_millis(300)).await;
        assert_eq!(device.time_passed().await, "");
    }
    assert!(device.time_left().unwrap() <= Duration::from_millis(100), "from the first on");
    world.pass(Duration::from_millis(100)).await;
    let asked = device.time_passed().await;
    assert_eq!(asked.matches("<iq type='get' id='tidings-ping-").count(), 1, "{asked}");
    // It covers what was sent before it, and no more.
    let later = world.send(to("ana"), "later").await.id;
    assert!(device.receive().await.contains("later"));
    let asked = answer(&mut device, &asked).await;
    for id in sent {
        assert_eq!(world.counters(id).await, counters(1, 1));
    }
    assert_eq!(world.counters(later).await, counters(1, 0));
    // What is left is asked for at once, and so is what follows, in the same write.
    answer(&mut device, &asked).await;
    assert_eq!(world.counters(later).await, counters(1, 1));
    let last = world.send(to("ana"), "last").await.id;
    let received = device.receive().await;
    assert!(received.contains("last"));
    answer(&mut device, &received).await;
    assert_eq!(world.counters(last).await, counters(1, 1));
}

#[tokio::test(start_paused = true)]
async fn androidpns_confirmation_spares_the_ping_that_it_came_before() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, _) = world.available("ana", "AndroidpnClient").await;
    let id = world.send(Audience::All, "news").await.id;
    assert!(device.receive().await.contains("androidpn:iq:notification"));
    let confirmed = format!(
        "<iq type='set' id='c'><deliverconfirm xmlns='androidpn:iq:deliverconfirm'><uuid>{id}</uuid></deliverconfirm></iq>"
    );
    assert!(device.send(&confirmed).await.contains("type='result'"));
    assert_eq!(world.counters(id).await, counters(1, 1));
    world.pass(Duration::from_secs(2)).await;
    assert_eq!(device.time_passed().await, "");
    // It is no promise of further ones.
    world.send(Audience::All, "more news").await;
    device.receive().await;
    pong(&world, &mut device).await;
}

#[tokio::test(start_paused = true)]
async fn an_inactive_client_gets_low_priority_later() {
    let world = World::with(|config| config.session.inactive_hold_seconds = 600).await;
    world.account("ana").await;
    let (mut device, _) = world.available("ana", "phone").await;
    device.send("<inactive xmlns='urn:xmpp:csi:0'/>").await;
    let low = |text: &'static str| world.send_with(to("ana"), text, |r| r.priority = Priority::Low);
    low("held one").await;
    assert_eq!(device.receive().await, "");
    // It goes out with the next important one.
    world.send(to("ana"), "important").await;
    let received = device.receive().await;
    assert!(received.contains("important") && received.contains("held one"), "{received}");
    // At activation.
    low("held two").await;
    assert_eq!(device.receive().await, "");
    assert!(device.send("<active xmlns='urn:xmpp:csi:0'/>").await.contains("held two"));
    // After the limit.
    device.send("<inactive xmlns='urn:xmpp:csi:0'/>").await;
    low("held three").await;
    assert_eq!(device.receive().await, "");
    world.pass(Duration::from_secs(601)).await;
    assert!(device.time_passed().await.contains("held three"));
}

#[tokio::test(start_paused = true)]
async fn a_taken_resource_is_a_conflict_and_the_new_one_gets_notifications() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut old, _) = world.available("ana", "phone").await;
    let (mut new, _) = world.available("ana", "phone").await;
    assert!(old.receive().await.contains("<conflict"));
    assert!(!old.is_open());
    world.send(to("ana"), "still there").await;
    assert!(new.receive().await.contains("still there"));
    assert_eq!(world.core.session.connected(), 1);
    assert_eq!(world.core.session.online(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_probed_then_dropped() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, _) = world.available("ana", "phone").await;
    world.pass(Duration::from_secs(20 * 60 + 1)).await;
    assert!(device.time_passed().await.contains("urn:xmpp:ping"));
    world.pass(Duration::from_secs(61)).await;
    assert!(device.time_passed().await.contains("<connection-timeout"));
    assert!(!device.is_open());
    assert_eq!(world.core.session.connected(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_probed_late_has_its_time_to_answer() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, _) = world.available("ana", "phone").await;
    // The server slept through both limits.
    world.pass(Duration::from_secs(20 * 60 + 600)).await;
    assert!(device.time_passed().await.contains("urn:xmpp:ping"));
    world.pass(Duration::from_secs(59)).await;
    assert_eq!(device.time_passed().await, "");
    assert!(device.is_open());
    // An answer starts the longer span again.
    device.send(" ").await;
    world.pass(Duration::from_secs(61)).await;
    assert_eq!(device.time_passed().await, "");
    assert!(device.is_open());
}

#[tokio::test(start_paused = true)]
async fn unknown_requests_are_answered() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, _) = world.available("ana", "phone").await;
    let answer =
        device.send("<iq type='get' id='v' to='push.test'><query xmlns='jabber:iq:last'/></iq>").await;
    assert!(answer.contains("service-unavailable") && attribute(&answer, "id") == "v", "{answer}");
    let answer = device.send("<iq type='get' id='d' to='push.test'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>").await;
    assert!(answer.contains("urn:tidings:push:1"), "{answer}");
    let answer = device.send("<message to='ben@push.test' id='m'><body>hi</body></message>").await;
    assert!(answer.contains("service-unavailable"), "{answer}");
    assert!(device.is_open());
}

#[tokio::test(start_paused = true)]
async fn more_than_a_buffer_goes_out_as_fast_as_it_is_written() {
    let world = World::with(|config| config.limits.outgoing_bytes = 2000).await;
    world.account("ana").await;
    for n in 0..50 {
        world.send(to("ana"), &format!("number {n}; {}", "x".repeat(300))).await;
    }
    let (mut device, mut received) = world.available("ana", "phone").await;
    assert!(received.len() < 5000, "one helping at a time");
    received.push_str(&device.receive().await);
    assert_eq!(received.matches("<body>").count(), 50);
}

/// Registers an endpoint of this account.
#[expect(clippy::unwrap_used, reason = "a test's own set-up")]
async fn endpoint(world: &World, name: &str) -> EndpointId {
    let account = world.store.account(&Username::parse(name).unwrap()).await.unwrap().unwrap();
    let new = NewEndpoint {
        id: EndpointId(1),
        account: account.id,
        application: "app".into(),
        instance: "one".into(),
        resource: "phone".into(),
        token_hash: [1; 32],
        created_at: account.created_at,
        expires_at: account.created_at.plus(Duration::from_secs(86_400)),
    };
    world.store.register_endpoint(new).await.unwrap().id
}

#[tokio::test(start_paused = true)]
async fn bytes_wait_for_a_session_that_can_carry_them_and_hold_nothing_else_up() {
    let world = World::new().await;
    world.account("ana").await;
    let endpoint = endpoint(&world, "ana").await;
    let (mut device, _) = world.available("ana", "phone").await;
    let push =
        || Request::new(Sender::Endpoint(endpoint), Audience::Endpoint(endpoint), Payload::Bytes(vec![7; 9]));
    let mut pushes = Vec::new();
    // More than fill a session's window.
    for _ in 0..world.core.config.session.window + 5 {
        pushes.push(world.core.notification.accept(push()).await.unwrap());
    }
    world.settle().await;
    assert_eq!(device.receive().await, "");
    let online = world.send(to("ana"), "while online").await;
    assert!(device.receive().await.contains("while online"));
    pong(&world, &mut device).await;
    assert_eq!(world.counters(online.id).await, counters(1, 1));
    device.cut();
    world.send(to("ana"), "while offline").await;
    let (mut device, received) = world.available("ana", "phone").await;
    assert!(received.contains("while offline"), "{received}");
    assert_eq!(received.matches("<notification ").count(), 1, "{received}");
    pong(&world, &mut device).await;
    for push in [pushes.first(), pushes.last()].into_iter().flatten() {
        assert_eq!(world.counters(push.id).await, counters(1, 0), "pending");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_door_adds_reaches_the_device_as_it_came() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, _) = world.available("ana", "phone").await;
    let accepted = world
        .send_with(to("ana"), "m", |request| request.ext.insert("ntfy", "{ \"tags\":[\"<b>\"] }").unwrap())
        .await;
    let received = device.receive().await;
    assert!(
        received.contains("<ext door='ntfy'>{ \"tags\":[\"&lt;b&gt;\"] }</ext></notification>"),
        "{received}"
    );
    let record = world.core.notification.get(accepted.id).await.unwrap().unwrap();
    assert_eq!(record.notification.ext.get("ntfy"), Some("{ \"tags\":[\"<b>\"] }"));
    assert_eq!(record.notification.sender, Some(Sender::Operator("ada".into())));
}

#[tokio::test(start_paused = true)]
async fn senders_do_not_share_collapse_keys_nor_idempotency_keys() {
    let world = World::new().await;
    world.account("ana").await;
    let by = |name: &str, message: &str| {
        let content = Content { message: Some(message.into()), ..Content::default() };
        let request = Request::new(Sender::Operator(name.into()), to("ana"), content);
        Request { collapse_key: Some("k".into()), idempotency: Some(("once".into(), [0; 32])), ..request }
    };
    let accept = async |request| world.core.notification.accept(request).await.unwrap().id;
    let (ada, sam) = (accept(by("ada", "from ada")).await, accept(by("sam", "from sam")).await);
    assert_ne!(ada, sam);
    assert_eq!(accept(by("ada", "from ada")).await, ada, "a repeat");
    let newer = Request { idempotency: None, ..by("ada", "newer") };
    accept(newer).await;
    let (_, received) = world.available("ana", "phone").await;
    assert!(received.contains("from sam") && received.contains("newer"), "{received}");
    assert!(!received.contains("from ada"), "{received}");
}
