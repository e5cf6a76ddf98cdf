//! What messengers ask for and say as a matter of course, and what they are told.

mod world;

use world::{Device, World, attribute};

async fn ask(device: &mut Device, to: &str, kind: &str, payload: &str) -> String {
    let to = if to.is_empty() { String::new() } else { format!(" to='{to}'") };
    device.send(&format!("<iq type='{kind}' id='q'{to}>{payload}</iq>")).await
}

#[tokio::test(start_paused = true)]
async fn what_costs_nothing_is_answered() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, _) = world.available("ana", "phone").await;
    let bookmarks = "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>";
    for (to, payload, expected) in [
        ("push.test", "<query xmlns='jabber:iq:version'/>", "<name>Tidings</name><version>"),
        ("push.test", "<time xmlns='urn:xmpp:time'/>", "<tzo>+00:00</tzo><utc>2027-01-15T08:00:00Z</utc>"),
        ("", bookmarks, "<storage xmlns='storage:bookmarks'/></query>"),
        ("ana@push.test", bookmarks, "<storage xmlns='storage:bookmarks'/></query>"),
        ("", "<blocklist xmlns='urn:xmpp:blocking'/>", "<blocklist xmlns='urn:xmpp:blocking'/>"),
        ("ana@push.test", "<query xmlns='http://jabber.org/protocol/disco#items'/>", "disco#items"),
        ("nobody@push.test", "<query xmlns='http://jabber.org/protocol/disco#items'/>", "disco#items"),
        (
            "push.test",
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
            "'http://jabber.org/protocol/caps'",
        ),
    ] {
        let answer = ask(&mut device, to, "get", payload).await;
        assert!(answer.contains("type='result'") && answer.contains(expected), "{to} {payload}: {answer}");
    }
    for (to, kind, payload) in [
        ("", "set", bookmarks),
        ("", "set", "<enable xmlns='urn:xmpp:carbons:2'/>"),
        ("", "set", "<block xmlns='urn:xmpp:blocking'><item jid='a@b'/></block>"),
        ("nobody@push.test", "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
        ("nobody@push.test", "get", "<vCard xmlns='vcard-temp'/>"),
        ("room@conference.elsewhere.test", "get", "<query xmlns='http://jabber.org/protocol/disco#items'/>"),
    ] {
        let answer = ask(&mut device, to, kind, payload).await;
        assert!(answer.contains("<service-unavailable"), "{to} {payload}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_nowhere_is_said_to() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, _) = world.available("ana", "phone").await;
    let room = "room@conference.elsewhere.test/ana";
    let join = format!("<presence to='{room}' id='j'><x xmlns='http://jabber.org/protocol/muc'/></presence>");
    let answer = device.send(&join).await;
    assert!(
        answer.starts_with("<presence type='error'") && answer.contains("<service-unavailable"),
        "{answer}"
    );
    assert_eq!((attribute(&answer, "from"), attribute(&answer, "id")), (room.to_owned(), "j".to_owned()));
    let answer = device.send("<presence type='subscribe' to='ben@push.test'/>").await;
    assert_eq!(answer, "<presence type='unsubscribed' from='ben@push.test'/>");
    for message in [
        "<message to='ben@push.test' id='m' type='chat'><body>hello</body></message>",
        "<message to='room@elsewhere.test' id='m' type='groupchat'><subject/></message>",
        "<message to='ana@push.test/nowhere' id='m'><body>hello</body></message>",
    ] {
        let answer = device.send(message).await;
        assert!(answer.contains("<service-unavailable") && answer.contains("id='m'"), "{message}: {answer}");
    }
    // What RFC 6121 has ignored.
    for silent in [
        "<presence type='unavailable' to='room@conference.elsewhere.test/ana'/>",
        "<presence to='push.test'/>",
        "<presence to='ana@push.test'/>",
        "<presence to='ana@push.test/nowhere'/>",
        "<message to='ben@push.test' type='headline'><body>hello</body></message>",
        "<message to='ben@push.test' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
        "<message to='ben@push.test' type='error'><body>hello</body></message>",
        "<iq type='result' id='q' to='ana@push.test/nowhere'/>",
    ] {
        assert_eq!(device.send(silent).await, "", "{silent}");
    }
}
