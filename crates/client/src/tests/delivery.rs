//! What arrives, is acknowledged, and is shown once.

use futures_util::StreamExt;

use super::*;

#[tokio::test(start_paused = true)]
async fn h_counts_only_what_the_application_acknowledged_and_all_before_it() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    let before = peer.handled().await;
    peer.send(&[push("a"), push("b"), push("c")].concat()).await;
    let a = device.next().await.unwrap();
    let b = device.next().await.unwrap();
    assert_eq!((a.id.as_str(), b.id.as_str()), ("a", "b"));
    assert_eq!(peer.handled().await, before);
    b.ack();
    assert_eq!(peer.handled().await, before);
    a.ack();
    // The last request was answered with less than had come: no need for another one.
    assert_eq!(peer.ack().await, before + 2);
    device.next().await.unwrap().ack();
    assert_eq!(peer.ack().await, before + 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_ask_hears_of_acknowledgements_all_the_same() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    let before = peer.handled().await;
    peer.send(&push("a")).await;
    device.next().await.unwrap().ack();
    assert_eq!(peer.ack().await, before + 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_is_not_shown_again_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    Account::new("phone", "secret").save(&file(dir.path())).unwrap();
    let (builder, mut server) = world();
    let mut device = builder.account_file(file(dir.path())).start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    peer.send(&push("a")).await;
    device.next().await.unwrap().ack();
    peer.ack().await;
    drop((device, peer));
    // The server that died with the acknowledgement sends it once more.
    let stored = Account::load(&file(dir.path())).unwrap().unwrap();
    assert!(stored.certificate.is_some());

    let (builder, mut other) = world();
    other.acceptor = server.acceptor.clone();
    let mut device = builder.account_file(file(dir.path())).start().unwrap();
    let mut peer = other.bound(MANAGED).await;
    let before = peer.handled().await;
    peer.send(&[push("a"), push("b")].concat()).await;
    assert_eq!(device.next().await.unwrap().id, "b");
    assert_eq!(peer.handled().await, before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_cut_session_is_resumed_and_nothing_is_shown_twice() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut status = device.status();
    let mut peer = server.bound(MANAGED).await;
    let before = peer.handled().await;
    peer.send(&[push("a"), push("b"), push("c")].concat()).await;
    let a = device.next().await.unwrap();
    let b = device.next().await.unwrap();
    a.ack();
    assert_eq!(peer.ack().await, before + 1);
    drop(peer);
    status.wait_for(|status| matches!(status, Status::Waiting { .. })).await.unwrap();
    // Acknowledged between two connections: not in `h` of the old numbers, but not lost.
    b.ack();

    let mut peer = server.login(MANAGED).await;
    let resume = peer.next().await;
    assert_eq!((resume.name(), resume.attribute("previd")), ("resume", Some("s1")));
    assert_eq!(resume.attribute("h"), Some((before + 1).to_string().as_str()));
    peer.send("<resumed xmlns='urn:xmpp:sm:3' previd='s1' h='2'/>").await;
    peer.send(&[push("b"), push("c"), push("d")].concat()).await;
    let c = device.next().await.unwrap();
    let d = device.next().await.unwrap();
    assert_eq!((c.id.as_str(), d.id.as_str()), ("c", "d"));
    assert_eq!(peer.handled().await, before + 2);
    c.ack();
    d.ack();
    assert_eq!(peer.ack().await, before + 4);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_the_server_lost_is_bound_anew_and_what_was_opened_is_said_again() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").topic("news").start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    peer.send(&push("a")).await;
    let a = device.next().await.unwrap();
    device.handle().opened("old").await;
    device.handle().set_active(false).await;
    loop {
        let element = peer.next().await;
        if element.name() == "inactive" {
            break;
        }
    }
    drop(peer);

    let mut peer = server.login(MANAGED).await;
    assert_eq!(peer.next().await.name(), "resume");
    peer.send(
        "<failed xmlns='urn:xmpp:sm:3'>\
         <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
    )
    .await;
    let bind = peer.next().await;
    assert!(bind.to_string().contains("<bind"), "{bind}");
    peer.send(
        "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
         <jid>phone@example.org/r</jid></bind></iq>",
    )
    .await;
    assert_eq!(peer.next().await.name(), "enable");
    peer.send(ENABLED).await;
    let mut said = String::new();
    while !said.contains("<displayed") {
        said.push_str(&peer.next().await.to_string());
    }
    for part in ["<enable xmlns='urn:tidings:push:1'", "topic='news'", "<inactive", "<presence", "id='old'"] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }

    let before = peer.handled().await;
    peer.send(&[push("a"), push("b")].concat()).await;
    assert_eq!(device.next().await.unwrap().id, "b");
    a.ack();
    assert_eq!(peer.ack().await, before + 1);
}

#[tokio::test(start_paused = true)]
async fn without_stream_management_there_are_receipts() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut peer = server.bound(BARE).await;
    let ping = peer.next().await;
    peer.grant(&ping).await;
    peer.send(&push("a")).await;
    let a = device.next().await.unwrap();
    a.ack();
    let receipt = peer.next().await;
    assert_eq!(receipt.attribute("to"), Some("example.org"));
    assert_eq!(tidings_xmpp::ext::receipts::received_id(&receipt), Some("a"));
    // Again: the receipt was lost.
    peer.send(&push("a")).await;
    assert_eq!(tidings_xmpp::ext::receipts::received_id(&peer.next().await), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn closing_says_what_was_acknowledged_and_waits_for_the_server() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    let before = peer.handled().await;
    peer.send(&[push("a"), push("b")].concat()).await;
    device.next().await.unwrap().ack();
    let server = async {
        assert_eq!(peer.ack().await, before + 1);
        let mut count = 2;
        while let Some(element) = peer.frame().await {
            match element.name() {
                "presence" | "iq" | "message" => count += 1,
                "r" => peer.send(&format!("<a xmlns='urn:xmpp:sm:3' h='{count}'/>")).await,
                _ => {}
            }
        }
        peer.send("</stream:stream>").await;
    };
    let (closed, ()) = tokio::join!(device.close(), server);
    closed.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_device_whose_application_is_slow_stops_reading_and_loses_nothing() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    let text: String = (0..2000).map(|n| push(&n.to_string())).collect();
    let mut send = std::pin::pin!(peer.send(&text));
    // An hour in which the application takes no notification: the socket fills, nothing breaks.
    assert!(tokio::time::timeout(LONG, &mut send).await.is_err());
    let take = async {
        for n in 0..2000 {
            let notification = device.next().await.unwrap();
            assert_eq!(notification.id, n.to_string());
            notification.ack();
        }
    };
    tokio::join!(send, take);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_acknowledges_too_much_is_left_for_a_new_session() {
    let (builder, mut server) = world();
    let _device = builder.credentials("phone", "secret").start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    peer.send("<a xmlns='urn:xmpp:sm:3' h='77'/>").await;
    let mut peer = server.login(MANAGED).await;
    let bind = peer.next().await;
    assert!(bind.to_string().contains("<bind"), "not resumed: {bind}");
}

#[tokio::test(start_paused = true)]
async fn a_device_is_a_stream_whose_last_item_is_what_ended_it() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    peer.send(&push("a")).await;
    let notification = StreamExt::next(&mut device).await.unwrap().unwrap();
    assert_eq!(notification.id, "a");
    drop(peer);
    let mut peer = server.accept().await;
    peer.open(MECHANISMS).await;
    peer.next().await;
    peer.send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><account-disabled/></failure>").await;
    let error = StreamExt::next(&mut device).await.unwrap().unwrap_err();
    assert!(error.is_permanent(), "{error}");
    assert!(StreamExt::next(&mut device).await.is_none());
}
