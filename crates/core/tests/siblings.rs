//! Several sessions of one account: each is owed what it was to get, and sees the others.

#![allow(clippy::unwrap_used, reason = "a test's helpers are the test")]

mod world;

use std::time::Duration;

use tidings_core::model::{NotificationId, Priority};
use world::{Device, World, answer, attribute, pong, to};

const ENABLE: &str = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";
const INACTIVE: &str = "<inactive xmlns='urn:xmpp:csi:0'/>";
const ACTIVE: &str = "<active xmlns='urn:xmpp:csi:0'/>";

/// A session of ana's with stream management, its resumption id, and how many stanzas it has had:
/// its own presence and those of the others.
async fn managed(world: &World, resource: &str) -> (Device, String, usize) {
    let mut device = world.device("ana", resource).await;
    let id = attribute(&device.send(ENABLE).await, "id");
    let presences = device.send("<presence/>").await;
    (device, id, stanzas(&presences))
}

async fn resume(world: &World, id: &str, h: usize) -> (Device, String) {
    let mut device = world.authenticated("ana").await;
    let answer = device.send(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='{h}'/>")).await;
    (device, answer)
}

fn stanzas(xml: &str) -> usize {
    ["<message ", "<iq ", "<presence "].iter().map(|start| xml.matches(start).count()).sum()
}

fn ids(xml: &str) -> Vec<String> {
    xml.split("<message type='headline'").skip(1).map(|message| attribute(message, "id")).collect()
}

fn texts(sent: &[NotificationId]) -> Vec<String> {
    sent.iter().map(ToString::to_string).collect()
}

/// Answers the ping that follows `received`, which may have come with it.
async fn acknowledge(world: &World, device: &mut Device, received: &str) {
    match received.contains("tidings-ping") {
        true => answer(device, received).await,
        false => pong(world, device).await,
    };
}

async fn send(world: &World, count: usize) -> Vec<NotificationId> {
    let mut sent = Vec::new();
    for number in 0..count {
        sent.push(world.send(to("ana"), &format!("number {number};")).await.id);
    }
    sent
}

#[tokio::test(start_paused = true)]
async fn what_one_acknowledged_another_gets_when_it_resumes() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut phone, _) = world.available("ana", "phone").await;
    let (mut tablet, id, mut counted) = managed(&world, "tablet").await;
    // A hole: what is written reaches nobody, and one comes after the connection is gone.
    let mut sent = send(&world, 2).await;
    tablet.receive().await;
    tablet.cut();
    sent.extend(send(&world, 1).await);
    let received = phone.receive().await;
    assert_eq!(ids(&received), texts(&sent));
    acknowledge(&world, &mut phone, &received).await;
    for id in &sent {
        assert_eq!(world.counters(*id).await.delivered, 1, "the account's copy is settled");
    }
    let (mut tablet, resumed) = resume(&world, &id, counted).await;
    assert!(resumed.contains("<resumed "), "{resumed}");
    assert_eq!(ids(&resumed), texts(&sent), "{resumed}");
    // Once it has acknowledged them, it is owed nothing.
    counted += 3;
    tablet.send(&format!("<a xmlns='urn:xmpp:sm:3' h='{counted}'/>")).await;
    tablet.cut();
    let (_tablet, resumed) = resume(&world, &id, counted).await;
    assert!(resumed.contains("<resumed ") && ids(&resumed).is_empty(), "{resumed}");
    for id in &sent {
        assert_eq!(world.counters(*id).await.delivered, 1, "counted once");
    }
    // Who comes later is owed nothing of it.
    let (mut third, received) = world.available("ana", "third").await;
    assert!(ids(&received).is_empty() && ids(&third.receive().await).is_empty(), "{received}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_one_gets_all_that_a_fast_one_has_acknowledged() {
    let world = World::with(|config| config.session.window = 2).await;
    world.account("ana").await;
    let (mut fast, _) = world.available("ana", "fast").await;
    let (mut slow, _, mut handled) = managed(&world, "slow").await;
    let sent = send(&world, 9).await;
    let (mut on_fast, mut acknowledged) = (ids(&fast.receive().await), 0);
    while let Some(id) = on_fast.get(acknowledged) {
        let receipt = format!("<message><received xmlns='urn:xmpp:receipts' id='{id}'/></message>");
        on_fast.extend(ids(&fast.send(&receipt).await));
        acknowledged += 1;
    }
    assert_eq!(on_fast, texts(&sent));
    let mut on_slow = slow.receive().await;
    handled += ids(&on_slow).len();
    loop {
        let more = slow.send(&format!("<a xmlns='urn:xmpp:sm:3' h='{handled}'/>")).await;
        if ids(&more).is_empty() {
            break;
        }
        handled += ids(&more).len();
        on_slow += &more;
    }
    assert_eq!(ids(&on_slow), texts(&sent), "{on_slow}");
}

