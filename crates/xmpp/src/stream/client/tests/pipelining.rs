//! Clients that know their server and do not wait for it (XEP-0305).

use super::*;

/// Logs in to a server with these features before and after, and takes what that teaches.
fn learn(before: &str, after: &str, extra_round: bool) -> Option<KnownFeatures> {
    let mut talk = Talk::start(options(), Some(tls()));
    talk.hear(HEADER).unwrap();
    talk.hear(before).unwrap();
    talk.scram(extra_round).unwrap();
    talk.hear(HEADER).unwrap();
    talk.hear(after).unwrap();
    let mut step = talk.hear(BOUND).unwrap();
    if matches!(step, Step::More) {
        step = talk.hear("<enabled xmlns='urn:xmpp:sm:3' id='s1' resume='true'/>").unwrap();
    }
    ready(step).known
}

fn scram_only() -> String {
    with_pipelining(&mechanisms(&["SCRAM-SHA-256"], &[], ""))
}

#[test]
fn only_a_server_that_says_so_everywhere_is_not_waited_for() {
    let (before, after) = (scram_only(), with_pipelining(SESSION));
    assert!(learn(&before, &after, false).is_some_and(|known| known.client_state()));
    assert_eq!(learn(&before, &after, true), None, "its proof comes in a step of its own");
    assert_eq!(learn(&before, SESSION, false), None);
    assert_eq!(learn(&before.replace(PIPELINING, ""), &after, false), None);
    assert_eq!(learn(&before, &after.replace("<sm xmlns='urn:xmpp:sm:3'/>", ""), false), None);
    let plain = Features { mechanisms: vec!["PLAIN".into()], pipelining: true, ..Features::default() };
    let session = Features { bind: true, stream_management: true, pipelining: true, ..Features::default() };
    let known = KnownFeatures::new(&plain, &session, Profile::Rfc6120, Mechanism::Plain);
    assert_eq!(known, None, "a password is not sent ahead");
}

/// A client that has said everything ahead, and what it said before the server's proof.
fn pipelined_to_the_proof() -> (Talk, String) {
    let known = learn(&scram_only(), &with_pipelining(SESSION), false).unwrap();
    let pipelining = Some(Pipelining { known, greeting: b"<presence/>".to_vec() });
    let mut out = Vec::new();
    let client = Negotiation::new(Options { pipelining, ..options() }, Some(tls()), &mut out);
    let mut talk = Talk { client, out };
    let said = talk.said();
    let (header, auth) = said.split_once("<auth ").unwrap();
    assert!(header.ends_with("'>") && header.matches("<stream:stream ").count() == 1, "{said}");
    let payload = auth.split_once("'>").unwrap().1.strip_suffix("</auth>").unwrap();
    let unbound = TlsBinding { version: "TLSv1.3", server_end_point: None, exporter: None };
    let server =
        ScramServer::start(Mechanism::ScramSha256, &unbound, &decode_payload(payload).unwrap()).unwrap();
    let (stored_key, server_key) = derive_keys(ScramHash::Sha256, "secret", b"salt", 4096);
    let keys = ScramKeys { salt: b"salt".to_vec(), iterations: 4096, stored_key, server_key };
    let (_, first) = server.challenge(keys, &[9; 18]);
    talk.hear(&format!("{HEADER}{}{}", scram_only(), sasl("challenge", &first))).unwrap();
    let said = talk.said();
    (talk, said)
}

#[test]
fn everything_is_said_at_once_and_nothing_believed_before_the_servers_proof() {
    let (_, said) = pipelined_to_the_proof();
    let mut rest = said.as_str();
    for part in ["<response ", "<stream:stream ", "<bind ", "<enable ", "<presence/>"] {
        rest = rest.split_once(part).unwrap_or_else(|| panic!("{part} is missing or too early: {said}")).1;
    }
    assert_eq!(rest, "");
    let session = format!("{HEADER}{SESSION}{BOUND}<enabled xmlns='urn:xmpp:sm:3'/>");
    for (proof, error) in [
        (sasl("success", b"v=AAAA"), NegotiationError::Scram(ScramError::Signature)),
        ("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>".to_owned(), ScramError::Malformed.into()),
        // Alone it would be right, but its answer would come behind what was said ahead.
        (sasl("challenge", b"v=AAAA"), NegotiationError::Changed),
    ] {
        let (mut talk, _) = pipelined_to_the_proof();
        assert_eq!(talk.hear(&format!("{proof}{session}")).unwrap_err(), error);
        assert_eq!(talk.said(), "");
    }
    // Nor is a session that comes without any proof.
    let (mut talk, _) = pipelined_to_the_proof();
    talk.hear(&session).unwrap_err();
}

#[test]
fn nothing_but_starttls_is_said_ahead_of_tls() {
    let known = learn(&scram_only(), &with_pipelining(SESSION), false).unwrap();
    let options =
        Options { pipelining: Some(Pipelining { known, greeting: b"<presence/>".to_vec() }), ..options() };
    let mut talk = Talk::start(options.clone(), None);
    let mut out = Vec::new();
    Negotiation::new(options.clone(), None, &mut out);
    let said = String::from_utf8(out).unwrap();
    assert_eq!(
        said.split_once("><").unwrap().1.split_once("><").unwrap().1,
        "starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
    );
    let proceed = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    let step = talk.hear(&format!("{HEADER}{STARTTLS}{proceed}")).unwrap();
    assert!(matches!(step, Step::StartTls));
    assert_eq!(talk.said(), "");
    talk.client.tls_started(tls(), &mut talk.out);
    assert!(talk.said().contains("mechanism='SCRAM-SHA-256'"));
    // A server (or an attacker before it) that does not offer TLS gets no more.
    let mut talk = Talk::start(options, None);
    let bare = with_pipelining("<stream:features></stream:features>");
    assert_eq!(talk.hear(&format!("{HEADER}{bare}{proceed}")).unwrap_err(), NegotiationError::TlsNotOffered);
}

#[test]
fn an_account_is_not_created_ahead() {
    let known = learn(&scram_only(), &with_pipelining(SESSION), false).unwrap();
    let pipelining = Some(Pipelining { known, greeting: Vec::new() });
    let options = Options { pipelining, registration: Some(Registration::default()), ..options() };
    let mut talk = Talk::start(options, Some(tls()));
    assert_eq!(talk.said(), "");
}
