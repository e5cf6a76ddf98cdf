//! Whose name a stanza may carry, and to whom it may go.

mod world;

use world::{World, attribute};

#[tokio::test(start_paused = true)]
async fn a_stanza_in_somebody_elses_name_ends_the_stream() {
    let world = World::new().await;
    world.account("ana").await;
    for own in ["ana@push.test", "ana@push.test/phone", "ANA@PUSH.TEST", "ana@127.0.0.1/phone"] {
        let (mut device, _) = world.available("ana", "phone").await;
        let answer = device
            .send(&format!("<iq type='get' id='p' from='{own}'><ping xmlns='urn:xmpp:ping'/></iq>"))
            .await;
        assert!(answer.contains("type='result'"), "{own}: {answer}");
    }
    for other in ["ben@push.test", "push.test", "ana@elsewhere.test", "ana@push.test/tablet", "@", ""] {
        let (mut device, _) = world.available("ana", "phone").await;
        let answer =
            device.send(&format!("<message from='{other}' to='push.test'><body>x</body></message>")).await;
        assert!(answer.contains("<invalid-from"), "{other}: {answer}");
        assert!(!device.is_open());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_an_address_is_said_to_be_none() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, _) = world.available("ana", "phone").await;
    let long = format!("{}@push.test", "x".repeat(2000));
    for wrong in ["@", "ana@", "/phone", "a b@push.test", "a@b@c", long.as_str()] {
        let answer = device
            .send(&format!("<iq type='get' id='p' to='{wrong}'><ping xmlns='urn:xmpp:ping'/></iq>"))
            .await;
        assert!(answer.contains("<jid-malformed"), "{wrong}: {answer}");
        assert_eq!((attribute(&answer, "id"), attribute(&answer, "from")), ("p".into(), "push.test".into()));
        let answer = device.send(&format!("<iq type='result' id='p' to='{wrong}'/>")).await;
        assert!(answer.is_empty(), "{wrong}: {answer}");
    }
    assert!(device.is_open());
}
