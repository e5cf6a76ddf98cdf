//! Both sides of a negotiation, talking to each other in memory. Whatever they say is cut
//! at every width, because a network may.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers are the test")]

use std::sync::Arc;

use tidings_xmpp::ext::sm::Nonza;
use tidings_xmpp::sasl::{ScramHash, ScramKeys, ScramSecret, TlsBinding, derive_keys};
use tidings_xmpp::stanza::StanzaError;
use tidings_xmpp::stream::client::{
    self, NegotiationError, Options, Pipelining, Ready, Registration, Resume, Sasl2,
};
use tidings_xmpp::stream::server::{self, Answer, Bound, Question, RegisterOffer, Settings, Verdict};
use tidings_xmpp::xml::{Frame, FrameLimits, FrameReader, StreamContext, parse_open, parse_stanza_with};

fn tls(exporter: bool) -> TlsBinding {
    TlsBinding {
        version: "TLSv1.3",
        server_end_point: Some(Arc::from([1; 32])),
        exporter: exporter.then(|| [2; 32].into()),
    }
}

/// By RFC 6120.
fn options() -> Options {
    Options {
        domain: "127.0.0.1".into(),
        username: "phone".into(),
        secret: ScramSecret::password("secret"),
        registration: None,
        allow_plain: false,
        resource: Some("r".into()),
        sasl2: None,
        stream_management: true,
        resume: None,
        nonce: [5; 24],
        pipelining: None,
    }
}

/// By XEP-0388 where the server has it.
fn by_sasl2() -> Options {
    let sasl2 = Sasl2 { user_agent: Some("u-1".into()), tag: Some("tag".into()) };
    Options { sasl2: Some(sasl2), ..options() }
}

/// A server that knows one account.
struct Server {
    negotiation: server::Negotiation,
    reader: FrameReader,
    context: StreamContext,
    registered: bool,
    /// What is left to do after negotiation is the session's: here, enabling XEP-0198.
    bound: Option<Bound>,
    /// What came then.
    session: Vec<String>,
    resumable: bool,
    /// Stream management was turned on along with the login.
    enabled: bool,
    token: Option<&'static str>,
}

fn keys(hash: ScramHash) -> ScramKeys {
    let (stored_key, server_key) = derive_keys(hash, "secret", b"salt", 4096);
    ScramKeys { salt: b"salt".to_vec(), iterations: 4096, stored_key, server_key }
}

fn entropy(bytes: &mut [u8]) {
    bytes.fill(3);
}

enum Does {
    Reads,
    StartsTls,
    Closes,
}

impl Server {
    fn new(settings: Settings, first: Option<TlsBinding>) -> Self {
        Self {
            negotiation: server::Negotiation::new(Arc::new(server::FeatureCache::new(settings)), first),
            reader: FrameReader::new(FrameLimits { bytes: 8192, depth: 32, attributes: 64 }),
            context: StreamContext::default(),
            registered: true,
            bound: None,
            session: Vec::new(),
            resumable: false,
            enabled: false,
            token: None,
        }
    }

    fn answer(&mut self, question: Question) -> Answer {
        let known = |name: &str| name == "phone" && self.registered;
        match question {
            Question::Scram { hash, .. } => Answer::Scram(Some(keys(hash))),
            Question::ScramSucceeded { username } if known(&username) => Answer::Password(Verdict::Accepted),
            Question::ScramSucceeded { .. } | Question::AuthFailed { .. } => {
                Answer::Password(Verdict::NotAuthorized)
            }
            Question::Password { username, password } if known(&username) && password == "secret" => {
                Answer::Password(Verdict::Accepted)
            }
            Question::Password { .. } | Question::IqAuth { .. } => Answer::Password(Verdict::NotAuthorized),
            Question::Invited { token } => match self.token {
                Some(known) if known == token => Answer::Invited(Ok(None)),
                _ => Answer::Invited(Err(StanzaError::forbidden("no such token"))),
            },
            Question::Register { .. } if self.registered => Answer::Registered(Err(StanzaError::conflict())),
            Question::Register { username, password, token, .. } => {
                assert_eq!((username.as_str(), password.as_str()), ("phone", "secret"));
                if token.as_deref() == self.token {
                    self.registered = true;
                    Answer::Registered(Ok(()))
                } else {
                    Answer::Registered(Err(StanzaError::forbidden("a token is needed")))
                }
            }
            Question::Bind { resource } => {
                Answer::Bind(Ok(format!("phone@example.org/{}", resource.unwrap_or_default())))
            }
            Question::Resume { previd, h } => {
                assert_eq!((previd.as_str(), h), ("s1", 9));
                let resumed = server::Resumed { jid: "phone@example.org/r".into(), handled: 4 };
                Answer::Resume(if self.resumable { Ok(resumed) } else { Err(None) })
            }
            Question::Enable { resume } => {
                assert!(resume);
                self.enabled = true;
                Answer::Enabled(Nonza::Enabled { id: Some("s1".into()), resume, max: None })
            }
        }
    }

