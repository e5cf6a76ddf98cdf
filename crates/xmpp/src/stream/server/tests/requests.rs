//! XEP-0077, XEP-0078 and what else comes before a login.

use super::*;

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
fn an_invitation_is_good_where_registration_is_closed() {
    let driver = || {
        let mut driver = Driver::new(Settings { register: RegisterOffer::Closed, ..settings() }, Some(tls()));
        assert!(driver.send(OPEN).0.contains("<register xmlns='urn:xmpp:ibr-token:0'/>"));
        driver
    };
    let get = "<iq id='1' type='get'><query xmlns='jabber:iq:register'/></iq>";
    let set = |key: &str| {
        format!(
            "<iq id='2' type='set'><query xmlns='jabber:iq:register'><username>a</username><password>p</password>{key}</query></iq>"
        )
    };
    assert!(driver().send(get).0.contains("<not-allowed "));
    assert!(driver().send(&set("<key></key>")).0.contains("<not-allowed "));
    let by_key = driver().asked(&set("<key>t</key>"));
    assert!(matches!(by_key, Question::Register { token: Some(token), .. } if token == "t"));
    let mut driver = driver();
    let pre_auth = "<iq id='0' type='set'><preauth xmlns='urn:xmpp:pars:0' token='t'/></iq>";
    driver.pass(pre_auth, "<iq type='result' id='0'/>");
    assert_eq!(driver.asked(get), Question::Invited { token: "t".into() });
    let (out, _) = driver.answer(Answer::Invited(Ok(Some("ann".into()))));
    assert!(out.contains("<username>ann</username><password/></query>"), "{out}");
    driver.asked(get);
    let (out, step) = driver.answer(Answer::Invited(Err(StanzaError::forbidden("no"))));
    assert!(out.contains("<forbidden ") && step == Step::Continue, "{out}");
    assert!(matches!(driver.asked(&set("")), Question::Register { token: Some(token), .. } if token == "t"));
}

#[test]
fn stanzas_before_login() {
    for stanza in ["<message to='a@b'><body>x</body></message>", "<presence/>", BIND] {
        Driver::opened().ends(stanza, "not-authorized");
    }
    Driver::opened().ends("<other xmlns='urn:x'/>", "unsupported-stanza-type");
    let mut driver = Driver::opened();
    driver.pass(
        "<resume xmlns='urn:xmpp:sm:3' previd='x' h='1'/>",
        "<failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
    );
    driver.pass("<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", "<iq type='result' id='1'/>");
    driver.pass("<iq type='result' id='1'/>", "");
    assert!(driver.send("<iq type='get' id='1'/>").0.contains("<bad-request "));
}
