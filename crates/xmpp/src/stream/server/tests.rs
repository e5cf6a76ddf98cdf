//! Bytes in, bytes out: every path and the illegal orders; then random walks.

mod walks;

use std::fmt::Write as _;

use super::*;
use crate::sasl::{
    BindingType, ClientBinding, Plain, ScramClient, ScramHash, ScramKeys, ScramSecret, derive_keys,
    encode_payload,
};
use crate::stanza::StanzaError;
use crate::xml::{Frame, FrameLimits, FrameReader, parse_open, parse_stanza};

const OPEN: &str = "<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams'>";
const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' id='BwcHBwcHBwcHBwcHBwcHBw' from='example.org' version='1.0' xml:lang='en'>";
const TLS_FEATURES: &str = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
    <mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism>\
    <mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms>\
    <sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/>\
    <channel-binding type='tls-server-end-point'/></sasl-channel-binding>\
    <register xmlns='http://jabber.org/features/iq-register'/><auth xmlns='http://jabber.org/features/iq-auth'/>\
    </stream:features>";
const BIND_FEATURES: &str = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>\
    <session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session><sm xmlns='urn:xmpp:sm:3'/>\
    <csi xmlns='urn:xmpp:csi:0'/><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:t' ver='v='/>\
    <limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>65536</max-bytes><idle-seconds>1200</idle-seconds></limits>\
    </stream:features>";
const PLAIN_AUTH: &str =
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFubgBzZWNyZXQ=</auth>";
const SUCCESS: &str = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
const BIND: &str = "<iq type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>phone</resource></bind></iq>";

fn settings() -> Settings {
    Settings { caps: Some(("urn:t".into(), "v=".into())), ..Settings::new("example.org") }
}

fn tls() -> TlsBinding {
    TlsBinding {
        version: "TLSv1.3",
        server_end_point: Some(b"certificate"[..].into()),
        exporter: Some([9; 32]),
    }
}

/// Random bytes that are not.
fn sevens(bytes: &mut [u8]) {
    bytes.fill(7);
}

/// The driver: a frame reader in front of a negotiation.
struct Driver {
    negotiation: Negotiation,
    reader: FrameReader,
}

impl Driver {
    fn new(settings: Settings, tls: Option<TlsBinding>) -> Self {
        let limits = FrameLimits { bytes: 8192, depth: 32, attributes: 64 };
        Self { negotiation: Negotiation::new(Arc::new(settings), tls), reader: FrameReader::new(limits) }
    }

    fn over_tls() -> Self {
        Self::new(settings(), Some(tls()))
    }

    /// Over TLS, with the stream opened.
    fn opened() -> Self {
        let mut driver = Self::over_tls();
        driver.pass(OPEN, &format!("{HEADER}{TLS_FEATURES}"));
        driver
    }

    /// Logged in as ann, with the new stream opened.
    fn logged_in() -> Self {
        let mut driver = Self::opened();
        driver.asked(PLAIN_AUTH);
        assert_eq!(driver.answer(Answer::Password(Verdict::Accepted)), (SUCCESS.into(), Step::NewStream));
        driver.pass(OPEN, &format!("{HEADER}{BIND_FEATURES}"));
        driver
    }

    fn send(&mut self, bytes: &str) -> (String, Step) {
        let (mut out, mut rest, mut step) = (Vec::new(), bytes.as_bytes(), Step::Continue);
        while step == Step::Continue {
            step = match self.reader.read(&mut rest) {
                Ok(None) => break,
                Ok(Some(Frame::Open(frame))) => match parse_open(frame) {
                    Ok(header) => self.negotiation.open(&header, &mut sevens, &mut out),
                    Err(error) => {
                        self.negotiation.fail(error.into(), &mut out);
                        Step::Close
                    }
                },
                Ok(Some(Frame::Stanza(frame))) => {
                    self.negotiation.stanza(parse_stanza(frame).unwrap(), &mut sevens, &mut out)
                }
                Ok(Some(Frame::Close)) => self.negotiation.close(&mut out),
                Err(error) => {
                    self.negotiation.fail(error.into(), &mut out);
                    Step::Close
                }
            };
        }
        self.after(out, step)
    }

    fn answer(&mut self, answer: Answer) -> (String, Step) {
        let mut out = Vec::new();
        let step = self.negotiation.answer(answer, &mut sevens, &mut out);
        self.after(out, step)
    }

