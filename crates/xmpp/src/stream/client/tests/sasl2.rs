//! Logins by XEP-0388 against scripted servers.

use super::*;

const NEWER: &str = "urn:xmpp:sasl:2";

fn by_sasl2() -> Options {
    Options { sasl2: Some(Sasl2 { user_agent: Some("u-1".into()), tag: None }), ..options() }
}

/// The features of a server that has both profiles.
fn offer(newer: &[&str], older: &[&str], inline: &str) -> String {
    let names: String = newer.iter().map(|name| format!("<mechanism>{name}</mechanism>")).collect();
    let authentication =
        format!("<authentication xmlns='{NEWER}'>{names}<inline>{inline}</inline></authentication>");
    with_pipelining(&mechanisms(older, &[], &authentication))
}

const WHOLE: &str = "<sm xmlns='urn:xmpp:sm:3'/><bind xmlns='urn:xmpp:bind:0'><inline>\
    <feature var='urn:xmpp:sm:3'/></inline></bind>";

fn whole() -> String {
    offer(&["SCRAM-SHA-256"], &["SCRAM-SHA-256"], WHOLE)
}

/// What comes behind a right proof.
fn success(proof: &[u8], inside: &str) -> String {
    format!(
        "<success xmlns='{NEWER}'><additional-data>{}</additional-data><authorization-identifier>\
         phone@example.org/x</authorization-identifier>{inside}</success>",
        encode_payload(proof)
    )
}

/// Plays the server up to its proof, which comes back.
fn challenge(talk: &mut Talk, said: &str) -> Vec<u8> {
    let payload = said.split_once("<initial-response>").unwrap().1.split_once('<').unwrap().0;
    let unbound = TlsBinding { version: "TLSv1.3", server_end_point: None, exporter: None };
    let first = decode_payload(payload).unwrap();
    let server = ScramServer::start(Mechanism::ScramSha256, &unbound, &first).unwrap();
    let (stored_key, server_key) = derive_keys(ScramHash::Sha256, "secret", b"salt", 4096);
    let keys = ScramKeys { salt: b"salt".to_vec(), iterations: 4096, stored_key, server_key };
    let (challenge, message) = server.challenge(keys, &[9; 18]);
    let message = encode_payload(&message);
    talk.hear(&format!("<challenge xmlns='{NEWER}'>{message}</challenge>")).unwrap();
    let said = talk.said();
    let response = said.split_once("'>").unwrap().1.split_once("</response>").unwrap().0;
    challenge.finish(&unbound, &decode_payload(response).unwrap()).unwrap()
}

/// A client that has sent its proof, and the server's, which is still to come.
fn up_to_the_proof(options: Options, offer: &str) -> (Talk, Vec<u8>) {
    let mut talk = Talk::start(options, Some(tls()));
    talk.hear(&format!("{HEADER}{offer}")).unwrap();
    let said = talk.said();
    let proof = challenge(&mut talk, &said);
    (talk, proof)
}

#[test]
fn what_a_session_needs_goes_along_as_far_as_it_is_offered() {
    let resume = Some(Resume { id: "s1".into(), handled: 7 });
    let enable = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";
    let managed = format!("<bind xmlns='urn:xmpp:bind:0'>{enable}</bind>");
    let asked = "<resume xmlns='urn:xmpp:sm:3' previd='s1' h='7'/>";
    let bind = "<bind xmlns='urn:xmpp:bind:0'/>";
    let sm = "<sm xmlns='urn:xmpp:sm:3'/>";
    for (inline, resume, expected) in [
        (WHOLE, &None, managed.clone()),
        (WHOLE, &resume, format!("{managed}{asked}")),
        (bind, &None, bind.to_owned()),
        // A resource would be the end of the session that may still be resumed.
        (bind, &resume, String::new()),
        (sm, &resume, asked.to_owned()),
        (sm, &None, String::new()),
        ("", &resume, String::new()),
    ] {
        let mut talk = Talk::start(Options { resume: resume.clone(), ..by_sasl2() }, Some(tls()));
        talk.hear(&format!("{HEADER}{}", offer(&["SCRAM-SHA-256"], &[], inline))).unwrap();
        let said = talk.said();
        let behind =
            said.split_once("</initial-response>").unwrap().1.strip_suffix("</authenticate>").unwrap();
        let behind = behind.replace("<user-agent id='u-1'/>", "");
        assert_eq!(behind, expected, "{inline}");
    }
}

#[test]
fn the_stronger_mechanism_counts_more_than_the_profile() {
    for (newer, older, begins) in [
        (&["SCRAM-SHA-256"][..], &["SCRAM-SHA-256"][..], "<authenticate "),
        (&["SCRAM-SHA-1"], &["SCRAM-SHA-256"], "<auth "),
        (&["PLAIN"], &["SCRAM-SHA-1"], "<auth "),
        (&["SCRAM-SHA-256"], &[], "<authenticate "),
    ] {
        let mut talk = Talk::start(by_sasl2(), Some(tls()));
        talk.hear(&format!("{HEADER}{}", offer(newer, older, WHOLE))).unwrap();
        assert!(talk.said().starts_with(begins), "{newer:?} {older:?}");
    }
    let mut talk = Talk::start(options(), Some(tls()));
    talk.hear(&format!("{HEADER}{}", whole())).unwrap();
    assert!(talk.said().starts_with("<auth "), "it was not asked for");
}

