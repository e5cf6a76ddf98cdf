//! The client's negotiation against scripted servers.

mod pipelining;
mod sasl2;

use std::sync::Arc;

use super::*;
use crate::sasl::{ScramError, decode_payload, encode_payload};
use crate::sasl::{ScramHash, ScramKeys, ScramSecret, ScramServer, derive_keys};
use crate::stream::StreamCondition;

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' id='1' from='example.org' version='1.0'>";
const STARTTLS: &str =
    "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>";
const SESSION: &str = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>\
    <sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/></stream:features>";
const BOUND: &str = "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
    <jid>phone@example.org/r</jid></bind></iq>";

fn options() -> Options {
    Options {
        domain: "example.org".into(),
        username: "phone".into(),
        secret: ScramSecret::password("secret"),
        registration: None,
        allow_plain: false,
        resource: Some("r".into()),
        sasl2: None,
        stream_management: true,
        resume: None,
        nonce: [7; 24],
        pipelining: None,
    }
}

fn tls() -> TlsBinding {
    TlsBinding {
        version: "TLSv1.3",
        server_end_point: Some(Arc::from([1; 32])),
        exporter: Some([2; 32].into()),
    }
}

fn mechanisms(names: &[&str], bindings: &[&str], more: &str) -> String {
    let names: String = names.iter().map(|name| format!("<mechanism>{name}</mechanism>")).collect();
    let types: String = bindings.iter().map(|kind| format!("<channel-binding type='{kind}'/>")).collect();
    format!(
        "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{names}</mechanisms>\
         <sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>{types}</sasl-channel-binding>{more}</stream:features>"
    )
}

struct Talk {
    client: Negotiation,
    out: Vec<u8>,
}

impl Talk {
    fn start(options: Options, tls: Option<TlsBinding>) -> Self {
        let mut out = Vec::new();
        let client = Negotiation::new(options, tls, &mut out);
        let mut talk = Self { client, out };
        assert!(talk.said().contains("<stream:stream"));
        talk
    }

    /// What the client has written since last asked.
    fn said(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.out)).unwrap()
    }

    /// Hands the bytes over one by one: a cut may come anywhere.
    fn hear(&mut self, text: &str) -> Result<Step, NegotiationError> {
        for (at, byte) in text.as_bytes().iter().enumerate() {
            let mut input = std::slice::from_ref(byte);
            match self.client.receive(&mut input, &mut self.out)? {
                Step::More => {}
                step => {
                    assert_eq!(at + 1, text.len(), "{step:?} came early");
                    return Ok(step);
                }
            }
        }
        Ok(Step::More)
    }

    /// The server's side of a SCRAM login.
    fn scram(&mut self, extra_round: bool) -> Result<Mechanism, NegotiationError> {
        let said = self.said();
        let (name, payload) = said
            .strip_prefix("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='")
            .and_then(|rest| rest.strip_suffix("</auth>"))
            .and_then(|rest| rest.split_once("'>"))
            .unwrap_or_else(|| panic!("no <auth/>: {said}"));
        let mechanism = Mechanism::from_name(name).unwrap();
        let binding = if mechanism.is_plus() {
            tls()
        } else {
            TlsBinding { version: "TLSv1.3", server_end_point: None, exporter: None }
        };
        let server = ScramServer::start(mechanism, &binding, &decode_payload(payload).unwrap()).unwrap();
        let hash = mechanism.hash().unwrap();
        let (stored_key, server_key) = derive_keys(hash, "secret", b"salt", 4096);
        let keys = ScramKeys { salt: b"salt".to_vec(), iterations: 4096, stored_key, server_key };
        let (challenge, first) = server.challenge(keys, &[9; 18]);
        self.hear(&sasl("challenge", &first))?;
        let said = self.said();
        let payload = said
            .strip_prefix("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>")
            .and_then(|rest| rest.strip_suffix("</response>"))
            .unwrap_or_else(|| panic!("no <response/>: {said}"));
        let last = challenge.finish(&binding, &decode_payload(payload).unwrap()).unwrap();
        if extra_round {
            self.hear(&sasl("challenge", &last))?;
            assert_eq!(self.said(), "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
            self.hear("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")?;
        } else {
            self.hear(&sasl("success", &last))?;
        }
        assert!(self.said().contains("<stream:stream"), "a new stream follows a login");
        Ok(mechanism)
    }
}

