//! Clients that send ahead of the answers (XEP-0305), over literal XML that is cut anywhere.

#![allow(clippy::unwrap_used, reason = "a test's helpers are the test")]

mod world;

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tidings_core::session::{Connection, Control, Peer};
use tidings_xmpp::sasl::{
    ClientBinding, ScramClient, ScramHash, ScramSecret, TlsBinding, decode_payload, encode_payload,
};
use tokio::time::Instant;
use world::{World, attribute, to};

const OPEN: &str = "<?xml version='1.0'?><stream:stream to='push.test' version='1.0' xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams'>";
const BIND: &str = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>phone</resource></bind></iq>";
const ENABLE: &str = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";
const PRESENCE: &str = "<presence/>";
const PING: &str = "<iq type='get' id='p' to='push.test'><ping xmlns='urn:xmpp:ping'/></iq>";
const CHALLENGE: &str = "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>";
const CLOSE: &str = "</stream:stream>";

/// How what is sent arrives.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Whole,
    At(usize),
    Every(usize),
}

impl Cut {
    fn pieces(self, text: &str) -> Vec<&[u8]> {
        let bytes = text.as_bytes();
        match self {
            Self::Whole => vec![bytes],
            Self::At(at) => {
                let (head, tail) = bytes.split_at(at.min(bytes.len()));
                vec![head, tail]
            }
            Self::Every(width) => bytes.chunks(width).collect(),
        }
    }
}

/// A connection that has just been made. Each comes from an address of its own: failed
/// logins are counted by address.
struct Client {
    connection: Option<Connection>,
    cut: Cut,
    over: bool,
}

thread_local! {
    static NEXT: Cell<u32> = const { Cell::new(0x0a00_0000) };
}

impl Client {
    fn new(world: &World, cut: Cut) -> Self {
        let address = NEXT.replace(NEXT.get() + 1);
        let peer = Peer { address: SocketAddr::new(IpAddr::from(Ipv4Addr::from_bits(address)), 4000) };
        let tls = TlsBinding { version: "TLSv1.3", server_end_point: Some([7; 32].into()), exporter: None };
        let connection = world.core.connect(peer, Some(tls), Instant::now());
        Self { connection: Some(connection), cut, over: false }
    }

    /// What the server answers to all of it together.
    async fn send(&mut self, text: &str) -> String {
        let mut out = Vec::new();
        for piece in self.cut.pieces(text) {
            if !self.over && !piece.is_empty() {
                let connection = self.connection.as_mut().unwrap();
                self.over = connection.receive(piece, Instant::now(), &mut out).await == Control::Close;
            }
        }
        String::from_utf8(out).unwrap()
    }

    /// The first of two pieces: header and `<auth/>`. What came, and the `<response/>`.
    async fn challenged(&mut self, password: &str) -> (String, String) {
        let secret = ScramSecret::password(password);
        let scram = ScramClient::new(
            ScramHash::Sha256,
            "ana",
            secret,
            ClientBinding::Unsupported,
            b"rOprNGfwEbeRWgbN",
        );
        let first = encode_payload(&scram.first());
        let answer = self
            .send(&format!(
                "{OPEN}<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{first}</auth>"
            ))
            .await;
        let (_, challenge) = answer.split_once(CHALLENGE).unwrap();
        let challenge = decode_payload(challenge.strip_suffix("</challenge>").unwrap()).unwrap();
        let (_, last) = scram.respond(&challenge).unwrap();
        let last = encode_payload(&last);
        (answer, format!("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{last}</response>"))
    }
}

impl Drop for Client {
    /// The network is gone without a word.
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.closed(Instant::now());
        }
    }
}

fn plain(password: &str) -> String {
    let payload = encode_payload(format!("\0ana\0{password}").as_bytes());
    format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{payload}</auth>")
}

/// With everything replaced in it that is different each time.
fn masked(answer: &str) -> String {
    let mut text = answer.to_owned();
    for (start, end) in [("<stream:stream ", ">"), ("<enabled ", ">"), (CHALLENGE, "<")] {
        let mut parts = text.split(start);
        let mut all = parts.next().unwrap().to_owned();
        for part in parts {
            all.push_str(&format!("{start}…{}", &part[part.find(end).unwrap()..]));
        }
        text = all;
    }
    text
}

async fn world() -> World {
    let world = World::with(|config| config.limits.auth_seconds = 3600).await;
    world.account("ana").await;
    world
}

const REFUSED: &str = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>";
const HEADER: &str = "<?xml version='1.0'?><stream:stream …>";

