//! Devices that know their server and do not wait for it (XEP-0305).

use tidings_xmpp::sasl::{
    Mechanism, ScramChallenge, ScramHash, ScramKeys, ScramServer, TlsBinding, decode_payload, derive_keys,
    encode_payload,
};

use super::*;

const OFFER: &str = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
    <mechanism>SCRAM-SHA-256</mechanism></mechanisms>\
    <pipelining xmlns='urn:xmpp:features:pipelining'/></stream:features>";
const SESSION: &str = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>\
    <sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/>\
    <pipelining xmlns='urn:xmpp:features:pipelining'/></stream:features>";
const BOUND: &str = "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
    <jid>phone@example.org/r</jid></bind></iq>";
const GONE: &str = "<failed xmlns='urn:xmpp:sm:3'>\
    <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>";

impl Server {
    /// A login step by step, as far as presence in a bound session.
    async fn teach(&mut self, password: &str) -> Peer {
        let mut peer = self.accept().await;
        peer.step_by_step(OFFER, password).await;
        let bind = peer.next().await;
        peer.bind(bind, true).await;
        peer.send("<a xmlns='urn:xmpp:sm:3' h='2'/>").await;
        peer
    }

    /// A device that has begun its login without a word from here. What it said.
    async fn ahead(&mut self) -> (Peer, Element) {
        let mut peer = self.accept().await;
        assert_eq!(peer.next().await.name(), "stream");
        let auth = peer.next().await;
        assert_eq!((auth.name(), auth.attribute("mechanism")), ("auth", Some("SCRAM-SHA-256")));
        (peer, auth)
    }
}

impl Peer {
    /// A login whose every step waits for the one before, up to the second features.
    async fn step_by_step(&mut self, offer: &str, password: &str) {
        self.says_nothing_but("stream").await;
        self.send(&format!("{HEADER}{offer}")).await;
        let auth = self.next().await;
        let (challenge, element) = challenge(&auth, password);
        self.send(&element).await;
        let response = self.next().await;
        self.says_nothing().await;
        self.send(&success(challenge, &response)).await;
        self.reader.reset();
        self.says_nothing_but("stream").await;
        self.send(&format!("{HEADER}{SESSION}")).await;
    }

    /// The challenge, and what the device says to it: the response is answered for.
    async fn challenged(&mut self, auth: &Element) -> String {
        let (challenge, element) = challenge(auth, "secret");
        self.send(&format!("{HEADER}{OFFER}{element}")).await;
        let response = self.next().await;
        assert_eq!(response.name(), "response");
        // Behind it, without waiting for our word.
        self.reader.reset();
        assert_eq!(self.next().await.name(), "stream");
        success(challenge, &response)
    }

    async fn says_nothing_but(&mut self, name: &str) {
        assert_eq!(self.next().await.name(), name);
        self.says_nothing().await;
    }

    async fn says_nothing(&mut self) {
        let more = tokio::time::timeout(Duration::from_millis(100), self.next()).await;
        assert!(more.is_err(), "{more:?}");
    }

    /// A new session's requests, all said ahead.
    async fn greeting(&mut self, inactive: bool) {
        let bind = self.next().await;
        assert!(bind.to_string().contains("<bind"), "{bind}");
        let mut names = vec!["enable", "iq", "presence", "r"];
        if inactive {
            names.insert(2, "inactive");
        }
        for name in names {
            assert_eq!(self.next().await.name(), name);
        }
    }
}

fn challenge(auth: &Element, password: &str) -> (ScramChallenge, String) {
    let (challenge, message) = challenge_to(&auth.text(), password);
    (challenge, format!("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{message}</challenge>"))
}

/// The server's state after the client's first message, and its answer, both in base64.
pub(super) fn challenge_to(first: &str, password: &str) -> (ScramChallenge, String) {
    let unbound = TlsBinding { version: "TLSv1.3", server_end_point: None, exporter: None };
    let first = decode_payload(first).unwrap();
    let server = ScramServer::start(Mechanism::ScramSha256, &unbound, &first).unwrap();
    let (stored_key, server_key) = derive_keys(ScramHash::Sha256, password, b"salt", 4096);
    let keys = ScramKeys { salt: b"salt".to_vec(), iterations: 4096, stored_key, server_key };
    let (challenge, message) = server.challenge(keys, &[9; 18]);
    (challenge, encode_payload(&message))
}

