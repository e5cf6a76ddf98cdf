//! Logins of XEP-0388, and what they bring along.

use super::*;
use crate::ext::sm::Nonza;

const ID: &str = "<authorization-identifier>ann@example.org</authorization-identifier>";
const FULL_ID: &str = "<authorization-identifier>ann@example.org/phone/x</authorization-identifier>";
const BOUND_FEATURES: &str = "<stream:features><sm xmlns='urn:xmpp:sm:3'/>\
    <csi xmlns='urn:xmpp:csi:0'/><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:t' ver='v='/>\
    <limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>65536</max-bytes><idle-seconds>1200</idle-seconds></limits>\
    </stream:features>";
const RESUME: &str = "<resume xmlns='urn:xmpp:sm:3' previd='abc' h='9'/>";
const BIND2: &str = "<bind xmlns='urn:xmpp:bind:0'><tag>phone</tag></bind>";
const MANAGED: &str =
    "<bind xmlns='urn:xmpp:bind:0'><tag>phone</tag><enable xmlns='urn:xmpp:sm:3' resume='1'/></bind>";

fn plain(beside: &str) -> String {
    format!(
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>\
         <initial-response>AGFubgBzZWNyZXQ=</initial-response>{beside}</authenticate>"
    )
}

fn success(inside: &str) -> String {
    format!("<success xmlns='urn:xmpp:sasl:2'>{inside}</success>")
}

/// Sends a right password with requests; what is asked next.
fn proved(driver: &mut Driver, beside: &str) -> Question {
    assert!(matches!(driver.asked(&plain(beside)), Question::Password { .. }));
    ask(driver, Answer::Password(Verdict::Accepted))
}

fn ask(driver: &mut Driver, answer: Answer) -> Question {
    match driver.answer(answer) {
        (out, Step::Ask(question)) => {
            assert_eq!(out, "");
            question
        }
        other => panic!("{other:?}"),
    }
}

fn bound(jid: &str) -> Answer {
    Answer::Bind(Ok(jid.into()))
}

fn refused(condition: &str) -> String {
    format!(
        "<failure xmlns='urn:xmpp:sasl:2'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>"
    )
}

#[test]
fn a_login_and_no_more() {
    let mut driver = Driver::opened();
    driver.asked(&plain("<user-agent id='u'/><unknown xmlns='urn:x'/>"));
    let (out, step) = driver.answer(Answer::Password(Verdict::Accepted));
    assert_eq!((out, step), (format!("{}{BIND_FEATURES}", success(ID)), Step::Authenticated));
    assert!(driver.negotiation.authenticated());
    // The stream goes on, and a resource is bound as ever.
    driver.asked(BIND);
    let (_, step) = driver.answer(bound("ann@example.org/phone"));
    assert!(matches!(step, Step::Bound(_)));
}

#[test]
fn scram_proves_itself_in_the_success() {
    let mut driver = Driver::opened();
    let client = ScramClient::new(
        ScramHash::Sha256,
        "ann",
        ScramSecret::password("secret"),
        ClientBinding::Unsupported,
        b"nonce",
    );
    let first = encode_payload(&client.first());
    driver.asked(&format!(
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256'><initial-response>{first}</initial-response>{BIND2}</authenticate>"
    ));
    let (challenge, step) = driver.answer(Answer::Scram(Some(keys(ScramHash::Sha256, "secret"))));
    assert_eq!(step, Step::Continue);
    assert!(challenge.starts_with("<challenge xmlns='urn:xmpp:sasl:2'>"), "{challenge}");
    let (verifier, last) = client.respond(&payload_of(&challenge)).unwrap();
    let response = format!("<response xmlns='urn:xmpp:sasl:2'>{}</response>", encode_payload(&last));
    assert!(matches!(driver.asked(&response), Question::ScramSucceeded { .. }));
    ask(&mut driver, Answer::Password(Verdict::Accepted));
    let (out, _) = driver.answer(bound("ann@example.org/phone/x"));
    let (success, features) = out.split_at(out.find("<stream:features>").unwrap());
    assert_eq!(features, BOUND_FEATURES);
    let data = parse_stanza(success.as_bytes()).unwrap().child_text("additional-data", ns::SASL2).unwrap();
    verifier.verify(&crate::sasl::decode_payload(&data).unwrap()).unwrap();
}

#[test]
fn a_resource_comes_with_the_login() {
    let mut driver = Driver::opened();
    let question = proved(&mut driver, BIND2);
    assert_eq!(question, Question::Bind { resource: Some("phone/BwcHBwcHBwcH".into()) });
    let (out, step) = driver.answer(bound("ann@example.org/phone/x"));
    let expected = success(&format!("{FULL_ID}<bound xmlns='urn:xmpp:bind:0'/>"));
    assert_eq!(out, format!("{expected}{BOUND_FEATURES}"));
    assert_eq!(
        step,
        Step::Bound(Bound::Resource {
            jid: "ann@example.org/phone/x".into(),
            resource: "phone/x".into(),
            legacy: false
        })
    );
    assert!(driver.negotiation.authenticated());
}

#[test]
fn an_installation_has_always_the_same_resource() {
    let mut driver = Driver::opened();
    let one = proved(&mut driver, &format!("<user-agent id='one'/>{BIND2}"));
    let again = proved(&mut Driver::opened(), &format!("<user-agent id='one'/>{BIND2}"));
    let other = proved(&mut Driver::opened(), &format!("<user-agent id='two'/>{BIND2}"));
    assert_eq!(one, again);
    assert_ne!(one, other);
    let untagged = proved(&mut Driver::opened(), "<bind xmlns='urn:xmpp:bind:0'/>");
    assert_eq!(untagged, Question::Bind { resource: Some("BwcHBwcHBwcH".into()) });
}