/// What the server says to a login, whole or step by step.
fn expected(sasl: &str, then: &str) -> String {
    let offer = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
        <mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism>\
        <mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms>\
        <authentication xmlns='urn:xmpp:sasl:2'>\
        <mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism>\
        <mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism>\
        <inline><sm xmlns='urn:xmpp:sm:3'/><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:sm:3'/></inline></bind>\
        </inline></authentication>\
        <sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-server-end-point'/></sasl-channel-binding>\
        <register xmlns='http://jabber.org/features/iq-register'/><register xmlns='urn:xmpp:ibr-token:0'/><auth xmlns='http://jabber.org/features/iq-auth'/>\
        <pipelining xmlns='urn:xmpp:features:pipelining'/></stream:features>";
    format!("{HEADER}{offer}{sasl}{then}")
}

#[tokio::test(start_paused = true)]
async fn a_login_in_one_piece_is_the_login_step_by_step() {
    let world = world().await;
    let login = [OPEN, &plain("secret"), OPEN, BIND, ENABLE, PRESENCE, PING, CLOSE];
    let mut client = Client::new(&world, Cut::Whole);
    let mut steps = String::new();
    for step in login {
        steps.push_str(&client.send(step).await);
    }
    assert!(client.over);
    let steps = masked(&steps);
    assert_eq!(steps.matches("<pipelining xmlns='urn:xmpp:features:pipelining'/>").count(), 2, "{steps}");
    assert!(
        steps.starts_with(&expected("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", HEADER)),
        "{steps}"
    );
    let end = "<iq type='result' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
        <jid>ana@push.test/phone</jid></bind></iq><enabled …>\
        <presence to='ana@push.test/phone' from='ana@push.test/phone'/>\
        <iq type='result' id='p' from='push.test'/></stream:stream>";
    assert!(steps.ends_with(end), "{steps}");

    let whole = login.concat();
    let cuts = (1..whole.len()).map(Cut::At).chain([1, 2, 7, 100].map(Cut::Every)).chain([Cut::Whole]);
    for cut in cuts {
        let mut client = Client::new(&world, cut);
        assert_eq!(masked(&client.send(&whole).await), steps, "{cut:?}");
        assert!(client.over);
    }
    assert_eq!(world.core.session.connected(), 0);
}

