//! Random walks: whatever a peer sends and however the driver answers, nothing panics,
//! no client gets in without a positive verdict, and no credential is read before TLS.

use proptest::prelude::*;

use super::*;
use crate::ext::sm::Nonza;

#[derive(Debug, Clone)]
enum Move {
    Open(usize),
    Send(usize),
    Close,
    TlsStarted,
    Answer(usize),
    /// The answer that fits, with this verdict.
    Fitting(Verdict),
    Garbage(String),
}

const STANZAS: &[&str] = &[
    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    PLAIN_AUTH,
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>",
    // n,,n=ann,r=x
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>biwsbj1hbm4scj14</auth>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>*</auth>",
    "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AGFubgBzZWNyZXQ=</response>",
    // c=biws,r=xBwcHBwcHBwcHBwcHBwcHBwcH,p=AAAA: a wrong proof
    "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>Yz1iaXdzLHI9eEJ3Y0hCd2NIQndjSEJ3Y0hCd2NIQndjSEJ3Y0gscD1BQUFB</response>",
    "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>AGFubgBzZWNyZXQ=</initial-response>\
     <bind xmlns='urn:xmpp:bind:0'><tag>t</tag><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>\
     <resume xmlns='urn:xmpp:sm:3' previd='x' h='1'/></authenticate>",
    "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-1'><initial-response>biwsbj1hbm4scj14</initial-response></authenticate>",
    "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>",
    "<response xmlns='urn:xmpp:sasl:2'>AGFubgBzZWNyZXQ=</response>",
    "<abort xmlns='urn:xmpp:sasl:2'/>",
    "<iq id='1' type='get'><query xmlns='jabber:iq:auth'/></iq>",
    "<iq id='1' type='set'><query xmlns='jabber:iq:auth'><username>a</username><password>p</password><resource>r</resource></query></iq>",
    "<iq id='1' type='set'><query xmlns='jabber:iq:register'><username>a</username><password>p</password></query></iq>",
    "<iq id='1' type='set'><query xmlns='jabber:iq:register'><remove/></query></iq>",
    BIND,
    "<iq id='1' type='set'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>",
    "<iq id='1' type='get'/>",
    "<resume xmlns='urn:xmpp:sm:3' previd='x' h='1'/>",
    "<enable xmlns='urn:xmpp:sm:3'/>",
    "<presence/>",
    "<other xmlns='urn:x'/>",
];

const HEADERS: &[&str] = &[
    OPEN,
    OPEN,
    OPEN,
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
    "<stream:stream to='example.com' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
];

fn verdict() -> impl Strategy<Value = Verdict> {
    prop::sample::select(vec![
        Verdict::Accepted,
        Verdict::Accepted,
        Verdict::NotAuthorized,
        Verdict::Disabled,
        Verdict::Throttled,
        Verdict::Unavailable,
    ])
}

fn one_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        6 => (0..HEADERS.len()).prop_map(Move::Open),
        16 => (0..STANZAS.len()).prop_map(Move::Send),
        1 => Just(Move::Close),
        6 => Just(Move::TlsStarted),
        1 => (0..8usize).prop_map(Move::Answer),
        12 => verdict().prop_map(Move::Fitting),
        1 => "[<>a-z/='&; ]{0,12}".prop_map(Move::Garbage),
    ]
}

fn some_answer(which: usize) -> Answer {
    match which {
        0 => Answer::Scram(Some(keys_of_one())),
        1 => Answer::Scram(None),
        2 => Answer::Refused(Verdict::Accepted),
        3 => Answer::Password(Verdict::Accepted),
        4 => Answer::Registered(Ok(())),
        5 => Answer::Bind(Ok("ann@example.org/r".into())),
        6 => Answer::Enabled(enabled()),
        _ => Answer::Resume(Ok(resumed())),
    }
}

fn enabled() -> Nonza {
    Nonza::Enabled { id: Some("s".into()), resume: true, max: None }
}

fn keys_of_one() -> ScramKeys {
    ScramKeys { salt: vec![1], iterations: 1, stored_key: vec![0; 20], server_key: vec![0; 20] }
}

fn fitting(question: &Question, verdict: Verdict) -> Answer {
    let accepted = verdict == Verdict::Accepted;
    match question {
        Question::Scram { .. } if accepted => Answer::Scram(Some(keys_of_one())),
        Question::Scram { .. } => Answer::Refused(verdict),
        Question::ScramSucceeded { .. }
        | Question::AuthFailed { .. }
        | Question::Password { .. }
        | Question::IqAuth { .. } => Answer::Password(verdict),
        Question::Invited { .. } if accepted => Answer::Invited(Ok(Some("ann".into()))),
        Question::Invited { .. } => Answer::Invited(Err(StanzaError::forbidden("no"))),
        Question::Register { .. } if accepted => Answer::Registered(Ok(())),
        Question::Register { .. } => Answer::Registered(Err(StanzaError::conflict())),
        Question::Bind { .. } if accepted => Answer::Bind(Ok("ann@example.org/r".into())),
        Question::Bind { .. } => Answer::Bind(Err(StanzaError::conflict())),
        Question::Enable { .. } => Answer::Enabled(enabled()),
        Question::Resume { .. } if accepted => Answer::Resume(Ok(resumed())),
        Question::Resume { .. } => Answer::Resume(Err(None)),
    }
}