#[test]
fn stream_management_comes_with_the_resource() {
    let mut driver = Driver::opened();
    proved(&mut driver, MANAGED);
    let question = ask(&mut driver, bound("ann@example.org/phone/x"));
    assert_eq!(question, Question::Enable { resume: true });
    let enabled = Nonza::Enabled { id: Some("s".into()), resume: true, max: Some(60) };
    let (out, step) = driver.answer(Answer::Enabled(enabled));
    let inside = "<bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='s' resume='true' max='60'/></bound>";
    assert_eq!(out, format!("{}{BOUND_FEATURES}", success(&format!("{FULL_ID}{inside}"))));
    assert!(matches!(step, Step::Bound(_)));
}

#[test]
fn a_session_goes_on_with_the_login() {
    let mut driver = Driver::opened();
    let question = proved(&mut driver, &format!("{RESUME}{BIND2}"));
    assert_eq!(question, Question::Resume { previd: "abc".into(), h: 9 });
    let (out, step) = driver.answer(Answer::Resume(Ok(resumed())));
    let id = "<authorization-identifier>ann@example.org/phone</authorization-identifier>";
    let inside = "<resumed xmlns='urn:xmpp:sm:3' previd='abc' h='4'/>";
    assert_eq!((out, step), (success(&format!("{id}{inside}")), Step::Bound(Bound::Resumed)));
}

#[test]
fn what_cannot_go_on_is_bound_anew_or_left() {
    let failed = "<failed xmlns='urn:xmpp:sm:3' h='7'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>";
    let mut driver = Driver::opened();
    proved(&mut driver, &format!("{RESUME}{BIND2}"));
    assert!(matches!(ask(&mut driver, Answer::Resume(Err(Some(7)))), Question::Bind { .. }));
    let (out, _) = driver.answer(bound("ann@example.org/phone/x"));
    assert!(out.contains(&format!("{FULL_ID}{failed}<bound ")), "{out}");

    let mut driver = Driver::opened();
    proved(&mut driver, RESUME);
    let (out, step) = driver.answer(Answer::Resume(Err(Some(7))));
    assert_eq!(
        (out, step),
        (format!("{}{BIND_FEATURES}", success(&format!("{ID}{failed}"))), Step::Authenticated)
    );
}

#[test]
fn a_resource_that_cannot_be_bound_leaves_the_login() {
    let mut driver = Driver::opened();
    proved(&mut driver, BIND2);
    let (out, step) = driver.answer(Answer::Bind(Err(StanzaError::conflict())));
    assert_eq!(step, Step::Authenticated);
    assert!(out.contains("<failed xmlns='urn:xmpp:bind:0'><error ") && out.contains("<conflict "), "{out}");
    driver.asked(BIND);

    let mut driver = Driver::opened();
    driver.asked(&plain("<bind xmlns='urn:xmpp:bind:0'><tag>\u{200e}\u{7f}</tag></bind>"));
    let (out, step) = driver.answer(Answer::Password(Verdict::Accepted));
    assert_eq!(step, Step::Authenticated);
    assert!(
        out.contains("<failed xmlns='urn:xmpp:bind:0'><error ") && out.contains("<bad-request "),
        "{out}"
    );
}

#[test]
fn without_stream_management_it_is_said() {
    let settings = Settings { stream_management: false, ..settings() };
    let mut driver = Driver::new(settings, Some(tls()));
    assert!(!driver.send(OPEN).0.contains("urn:xmpp:sm:3"));
    proved(&mut driver, &format!("{RESUME}{MANAGED}"));
    let (out, step) = driver.answer(bound("ann@example.org/phone/x"));
    assert_eq!(out.matches("<feature-not-implemented ").count(), 2, "{out}");
    assert!(matches!(step, Step::Bound(_)));
}

#[test]
fn refusals_are_told_in_the_profile_of_the_login() {
    let mut driver = Driver::opened();
    driver.pass("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='ROT13'/>", &refused("invalid-mechanism"));
    driver.asked(&plain(BIND2));
    let (out, step) = driver.answer(Answer::Password(Verdict::NotAuthorized));
    assert_eq!((out, step), (refused("not-authorized"), Step::Continue));
    // The requests went with the login that failed.
    driver.asked(PLAIN_AUTH);
    assert_eq!(driver.answer(Answer::Password(Verdict::Accepted)), (SUCCESS.into(), Step::NewStream));

    let mut driver = Driver::opened();
    let named = "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>";
    driver.pass(named, "<challenge xmlns='urn:xmpp:sasl:2'/>");
    driver.pass("<abort xmlns='urn:xmpp:sasl:2'/>", &refused("aborted"));
    // Neither profile finishes what the other began.
    driver.pass(named, "<challenge xmlns='urn:xmpp:sasl:2'/>");
    driver.pass(
        "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AGFubgBzZWNyZXQ=</response>",
        &refused("malformed-request"),
    );
    driver.pass(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>",
        "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    );
    driver
        .pass("<response xmlns='urn:xmpp:sasl:2'>AGFubgBzZWNyZXQ=</response>", &failure("malformed-request"));
    driver.pass("<response xmlns='urn:xmpp:sasl:2'/>", &refused("malformed-request"));
    driver.ends("<response xmlns='urn:xmpp:sasl:2'/>", "policy-violation");
}

#[test]
fn nobody_logs_in_twice() {
    let mut driver = Driver::opened();
    driver.asked(&plain(""));
    driver.answer(Answer::Password(Verdict::Accepted));
    driver.ends(&plain(""), "policy-violation");
}

#[test]
fn never_before_tls() {
    let mut driver = Driver::new(settings(), None);
    assert!(!driver.send(OPEN).0.contains("urn:xmpp:sasl:2"));
    driver.ends(&plain(BIND2), "policy-violation");
}