    fn after(&mut self, out: Vec<u8>, step: Step) -> (String, Step) {
        if step == Step::NewStream {
            self.reader.reset();
        }
        (String::from_utf8(out).unwrap(), step)
    }

    #[track_caller]
    fn pass(&mut self, bytes: &str, answer: &str) {
        assert_eq!(self.send(bytes), (answer.to_owned(), Step::Continue));
    }

    #[track_caller]
    fn ends(&mut self, bytes: &str, condition: &str) -> String {
        let (out, step) = self.send(bytes);
        assert_eq!(step, Step::Close, "{out}");
        let error = format!("<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
        assert!(out.contains(&error), "{out}");
        assert!(out.ends_with("</stream:error></stream:stream>"), "{out}");
        // And nothing comes after the end.
        assert_eq!(
            self.negotiation.stanza(Element::new("iq", ns::CLIENT), &mut sevens, &mut Vec::new()),
            Step::Close
        );
        let mut more = Vec::new();
        self.negotiation.fail(StreamCondition::Reset.into(), &mut more);
        self.negotiation.close(&mut more);
        assert_eq!(more, b"");
        out
    }

    #[track_caller]
    fn asked(&mut self, bytes: &str) -> Question {
        match self.send(bytes) {
            (out, Step::Ask(question)) => {
                assert_eq!(out, "");
                question
            }
            other => panic!("{other:?}"),
        }
    }
}

fn failure(condition: &str) -> String {
    format!("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><{condition}/></failure>")
}

fn auth(mechanism: &str, payload: &[u8]) -> String {
    let payload = encode_payload(payload);
    format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{payload}</auth>")
}

fn response(payload: &[u8]) -> String {
    format!("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{}</response>", encode_payload(payload))
}

fn keys(hash: ScramHash, password: &str) -> ScramKeys {
    let (stored_key, server_key) = derive_keys(hash, password, b"salty", 4096);
    ScramKeys { salt: b"salty".to_vec(), iterations: 4096, stored_key, server_key }
}

fn payload_of(element: &str) -> Vec<u8> {
    crate::sasl::decode_payload(&parse_stanza(element.as_bytes()).unwrap().text()).unwrap()
}

// ---- the stream ----

#[test]
fn starttls_first() {
    let mut driver = Driver::new(settings(), None);
    let features = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>";
    driver.pass(OPEN, &format!("{HEADER}{features}"));
    assert!(!driver.negotiation.secure());
    let (out, step) = driver.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    assert_eq!((out.as_str(), step), ("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", Step::StartTls));
    driver.negotiation.tls_started(tls());
    driver.reader.reset();
    assert!(driver.negotiation.secure() && !driver.negotiation.authenticated());
    driver.pass(OPEN, &format!("{HEADER}{TLS_FEATURES}"));
    let (out, step) = driver.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    assert_eq!(step, Step::Close);
    assert_eq!(out, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>");
}

#[test]
fn nothing_but_starttls_before_tls() {
    let opened = || {
        let mut driver = Driver::new(settings(), None);
        driver.send(OPEN);
        driver
    };
    for stanza in [
        "<message/>",
        "<presence/>",
        BIND,
        "<iq type='set' id='1'><query xmlns='jabber:iq:auth'><username>a</username><password>b</password><resource>c</resource></query></iq>",
        "<iq type='set' id='1'><query xmlns='jabber:iq:register'><username>a</username><password>b</password></query></iq>",
        "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
        "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>",
        "<unknown xmlns='urn:x'/>",
    ] {
        let out = opened().ends(stanza, "policy-violation");
        assert!(out.contains("TLS is required"));
    }
    let mut driver = opened();
    for _ in 0..MAX_FAILURES - 1 {
        driver.pass(PLAIN_AUTH, &failure("encryption-required"));
    }
    let out = driver.ends(PLAIN_AUTH, "policy-violation");
    assert!(out.starts_with(&failure("encryption-required")));
}

#[test]
fn headers() {
    let open = |from: &str, to: &str| Driver::over_tls().send(&OPEN.replace(from, to));
    for to in ["to='EXAMPLE.org'", "to='localhost'", "to='192.0.2.7'", ""] {
        assert_eq!(open("to='example.org'", to), (format!("{HEADER}{TLS_FEATURES}"), Step::Continue));
    }
    let (out, step) = open("version='1.0' xmlns", "xmlns");
    assert_eq!((out, step), (HEADER.replace(" version='1.0' xml", " xml"), Step::Continue));
    assert_eq!(open("version='1.0' xmlns", "version='1.7' xmlns").1, Step::Continue);

    let out = Driver::over_tls().ends(&OPEN.replace("example.org", "example.com"), "host-unknown");
    assert!(out.starts_with(HEADER));
    Driver::over_tls().ends(&OPEN.replace("version='1.0' xmlns", "version='x' xmlns"), "unsupported-version");
    Driver::over_tls().ends(&OPEN.replace("jabber:client", "jabber:server"), "invalid-namespace");
    Driver::over_tls().ends(&OPEN.replace("org/streams", "org/other"), "invalid-namespace");
    Driver::over_tls().ends("GET / HTTP/1.1\r\n", "not-well-formed");
    Driver::over_tls().ends("<!DOCTYPE x>", "restricted-xml");
    Driver::new(settings(), None).ends(&OPEN.replace("version='1.0' xmlns", "xmlns"), "unsupported-version");
    let long = format!("{OPEN}<a b='{}'/>", "x".repeat(8192));
    Driver::over_tls().ends(&long, "policy-violation");
}

#[test]
fn a_failure_before_any_header_has_a_header_of_its_own() {
    let out = Driver::over_tls().ends("x", "not-well-formed");
    assert!(out.starts_with(&HEADER.replace(" id='BwcHBwcHBwcHBwcHBwcHBw'", "")), "{out}");
}

#[test]
fn other_domains_and_offers() {
    let settings = Settings {
        extra_domains: vec!["push.example.net".into()],
        register: RegisterOffer::Token,
        iq_auth: false,
        ..settings()
    };
    let bare = TlsBinding { version: "TLSv1.2", server_end_point: None, exporter: None };
    let mut driver = Driver::new(settings, Some(bare));
    driver.pass(
        &OPEN.replace("example.org", "push.example.net"),
        &format!(
            "{}<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-256</mechanism>\
             <mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms>\
             <register xmlns='http://jabber.org/features/iq-register'/><register xmlns='urn:xmpp:ibr-token:0'/>\
             </stream:features>",
            HEADER.replace("example.org", "push.example.net")
        ),
    );
    assert_eq!(driver.negotiation.domain(), "push.example.net");
    driver.pass(&auth("SCRAM-SHA-256-PLUS", b"p=tls-exporter,,n=a,r=x"), &failure("invalid-mechanism"));
    driver.asked(&auth("PLAIN", b"ann@push.example.net\0ann\0secret"));
    assert_eq!(driver.answer(Answer::Password(Verdict::Accepted)).1, Step::NewStream);
    // The login was for this domain and no other.
    driver.ends(OPEN, "host-unknown");
}

#[test]
fn the_end_is_answered() {
    let close = ("</stream:stream>".to_owned(), Step::Close);
    assert_eq!(Driver::opened().send("</stream:stream>"), close);
    assert_eq!(Driver::logged_in().send("</stream:stream>"), close);
    let mut driver = Driver::opened();
    driver.asked(PLAIN_AUTH);
    assert_eq!(driver.send("</stream:stream>"), close);
    assert_eq!(driver.answer(Answer::Password(Verdict::Accepted)), (String::new(), Step::Close));
    assert!(!driver.negotiation.authenticated());
}

// ---- SASL ----

#[test]
fn plain() {
    let mut driver = Driver::opened();
    let question = driver.asked(PLAIN_AUTH);
    assert_eq!(question, Question::Password { username: "ann".into(), password: "secret".into() });
    assert!(!format!("{question:?}").contains("secret"));
    assert!(!driver.negotiation.authenticated());
    assert_eq!(driver.answer(Answer::Password(Verdict::Accepted)), (SUCCESS.into(), Step::NewStream));
    assert!(driver.negotiation.authenticated());
    assert_eq!(driver.negotiation.username(), Some("ann"));
    driver.pass(OPEN, &format!("{HEADER}{BIND_FEATURES}"));
}

#[test]
fn a_mechanism_without_initial_response() {
    for mechanism in ["PLAIN", "SCRAM-SHA-1"] {
        let mut driver = Driver::opened();
        let auth = format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'/>");
        driver.pass(&auth, "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        let first: &[u8] = if mechanism == "PLAIN" { b"\0ann\0secret" } else { b"n,,n=ann,r=x" };
        driver.asked(&response(first));
    }
}

#[test]
fn verdicts() {
    for (verdict, condition) in [
        (Verdict::NotAuthorized, "not-authorized"),
        (Verdict::Disabled, "account-disabled"),
        (Verdict::Throttled, "temporary-auth-failure"),
        (Verdict::Unavailable, "temporary-auth-failure"),
    ] {
        let mut driver = Driver::opened();
        driver.asked(PLAIN_AUTH);
        let (out, step) = driver.answer(Answer::Password(verdict));
        assert_eq!(step, Step::Continue);
        assert!(
            out.starts_with(&format!("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><{condition}/>")),
            "{out}"
        );
        // One may try again.
        driver.asked(PLAIN_AUTH);
    }
}

/// Runs SCRAM up to the proof's verdict.
fn scram(
    driver: &mut Driver,
    mechanism: &str,
    binding: ClientBinding,
    password: &str,
) -> (Question, Vec<u8>) {
    let hash = if mechanism.contains("256") { ScramHash::Sha256 } else { ScramHash::Sha1 };
    let client = ScramClient::new(hash, "ann", ScramSecret::password(password), binding, &[1; 18]);
    let question = driver.asked(&auth(mechanism, &client.first()));
    assert_eq!(question, Question::Scram { username: "ann".into(), hash });
    let (challenge, step) = driver.answer(Answer::Scram(Some(keys(hash, "secret"))));
    assert_eq!(step, Step::Continue);
    let (verifier, last) = client.respond(&payload_of(&challenge)).unwrap();
    let question = driver.asked(&response(&last));
    if question != (Question::ScramSucceeded { username: "ann".into() }) {
        return (question, Vec::new());
    }
    let (success, step) = driver.answer(Answer::Password(Verdict::Accepted));
    assert_eq!(step, Step::NewStream);
    verifier.verify(&payload_of(&success)).unwrap();
    (question, last)
}

#[test]
fn scram_with_and_without_a_binding() {
    let exporter = || ClientBinding::Bound(BindingType::TlsExporter, vec![9; 32]);
    for (mechanism, binding) in [
        ("SCRAM-SHA-1", ClientBinding::Unsupported),
        ("SCRAM-SHA-256", ClientBinding::Unsupported),
        ("SCRAM-SHA-1-PLUS", exporter()),
        ("SCRAM-SHA-256-PLUS", ClientBinding::Bound(BindingType::TlsServerEndPoint, b"certificate".to_vec())),
    ] {
        let mut driver = Driver::opened();
        scram(&mut driver, mechanism, binding, "secret");
        driver.pass(OPEN, &format!("{HEADER}{BIND_FEATURES}"));
    }
}

#[test]
fn a_wrong_proof_is_a_failure_whatever_the_verdict() {
    for (verdict, condition) in [
        (Verdict::Accepted, "not-authorized"),
        (Verdict::NotAuthorized, "not-authorized"),
        (Verdict::Disabled, "not-authorized"),
        (Verdict::Unavailable, "temporary-auth-failure"),
    ] {
        let mut driver = Driver::opened();
        let (question, _) = scram(&mut driver, "SCRAM-SHA-256", ClientBinding::Unsupported, "wrong");
        assert_eq!(question, Question::AuthFailed { username: "ann".into() });
        assert_eq!(driver.answer(Answer::Password(verdict)), (failure(condition), Step::Continue));
        assert!(!driver.negotiation.authenticated());
    }
}

#[test]
fn a_relayed_login_fails() {
    let mut driver = Driver::opened();
    let elsewhere = ClientBinding::Bound(BindingType::TlsExporter, vec![8; 32]);
    let (question, _) = scram(&mut driver, "SCRAM-SHA-256-PLUS", elsewhere, "secret");
    assert_eq!(question, Question::AuthFailed { username: "ann".into() });
    let mut driver = Driver::opened();
    let (out, _) = driver.send(&auth("SCRAM-SHA-256", b"y,,n=ann,r=x"));
    assert!(out.contains("<not-authorized/>") && out.contains("removed on the way"), "{out}");
}

#[test]
fn a_right_proof_may_still_be_refused() {
    let mut driver = Driver::opened();
    let client = ScramClient::new(
        ScramHash::Sha1,
        "ann",
        ScramSecret::password("secret"),
        ClientBinding::Unsupported,
        &[1; 18],
    );
    driver.asked(&auth("SCRAM-SHA-1", &client.first()));
    let (challenge, _) = driver.answer(Answer::Scram(Some(keys(ScramHash::Sha1, "secret"))));
    let (_, last) = client.respond(&payload_of(&challenge)).unwrap();
    driver.asked(&response(&last));
    assert_eq!(
        driver.answer(Answer::Password(Verdict::Disabled)),
        (failure("account-disabled"), Step::Continue)
    );
}

#[test]
fn keys_may_be_refused() {
    for (answer, text) in [
        (Answer::Scram(None), "<temporary-auth-failure/>"),
        (Answer::Refused(Verdict::Throttled), "wait a minute"),
        (Answer::Refused(Verdict::NotAuthorized), "<not-authorized/>"),
        (Answer::Refused(Verdict::Accepted), "<not-authorized/>"),
    ] {
        let mut driver = Driver::opened();
        driver.asked(&auth("SCRAM-SHA-1", b"n,,n=ann,r=x"));
        let (out, step) = driver.answer(answer);
        assert_eq!(step, Step::Continue);
        assert!(out.contains(text), "{out}");
    }
}

#[test]
fn sasl_out_of_order() {
    let mut driver = Driver::opened();
    driver.pass(&response(b"x"), &failure("malformed-request"));
    driver.pass("<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", &failure("aborted"));

    let mut driver = Driver::opened();
    let empty = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>";
    driver.send(empty);
    let (out, step) = driver.send(PLAIN_AUTH);
    assert_eq!(step, Step::Continue);
    assert!(out.contains("<malformed-request/>"), "{out}");
    driver.pass(&response(b"\0ann\0secret"), &failure("malformed-request"));
    driver.send(empty);
    driver.pass("<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", &failure("aborted"));
    driver.asked(PLAIN_AUTH);

    let mut driver = Driver::opened();
    driver.send(empty);
    driver.ends("<iq type='get' id='1'><query xmlns='jabber:iq:auth'/></iq>", "not-authorized");
    Driver::logged_in().ends(PLAIN_AUTH, "policy-violation");
}

#[test]
fn bad_payloads() {
    let raw = |payload: &str| {
        format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{payload}</auth>")
    };
    for (bytes, condition) in [
        (raw("AGFubgBzZWNyZXQ"), "incorrect-encoding"),
        (raw("AGFu bgBzZWNyZXQ="), "incorrect-encoding"),
        (raw("*"), "incorrect-encoding"),
        (raw("="), "malformed-request"),
        (auth("PLAIN", b"ann"), "malformed-request"),
        (auth("PLAIN", b"\0a@b\0secret"), "malformed-request"),
        (auth("PLAIN", b"bob@example.org\0ann\0secret"), "invalid-authzid"),
        (auth("SCRAM-SHA-1", b"n,a=bob,n=ann,r=x"), "invalid-authzid"),
        (auth("SCRAM-SHA-1", b"n,,n=a b,r=x"), "malformed-request"),
        (auth("SCRAM-SHA-1", b"nonsense"), "malformed-request"),
        (auth("DIGEST-MD5", b""), "invalid-mechanism"),
        ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>".into(), "invalid-mechanism"),
    ] {
        let (out, step) = Driver::opened().send(&bytes);
        assert_eq!(step, Step::Continue);
        let failure = format!("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><{condition}/>");
        assert!(out.starts_with(&failure), "{bytes}: {out}");
    }
    let mut driver = Driver::opened();
    driver.asked(&auth("SCRAM-SHA-1", b"n,,n=ann,r=x"));
    driver.answer(Answer::Scram(Some(keys(ScramHash::Sha1, "secret"))));
    driver.pass(
        "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>*</response>",
        &failure("incorrect-encoding"),
    );
}

#[test]
fn five_failures_are_enough() {
    let mut driver = Driver::opened();
    for _ in 0..MAX_FAILURES - 1 {
        driver.asked(PLAIN_AUTH);
        assert_eq!(
            driver.answer(Answer::Password(Verdict::NotAuthorized)),
            (failure("not-authorized"), Step::Continue)
        );
    }
    driver.asked(PLAIN_AUTH);
    let (out, step) = driver.answer(Answer::Password(Verdict::NotAuthorized));
    assert_eq!(step, Step::Close);
    assert!(out.starts_with(&failure("not-authorized")));
    assert!(out.contains("<policy-violation ") && out.contains("too many failed attempts"));
}

// ---- XEP-0077, XEP-0078 ----

#[test]
fn an_androidpn_client_registers_and_logs_in() {
    let mut driver = Driver::opened();
    driver.pass(
        "<iq id='r0' to='example.org' type='get'><query xmlns='jabber:iq:register'/></iq>",
        "<iq type='result' id='r0' from='example.org'><query xmlns='jabber:iq:register'>\
         <instructions>Choose a username and a password.</instructions><username/><password/></query></iq>",
    );
    let question = driver.asked(
        "<iq id='r1' to='example.org' type='set'><query xmlns='jabber:iq:register'><password>p</password>\
         <username>0123abcd</username><name/><email>a@b.c</email></query></iq>",
    );
    assert_eq!(
        question,
        Question::Register {
            username: "0123abcd".into(),
            password: "p".into(),
            name: None,
            email: Some("a@b.c".into()),
            token: None
        }
    );
    let (out, step) = driver.answer(Answer::Registered(Ok(())));
    assert_eq!((out.as_str(), step), ("<iq type='result' id='r1' from='example.org'/>", Step::Continue));
    driver.pass(
        "<iq id='a0' type='get'><query xmlns='jabber:iq:auth'><username>0123abcd</username></query></iq>",
        "<iq type='result' id='a0'><query xmlns='jabber:iq:auth'><username>0123abcd</username><password/><resource/></query></iq>",
    );
    let question = driver.asked(
        "<iq id='a1' type='set'><query xmlns='jabber:iq:auth'><username>0123ABCD</username><password>p</password>\
         <resource>AndroidpnClient</resource></query></iq>",
    );
    assert_eq!(
        question,
        Question::IqAuth {
            username: "0123ABCD".into(),
            password: "p".into(),
            resource: "AndroidpnClient".into()
        }
    );
    assert!(!driver.negotiation.authenticated());
    let (out, step) = driver.answer(Answer::Password(Verdict::Accepted));
    assert_eq!(out, "<iq type='result' id='a1'/>");
    assert_eq!(
        step,
        Step::Bound(Bound::Resource {
            jid: "0123abcd@example.org/AndroidpnClient".into(),
            resource: "AndroidpnClient".into(),
            legacy: true
        })
    );
    assert!(driver.negotiation.authenticated());
}

#[test]
fn iq_auth_refusals() {
    let set =
        |fields: &str| format!("<iq id='1' type='set'><query xmlns='jabber:iq:auth'>{fields}</query></iq>");
    for (fields, condition) in [
        ("<username>a</username><password>p</password>", "not-acceptable"),
        ("<username>a</username><resource>r</resource><digest>00</digest>", "not-acceptable"),
        ("<password>p</password><resource>r</resource>", "not-acceptable"),
        ("<username>a</username><password>p</password><resource/>", "not-acceptable"),
        ("<username>a@b</username><password>p</password><resource>r</resource>", "jid-malformed"),
    ] {
        let (out, step) = Driver::opened().send(&set(fields));
        assert_eq!(step, Step::Continue);
        assert!(out.contains("type='error' id='1'") && out.contains(&format!("<{condition} ")), "{out}");
    }
    let good = set("<username>a</username><password>p</password><resource>r</resource>");
    for (verdict, condition) in [
        (Verdict::NotAuthorized, "not-authorized"),
        (Verdict::Disabled, "forbidden"),
        (Verdict::Throttled, "resource-constraint"),
        (Verdict::Unavailable, "internal-server-error"),
    ] {
        let mut driver = Driver::opened();
        driver.asked(&good);
        let (out, step) = driver.answer(Answer::Password(verdict));
        assert_eq!(step, Step::Continue);
        assert!(out.contains(&format!("<{condition} ")), "{out}");
        assert!(!driver.negotiation.authenticated());
    }
    let mut driver = Driver::opened();
    for _ in 0..MAX_FAILURES - 1 {
        driver.asked(&good);
        assert_eq!(driver.answer(Answer::Password(Verdict::NotAuthorized)).1, Step::Continue);
    }
    driver.asked(&good);
    assert_eq!(driver.answer(Answer::Password(Verdict::NotAuthorized)).1, Step::Close);

    let mut driver = Driver::new(Settings { iq_auth: false, ..settings() }, Some(tls()));
    driver.send(OPEN);
    let (out, step) = driver.send(&good);
    assert_eq!(step, Step::Continue);
    assert!(out.contains("<service-unavailable "), "{out}");
}

#[test]
fn an_old_client_logs_in_without_features() {
    let mut driver = Driver::over_tls();
    driver.send(&OPEN.replace("version='1.0' xmlns", "xmlns"));
    driver.asked(
        "<iq id='1' type='set'><query xmlns='jabber:iq:auth'><username>a</username><password>p</password><resource>r</resource></query></iq>",
    );
    assert!(matches!(driver.answer(Answer::Password(Verdict::Accepted)).1, Step::Bound(_)));
}

#[test]
fn registration_refusals() {
    let set = |fields: &str| {
        format!("<iq id='1' type='set'><query xmlns='jabber:iq:register'>{fields}</query></iq>")
    };
    let long = format!("<username>a</username><password>{}</password>", "x".repeat(1025));
    for (fields, condition) in [
        ("<username>a</username>", "not-acceptable"),
        ("<password>a</password>", "not-acceptable"),
        ("<username>a b</username><password>p</password>", "jid-malformed"),
        ("<remove/>", "not-authorized"),
        (&long, "not-acceptable"),
    ] {
        let (out, step) = Driver::opened().send(&set(fields));
        assert_eq!(step, Step::Continue);
        assert!(out.contains(&format!("<{condition} ")), "{out}");
    }
    let good = set("<username>a</username><password>p</password>");
    let mut driver = Driver::opened();
    driver.asked(&good);
    let (out, step) = driver.answer(Answer::Registered(Err(StanzaError::conflict())));
    assert_eq!(step, Step::Continue);
    assert!(out.contains("<conflict "), "{out}");

    let mut driver = Driver::new(Settings { register: RegisterOffer::Closed, ..settings() }, Some(tls()));
    assert!(!driver.send(OPEN).0.contains("iq-register"));
    assert!(driver.send(&good).0.contains("<not-allowed "));
}

#[test]
fn a_token_comes_along() {
    let token = |question| match question {
        Question::Register { token, .. } => token,
        other => panic!("{other:?}"),
    };
    let driver = || {
        let mut driver = Driver::new(Settings { register: RegisterOffer::Token, ..settings() }, Some(tls()));
        driver.send(OPEN);
        driver
    };
    let set = |key: &str| {
        format!(
            "<iq id='1' type='set'><query xmlns='jabber:iq:register'><username>a</username><password>p</password>{key}</query></iq>"
        )
    };
    assert_eq!(token(driver().asked(&set(""))), None);
    assert_eq!(token(driver().asked(&set("<key>k</key>"))), Some("k".into()));
    let mut with = driver();
    with.pass(
        "<iq id='0' type='set'><preauth xmlns='urn:xmpp:pars:0' token='t'/></iq>",
        "<iq type='result' id='0'/>",
    );
    assert_eq!(token(with.asked(&set(""))), Some("t".into()));
    let (out, _) = driver().send("<iq id='0' type='set'><preauth xmlns='urn:xmpp:pars:0' token=''/></iq>");
    assert!(out.contains("<bad-request "), "{out}");
    assert!(
        driver().send("<iq id='0' type='get'><query xmlns='jabber:iq:register'/></iq>").0.contains("<key/>")
    );
}

#[test]
fn stanzas_before_login() {
    for stanza in [
        "<message to='a@b'><body>x</body></message>",
        "<presence/>",
        BIND,
        "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
    ] {
        Driver::opened().ends(stanza, "not-authorized");
    }
    Driver::opened().ends("<other xmlns='urn:x'/>", "unsupported-stanza-type");
    let mut driver = Driver::opened();
    driver.pass(
        "<resume xmlns='urn:xmpp:sm:3' previd='x' h='1'/>",
        "<failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
    );
    driver.pass("<iq type='result' id='1'/>", "");
    assert!(driver.send("<iq type='get' id='1'/>").0.contains("<bad-request "));
}

// ---- binding ----

#[test]
fn a_resource_is_bound() {
    let mut driver = Driver::logged_in();
    assert_eq!(driver.asked(BIND), Question::Bind { resource: Some("phone".into()) });
    let (out, step) = driver.answer(Answer::Bind(Ok("ann@example.org/phone/2".into())));
    assert_eq!(
        out,
        "<iq type='result' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>ann@example.org/phone/2</jid></bind></iq>"
    );
    assert_eq!(
        step,
        Step::Bound(Bound::Resource {
            jid: "ann@example.org/phone/2".into(),
            resource: "phone/2".into(),
            legacy: false
        })
    );
}

#[test]
fn binding_may_fail_and_be_tried_again() {
    let mut driver = Driver::logged_in();
    let none = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
    assert_eq!(driver.asked(none), Question::Bind { resource: None });
    let (out, step) = driver.answer(Answer::Bind(Err(StanzaError::conflict())));
    assert_eq!(step, Step::Continue);
    assert!(out.contains("<iq type='error' id='b'>") && out.contains("<conflict "), "{out}");
    let (out, _) = driver.send(&BIND.replace("phone", "\u{200e}\u{7f}"));
    assert!(out.contains("<bad-request "), "{out}");
    driver.asked(BIND);
}

#[test]
fn before_a_resource_is_bound() {
    let mut driver = Driver::logged_in();
    driver.pass(
        "<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>",
        "<iq type='result' id='s'/>",
    );
    driver.pass("<active xmlns='urn:xmpp:csi:0'/>", "");
    let (out, _) = driver.send("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    assert!(out.contains("<not-allowed "), "{out}");
    driver.pass(
        "<enable xmlns='urn:xmpp:sm:3'/>",
        "<failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
    );
    driver.ends("<presence/>", "not-authorized");
    Driver::logged_in().ends("<message/>", "not-authorized");
    Driver::logged_in().ends("<x xmlns='urn:x'/>", "unsupported-stanza-type");
}

#[test]
fn resumption() {
    let resume = "<resume xmlns='urn:xmpp:sm:3' previd='abc' h='4294967295'/>";
    let mut driver = Driver::logged_in();
    assert_eq!(driver.asked(resume), Question::Resume { previd: "abc".into(), h: u32::MAX });
    assert_eq!(driver.answer(Answer::Resume(Ok(()))), (String::new(), Step::Bound(Bound::Resumed)));

    let mut driver = Driver::logged_in();
    for (h, attribute) in [(Some(7), " h='7'"), (None, "")] {
        driver.asked(resume);
        let mut expected = String::new();
        write!(
            expected,
            "<failed xmlns='urn:xmpp:sm:3'{attribute}><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
        )
        .unwrap();
        assert_eq!(driver.answer(Answer::Resume(Err(h))), (expected, Step::Continue));
    }
    for bad in ["previd='abc'", "h='1'", "previd='abc' h='-1'", "previd='abc' h='4294967296'"] {
        let (out, _) = driver.send(&format!("<resume xmlns='urn:xmpp:sm:3' {bad}/>"));
        assert!(out.contains("<bad-request "), "{out}");
    }
    driver.asked(BIND);

    let mut driver = Driver::new(Settings { stream_management: false, ..settings() }, Some(tls()));
    driver.send(OPEN);
    driver.asked(PLAIN_AUTH);
    driver.answer(Answer::Password(Verdict::Accepted));
    assert!(!driver.send(OPEN).0.contains("urn:xmpp:sm:3"));
    assert!(driver.send(resume).0.contains("<feature-not-implemented "));
}

// ---- a driver at fault ----

#[test]
fn a_driver_out_of_turn_ends_the_stream() {
    let mut driver = Driver::opened();
    let (out, step) = driver.answer(Answer::Password(Verdict::Accepted));
    assert_eq!(step, Step::Close);
    assert!(out.contains("<internal-server-error "), "{out}");

    for answer in [Answer::Bind(Ok("a@b/c".into())), Answer::Resume(Ok(())), Answer::Registered(Ok(()))] {
        let mut driver = Driver::opened();
        driver.asked(PLAIN_AUTH);
        assert_eq!(driver.answer(answer).1, Step::Close);
        assert!(!driver.negotiation.authenticated());
    }
    let mut driver = Driver::opened();
    driver.asked(PLAIN_AUTH);
    driver.ends("<presence/>", "internal-server-error");
    let mut driver = Driver::logged_in();
    driver.asked(BIND);
    assert_eq!(driver.answer(Answer::Password(Verdict::Accepted)).1, Step::Close);
    // TLS cannot start in the middle of a login.
    let mut driver = Driver::logged_in();
    driver.negotiation.tls_started(tls());
    driver.asked(BIND);
}

#[test]
fn plain_of_the_client_is_what_the_server_reads() {
    assert_eq!(auth("PLAIN", &Plain::encode("ann", "secret")), PLAIN_AUTH);
}
