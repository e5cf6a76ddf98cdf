//! Stream management (XEP-0198) over literal XML.

mod world;

use std::time::Duration;

use tidings_core::audit::Actor;
use tidings_core::error::ChangeError;
use world::{Device, World, attribute, to};

const ENABLE: &str = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";

async fn managed(world: &World) -> (Device, String) {
    let mut device = world.device("ana", "phone").await;
    let enabled = device.send(ENABLE).await;
    assert!(enabled.contains("resume='true'"), "{enabled}");
    let id = attribute(&enabled, "id");
    device.send("<presence/>").await;
    (device, id)
}

async fn resume(world: &World, name: &str, id: &str, h: u32) -> (Device, String) {
    let mut device = world.authenticated(name).await;
    let answer = device.send(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='{h}'/>")).await;
    (device, answer)
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_settles() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, _) = managed(&world).await;
    let first = world.send(to("ana"), "one").await;
    let second = world.send(to("ana"), "two").await;
    let received = device.receive().await;
    assert_eq!(received.matches("<r xmlns='urn:xmpp:sm:3'/>").count(), 1, "{received}");
    assert!(!received.contains("tidings-ping"), "{received}");
    // Its own presence came first.
    device.send("<a xmlns='urn:xmpp:sm:3' h='2'/>").await;
    assert_eq!(world.counters(first.id).await.delivered, 1);
    assert_eq!(world.counters(second.id).await.delivered, 0);
    device.send("<a xmlns='urn:xmpp:sm:3' h='3'/>").await;
    assert_eq!(world.counters(second.id).await.delivered, 1);
    assert_eq!(device.send("<r xmlns='urn:xmpp:sm:3'/>").await, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
}

#[tokio::test(start_paused = true)]
async fn a_lie_ends_the_stream() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, _) = managed(&world).await;
    let accepted = world.send(to("ana"), "one").await;
    device.receive().await;
    let answer = device.send("<a xmlns='urn:xmpp:sm:3' h='5'/>").await;
    assert!(answer.contains("<undefined-condition") && answer.contains("handled-count-too-high"), "{answer}");
    assert!(answer.contains("h='5'") && answer.contains("send-count='2'"), "{answer}");
    assert!(!device.is_open());
    assert_eq!(world.counters(accepted.id).await.delivered, 0);
}

#[tokio::test(start_paused = true)]
async fn a_cut_session_resumes_where_it_was() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, id) = managed(&world).await;
    let first = world.send(to("ana"), "one").await;
    let second = world.send(to("ana"), "two").await;
    device.receive().await;
    device.cut();
    let third = world.send(to("ana"), "three").await;
    assert_eq!(world.core.session.connected(), 1, "it waits");
    assert_eq!(world.core.session.online(), 0);
    // The client had handled its own presence and the first of the two.
    let (mut device, answer) = resume(&world, "ana", &id, 2).await;
    assert!(answer.contains("<resumed"), "{answer}");
    assert!(!answer.contains(&first.id.to_string()), "{answer}");
    assert!(answer.contains(&second.id.to_string()) && answer.contains(&third.id.to_string()), "{answer}");
    assert_eq!(world.counters(first.id).await.delivered, 1);
    device.send("<a xmlns='urn:xmpp:sm:3' h='4'/>").await;
    assert_eq!(world.counters(second.id).await.delivered, 1);
    assert_eq!(world.counters(third.id).await.delivered, 1);
    let (_, again) = resume(&world, "ana", "nonsense", 0).await;
    assert!(again.contains("<failed"), "{again}");
}

#[tokio::test(start_paused = true)]
async fn another_accounts_id_resumes_nothing() {
    let world = World::new().await;
    world.account("ana").await;
    world.account("eve").await;
    let (mut device, id) = managed(&world).await;
    let (_eve, answer) = resume(&world, "eve", &id, 0).await;
    assert!(answer.contains("<failed") && answer.contains("item-not-found"), "{answer}");
    world.send(to("ana"), "for ana").await;
    assert!(device.receive().await.contains("for ana"));
}

