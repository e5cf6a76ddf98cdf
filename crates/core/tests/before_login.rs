//! What a peer may do, and how long, before it has logged in.

mod world;

use std::time::Duration;

use world::World;

const FORM: &str = "<iq type='get' id='f'><query xmlns='jabber:iq:register'/></iq>";
const REGISTER: &str = "<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>ana</username><password>secret</password></query></iq>";
const PING: &str = "<iq type='get' id='p' to='push.test'><ping xmlns='urn:xmpp:ping'/></iq>";

#[tokio::test(start_paused = true)]
async fn who_fills_in_a_form_has_five_minutes_once() {
    let world = World::new().await;
    let (mut silent, mut slow) = (world.connect(), world.connect());
    silent.open().await;
    slow.open().await;
    assert!(slow.send(FORM).await.contains("<username/>"));
    world.pass(Duration::from_secs(29)).await;
    // It keeps the connection alive meanwhile.
    let pong = slow.send(PING).await;
    assert!(pong.contains("type='result'") && pong.contains("id='p'"), "{pong}");
    world.pass(Duration::from_secs(2)).await;
    assert!(silent.time_passed().await.contains("<connection-timeout"));
    assert_eq!(slow.time_passed().await, "");
    world.pass(Duration::from_secs(200)).await;
    assert!(slow.send(REGISTER).await.contains("type='result'"));
    slow.send(FORM).await;
    world.pass(Duration::from_secs(100)).await;
    assert!(slow.time_passed().await.contains("<connection-timeout"), "it is put off once");
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_in_the_middle_of_a_login() {
    let world = World::new().await;
    world.account("ana").await;
    let mut device = world.connect();
    device.open().await;
    let challenge =
        device.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>biwsbj1hbmEscj1hYmNkZWZnaA==</auth>").await;
    assert!(challenge.contains("<challenge"), "{challenge}");
    let pong = device.send(PING).await;
    assert!(pong.contains("type='result'"), "{pong}");
    let other = device.send("<iq type='get' id='v'><query xmlns='jabber:iq:version'/></iq>").await;
    assert!(other.contains("<not-authorized"), "{other}");
}

#[tokio::test(start_paused = true)]
async fn logins_are_bound_to_tls_1_3_alone_and_not_at_all_where_that_is_switched_off() {
    for (version, channel_binding, offered) in
        [("TLSv1.3", true, true), ("TLSv1.3", false, false), ("TLSv1.2", true, false)]
    {
        let world = World::with(|config| config.channel_binding = channel_binding).await;
        let mut device = world.connect_over(version);
        let features = device.open().await;
        assert_eq!(features.contains("-PLUS"), offered, "{version} {channel_binding}: {features}");
        assert_eq!(
            features.contains("urn:xmpp:sasl-cb:0"),
            offered,
            "{version} {channel_binding}: {features}"
        );
        assert!(features.contains("SCRAM-SHA-256<"), "{features}");
    }
}

#[tokio::test(start_paused = true)]
async fn resources_of_any_script_are_bound() {
    let world = World::new().await;
    world.account("ana").await;
    for resource in ["📱", "شبكة 1", "Телефон"] {
        let (mut device, _) = world.available("ana", resource).await;
        let own = format!(
            "<iq type='get' id='p' from='ana@push.test/{resource}'><ping xmlns='urn:xmpp:ping'/></iq>"
        );
        assert!(device.send(&own).await.contains("type='result'"), "{resource}");
    }
}
