//! SASL, in order and out of it.

use super::*;

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
