//! Bytes in, bytes out: every path and the illegal orders; then random walks.

mod logins;
mod opening;
mod requests;
mod resources;
mod sasl2_inline;
mod walks;

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
    <authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism>\
    <mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism>\
    <inline><sm xmlns='urn:xmpp:sm:3'/><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:sm:3'/></inline></bind>\
    </inline></authentication>\
    <sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/>\
    <channel-binding type='tls-server-end-point'/></sasl-channel-binding>\
    <register xmlns='http://jabber.org/features/iq-register'/><register xmlns='urn:xmpp:ibr-token:0'/><auth xmlns='http://jabber.org/features/iq-auth'/>\
    <pipelining xmlns='urn:xmpp:features:pipelining'/></stream:features>";
const BIND_FEATURES: &str = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>\
    <session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session><sm xmlns='urn:xmpp:sm:3'/>\
    <csi xmlns='urn:xmpp:csi:0'/><pipelining xmlns='urn:xmpp:features:pipelining'/><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:t' ver='v='/>\
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
        exporter: Some([9; 32].into()),
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
        Self {
            negotiation: Negotiation::new(Arc::new(FeatureCache::new(settings)), tls),
            reader: FrameReader::new(limits),
        }
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

fn resumed() -> Resumed {
    Resumed { jid: "ann@example.org/phone".into(), handled: 4 }
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

#[test]
fn a_driver_out_of_turn_ends_the_stream() {
    let mut driver = Driver::opened();
    let (out, step) = driver.answer(Answer::Password(Verdict::Accepted));
    assert_eq!(step, Step::Close);
    assert!(out.contains("<internal-server-error "), "{out}");

    for answer in
        [Answer::Bind(Ok("a@b/c".into())), Answer::Resume(Ok(resumed())), Answer::Registered(Ok(()))]
    {
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