fn sasl(name: &str, payload: &[u8]) -> String {
    format!("<{name} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{}</{name}>", encode_payload(payload))
}

fn ready(step: Step) -> Ready {
    match step {
        Step::Ready(ready) => *ready,
        step => panic!("{step:?}"),
    }
}

#[test]
fn from_starttls_to_a_managed_session() {
    let mut talk = Talk::start(options(), None);
    talk.hear(HEADER).unwrap();
    talk.hear(STARTTLS).unwrap();
    assert_eq!(talk.said(), "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    let step = talk.hear("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").unwrap();
    assert!(matches!(step, Step::StartTls));
    talk.client.tls_started(tls(), &mut talk.out);
    assert!(talk.said().contains("to='example.org'"));
    talk.hear(HEADER).unwrap();
    talk.hear(&mechanisms(
        &["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"],
        &["tls-server-end-point"],
        "",
    ))
    .unwrap();
    assert_eq!(talk.scram(false).unwrap(), Mechanism::ScramSha256Plus);
    talk.hear(HEADER).unwrap();
    talk.hear(SESSION).unwrap();
    assert!(talk.said().contains("<resource>r</resource>"));
    talk.hear(BOUND).unwrap();
    assert!(talk.said().contains("<enable xmlns='urn:xmpp:sm:3' resume='true'"));
    let ready = ready(talk.hear("<enabled xmlns='urn:xmpp:sm:3' id='s1' resume='true' max='600'/>").unwrap());
    assert_eq!(ready.jid.as_deref(), Some("phone@example.org/r"));
    assert_eq!(ready.management, Management::Enabled { id: Some("s1".into()), max_seconds: Some(600) });
    assert!(ready.client_state);
    assert_eq!(ready.salted.map(|salted| salted.hash), Some(ScramHash::Sha256));
}

#[test]
fn what_came_in_the_clear_behind_proceed_is_dropped() {
    let mut talk = Talk::start(options(), None);
    talk.hear(HEADER).unwrap();
    talk.hear(STARTTLS).unwrap();
    let injected = format!("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>{HEADER}{SESSION}");
    let mut input = injected.as_bytes();
    let step = talk.client.receive(&mut input, &mut talk.out).unwrap();
    assert!(matches!(step, Step::StartTls) && input.is_empty());
}

#[test]
fn nothing_is_said_to_a_server_without_tls() {
    let mut talk = Talk::start(Options { registration: Some(Registration::default()), ..options() }, None);
    talk.hear(HEADER).unwrap();
    let error = talk.hear(&mechanisms(&["PLAIN", "SCRAM-SHA-1"], &[], "")).unwrap_err();
    assert_eq!((&error, error.is_permanent()), (&NegotiationError::TlsNotOffered, true));
    assert_eq!(talk.said(), "");
}

#[test]
fn the_strongest_mechanism_that_fits_is_taken() {
    let cases: &[(&[&str], &[&str], Option<Mechanism>)] = &[
        (&["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256"], &[], Some(Mechanism::ScramSha1Plus)),
        (&["SCRAM-SHA-1", "SCRAM-SHA-256"], &["tls-exporter"], Some(Mechanism::ScramSha256)),
        (&["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"], &["tls-exporter"], Some(Mechanism::ScramSha256Plus)),
        (&["X", "PLAIN", "SCRAM-SHA-1"], &[], Some(Mechanism::ScramSha1)),
        (&["PLAIN"], &[], None),
        (&[], &[], None),
    ];
    for (offered, bindings, expected) in cases {
        let mut talk = Talk::start(options(), Some(tls()));
        talk.hear(HEADER).unwrap();
        match (talk.hear(&mechanisms(offered, bindings, "")), expected) {
            (Ok(_), Some(expected)) => assert_eq!(talk.scram(true).unwrap(), *expected),
            (Err(error), None) => assert!(matches!(error, NegotiationError::NoMechanism(_))),
            (result, _) => panic!("{offered:?}: {result:?}"),
        }
    }
}

#[test]
fn plain_goes_out_only_where_it_is_allowed() {
    let mut talk = Talk::start(Options { allow_plain: true, ..options() }, Some(tls()));
    talk.hear(HEADER).unwrap();
    talk.hear(&mechanisms(&["PLAIN"], &[], "")).unwrap();
    assert!(talk.said().contains(&encode_payload(b"\0phone\0secret")));
    talk.hear("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>").unwrap();
    talk.hear(HEADER).unwrap();
    talk.hear("<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>").unwrap();
    let ready = ready(talk.hear(BOUND).unwrap());
    assert_eq!((ready.management, ready.mechanism), (Management::Off, Mechanism::Plain));
}

#[test]
fn a_server_that_lets_us_in_without_its_proof_is_left() {
    for last in ["<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>".to_owned(), sasl("success", b"v=AAAA")]
    {
        let mut talk = Talk::start(options(), Some(tls()));
        talk.hear(HEADER).unwrap();
        talk.hear(&mechanisms(&["SCRAM-SHA-256"], &[], "")).unwrap();
        let error = talk.hear(&last).unwrap_err();
        assert!(error.is_permanent(), "{error}");
    }
}

#[test]
fn an_account_is_registered_first_where_that_is_wanted() {
    let mut options = options();
    options.registration = Some(Registration { token: Some("key".into()), repeated: false });
    let mut talk = Talk::start(options, Some(tls()));
    talk.hear(HEADER).unwrap();
    let register = "<register xmlns='http://jabber.org/features/iq-register'/>\
        <register xmlns='urn:xmpp:ibr-token:0'/>";
    talk.hear(&mechanisms(&["SCRAM-SHA-256"], &[], register)).unwrap();
    assert!(talk.said().contains("<preauth xmlns='urn:xmpp:pars:0' token='key'/>"));
    let step = talk.hear("<iq type='result' id='preauth'/>").unwrap();
    assert!(matches!(step, Step::More));
    let said = talk.said();
    assert!(said.contains("<iq type='get' id='fields'") && !said.contains("phone"), "{said}");
    let fields =
        "<iq type='result' id='fields'><query xmlns='jabber:iq:register'><username/><password/></query></iq>";
    assert!(matches!(talk.hear(fields).unwrap(), Step::Registering));
    let said = talk.said();
    assert!(said.contains("<username>phone</username><password>secret</password>"), "{said}");
    let step = talk.hear("<iq type='result' id='register'/>").unwrap();
    assert!(matches!(step, Step::Registered));
    assert_eq!(talk.scram(false).unwrap(), Mechanism::ScramSha256);
}

#[test]
fn an_invitation_for_a_name_gives_the_account_that_name() {
    let begin = |repeated| {
        let mut options = options();
        options.registration = Some(Registration { token: Some("key".into()), repeated });
        let mut talk = Talk::start(options, Some(tls()));
        talk.hear(HEADER).unwrap();
        let register = "<register xmlns='urn:xmpp:ibr-token:0'/>";
        talk.hear(&mechanisms(&["SCRAM-SHA-256"], &[], register)).unwrap();
        talk.said();
        let step = talk.hear("<iq type='result' id='preauth'/>").unwrap();
        (talk, step)
    };
    let (mut talk, _) = begin(false);
    talk.said();
    let fields = "<iq type='result' id='fields'><query xmlns='jabber:iq:register'><username>ana</username>\
        <password/></query></iq>";
    assert!(matches!(talk.hear(fields).unwrap(), Step::Registering));
    let said = talk.said();
    assert!(said.contains("<username>ana</username><password>secret</password>"), "{said}");
    // A used one may not be asked about; that the name is taken is good news then.
    let (mut talk, step) = begin(true);
    assert!(matches!(step, Step::Registering));
    let said = talk.said();
    assert!(said.contains("<username>phone</username>") && !said.contains("type='get'"), "{said}");
}

#[test]
fn a_refused_registration_says_why() {
    let cases = [
        ("cancel", "conflict", "the username is taken", true),
        ("cancel", "not-allowed", "the server closed registration", true),
        ("auth", "forbidden", "the server closed registration", true),
        ("wait", "resource-constraint", "the server takes no registration right now", false),
    ];
    for (kind, condition, words, permanent) in cases {
        let mut talk =
            Talk::start(Options { registration: Some(Registration::default()), ..options() }, Some(tls()));
        talk.hear(HEADER).unwrap();
        let register = "<register xmlns='http://jabber.org/features/iq-register'/>";
        talk.hear(&mechanisms(&["SCRAM-SHA-1"], &[], register)).unwrap();
        let error = talk
            .hear(&format!(
                "<iq type='error' id='register'><error type='{kind}'>\
                 <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
            ))
            .unwrap_err();
        assert_eq!((error.to_string().as_str(), error.is_permanent()), (words, permanent));
        assert_eq!(error.is_username_taken(), condition == "conflict");
    }
    let mut talk =
        Talk::start(Options { registration: Some(Registration::default()), ..options() }, Some(tls()));
    talk.hear(HEADER).unwrap();
    let error = talk.hear(&mechanisms(&["SCRAM-SHA-1"], &[], "")).unwrap_err();
    assert_eq!(error.to_string(), "the server closed registration");
}

#[test]
fn a_lost_session_is_resumed_or_bound_anew() {
    let resume = Options { resume: Some(Resume { id: "s1".into(), handled: u32::MAX }), ..options() };
    for (answer, resumed) in [
        ("<resumed xmlns='urn:xmpp:sm:3' previd='s1' h='3'/>", true),
        (
            "<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
            false,
        ),
    ] {
        let mut talk = Talk::start(resume.clone(), Some(tls()));
        talk.hear(HEADER).unwrap();
        talk.hear(&mechanisms(&["SCRAM-SHA-256"], &[], "")).unwrap();
        talk.scram(false).unwrap();
        talk.hear(HEADER).unwrap();
        talk.hear(SESSION).unwrap();
        assert_eq!(talk.said(), "<resume xmlns='urn:xmpp:sm:3' previd='s1' h='4294967295'/>");
        let step = talk.hear(answer).unwrap();
        if resumed {
            let ready = ready(step);
            assert_eq!((ready.jid, ready.management), (None, Management::Resumed { handled: 3 }));
        } else {
            assert!(talk.said().contains("<bind "));
            talk.hear(BOUND).unwrap();
            let enabled = talk.hear("<enabled xmlns='urn:xmpp:sm:3'/>").unwrap();
            assert_eq!(ready(enabled).management, Management::Enabled { id: None, max_seconds: None });
        }
    }
}

#[test]
fn stanzas_behind_the_last_step_stay_in_the_input() {
    let mut talk = Talk::start(options(), Some(tls()));
    talk.hear(HEADER).unwrap();
    talk.hear(&mechanisms(&["SCRAM-SHA-256"], &[], "")).unwrap();
    talk.scram(false).unwrap();
    talk.hear(HEADER).unwrap();
    talk.hear(SESSION).unwrap();
    talk.hear(BOUND).unwrap();
    let text = "<enabled xmlns='urn:xmpp:sm:3'/><message/>";
    let mut input = text.as_bytes();
    let step = talk.client.receive(&mut input, &mut talk.out).unwrap();
    assert!(matches!(step, Step::Ready(_)));
    assert_eq!(input, b"<message/>");
    let (mut reader, _) = talk.client.finish();
    assert!(matches!(reader.read(&mut input), Ok(Some(Frame::Stanza(b"<message/>")))));
}

#[test]
fn a_stream_error_is_said_in_words() {
    let mut talk = Talk::start(options(), None);
    talk.hear(HEADER).unwrap();
    let error = talk
        .hear("<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
        .unwrap_err();
    assert_eq!(error, NegotiationError::Stream(StreamCondition::HostUnknown.into()));
    assert!(error.is_permanent() && error.to_string().contains("host-unknown"));
    let mut talk = Talk::start(options(), None);
    assert!(matches!(talk.hear("HTTP/1.1 400 Bad Request"), Err(NegotiationError::Frame(_))));
    let mut talk = Talk::start(options(), None);
    talk.hear(HEADER).unwrap();
    assert_eq!(talk.hear("</stream:stream>").unwrap_err(), NegotiationError::Closed);
}

#[test]
fn a_refused_login_is_said_in_words() {
    for (condition, words, permanent) in [
        ("not-authorized", "wrong username or password", true),
        ("account-disabled", "the account is disabled", true),
        ("temporary-auth-failure", "the server cannot check the login right now", false),
    ] {
        let mut talk = Talk::start(options(), Some(tls()));
        talk.hear(HEADER).unwrap();
        talk.hear(&mechanisms(&["SCRAM-SHA-256"], &[], "")).unwrap();
        let failure = format!("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><{condition}/></failure>");
        let error = talk.hear(&failure).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.is_permanent()), (words, permanent));
    }
}

