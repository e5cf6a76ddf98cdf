//! Devices whose server takes along with the login what comes after it (XEP-0388).

use super::pipelining::{challenge_to, online, proof_for};
use super::*;

const OFFER: &str = "<stream:features><authentication xmlns='urn:xmpp:sasl:2'>\
    <mechanism>SCRAM-SHA-256</mechanism><inline><sm xmlns='urn:xmpp:sm:3'/>\
    <bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:sm:3'/></inline></bind></inline>\
    </authentication><pipelining xmlns='urn:xmpp:features:pipelining'/></stream:features>";
const SESSION: &str =
    "<stream:features><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/></stream:features>";
const BOUND: &str = "<bound xmlns='urn:xmpp:bind:0'>\
    <enabled xmlns='urn:xmpp:sm:3' id='s1' resume='true'/></bound>";

impl Peer {
    /// Answers a login that has begun. What was said behind the device's proof is still to
    /// be read.
    async fn admit(&mut self, authenticate: &Element, inside: &str) {
        assert_eq!(authenticate.name(), "authenticate");
        let first = authenticate.child_text("initial-response", "urn:xmpp:sasl:2").unwrap();
        let (challenge, message) = challenge_to(&first, "secret");
        self.send(&format!("<challenge xmlns='urn:xmpp:sasl:2'>{message}</challenge>")).await;
        let response = self.next().await;
        let proof = proof_for(challenge, &response.text()).expect("the right password");
        self.send(&format!(
            "<success xmlns='urn:xmpp:sasl:2'><additional-data>{proof}</additional-data>\
             <authorization-identifier>phone@example.org/tidings/x</authorization-identifier>{inside}</success>"
        ))
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_bound_and_resumed_along_with_the_login() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut status = device.status();

    // Step by step: it does not know the server.
    let mut peer = server.accept().await;
    assert_eq!(peer.next().await.name(), "stream");
    peer.send(&format!("{HEADER}{OFFER}")).await;
    let authenticate = peer.next().await;
    let text = authenticate.to_string();
    assert!(text.contains("<tag>tidings</tag>") && text.contains("<user-agent id='"), "{text}");
    assert!(!text.contains("<resume"), "{text}");
    peer.admit(&authenticate, BOUND).await;
    peer.send(SESSION).await;
    for name in ["iq", "presence", "r"] {
        assert_eq!(peer.next().await.name(), name);
    }
    peer.send("<a xmlns='urn:xmpp:sm:3' h='2'/>").await;
    let jid = "phone@example.org/tidings/x".to_owned();
    assert_eq!(online(&mut status).await, Status::Online { jid: jid.clone(), resumed: false });
    peer.send(&push("a")).await;
    let a = device.next().await.unwrap();
    drop(peer);
    status.wait_for(|status| matches!(status, Status::Waiting { .. })).await.unwrap();
    device.handle().set_active(false).await;

    // Ahead of the answers, and the session goes on; its server knew XEP-0352.
    let mut peer = server.accept().await;
    assert_eq!(peer.next().await.name(), "stream");
    let authenticate = peer.next().await;
    assert!(authenticate.to_string().contains("<resume xmlns='urn:xmpp:sm:3' previd='s1' h='0'/>"));
    peer.send(&format!("{HEADER}{OFFER}")).await;
    peer.admit(&authenticate, "<resumed xmlns='urn:xmpp:sm:3' previd='s1' h='2'/>").await;
    assert_eq!(peer.next().await.name(), "inactive");
    assert_eq!(online(&mut status).await, Status::Online { jid, resumed: true });
    peer.send(&push("a")).await;
    a.ack();
    assert_eq!(peer.ack().await, 1);
    drop(peer);

    // The session is gone, and a new one is bound in the same step.
    let mut peer = server.accept().await;
    assert_eq!(peer.next().await.name(), "stream");
    let authenticate = peer.next().await;
    peer.send(&format!("{HEADER}{OFFER}")).await;
    peer.admit(&authenticate, &format!("<failed xmlns='urn:xmpp:sm:3'/>{BOUND}")).await;
    peer.send(SESSION).await;
    for name in ["iq", "inactive", "presence", "r"] {
        assert_eq!(peer.next().await.name(), name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_session_is_greeted_ahead() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut status = device.status();
    let unresumable = BOUND.replace(" resume='true'", "");
    for known in [false, true] {
        let mut peer = server.accept().await;
        assert_eq!(peer.next().await.name(), "stream");
        if !known {
            peer.send(&format!("{HEADER}{OFFER}")).await;
        }
        let authenticate = peer.next().await;
        if known {
            peer.send(&format!("{HEADER}{OFFER}")).await;
        }
        peer.admit(&authenticate, &unresumable).await;
        if known {
            // Sent behind the proof: it was there before our answer to that.
            for name in ["iq", "presence", "r"] {
                assert_eq!(peer.next().await.name(), name);
            }
        }
        peer.send(SESSION).await;
        if !known {
            for name in ["iq", "presence", "r"] {
                assert_eq!(peer.next().await.name(), name);
            }
        }
        peer.send("<a xmlns='urn:xmpp:sm:3' h='2'/>").await;
        assert!(matches!(online(&mut status).await, Status::Online { resumed: false, .. }));
        peer.send(&push(if known { "b" } else { "a" })).await;
        device.next().await.unwrap().ack();
        assert_eq!(peer.ack().await, 1);
        drop(peer);
        status.wait_for(|status| matches!(status, Status::Waiting { .. })).await.unwrap();
    }
}