/// Whether accepting this question proves who the peer is.
fn proves(question: &Question) -> bool {
    matches!(question, Question::ScramSucceeded { .. } | Question::Password { .. } | Question::IqAuth { .. })
}

/// Whether the walk arrived at a bound session.
fn walk(direct: bool, moves: Vec<Move>) -> Result<bool, TestCaseError> {
    let mut driver = Driver::new(settings(), direct.then(tls));
    let mut secure = direct;
    let mut proved = false;
    let mut asked: Option<Question> = None;
    let mut starting = false;
    for one in moves {
        let (out, step) = match one {
            // Past the frame reader, which would stop the wildest walks.
            Move::Open(which) => {
                let (header, mut out) = (parse_open(HEADERS[which].as_bytes()).unwrap(), Vec::new());
                let step = driver.negotiation.open(&header, &mut sevens, &mut out);
                driver.after(out, step)
            }
            Move::Send(which) => {
                let (element, mut out) = (parse_stanza(STANZAS[which].as_bytes()).unwrap(), Vec::new());
                let step = driver.negotiation.stanza(element, &mut sevens, &mut out);
                driver.after(out, step)
            }
            Move::Garbage(text) => driver.send(&text),
            Move::Close => {
                let mut out = Vec::new();
                let step = driver.negotiation.close(&mut out);
                driver.after(out, step)
            }
            Move::TlsStarted => {
                if starting {
                    driver.negotiation.tls_started(tls());
                    driver.reader.reset();
                    secure = true;
                    starting = false;
                }
                continue;
            }
            Move::Answer(which) => {
                let answer = some_answer(which);
                let accepts = matches!(answer, Answer::Password(Verdict::Accepted));
                proved |= accepts && asked.as_ref().is_some_and(proves);
                asked = None;
                driver.answer(answer)
            }
            Move::Fitting(verdict) => {
                let Some(question) = asked.take() else { continue };
                proved |= verdict == Verdict::Accepted && proves(&question);
                driver.answer(fitting(&question, verdict))
            }
        };
        prop_assert_eq!(secure, driver.negotiation.secure());
        if driver.negotiation.authenticated() {
            prop_assert!(proved, "let in without a verdict");
        }
        prop_assert!(secure || !out.contains("<mechanism"));
        match step {
            Step::StartTls => starting = true,
            Step::Ask(question) => {
                prop_assert!(secure, "asked before TLS: {:?}", question);
                match question {
                    Question::Bind { .. } | Question::Enable { .. } | Question::Resume { .. } => {
                        prop_assert!(proved);
                    }
                    _ => prop_assert!(!driver.negotiation.authenticated()),
                }
                asked = Some(question);
            }
            Step::NewStream | Step::Authenticated => prop_assert!(proved),
            Step::Bound(_) => {
                prop_assert!(proved && secure);
                prop_assert!(driver.negotiation.authenticated());
                return Ok(true);
            }
            Step::Close => {
                prop_assert!(out.is_empty() || out.ends_with("</stream:stream>"));
                asked = None;
                starting = false;
            }
            Step::Continue => {}
        }
    }
    Ok(false)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn nobody_gets_in_by_chance(direct: bool, moves in prop::collection::vec(one_move(), 0..40)) {
        walk(direct, moves)?;
    }
}

/// The walks above mean something only if they can arrive.
#[test]
fn a_walk_can_arrive() {
    let login = vec![
        Move::Open(0),
        Move::Send(0),
        Move::TlsStarted,
        Move::Open(0),
        Move::Send(1),
        Move::Fitting(Verdict::Accepted),
        Move::Open(0),
        Move::Send(STANZAS.iter().position(|stanza| *stanza == BIND).unwrap()),
        Move::Fitting(Verdict::Accepted),
    ];
    assert!(walk(false, login).unwrap());
    let together = STANZAS.iter().position(|stanza| stanza.contains("<tag>")).unwrap();
    let mut login = vec![Move::Open(0), Move::Send(together)];
    login.extend(
        [Verdict::Accepted, Verdict::NotAuthorized, Verdict::Accepted, Verdict::Accepted].map(Move::Fitting),
    );
    assert!(walk(true, login).unwrap());
}