#[test]
fn a_binding_that_was_not_named_is_not_used() {
    let only_end_point = TlsBinding { exporter: None, ..tls() };
    let mut talk = Talk::start(options(), Some(only_end_point));
    talk.hear(HEADER).unwrap();
    talk.hear(&mechanisms(&["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"], &["tls-exporter"], "")).unwrap();
    let said = talk.said();
    assert!(said.contains("mechanism='SCRAM-SHA-256'"), "{said}");
    let payload = said.split_once("'>").unwrap().1.strip_suffix("</auth>").unwrap();
    // Not `y`: the server did offer a binding, and would take that for an attack.
    assert!(decode_payload(payload).unwrap().starts_with(b"n,,"));
}

const PIPELINING: &str = "<pipelining xmlns='urn:xmpp:features:pipelining'/>";

fn with_pipelining(features: &str) -> String {
    features.replace("</stream:features>", &format!("{PIPELINING}</stream:features>"))
}

proptest::proptest! {
    /// Whatever a server says, in whatever order, a client neither panics nor goes on
    /// for ever, and says nothing that is secret before TLS.
    #[test]
    fn any_server_is_survived(
        parts in proptest::collection::vec(proptest::sample::select(PARTS.to_vec()), 0..12),
        over_tls in proptest::bool::ANY,
        registers in proptest::bool::ANY,
        knows in proptest::bool::ANY,
        newer in proptest::bool::ANY,
    ) {
        let sasl2 = newer.then(Sasl2::default);
        let mut options = Options { allow_plain: true, sasl2, ..options() };
        let features = |text: &str| {
            let features = crate::xml::parse_stanza(text.as_bytes()).unwrap();
            Features::from_element(&features).unwrap()
        };
        let known = KnownFeatures::new(
            &features(&with_pipelining(PARTS[4])),
            &features(&with_pipelining(SESSION)),
            Profile::Rfc6120,
            Mechanism::ScramSha256,
        );
        options.pipelining =
            known.filter(|_| knows).map(|known| Pipelining { known, greeting: b"<presence/>".to_vec() });
        options.registration = registers.then(Registration::default);
        let mut out = Vec::new();
        let mut client = Negotiation::new(options, over_tls.then(tls), &mut out);
        'parts: for part in parts {
            let mut input = part.as_bytes();
            while !input.is_empty() {
                let before = input.len();
                match client.receive(&mut input, &mut out) {
                    Err(_) | Ok(Step::Ready(_) | Step::StartTls) => break 'parts,
                    Ok(_) => proptest::prop_assert!(input.len() < before),
                }
            }
        }
        if !over_tls {
            let said = String::from_utf8(out).unwrap();
            for secret in ["secret", "phone", "<auth", "<iq"] {
                proptest::prop_assert!(!said.contains(secret), "{}", said);
            }
        }
    }
}