#[tokio::test(start_paused = true)]
async fn what_is_held_for_an_inactive_one_is_owed_to_it() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut phone, _) = world.available("ana", "phone").await;
    let (mut tablet, id, handled) = managed(&world, "tablet").await;
    tablet.send(INACTIVE).await;
    let low = world.send_with(to("ana"), "low", |request| request.priority = Priority::Low).await.id;
    assert_eq!(ids(&tablet.receive().await), texts(&[]));
    let received = phone.receive().await;
    assert_eq!(ids(&received), texts(&[low]));
    acknowledge(&world, &mut phone, &received).await;
    assert_eq!(world.counters(low).await.delivered, 1);
    assert_eq!(ids(&tablet.receive().await), texts(&[]), "it is held still");
    // What was held comes before the answer to what follows.
    let answers =
        tablet.send(&format!("{ACTIVE}<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")).await;
    assert_eq!(ids(&answers), texts(&[low]));
    assert!(answers.find("low") < answers.find("id='p'"), "{answers}");

    // A resumed stream is active.
    let handled = handled + stanzas(&answers);
    tablet.send(&format!("<a xmlns='urn:xmpp:sm:3' h='{handled}'/>{INACTIVE}")).await;
    let low = world.send_with(to("ana"), "low too", |request| request.priority = Priority::Low).await.id;
    assert_eq!(ids(&tablet.receive().await), texts(&[]));
    let received = phone.receive().await;
    acknowledge(&world, &mut phone, &received).await;
    tablet.cut();
    let (mut tablet, resumed) = resume(&world, &id, handled).await;
    assert_eq!(ids(&resumed), texts(&[low]), "{resumed}");
    let low = world.send_with(to("ana"), "low three", |request| request.priority = Priority::Low).await.id;
    assert_eq!(ids(&tablet.receive().await), texts(&[low]));
}

#[tokio::test(start_paused = true)]
async fn what_a_newer_one_replaced_is_not_owed() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut phone, _) = world.available("ana", "phone").await;
    let (mut tablet, id, handled) = managed(&world, "tablet").await;
    tablet.cut();
    let keyed = |text: &'static str| world.send_with(to("ana"), text, |r| r.collapse_key = Some("k".into()));
    keyed("older").await;
    let received = phone.receive().await;
    acknowledge(&world, &mut phone, &received).await;
    let newer = keyed("newer").await.id;
    let received = phone.receive().await;
    acknowledge(&world, &mut phone, &received).await;
    let (_tablet, resumed) = resume(&world, &id, handled).await;
    assert_eq!(ids(&resumed), texts(&[newer]), "{resumed}");
}

#[tokio::test(start_paused = true)]
async fn own_resources_see_each_others_whole_presence_and_their_own() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut phone, echo) = world.available("ana", "phone").await;
    assert_eq!(echo, "<presence to='ana@push.test/phone' from='ana@push.test/phone'/>");
    let mut tablet = world.device("ana", "tablet").await;
    let caps = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/>";
    let away = format!("<presence id='1'><show>away</show><status>lunch</status>{caps}</presence>");
    let received = tablet.send(&away).await;
    let shown = format!("<show>away</show><status>lunch</status>{caps}</presence>");
    let own = format!("<presence to='ana@push.test/tablet' from='ana@push.test/tablet' id='1'>{shown}");
    assert!(received.starts_with(&own), "{received}");
    assert!(
        received.ends_with("<presence to='ana@push.test/tablet' from='ana@push.test/phone'/>"),
        "{received}"
    );
    let told = format!("<presence to='ana@push.test/phone' from='ana@push.test/tablet' id='1'>{shown}");
    assert_eq!(phone.receive().await, told);
    // Whoever comes later is told the same.
    let (_third, received) = world.available("ana", "third").await;
    assert!(received.contains(&shown), "{received}");
    phone.receive().await;
    tablet.send("</stream:stream>").await;
    let gone = "<presence to='ana@push.test/phone' from='ana@push.test/tablet' type='unavailable'/>";
    assert_eq!(phone.receive().await, gone);
}

#[tokio::test(start_paused = true)]
async fn a_detached_session_holds_no_presence_and_hears_the_newest_when_it_resumes() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut tablet, id, handled) = managed(&world, "tablet").await;
    let (mut phone, _) = world.available("ana", "phone").await;
    let handled = handled + stanzas(&tablet.receive().await);
    tablet.cut();
    for number in 0..500 {
        let status = "x".repeat(4000);
        phone.send(&format!("<presence><status>{number} {status}</status></presence>")).await;
        world.pass(Duration::from_millis(20)).await;
    }
    let (mut tablet, resumed) = resume(&world, &id, handled).await;
    assert!(resumed.contains("<resumed "), "{resumed}");
    let told = tablet.receive().await;
    assert_eq!(told.matches("<presence ").count(), 1, "{told}");
    assert!(told.contains("<status>499 x"), "{told}");
    // One that is too long goes without what others can do without.
    phone.send(&format!("<presence><show>dnd</show><status>{}</status></presence>", "x".repeat(9000))).await;
    let told = tablet.receive().await;
    assert!(told.contains("<show>dnd</show>") && told.len() < 200, "{told}");
}

#[tokio::test(start_paused = true)]
async fn own_resources_ask_each_other() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut phone, _) = world.available("ana", "phone").await;
    let (mut tablet, _) = world.available("ana", "tablet").await;
    phone.receive().await;
    let ask = "<iq type='get' id='v' to='ana@push.test/tablet'><query xmlns='jabber:iq:version'/></iq>";
    assert_eq!(phone.send(ask).await, "");
    let asked = tablet.receive().await;
    assert!(asked.contains("from='ana@push.test/phone'") && asked.contains("jabber:iq:version"), "{asked}");
    tablet
        .send("<iq type='result' id='v' to='ana@push.test/phone'><query xmlns='jabber:iq:version'/></iq>")
        .await;
    let answer = phone.receive().await;
    assert!(answer.contains("from='ana@push.test/tablet'") && answer.contains("type='result'"), "{answer}");
    // Nobody there; and one that does not keep up.
    let nobody = phone.send(&ask.replace("tablet", "watch")).await;
    assert!(nobody.contains("<service-unavailable") && nobody.contains("id='v'"), "{nobody}");
    let mut refused = 0;
    for _ in 0..20 {
        let long =
            format!("<message to='ana@push.test/tablet'><body>{}</body></message>", "x".repeat(10_000));
        refused += usize::from(phone.send(&long).await.contains("<service-unavailable"));
    }
    assert!((10..19).contains(&refused), "{refused}");
}
