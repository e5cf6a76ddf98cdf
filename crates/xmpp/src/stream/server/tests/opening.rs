//! Headers, TLS, the end of the stream.

use super::*;

#[test]
fn starttls_first() {
    let mut driver = Driver::new(settings(), None);
    let features = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>";
    driver.pass(OPEN, &format!("{HEADER}{features}"));
    assert!(!driver.negotiation.secure());
    let (out, step) = driver.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    assert_eq!((out.as_str(), step), ("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", Step::StartTls));
    driver.negotiation.tls_started(tls());
    driver.reader.reset();
    assert!(driver.negotiation.secure() && !driver.negotiation.authenticated());
    driver.pass(OPEN, &format!("{HEADER}{TLS_FEATURES}"));
    let (out, step) = driver.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    assert_eq!(step, Step::Close);
    assert_eq!(out, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>");
}

#[test]
fn nothing_but_starttls_before_tls() {
    let opened = || {
        let mut driver = Driver::new(settings(), None);
        driver.send(OPEN);
        driver
    };
    for stanza in [
        "<message/>",
        "<presence/>",
        BIND,
        "<iq type='set' id='1'><query xmlns='jabber:iq:auth'><username>a</username><password>b</password><resource>c</resource></query></iq>",
        "<iq type='set' id='1'><query xmlns='jabber:iq:register'><username>a</username><password>b</password></query></iq>",
        "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
        "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>",
        "<unknown xmlns='urn:x'/>",
    ] {
        let out = opened().ends(stanza, "policy-violation");
        assert!(out.contains("TLS is required"));
    }
    let mut driver = opened();
    for _ in 0..MAX_FAILURES - 1 {
        driver.pass(PLAIN_AUTH, &failure("encryption-required"));
    }
    let out = driver.ends(PLAIN_AUTH, "policy-violation");
    assert!(out.starts_with(&failure("encryption-required")));
}

#[test]
fn headers() {
    let open = |from: &str, to: &str| Driver::over_tls().send(&OPEN.replace(from, to));
    for to in ["to='EXAMPLE.org'", "to='localhost'", "to='192.0.2.7'", ""] {
        assert_eq!(open("to='example.org'", to), (format!("{HEADER}{TLS_FEATURES}"), Step::Continue));
    }
    let (out, step) = open("version='1.0' xmlns", "xmlns");
    assert_eq!((out, step), (HEADER.replace(" version='1.0' xml", " xml"), Step::Continue));
    assert_eq!(open("version='1.0' xmlns", "version='1.7' xmlns").1, Step::Continue);

    let out = Driver::over_tls().ends(&OPEN.replace("example.org", "example.com"), "host-unknown");
    assert!(out.starts_with(HEADER));
    Driver::over_tls().ends(&OPEN.replace("version='1.0' xmlns", "version='x' xmlns"), "unsupported-version");
    Driver::over_tls().ends(&OPEN.replace("jabber:client", "jabber:server"), "invalid-namespace");
    Driver::over_tls().ends(&OPEN.replace("org/streams", "org/other"), "invalid-namespace");
    Driver::over_tls().ends("GET / HTTP/1.1\r\n", "not-well-formed");
    Driver::over_tls().ends("<!DOCTYPE x>", "restricted-xml");
    Driver::new(settings(), None).ends(&OPEN.replace("version='1.0' xmlns", "xmlns"), "unsupported-version");
    let long = format!("{OPEN}<a b='{}'/>", "x".repeat(8192));
    Driver::over_tls().ends(&long, "policy-violation");
}

#[test]
fn a_failure_before_any_header_has_a_header_of_its_own() {
    let out = Driver::over_tls().ends("x", "not-well-formed");
    assert!(out.starts_with(&HEADER.replace(" id='BwcHBwcHBwcHBwcHBwcHBw'", "")), "{out}");
}

#[test]
fn other_domains_and_offers() {
    let settings = Settings {
        extra_domains: vec!["push.example.net".into()],
        register: RegisterOffer::Token,
        iq_auth: false,
        ..settings()
    };
    let bare = TlsBinding { version: "TLSv1.2", server_end_point: None, exporter: None };
    let mut driver = Driver::new(settings, Some(bare));
    driver.pass(
        &OPEN.replace("example.org", "push.example.net"),
        &format!(
            "{}<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-256</mechanism>\
             <mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms>\
             <authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism>\
             <mechanism>PLAIN</mechanism><inline><sm xmlns='urn:xmpp:sm:3'/><bind xmlns='urn:xmpp:bind:0'>\
             <inline><feature var='urn:xmpp:sm:3'/></inline></bind></inline></authentication>\
             <register xmlns='http://jabber.org/features/iq-register'/><register xmlns='urn:xmpp:ibr-token:0'/>\
             <pipelining xmlns='urn:xmpp:features:pipelining'/></stream:features>",
            HEADER.replace("example.org", "push.example.net")
        ),
    );
    assert_eq!(driver.negotiation.domain(), "push.example.net");
    driver.pass(&auth("SCRAM-SHA-256-PLUS", b"p=tls-exporter,,n=a,r=x"), &failure("invalid-mechanism"));
    driver.asked(&auth("PLAIN", b"ann@push.example.net\0ann\0secret"));
    assert_eq!(driver.answer(Answer::Password(Verdict::Accepted)).1, Step::NewStream);
    // The login was for this domain and no other.
    driver.ends(OPEN, "host-unknown");
}

#[test]
fn the_end_is_answered() {
    let close = ("</stream:stream>".to_owned(), Step::Close);
    assert_eq!(Driver::opened().send("</stream:stream>"), close);
    assert_eq!(Driver::logged_in().send("</stream:stream>"), close);
    let mut driver = Driver::opened();
    driver.asked(PLAIN_AUTH);
    assert_eq!(driver.send("</stream:stream>"), close);
    assert_eq!(driver.answer(Answer::Password(Verdict::Accepted)), (String::new(), Step::Close));
    assert!(!driver.negotiation.authenticated());
}
