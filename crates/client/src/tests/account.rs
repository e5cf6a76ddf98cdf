//! Registration, passwords, certificates, topics: whom one talks to, and as whom.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_new_device_registers_and_keeps_its_account_and_its_server() {
    let dir = tempfile::tempdir().unwrap();
    let (builder, mut server) = world();
    let device = builder.account_file(file(dir.path())).start().unwrap();
    let mut status = device.status();
    let mut peer = server.bound(MANAGED).await;
    peer.send("<a xmlns='urn:xmpp:sm:3' h='2'/>").await;
    let online = status.wait_for(|status| matches!(status, Status::Online { .. })).await.unwrap().clone();
    assert_eq!(online, Status::Online { jid: "phone@example.org/r".into(), resumed: false });

    let account = Account::load(&file(dir.path())).unwrap().unwrap();
    assert!(account.registered && matches!(account.certificate, Some(KnownBy::Pin(_))));
    assert_eq!(account.username, device.username());
}

#[tokio::test(start_paused = true)]
async fn a_registration_whose_answer_was_lost_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let (builder, mut server) = world();
    let _device = builder.account_file(file(dir.path())).start().unwrap();
    let mut peer = server.accept().await;
    peer.open(MECHANISMS).await;
    assert_eq!(peer.next().await.name(), "iq");
    assert!(!Account::load(&file(dir.path())).unwrap().unwrap().registered);
    drop(peer);

    let mut peer = server.accept().await;
    peer.open(MECHANISMS).await;
    assert_eq!(peer.next().await.name(), "iq");
    peer.send(
        "<iq type='error' id='register'><error type='cancel'>\
         <conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
    )
    .await;
    let mut peer = server.bound(MANAGED).await;
    assert!(Account::load(&file(dir.path())).unwrap().unwrap().registered);
    peer.send("</stream:stream>").await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_registration_leaves_no_account_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (builder, mut server) = world();
    let mut device = builder.account_file(file(dir.path())).start().unwrap();
    let mut peer = server.accept().await;
    peer.open(MECHANISMS).await;
    peer.next().await;
    peer.send(
        "<iq type='error' id='register'><error type='cancel'>\
         <not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
    )
    .await;
    assert_eq!(device.next().await.unwrap_err().to_string(), "the server closed registration");
    assert!(matches!(device.next().await, Err(ClientError::Closed)));
    assert!(!file(dir.path()).exists());
}

#[tokio::test(start_paused = true)]
async fn errors_that_need_a_person_end_a_device_or_slow_it_down() {
    let failure = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>";
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "wrong").start().unwrap();
    let mut peer = server.accept().await;
    peer.open(MECHANISMS).await;
    peer.next().await;
    peer.send(failure).await;
    let error = device.next().await.unwrap_err();
    assert!(matches!(&error, ClientError::Login(error) if error.kind() == LoginErrorKind::WrongPassword));
    assert_eq!(error.to_string(), "wrong username or password");
    assert!(matches!(device.status().current(), Status::Ended));

    let (builder, mut server) = world();
    let device = builder.credentials("phone", "wrong").keep_trying(true).start().unwrap();
    let mut status = device.status();
    let mut peer = server.accept().await;
    peer.open(MECHANISMS).await;
    peer.next().await;
    peer.send(failure).await;
    let waiting = status.wait_for(|status| matches!(status, Status::Waiting { .. })).await.unwrap().clone();
    let Status::Waiting { retry_in, .. } = waiting else { panic!("{waiting:?}") };
    assert!(retry_in >= Duration::from_secs(150), "{retry_in:?}");
    server.bound(MANAGED).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_asked_and_then_left() {
    for features in [MANAGED, BARE] {
        let (builder, mut server) = world();
        let device = builder.credentials("phone", "secret").start().unwrap();
        let mut status = device.status();
        let mut peer = server.bound(features).await;
        let first = peer.next().await;
        match first.name() {
            "r" => peer.send("<a xmlns='urn:xmpp:sm:3' h='2'/>").await,
            _ => peer.grant(&first).await,
        }
        status.wait_for(|status| matches!(status, Status::Online { .. })).await.unwrap();
        let probe = peer.next().await;
        assert!(matches!(probe.name(), "r" | "iq"), "{probe}");
        let waiting =
            status.wait_for(|status| matches!(status, Status::Waiting { .. })).await.unwrap().clone();
        let Status::Waiting { error, .. } = waiting else { panic!("{waiting:?}") };
        assert_eq!(error, "the server did not answer within 30 s");
    }
}

#[tokio::test(start_paused = true)]
async fn another_certificate_is_refused() {
    let (builder, mut server) = world();
    let dir = tempfile::tempdir().unwrap();
    Account::new("phone", "secret").save(&file(dir.path())).unwrap();
    let mut device = builder.account_file(file(dir.path())).start().unwrap();
    drop(server.bound(MANAGED).await);
    server.acceptor = acceptor(&self_signed("example.org"));
    let io = server.connections.recv().await.unwrap();
    assert!(server.acceptor.accept(io).await.is_err());
    let error = device.next().await.unwrap_err();
    assert!(matches!(error, ClientError::CertificateChanged(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn topics_come_and_go_and_a_refusal_is_told() {
    let (builder, mut server) = world();
    let device = builder.credentials("phone", "secret").start().unwrap();
    let handle = device.handle();
    let mut peer = server.bound(MANAGED).await;
    let answer = async {
        for (name, topic) in [("subscribe", "news"), ("unsubscribe", "news"), ("subscribe", "no")] {
            let iq = loop {
                let element = peer.next().await;
                if element.name() == "iq" {
                    break element;
                }
            };
            let payload = iq.children().next().unwrap();
            assert_eq!((payload.name(), payload.attribute("topic")), (name, Some(topic)));
            match topic {
                "news" => peer.grant(&iq).await,
                _ => {
                    let id = iq.attribute("id").unwrap();
                    peer.send(&format!(
                        "<iq type='error' id='{id}'><error type='cancel'>\
                         <not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
                    ))
                    .await;
                }
            }
        }
    };
    let ask = async {
        handle.subscribe("news").await.unwrap();
        handle.unsubscribe("news").await.unwrap();
        assert!(matches!(handle.subscribe("no").await, Err(ClientError::Topic { .. })));
    };
    tokio::join!(answer, ask);
}

#[tokio::test(start_paused = true)]
async fn notifications_in_another_accounts_name_are_passed_over() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut peer = server.bound(MANAGED).await;
    let forged = push("x").replace("from='example.org'", "from='thief@example.org/r'");
    peer.send(&[forged, push("a")].concat()).await;
    assert_eq!(device.next().await.unwrap().id, "a");
}
