//! Binding and resumption.

use std::fmt::Write as _;

use super::*;

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
    driver.pass("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>", "<iq type='result' id='p'/>");
    let (out, _) = driver.send("<iq type='get' id='q'><query xmlns='jabber:iq:roster'/></iq>");
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
    let (out, step) = driver.answer(Answer::Resume(Ok(resumed())));
    assert_eq!(out, "<resumed xmlns='urn:xmpp:sm:3' previd='abc' h='4'/>");
    assert_eq!(step, Step::Bound(Bound::Resumed));

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