const PARTS: [&str; 22] = [
    HEADER,
    STARTTLS,
    SESSION,
    BOUND,
    "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism>\
     <mechanism>SCRAM-SHA-256</mechanism></mechanisms><register xmlns='http://jabber.org/features/iq-register'/>\
     </stream:features>",
    "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism>\
     </mechanisms></stream:features>",
    "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>cj1h</challenge>",
    "<stream:features><authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism>\
     <mechanism>SCRAM-SHA-256</mechanism><inline><bind xmlns='urn:xmpp:bind:0'/></inline></authentication>\
     </stream:features>",
    "<challenge xmlns='urn:xmpp:sasl:2'>cj1h</challenge>",
    "<success xmlns='urn:xmpp:sasl:2'/>",
    "<success xmlns='urn:xmpp:sasl:2'><bound xmlns='urn:xmpp:bind:0'/></success>",
    "<success xmlns='urn:xmpp:sasl:2'><resumed xmlns='urn:xmpp:sm:3' previd='s1' h='1'/></success>",
    "<stream:features/>",
    "<iq type='result' id='register'/>",
    "<iq type='error' id='bind'/>",
    "<enabled xmlns='urn:xmpp:sm:3'/>",
    "<failed xmlns='urn:xmpp:sm:3'/>",
    "<message/>",
    "</stream:stream>",
    "\0",
];