#[tokio::test(start_paused = true)]
async fn a_live_connection_hands_its_session_over() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut old, id) = managed(&world).await;
    let accepted = world.send(to("ana"), "one").await;
    let (resumed, on_old) = tokio::join!(resume(&world, "ana", &id, 0), async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let mut all = String::new();
        while old.is_open() {
            all.push_str(&old.receive().await);
        }
        all
    });
    let (mut new, answer) = resumed;
    assert!(answer.contains("<resumed") && answer.contains(&accepted.id.to_string()), "{answer}");
    assert!(on_old.contains("<conflict"), "{on_old}");
    new.send("<a xmlns='urn:xmpp:sm:3' h='1'/>").await;
    assert_eq!(world.counters(accepted.id).await.delivered, 1);
    assert_eq!(world.core.session.connected(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_connections_that_resume_at_once_one_has_the_session() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut old, id) = managed(&world).await;
    let accepted = world.send(to("ana"), "one").await;
    let take_over = async || {
        let (mut device, mut received) = resume(&world, "ana", &id, 0).await;
        // Long enough for the other one to have asked.
        for _ in 0..5 {
            received += &device.receive().await;
        }
        (device, received)
    };
    let (first, second, on_old) = tokio::join!(take_over(), take_over(), async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        old.receive().await
    });
    assert!(on_old.contains("<conflict"), "{on_old}");
    let ((mut first, on_first), (mut second, on_second)) = (first, second);
    assert!(on_first.contains("<resumed") && on_second.contains("<resumed"), "{on_first} {on_second}");
    assert_eq!((first.is_open() as u8, second.is_open() as u8), (0, 1), "{on_first} {on_second}");
    assert_eq!(world.core.session.connected(), 1);
    first.send("<a xmlns='urn:xmpp:sm:3' h='1'/>").await;
    assert_eq!(world.counters(accepted.id).await.delivered, 0);
    second.send("<a xmlns='urn:xmpp:sm:3' h='1'/>").await;
    assert_eq!(world.counters(accepted.id).await.delivered, 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_ended_while_it_changes_hands_is_over() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut old, id) = managed(&world).await;
    let ((_new, answer), on_old) = tokio::join!(resume(&world, "ana", &id, 0), async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        // It stands behind the question of the new connection.
        world.core.session.end(&Actor::CommandLine, "ana@push.test/phone").await.unwrap();
        old.receive().await
    });
    assert!(answer.contains("<failed"), "{answer}");
    assert!(on_old.contains("<conflict"), "{on_old}");
    assert_eq!(world.core.session.connected(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_operator_ends_a_session_by_its_jid() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut phone, id) = managed(&world).await;
    let mut tablet = world.device("ana", "tablet").await;
    let end = async |jid| match world.core.session.end(&Actor::CommandLine, jid).await {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error, ChangeError::NotFound("session"));
            false
        }
    };
    for none in ["ana@push.test/desk", "ben@push.test/phone", "ana@else.where/phone", "ana@push.test", "ana"]
    {
        assert!(!end(none).await, "{none}");
    }
    assert!(end("ana@push.test/tablet").await);
    assert!(tablet.receive().await.contains("<policy-violation"));
    phone.cut();
    assert!(end("ana@push.test/phone").await, "one that waits to be resumed");
    assert_eq!(world.core.session.connected(), 0);
    let (_, answer) = resume(&world, "ana", &id, 0).await;
    assert!(answer.contains("<failed"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_detached_session_ends_in_time() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, id) = managed(&world).await;
    device.cut();
    world.pass(Duration::from_secs(601)).await;
    assert_eq!(world.core.session.connected(), 0);
    let (_, answer) = resume(&world, "ana", &id, 0).await;
    assert!(answer.contains("<failed"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_with_the_task_that_drove_it() {
    let world = World::new().await;
    world.account("ana").await;
    let (device, id) = managed(&world).await;
    device.abort();
    assert_eq!((world.core.session.connected(), world.core.session.online()), (0, 0));
    let (_, answer) = resume(&world, "ana", &id, 0).await;
    assert!(answer.contains("<failed"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn replies_that_were_lost_are_sent_again() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, id) = managed(&world).await;
    device.send("<iq type='get' id='p1' to='push.test'><ping xmlns='urn:xmpp:ping'/></iq>").await;
    device.cut();
    let (_, answer) = resume(&world, "ana", &id, 0).await;
    assert!(answer.contains("id='p1'"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn goodbye_is_not_resumable() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, id) = managed(&world).await;
    device.send("</stream:stream>").await;
    assert_eq!(world.core.session.connected(), 0);
    let (_, answer) = resume(&world, "ana", &id, 0).await;
    assert!(answer.contains("<failed"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_in_one_piece_with_enabled() {
    let world = World::new().await;
    world.account("ana").await;
    let accepted = world.send(to("ana"), "waited").await;
    let mut device = world.device("ana", "phone").await;
    // As @xmpp/client does it: presence first, both in one piece.
    let answer = device.send(&format!("<presence/>{ENABLE}")).await;
    assert!(answer.contains("<enabled") && !answer.contains("waited"), "{answer}");
    assert_eq!(device.receive().await, "");
    world.pass(Duration::from_millis(250)).await;
    let received = device.time_passed().await;
    assert_eq!(received.matches("<message ").count(), 1, "{received}");
    assert!(received.contains("waited") && received.contains("<r xmlns='urn:xmpp:sm:3'/>"), "{received}");
    device.send("<a xmlns='urn:xmpp:sm:3' h='1'/>").await;
    assert_eq!(world.counters(accepted.id).await.delivered, 1);
}

#[tokio::test(start_paused = true)]
async fn where_an_account_is_full_the_oldest_that_waits_gives_way() {
    let world = World::with(|config| config.limits.sessions_per_account = 2).await;
    world.account("ana").await;
    let mut ids = Vec::new();
    for resource in ["one", "two"] {
        let mut device = world.device("ana", resource).await;
        ids.push(attribute(&device.send(ENABLE).await, "id"));
        device.send("<presence/>").await;
        drop(device);
    }
    assert_eq!(world.core.session.connected(), 2);
    let third = world.device("ana", "three").await;
    assert_eq!(world.core.session.connected(), 2);
    let (_, answer) = resume(&world, "ana", &ids[0], 0).await;
    assert!(answer.contains("<item-not-found"), "it was the oldest: {answer}");
    let (second, answer) = resume(&world, "ana", &ids[1], 0).await;
    assert!(answer.contains("<resumed "), "{answer}");

    // A session with a connection does not give way.
    let mut fourth = world.authenticated("ana").await;
    let answer =
        fourth.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>").await;
    assert!(answer.contains("<resource-constraint"), "{answer}");
    drop((second, third));
}

#[tokio::test(start_paused = true)]
async fn many_answers_are_asked_for_and_cost_no_right_to_resume() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, id) = managed(&world).await;
    let mut handled = 1;
    for number in 0..300 {
        let ping = format!("<iq type='get' id='p{number}' to='push.test'><ping xmlns='urn:xmpp:ping'/></iq>");
        let answer = device.send(&ping).await;
        handled += 1;
        if answer.contains("<r xmlns='urn:xmpp:sm:3'/>") {
            device.send(&format!("<a xmlns='urn:xmpp:sm:3' h='{handled}'/>")).await;
        }
        world.pass(Duration::from_millis(100)).await;
    }
    device.cut();
    let (mut device, answer) = resume(&world, "ana", &id, handled).await;
    assert!(answer.contains("<resumed "), "{answer}");
    // One that acknowledges nothing cannot resume, until it does.
    let pings = |count: usize| {
        "<iq type='get' id='p' to='push.test'><ping xmlns='urn:xmpp:ping'/></iq>".repeat(count)
    };
    device.send(&pings(200)).await;
    device.send(&format!("<a xmlns='urn:xmpp:sm:3' h='{}'/>", handled + 190)).await;
    device.cut();
    let (mut device, answer) = resume(&world, "ana", &id, handled + 200).await;
    assert!(answer.contains("<resumed "), "the right came back: {answer}");
    device.send(&pings(200)).await;
    device.cut();
    let (_device, answer) = resume(&world, "ana", &id, handled + 400).await;
    assert!(answer.contains("<item-not-found"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_counting_is_not_sent_again() {
    for by_ping in [true, false] {
        let world = World::new().await;
        world.account("ana").await;
        let waited = world.send(to("ana"), "waited").await;
        let (mut device, received) = world.available("ana", "phone").await;
        assert!(received.contains("waited"), "{received}");
        if by_ping {
            // The ping is out when counting begins.
            world.pass(Duration::from_secs(1)).await;
            let asked = device.time_passed().await;
            assert!(!device.send(ENABLE).await.contains("waited"));
            world::answer(&mut device, &asked).await;
        } else {
            assert!(!device.send(ENABLE).await.contains("waited"));
            world.pass(Duration::from_secs(1)).await;
            let asked = device.time_passed().await;
            assert_eq!(asked, "<r xmlns='urn:xmpp:sm:3'/>");
            assert_eq!(world.counters(waited.id).await.delivered, 0);
            device.send("<a xmlns='urn:xmpp:sm:3' h='0'/>").await;
        }
        assert_eq!(world.counters(waited.id).await.delivered, 1, "by ping: {by_ping}");
        let next = world.send(to("ana"), "next").await;
        let received = device.receive().await;
        assert!(received.contains("next") && !received.contains("waited"), "{received}");
        device.send("<a xmlns='urn:xmpp:sm:3' h='1'/>").await;
        assert_eq!(world.counters(next.id).await.delivered, 1);
    }
}