    fn receive(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Does {
        loop {
            let frame = match self.reader.read(&mut input) {
                Ok(frame) => frame,
                // Behind a login that failed.
                Err(error) => {
                    self.negotiation.fail(error.into(), out);
                    return Does::Closes;
                }
            };
            let mut step = match frame {
                None => return Does::Reads,
                Some(Frame::Close) => self.negotiation.close(out),
                Some(Frame::Open(bytes)) => {
                    let header = parse_open(bytes).unwrap();
                    self.context = header.context.clone();
                    self.negotiation.open(&header, &mut entropy, out)
                }
                Some(Frame::Stanza(bytes)) => {
                    let element = parse_stanza_with(bytes, &self.context).unwrap();
                    if self.bound.is_some() {
                        self.session.push(element.name().to_owned());
                        if element.name() == "enable" {
                            out.extend_from_slice(b"<enabled xmlns='urn:xmpp:sm:3' id='s1' resume='true'/>");
                        }
                        continue;
                    }
                    self.negotiation.stanza(element, &mut entropy, out)
                }
            };
            loop {
                match step {
                    server::Step::Ask(question) => {
                        let answer = self.answer(question);
                        step = self.negotiation.answer(answer, &mut entropy, out);
                        continue;
                    }
                    server::Step::Continue | server::Step::Authenticated => {}
                    server::Step::NewStream => self.reader.reset(),
                    server::Step::StartTls => return Does::StartsTls,
                    server::Step::Bound(bound) => self.bound = Some(bound),
                    server::Step::Close => return Does::Closes,
                }
                break;
            }
        }
    }
}

/// Lets them talk until the client has a session or gives up. Every message is handed
/// over in pieces of `width` bytes.
fn talk(
    options: Options,
    mut server: Server,
    direct: Option<TlsBinding>,
    client_tls: &TlsBinding,
    width: usize,
) -> Result<(Ready, bool), NegotiationError> {
    let (result, registered, _) = listen(options, &mut server, direct, client_tls, width);
    result.map(|ready| (ready, registered))
}

/// The same, and how often the client waited for an answer.
fn listen(
    options: Options,
    server: &mut Server,
    direct: Option<TlsBinding>,
    client_tls: &TlsBinding,
    width: usize,
) -> (Result<Ready, NegotiationError>, bool, usize) {
    let mut trips = 0;
    let mut to_server = Vec::new();
    let mut client = client::Negotiation::new(options, direct, &mut to_server);
    let mut registered = false;
    loop {
        trips += 1;
        let mut to_client = Vec::new();
        let mut starts = false;
        for piece in std::mem::take(&mut to_server).chunks(width) {
            match server.receive(piece, &mut to_client) {
                Does::Reads | Does::Closes => {}
                Does::StartsTls => starts = true,
            }
        }
        assert!(!to_client.is_empty(), "neither side sends");
        for piece in to_client.chunks(width) {
            let mut input = piece;
            loop {
                let step = match client.receive(&mut input, &mut to_server) {
                    Ok(step) => step,
                    Err(error) => return (Err(error), registered, trips),
                };
                match step {
                    client::Step::More => break,
                    client::Step::Registering => assert!(!registered),
                    client::Step::Registered => registered = true,
                    client::Step::StartTls => {
                        assert!(starts);
                        server.negotiation.tls_started(client_tls.clone());
                        server.reader.reset();
                        client.tls_started(client_tls.clone(), &mut to_server);
                        break;
                    }
                    client::Step::Ready(ready) => return (Ok(*ready), registered, trips),
                }
            }
        }
    }
}

#[test]
fn a_device_gets_its_session_whatever_the_way_is_cut_into() {
    for width in [1, 2, 3, 7, 64, usize::MAX] {
        for exporter in [false, true] {
            let tls = tls(exporter);
            let server = Server::new(Settings::new("example.org"), None);
            let (ready, registered) = talk(options(), server, None, &tls, width).unwrap();
            assert!(!registered && ready.client_state);
            assert_eq!(ready.jid.as_deref(), Some("phone@example.org/r"));
            assert_eq!(ready.domain, "example.org", "an address means the default domain");
            assert_eq!(ready.mechanism.name(), "SCRAM-SHA-256-PLUS");
            assert!(matches!(ready.management, client::Management::Enabled { id: Some(_), .. }));
        }
    }
}

#[test]
fn a_cached_key_logs_in_as_the_password_does() {
    let (tls, settings) = (tls(true), Settings::new("example.org"));
    let server = Server::new(settings.clone(), Some(tls.clone()));
    let (ready, _) = talk(options(), server, Some(tls.clone()), &tls, 16).unwrap();
    let secret = ScramSecret { password: None, salted: ready.salted };
    let server = Server::new(settings, Some(tls.clone()));
    talk(Options { secret, ..options() }, server, Some(tls.clone()), &tls, 16).unwrap();
}

#[test]
fn a_device_registers_where_the_policy_lets_it() {
    let tls = tls(true);
    for (offer, wanted, given, words) in [
        (RegisterOffer::Open, None, None, None),
        (RegisterOffer::Token, Some("key"), Some("key"), None),
        (RegisterOffer::Closed, None, None, Some("the server closed registration")),
    ] {
        let settings = Settings { register: offer, ..Settings::new("example.org") };
        let mut server = Server::new(settings, None);
        server.registered = false;
        server.token = wanted;
        let registration = Some(Registration { token: given.map(str::to_owned), repeated: false });
        let result = talk(Options { registration, ..options() }, server, None, &tls, 32);
        match words {
            None => assert!(result.unwrap().1),
            Some(words) => assert_eq!(result.unwrap_err().to_string(), words),
        }
    }
    for token in [None, Some("guess".to_owned())] {
        let settings = Settings { register: RegisterOffer::Token, ..Settings::new("example.org") };
        let mut server = Server::new(settings, None);
        server.registered = false;
        server.token = Some("key");
        let registration = Some(Registration { token, repeated: false });
        let error = talk(Options { registration, ..options() }, server, None, &tls, 32).unwrap_err();
        assert!(matches!(error, NegotiationError::Registration(_)) && error.is_permanent(), "{error}");
    }
    let server = Server::new(Settings::new("example.org"), None);
    let registration = Some(Registration::default());
    let error = talk(Options { registration, ..options() }, server, None, &tls, 32).unwrap_err();
    assert!(error.is_username_taken());
}

#[test]
fn a_session_is_resumed_or_bound_anew() {
    let tls = tls(true);
    for resumable in [true, false] {
        let mut server = Server::new(Settings::new("example.org"), None);
        server.resumable = resumable;
        let resume = Some(Resume { id: "s1".into(), handled: 9 });
        let (ready, _) = talk(Options { resume, ..options() }, server, None, &tls, 5).unwrap();
        if resumable {
            assert_eq!((ready.jid, ready.management), (None, client::Management::Resumed { handled: 4 }));
        } else {
            assert!(matches!(ready.management, client::Management::Enabled { .. }));
        }
    }
}

#[test]
fn who_is_not_who_it_should_be_is_refused() {
    let tls = tls(true);
    let wrong = Options { secret: ScramSecret::password("guess"), ..options() };
    let error = talk(wrong, Server::new(Settings::new("example.org"), None), None, &tls, 64).unwrap_err();
    assert_eq!(error.to_string(), "wrong username or password");
    let elsewhere = Options { domain: "elsewhere.example".into(), ..options() };
    let error = talk(elsewhere, Server::new(Settings::new("example.org"), None), None, &tls, 64).unwrap_err();
    assert!(error.to_string().contains("host-unknown") && error.is_permanent());
}

#[test]
fn someone_between_the_two_is_noticed() {
    // Two TLS connections, each with its own binding: the server sees another one than the client.
    let mut theirs = tls(true);
    theirs.exporter = Some([7; 32].into());
    let server = Server::new(Settings::new("example.org"), Some(theirs));
    let ours = tls(true);
    let error = talk(options(), server, Some(ours.clone()), &ours, 64).unwrap_err();
    assert!(matches!(error, NegotiationError::Login(_)), "{error}");
}

/// What such a login teaches about this server.
fn taught(options: Options, tls: &TlsBinding) -> Pipelining {
    let server = Server::new(Settings::new("example.org"), Some(tls.clone()));
    let (ready, _) = talk(options, server, Some(tls.clone()), tls, 64).unwrap();
    assert!(!ready.greeted);
    Pipelining { known: ready.known.unwrap(), greeting: b"<presence/><r xmlns='urn:xmpp:sm:3'/>".to_vec() }
}

#[test]
fn a_known_server_gives_a_session_in_two_round_trips() {
    for width in [1, 2, 7, 64, usize::MAX] {
        for exporter in [false, true] {
            let tls = tls(exporter);
            let pipelining = Some(taught(options(), &tls));
            let mut server = Server::new(Settings::new("example.org"), Some(tls.clone()));
            let (step_by_step, _, trips) = listen(options(), &mut server, Some(tls.clone()), &tls, width);
            assert_eq!(trips, 6);
            assert_eq!(server.session, ["enable"]);

            let mut server = Server::new(Settings::new("example.org"), Some(tls.clone()));
            let options = Options { pipelining, ..options() };
            let (ready, _, trips) = listen(options.clone(), &mut server, Some(tls.clone()), &tls, width);
            assert_eq!(trips, 2);
            assert_eq!(ready.clone().unwrap(), Ready { greeted: true, ..step_by_step.unwrap() });
            assert_eq!(ready.unwrap().mechanism.name(), "SCRAM-SHA-256-PLUS");
            assert_eq!(server.session, ["enable", "presence", "r"]);

            // TLS is waited for.
            let mut server = Server::new(Settings::new("example.org"), None);
            let (ready, _, trips) = listen(options, &mut server, None, &tls, width);
            assert!(ready.unwrap().greeted);
            assert_eq!(trips, 3);
        }
    }
}

#[test]
fn a_known_server_resumes_in_two_round_trips_or_binds_in_three() {
    let tls = tls(true);
    for (resumable, expected) in [(true, 2), (false, 3)] {
        let mut server = Server::new(Settings::new("example.org"), Some(tls.clone()));
        server.resumable = resumable;
        let resume = Some(Resume { id: "s1".into(), handled: 9 });
        let options = Options { resume, pipelining: Some(taught(options(), &tls)), ..options() };
        let (ready, _, trips) = listen(options, &mut server, Some(tls.clone()), &tls, 5);
        let ready = ready.unwrap();
        assert_eq!((trips, ready.greeted), (expected, !resumable));
        assert!(ready.known.is_some());
        if resumable {
            assert_eq!((ready.jid, ready.management), (None, client::Management::Resumed { handled: 4 }));
            assert_eq!(server.session, [""; 0]);
        } else {
            assert!(matches!(ready.management, client::Management::Enabled { .. }));
            assert_eq!(server.session, ["enable", "presence", "r"]);
        }
    }
}

#[test]
fn nothing_is_said_ahead_to_a_server_that_has_changed() {
    let (bound, unbound) = (tls(true), TlsBinding { server_end_point: None, ..tls(false) });
    let managed = Settings::new("example.org");
    let bare = Settings { stream_management: false, ..managed.clone() };
    // What the server sees of TLS, what the client sees, and what the client learned before.
    for (settings, theirs, ours, before) in [
        // No binding any more; a binding where there was none; no stream management any more.
        (&managed, &unbound, &bound, &bound),
        (&managed, &bound, &bound, &unbound),
        (&bare, &bound, &bound, &bound),
    ] {
        let mut server = Server::new(settings.clone(), Some(theirs.clone()));
        let options = Options { pipelining: Some(taught(options(), before)), ..options() };
        let (result, _, _) = listen(options.clone(), &mut server, Some(ours.clone()), ours, 64);
        assert_eq!(result, Err(NegotiationError::Changed));
        assert!(!NegotiationError::Changed.is_permanent());
        assert!(theirs == ours && before == ours || !server.negotiation.authenticated());
        let mut server = Server::new(settings.clone(), Some(theirs.clone()));
        let (result, _, _) =
            listen(Options { pipelining: None, ..options }, &mut server, Some(ours.clone()), ours, 64);
        result.unwrap();
    }
}

#[test]
fn a_wrong_password_ahead_is_a_wrong_password_and_gives_no_session() {
    let tls = tls(true);
    let mut server = Server::new(Settings::new("example.org"), Some(tls.clone()));
    let options = Options {
        secret: ScramSecret::password("guess"),
        pipelining: Some(taught(options(), &tls)),
        ..options()
    };
    let (result, _, trips) = listen(options, &mut server, Some(tls.clone()), &tls, 64);
    let error = result.unwrap_err();
    assert!(error.is_wrong_password() && error.is_permanent(), "{error}");
    assert_eq!((trips, server.bound), (2, None));
}

#[test]
fn by_the_newer_profile_a_login_brings_its_session_along() {
    for width in [1, 2, 7, 64, usize::MAX] {
        for exporter in [false, true] {
            let tls = tls(exporter);
            let mut server = Server::new(Settings::new("example.org"), Some(tls.clone()));
            let (step_by_step, _, trips) = listen(by_sasl2(), &mut server, Some(tls.clone()), &tls, width);
            let step_by_step = step_by_step.unwrap();
            assert_eq!((trips, server.enabled), (3, true));
            let jid = step_by_step.jid.as_deref().unwrap();
            assert!(jid.starts_with("phone@example.org/tag/"), "{jid}");
            assert!(step_by_step.client_state && !step_by_step.greeted);
            assert!(matches!(step_by_step.management, client::Management::Enabled { id: Some(_), .. }));
            assert_eq!(step_by_step.mechanism.name(), "SCRAM-SHA-256-PLUS");

            let pipelining = Some(taught(by_sasl2(), &tls));
            let mut server = Server::new(Settings::new("example.org"), Some(tls.clone()));
            let options = Options { pipelining, ..by_sasl2() };
            let (ready, _, trips) = listen(options.clone(), &mut server, Some(tls.clone()), &tls, width);
            assert_eq!(trips, 2);
            assert_eq!(ready.unwrap(), Ready { greeted: true, ..step_by_step });
            assert_eq!(server.session, ["presence", "r"]);

            let mut server = Server::new(Settings::new("example.org"), None);
            let (ready, _, trips) = listen(options, &mut server, None, &tls, width);
            assert!(ready.unwrap().greeted);
            assert_eq!(trips, 3);
        }
    }
}

#[test]
fn by_the_newer_profile_a_session_is_resumed_or_bound_in_the_same_step() {
    let tls = tls(true);
    for known in [false, true] {
        for resumable in [true, false] {
            let mut server = Server::new(Settings::new("example.org"), Some(tls.clone()));
            server.resumable = resumable;
            let pipelining = known.then(|| taught(by_sasl2(), &tls));
            let resume = Some(Resume { id: "s1".into(), handled: 9 });
            let options = Options { resume, pipelining: pipelining.clone(), ..by_sasl2() };
            let (ready, _, trips) = listen(options, &mut server, Some(tls.clone()), &tls, 5);
            let ready = ready.unwrap();
            assert_eq!((trips, ready.greeted), (if known { 2 } else { 3 }, false));
            assert_eq!(server.session, [""; 0]);
            if resumable {
                assert_eq!((ready.jid, ready.management), (None, client::Management::Resumed { handled: 4 }));
                assert_eq!(ready.known, pipelining.map(|pipelining| pipelining.known));
            } else {
                assert!(matches!(ready.management, client::Management::Enabled { .. }));
                assert!(ready.known.is_some() && server.enabled);
            }
        }
    }
}

#[test]
fn by_the_newer_profile_a_server_without_stream_management_is_bound_all_the_same() {
    let tls = tls(true);
    let bare = Settings { stream_management: false, ..Settings::new("example.org") };
    let resume = Some(Resume { id: "s1".into(), handled: 9 });
    for resume in [None, resume] {
        let mut server = Server::new(bare.clone(), Some(tls.clone()));
        let options = Options { resume: resume.clone(), ..by_sasl2() };
        let (ready, _, trips) = listen(options, &mut server, Some(tls.clone()), &tls, 7);
        let ready = ready.unwrap();
        assert_eq!((ready.management, ready.known), (client::Management::Off, None));
        assert!(ready.jid.is_some());
        assert_eq!(
            trips,
            if resume.is_some() { 4 } else { 3 },
            "a resource of its own, where it could not resume"
        );

        let mut server = Server::new(bare.clone(), Some(tls.clone()));
        let pipelining = Some(taught(by_sasl2(), &tls));
        let options = Options { resume, pipelining, ..by_sasl2() };
        let (result, _, _) = listen(options, &mut server, Some(tls.clone()), &tls, 7);
        assert_eq!(result, Err(NegotiationError::Changed));
        assert!(!server.negotiation.authenticated());
    }
}

#[test]
fn by_the_newer_profile_a_wrong_password_gives_no_session() {
    let tls = tls(true);
    for pipelining in [None, Some(taught(by_sasl2(), &tls))] {
        let mut server = Server::new(Settings::new("example.org"), Some(tls.clone()));
        let options = Options { secret: ScramSecret::password("guess"), pipelining, ..by_sasl2() };
        let (result, _, _) = listen(options, &mut server, Some(tls.clone()), &tls, 64);
        assert!(result.unwrap_err().is_wrong_password());
        assert_eq!(server.bound, None);
    }
    let mut server = Server::new(Settings::new("example.org"), None);
    server.registered = false;
    let options = Options { registration: Some(Registration::default()), ..by_sasl2() };
    let (ready, registered) = talk(options, server, None, &tls, 9).unwrap();
    assert!(registered && ready.jid.is_some());
}