#[test]
fn what_was_not_offered_along_is_asked_for_afterwards() {
    let bind = offer(&["SCRAM-SHA-256"], &[], "<bind xmlns='urn:xmpp:bind:0'/>");
    let (mut talk, proof) = up_to_the_proof(by_sasl2(), &bind);
    talk.hear(&success(&proof, "<bound xmlns='urn:xmpp:bind:0'/>")).unwrap();
    assert_eq!(talk.said(), "");
    talk.hear(SESSION).unwrap();
    assert_eq!(talk.said(), "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    let ready = ready(talk.hear("<enabled xmlns='urn:xmpp:sm:3' id='s2' resume='1'/>").unwrap());
    assert_eq!(ready.jid.as_deref(), Some("phone@example.org/x"));
    assert_eq!(ready.management, Management::Enabled { id: Some("s2".into()), max_seconds: None });
    assert_eq!(ready.known, None);

    let resume = Some(Resume { id: "s1".into(), handled: 7 });
    for (inline, failed, next) in [
        // Resumption was not offered along; it may be to be had all the same.
        ("", "", "<resume "),
        ("<sm xmlns='urn:xmpp:sm:3'/>", "<failed xmlns='urn:xmpp:sm:3'/>", "<iq type='set' id='bind'>"),
    ] {
        let offer = offer(&["SCRAM-SHA-256"], &[], inline);
        let (mut talk, proof) = up_to_the_proof(Options { resume: resume.clone(), ..by_sasl2() }, &offer);
        talk.hear(&success(&proof, failed)).unwrap();
        talk.hear(SESSION).unwrap();
        let said = talk.said();
        assert!(said.starts_with(next), "{said}");
    }
}

#[test]
fn nothing_is_believed_before_the_servers_proof() {
    let bound = "<bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3'/></bound>";
    let bare = format!("<success xmlns='{NEWER}'>{bound}</success>");
    for (success, error) in [
        (success(b"v=AAAA", bound), NegotiationError::Scram(ScramError::Signature)),
        (bare.clone(), ScramError::Malformed.into()),
        (format!("<continue xmlns='{NEWER}'/>"), NegotiationError::Unexpected("continue".into())),
        (sasl("success", b"v=AAAA"), NegotiationError::Unexpected("success".into())),
    ] {
        let (mut talk, _) = up_to_the_proof(by_sasl2(), &whole());
        assert_eq!(talk.hear(&format!("{success}{SESSION}")).unwrap_err(), error);
    }
    let mut talk = Talk::start(by_sasl2(), Some(tls()));
    talk.hear(&format!("{HEADER}{}", whole())).unwrap();
    assert_eq!(talk.hear(&bare).unwrap_err(), NegotiationError::NotProved);
    // Nor a session that was not asked for.
    let (mut talk, proof) = up_to_the_proof(by_sasl2(), &whole());
    let resumed = success(&proof, "<resumed xmlns='urn:xmpp:sm:3' previd='s1' h='3'/>");
    assert_eq!(talk.hear(&resumed).unwrap_err(), NegotiationError::Unexpected("success".into()));
}

#[test]
fn what_was_greeted_ahead_must_be_a_managed_session() {
    let (mut talk, proof) = up_to_the_proof(by_sasl2(), &whole());
    let bound =
        "<bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='s1' resume='true'/></bound>";
    talk.hear(&success(&proof, bound)).unwrap();
    let known = ready(talk.hear(SESSION).unwrap()).known.unwrap();
    assert!(known.client_state());
    for (inside, error) in [
        (bound, None),
        ("<bound xmlns='urn:xmpp:bind:0'/>", Some(NegotiationError::Changed)),
        (
            "<bound xmlns='urn:xmpp:bind:0'><failed xmlns='urn:xmpp:sm:3'/></bound>",
            Some(NegotiationError::Changed),
        ),
        ("<failed xmlns='urn:xmpp:bind:0'/>", Some(NegotiationError::Changed)),
    ] {
        let pipelining = Some(Pipelining { known: known.clone(), greeting: b"<presence/>".to_vec() });
        let mut out = Vec::new();
        let client = Negotiation::new(Options { pipelining, ..by_sasl2() }, Some(tls()), &mut out);
        let mut talk = Talk { client, out };
        let said = talk.said();
        talk.hear(&format!("{HEADER}{}", whole())).unwrap();
        let proof = challenge(&mut talk, &said);
        let heard = talk.hear(&success(&proof, inside));
        match error {
            None => assert!(ready(talk.hear(SESSION).unwrap()).greeted),
            Some(error) => assert_eq!(heard.unwrap_err(), error),
        }
    }
}

#[test]
fn a_refused_login_is_said_in_words() {
    let (mut talk, _) = up_to_the_proof(by_sasl2(), &whole());
    let failure = format!(
        "<failure xmlns='{NEWER}'><account-disabled xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>\
         <text>ask the operator</text></failure>"
    );
    let error = talk.hear(&failure).unwrap_err();
    assert_eq!(error.to_string(), "the account is disabled: ask the operator");
}

#[test]
fn stream_management_can_be_done_without() {
    let without = |options: Options| Options { stream_management: false, ..options };
    let (mut talk, proof) = up_to_the_proof(without(by_sasl2()), &whole());
    talk.hear(&success(&proof, "<bound xmlns='urn:xmpp:bind:0'/>")).unwrap();
    let session = ready(talk.hear(SESSION).unwrap());
    assert_eq!((session.management, session.known), (Management::Off, None));
    assert_eq!(talk.said(), "");

    let mut talk = Talk::start(without(options()), Some(tls()));
    talk.hear(HEADER).unwrap();
    talk.hear(&mechanisms(&["SCRAM-SHA-256"], &[], "")).unwrap();
    talk.scram(false).unwrap();
    talk.hear(HEADER).unwrap();
    talk.hear(SESSION).unwrap();
    talk.said();
    assert_eq!(ready(talk.hear(BOUND).unwrap()).management, Management::Off);
    assert_eq!(talk.said(), "");
}