/// The server's proof in base64, where the client's is right.
pub(super) fn proof_for(challenge: ScramChallenge, last: &str) -> Option<String> {
    let unbound = TlsBinding { version: "TLSv1.3", server_end_point: None, exporter: None };
    let last = decode_payload(last).unwrap();
    challenge.finish(&unbound, &last).ok().map(|proof| encode_payload(&proof))
}

/// `<success/>` with the server's proof, or `<failure/>`.
fn success(challenge: ScramChallenge, response: &Element) -> String {
    match proof_for(challenge, &response.text()) {
        Some(proof) => format!("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{proof}</success>"),
        None => "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>".to_owned(),
    }
}

pub(super) async fn online(status: &mut StatusUpdates) -> Status {
    status.wait_for(|status| matches!(status, Status::Online { .. })).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_device_resumes_in_two_round_trips() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    let mut status = device.status();
    let peer = server.teach("secret").await;
    online(&mut status).await;
    drop(peer);

    for id in ["a", "b"] {
        let (mut peer, auth) = server.ahead().await;
        let success = peer.challenged(&auth).await;
        let resume = peer.next().await;
        assert_eq!((resume.name(), resume.attribute("previd")), ("resume", Some("s1")));
        let resumed = "<resumed xmlns='urn:xmpp:sm:3' previd='s1' h='2'/>";
        peer.send(&format!("{success}{HEADER}{SESSION}{resumed}{}", push(id))).await;
        let notification = device.next().await.unwrap();
        assert_eq!(notification.id, id);
        assert!(matches!(online(&mut status).await, Status::Online { resumed: true, .. }));
        notification.ack();
        peer.ack().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_gone_costs_one_more_round_trip() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").topic("news").start().unwrap();
    let handle = device.handle();
    let mut status = device.status();
    let mut peer = server.teach("secret").await;
    online(&mut status).await;
    handle.set_active(false).await;
    while peer.next().await.name() != "inactive" {}
    drop(peer);

    let (mut peer, auth) = server.ahead().await;
    let success = peer.challenged(&auth).await;
    assert_eq!(peer.next().await.name(), "resume");
    peer.says_nothing().await;
    peer.send(&format!("{success}{HEADER}{SESSION}{GONE}")).await;
    peer.greeting(true).await;
    // What was said ahead counts: the server has two stanzas.
    let granted = "<iq type='result' id='c2-1' from='example.org'/>";
    let handled = "<a xmlns='urn:xmpp:sm:3' h='2'/>";
    peer.send(&format!("{BOUND}{ENABLED}{granted}{}{REQUEST}{handled}", push("a"))).await;
    assert!(matches!(online(&mut status).await, Status::Online { resumed: false, .. }));
    // The rest follows, and nothing comes twice.
    let mut topics = 0;
    loop {
        let element = peer.next().await;
        match element.name() {
            "iq" if element.to_string().contains("topic='news'") => topics += 1,
            "a" => {
                // The answer to its request is handled, the notification is not yet.
                assert_eq!(element.attribute("h"), Some("1"));
                break;
            }
            "r" => {}
            _ => panic!("{element}"),
        }
    }
    assert_eq!(topics, 1);
    device.next().await.unwrap().ack();
    assert_eq!(peer.ack().await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_new_session_is_greeted_ahead() {
    let (builder, mut server) = world();
    let device = builder.credentials("phone", "secret").start().unwrap();
    let mut status = device.status();
    let mut peer = server.accept().await;
    peer.step_by_step(OFFER, "secret").await;
    // Not to be resumed.
    let bind = peer.next().await;
    assert!(bind.to_string().contains("<bind"), "{bind}");
    peer.send(&format!("{BOUND}<enabled xmlns='urn:xmpp:sm:3'/>")).await;
    peer.send("<a xmlns='urn:xmpp:sm:3' h='0'/>").await;
    online(&mut status).await;
    drop(peer);

    let (mut peer, auth) = server.ahead().await;
    let success = peer.challenged(&auth).await;
    peer.greeting(false).await;
    let handled = "<a xmlns='urn:xmpp:sm:3' h='2'/>";
    peer.send(&format!("{success}{HEADER}{SESSION}{BOUND}{ENABLED}{handled}")).await;
    assert!(matches!(online(&mut status).await, Status::Online { resumed: false, .. }));
    peer.says_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_breaks_is_followed_by_one_step_by_step() {
    let (builder, mut server) = world();
    let device = builder.credentials("phone", "secret").start().unwrap();
    let mut status = device.status();
    drop(server.teach("secret").await);
    // Something on the way does not like it.
    let (mut peer, _) = server.ahead().await;
    peer.send(&format!("{HEADER}</stream:stream>")).await;
    status.wait_for(|status| matches!(status, Status::Waiting { .. })).await.unwrap();
    drop(peer);
    let mut peer = server.accept().await;
    peer.step_by_step(OFFER, "secret").await;
    assert_eq!(peer.next().await.name(), "resume");
    peer.send("<resumed xmlns='urn:xmpp:sm:3' previd='s1' h='2'/>").await;
    online(&mut status).await;
    drop(peer);
    // Which taught it anew.
    server.ahead().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_what_was_said_ahead_does_not_end_the_device() {
    let invalid = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><invalid-mechanism/></failure>";
    let other = OFFER.replace("SCRAM-SHA-256", "SCRAM-SHA-1");
    for answer in [format!("{HEADER}{OFFER}{invalid}"), format!("{HEADER}{other}{invalid}")] {
        let (builder, mut server) = world();
        let device = builder.credentials("phone", "secret").start().unwrap();
        let mut status = device.status();
        drop(server.teach("secret").await);
        status.wait_for(|status| matches!(status, Status::Waiting { .. })).await.unwrap();
        let (mut peer, _) = server.ahead().await;
        status.current();
        peer.send(&answer).await;
        drop(peer);
        // At once: the device is still connecting.
        let mut peer = server.accept().await;
        peer.step_by_step(OFFER, "secret").await;
        let changed = tokio::time::timeout(Duration::from_millis(1), status.changed()).await;
        assert!(changed.is_err(), "{changed:?}");
        assert_eq!(peer.next().await.name(), "resume");
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_that_was_changed_ends_the_device() {
    let (builder, mut server) = world();
    let mut device = builder.credentials("phone", "secret").start().unwrap();
    drop(server.teach("secret").await);
    let (mut peer, auth) = server.ahead().await;
    let (challenge, element) = challenge(&auth, "another");
    peer.send(&format!("{HEADER}{OFFER}{element}")).await;
    let response = peer.next().await;
    peer.send(&success(challenge, &response)).await;
    let error = device.next().await.unwrap_err();
    assert_eq!(error.to_string(), "wrong username or password");
    assert!(server.connections.recv().await.is_none(), "it dials no more");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_prove_itself_gets_no_session() {
    let (builder, mut server) = world();
    let device = builder.credentials("phone", "secret").start().unwrap();
    let mut status = device.status();
    drop(server.teach("secret").await);
    let (mut peer, auth) = server.ahead().await;
    peer.challenged(&auth).await;
    let forged = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>dj1BQUFB</success>";
    let resumed = "<resumed xmlns='urn:xmpp:sm:3' previd='s1' h='2'/>";
    status.current();
    peer.send(&format!("{forged}{HEADER}{SESSION}{resumed}{}", push("a"))).await;
    // It asks again, step by step, and is never online meanwhile.
    let mut peer = server.accept().await;
    peer.says_nothing_but("stream").await;
    assert!(!matches!(status.current(), Status::Online { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_of_it_is_waited_for() {
    for (offer, session) in [(OFFER, MANAGED), (MECHANISMS, SESSION)] {
        let (builder, mut server) = world();
        let _device = builder.credentials("phone", "secret").start().unwrap();
        for _ in 0..2 {
            let mut peer = server.accept().await;
            peer.says_nothing_but("stream").await;
            peer.send(&format!("{HEADER}{offer}")).await;
            let auth = peer.next().await;
            if offer == OFFER {
                let (challenge, element) = challenge(&auth, "secret");
                peer.send(&element).await;
                let response = peer.next().await;
                peer.says_nothing().await;
                peer.send(&success(challenge, &response)).await;
            } else {
                assert_eq!(auth.attribute("mechanism"), Some("PLAIN"));
                peer.send(SUCCESS).await;
            }
            peer.reader.reset();
            peer.says_nothing_but("stream").await;
            peer.send(&format!("{HEADER}{session}")).await;
            let first = peer.next().await;
            match first.name() {
                "resume" => peer.send("<resumed xmlns='urn:xmpp:sm:3' previd='s1' h='2'/>").await,
                _ => peer.bind(first, true).await,
            }
        }
    }
}