#[tokio::test(start_paused = true)]
async fn two_round_trips_are_enough_for_scram() {
    let world = world().await;
    let accepted = world.send(to("ana"), "waited").await;
    let mut client = Client::new(&world, Cut::Whole);
    let (first, response) = client.challenged("secret").await;
    assert_eq!(masked(&first), expected(&format!("{CHALLENGE}…</challenge>"), ""));
    let second = client.send(&format!("{response}{OPEN}{BIND}{ENABLE}{PRESENCE}")).await;
    assert!(second.starts_with("<success "), "{second}");
    // A client that sends <presence/> behind <enable/> waits for nothing, and counts from there on.
    let (_, behind) = second.split_once("<enabled ").unwrap();
    assert!(behind.contains("waited") && behind.ends_with("<r xmlns='urn:xmpp:sm:3'/>"), "{behind}");
    assert_eq!(behind.matches("<message ").count(), 1);
    // Its own presence comes first.
    assert_eq!(client.send("<a xmlns='urn:xmpp:sm:3' h='2'/>").await, "");
    assert_eq!(world.counters(accepted.id).await.delivered, 1);
    assert_eq!(client.send("<r xmlns='urn:xmpp:sm:3'/>").await, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_that_was_sent_behind_a_wrong_password() {
    let world = world().await;
    let bare = OPEN.strip_prefix("<?xml version='1.0'?>").unwrap();
    let error = |condition: &str, text: &str| {
        let streams = "urn:ietf:params:xml:ns:xmpp-streams";
        format!(
            "{REFUSED}<stream:error><{condition} xmlns='{streams}'/>\
             <text xmlns='{streams}' xml:lang='en'>{text}</text></stream:error></stream:stream>"
        )
    };
    let restricted = "restricted XML: comments, processing instructions and DTDs are not allowed";
    for (header, end) in [
        (bare, error("bad-format", "the stream is open already")),
        (OPEN, error("restricted-xml", restricted)),
    ] {
        let all = format!("{OPEN}{}{header}{BIND}{ENABLE}{PRESENCE}{PING}", plain("guess"));
        for cut in (OPEN.len()..all.len()).map(Cut::At).chain([Cut::Every(1), Cut::Whole]) {
            let mut client = Client::new(&world, cut);
            assert_eq!(masked(&client.send(&all).await), expected(&end, ""), "{cut:?}");
            assert!(client.over, "{cut:?}");
            assert_eq!(client.send(&plain("secret")).await, "");
            assert_eq!(world.core.session.connected(), 0);
        }
        // The same behind a wrong proof.
        let mut client = Client::new(&world, Cut::Whole);
        let (_, response) = client.challenged("guess").await;
        let all = format!("{response}{header}{BIND}{ENABLE}{PRESENCE}");
        assert_eq!(client.send(&all).await, end);
        assert!(client.over);
    }
    assert_eq!(world.core.session.connected(), 0);
}

#[tokio::test(start_paused = true)]
async fn stanzas_sent_behind_a_failure_end_the_stream() {
    let world = world().await;
    for stanza in [BIND, PRESENCE] {
        let mut client = Client::new(&world, Cut::Whole);
        let answer = client.send(&format!("{OPEN}{}{stanza}{PING}", plain("guess"))).await;
        let end = format!(
            "{REFUSED}<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>{CLOSE}"
        );
        assert_eq!(masked(&answer), expected(&end, ""));
        assert!(client.over);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_resumed_in_two_round_trips() {
    let world = world().await;
    let mut client = Client::new(&world, Cut::Whole);
    let (_, response) = client.challenged("secret").await;
    let second = client.send(&format!("{response}{OPEN}{BIND}{ENABLE}{PRESENCE}")).await;
    let mut id = attribute(&second[second.find("<enabled ").unwrap()..], "id");
    for cut in [Cut::Whole, Cut::Every(1), Cut::Every(5)] {
        drop(client);
        let accepted = world.send(to("ana"), "meanwhile").await;
        client = Client::new(&world, cut);
        let (_, response) = client.challenged("secret").await;
        let resume = format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/>");
        let answer = client.send(&format!("{response}{OPEN}{resume}")).await;
        let (_, resumed) = answer.split_once("</stream:features>").unwrap();
        assert!(resumed.starts_with("<resumed ") && resumed.contains("meanwhile"), "{resumed}");
        assert_eq!(world.core.session.connected(), 1);
        client.send("<a xmlns='urn:xmpp:sm:3' h='1'/>").await;
        assert_eq!(world.counters(accepted.id).await.delivered, 1);

        // A session of its own again, so that counting starts anew.
        drop(client);
        client = Client::new(&world, cut);
        let (_, response) = client.challenged("secret").await;
        let gone = "<resume xmlns='urn:xmpp:sm:3' previd='gone' h='0'/>";
        let answer = client.send(&format!("{response}{OPEN}{gone}{BIND}{ENABLE}{PRESENCE}")).await;
        let (_, bound) = answer.split_once("</stream:features><failed ").unwrap();
        assert!(bound.contains("<jid>ana@push.test/phone</jid>"), "{bound}");
        id = attribute(&bound[bound.find("<enabled ").unwrap()..], "id");
        world.pass(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn before_tls_starttls_may_be_sent_ahead_and_nothing_behind_it() {
    let world = world().await;
    let unsecured = || {
        let peer = Peer { address: "192.0.2.1:4000".parse().unwrap() };
        world.core.connect(peer, None, Instant::now())
    };
    for cut in [Cut::Whole, Cut::Every(1)] {
        let mut connection = unsecured();
        let starttls = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
        let (mut out, mut control) = (Vec::new(), Control::Continue);
        for piece in cut.pieces(&format!("{OPEN}{starttls}")) {
            control = connection.receive(piece, Instant::now(), &mut out).await;
        }
        assert_eq!(control, Control::StartTls);
        let answer = masked(&String::from_utf8(out).unwrap());
        assert!(
            answer.ends_with("</stream:features><proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
            "{answer}"
        );
        assert!(!answer.contains("pipelining"), "offered under TLS, where it is of use: {answer}");
    }
    // With more in the same piece.
    let mut connection = unsecured();
    let smuggled =
        format!("{OPEN}<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>{OPEN}{}", plain("secret"));
    let mut out = Vec::new();
    assert_eq!(connection.receive(smuggled.as_bytes(), Instant::now(), &mut out).await, Control::StartTls);
    connection.tls_started(TlsBinding { version: "TLSv1.3", server_end_point: None, exporter: None });
    out.clear();
    connection.receive(BIND.as_bytes(), Instant::now(), &mut out).await;
    let answer = String::from_utf8(out).unwrap();
    assert!(answer.contains("<stream:error>") && !answer.contains("<success"), "{answer}");
    assert_eq!(world.core.session.connected(), 0);
}

/// `<authenticate/>` of XEP-0388 with a right password.
fn together(beside: &str) -> String {
    let payload = encode_payload(b"\0ana\0secret");
    format!(
        "{OPEN}<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>\
         <initial-response>{payload}</initial-response><user-agent id='phone-1'/>{beside}</authenticate>"
    )
}

const BIND2: &str =
    "<bind xmlns='urn:xmpp:bind:0'><tag>app</tag><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>";

#[tokio::test(start_paused = true)]
async fn one_answer_brings_the_login_its_resource_and_its_counting() {
    let world = world().await;
    let accepted = world.send(to("ana"), "waited").await;
    for cut in [Cut::Whole, Cut::Every(1), Cut::Every(7)] {
        let mut client = Client::new(&world, cut);
        let answer = client.send(&together(BIND2)).await;
        let (_, success) = answer.split_once("<success xmlns='urn:xmpp:sasl:2'>").unwrap();
        let jid = success.split_once("<authorization-identifier>ana@push.test/app/").unwrap().1;
        assert!(jid.contains("<bound xmlns='urn:xmpp:bind:0'><enabled "), "{jid}");
        assert!(jid.ends_with("</stream:features>"), "nothing comes before presence: {jid}");
        // The same installation: its session of before is over.
        assert_eq!(world.core.session.connected(), 1);
        let fed = client.send(PRESENCE).await;
        assert!(fed.contains("waited") && fed.ends_with("<r xmlns='urn:xmpp:sm:3'/>"), "{fed}");
    }
    assert_eq!(world.counters(accepted.id).await.delivered, 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_on_with_its_login() {
    let world = world().await;
    let mut client = Client::new(&world, Cut::Whole);
    let answer = client.send(&format!("{}{PRESENCE}", together(BIND2))).await;
    let id = attribute(&answer[answer.find("<enabled ").unwrap()..], "id");
    drop(client);
    let accepted = world.send(to("ana"), "meanwhile").await;

    let mut client = Client::new(&world, Cut::Whole);
    let resume = format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/>{BIND2}");
    let answer = client.send(&together(&resume)).await;
    let (_, success) = answer.split_once("<success xmlns='urn:xmpp:sasl:2'>").unwrap();
    assert!(success.starts_with("<authorization-identifier>ana@push.test/app/"), "{success}");
    let (resumed, rest) = success.split_once("</success>").unwrap();
    assert!(resumed.contains(&format!("<resumed xmlns='urn:xmpp:sm:3' previd='{id}' h='1'/>")), "{resumed}");
    assert!(rest.contains("meanwhile") && !rest.contains("features"), "{rest}");
    client.send("<a xmlns='urn:xmpp:sm:3' h='1'/>").await;
    assert_eq!(world.counters(accepted.id).await.delivered, 1);

    // Another's id means nothing: a resource of its own, and the failure said.
    drop(client);
    let mut client = Client::new(&world, Cut::Whole);
    let gone = format!("<resume xmlns='urn:xmpp:sm:3' previd='gone' h='0'/>{BIND2}");
    let answer = client.send(&together(&gone)).await;
    let (_, success) = answer.split_once("<failed xmlns='urn:xmpp:sm:3'><item-not-found ").unwrap();
    assert!(success.contains("<bound ") && success.contains("<enabled "), "{success}");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_bound_with_a_wrong_password() {
    let world = world().await;
    let mut client = Client::new(&world, Cut::Whole);
    let wrong = together(BIND2).replace(&encode_payload(b"\0ana\0secret"), &encode_payload(b"\0ana\0guess"));
    let answer = client.send(&format!("{wrong}{PRESENCE}")).await;
    assert!(answer.contains("<failure xmlns='urn:xmpp:sasl:2'><not-authorized "), "{answer}");
    assert!(!answer.contains("<success"), "{answer}");
    assert!(client.over);
    assert_eq!(world.core.session.connected(), 0);
}

#[tokio::test(start_paused = true)]
async fn androidpns_client_gets_its_own_form_also_by_its_tag() {
    let world = world().await;
    world.send(to("ana"), "waited").await;
    for (tag, legacy) in [("AndroidpnClient", true), ("AndroidpnClients", false)] {
        let mut client = Client::new(&world, Cut::Whole);
        let bind = format!("<bind xmlns='urn:xmpp:bind:0'><tag>{tag}</tag></bind>");
        let answer = client.send(&format!("{}{PRESENCE}", together(&bind))).await;
        assert!(answer.contains("waited"), "{answer}");
        assert_eq!(answer.contains("<notification xmlns='androidpn:iq:notification'>"), legacy, "{answer}");
    }
}
