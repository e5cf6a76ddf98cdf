//! The vectors of RFC 5802 and RFC 7677, and both sides against each other.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::sasl::{BindingType, Exporter, Mechanism, ScramHash, ScramKeys, TlsBinding, derive_keys};

const NO_BINDING: TlsBinding = TlsBinding { version: "TLSv1.3", server_end_point: None, exporter: None };

fn tls(end_point: Option<&[u8]>, exporter: Option<[u8; 32]>) -> TlsBinding {
    TlsBinding {
        version: "TLSv1.3",
        server_end_point: end_point.map(Arc::from),
        exporter: exporter.map(Exporter::from),
    }
}

fn keys(hash: ScramHash, password: &str, salt: &[u8], iterations: u32) -> ScramKeys {
    let (stored_key, server_key) = derive_keys(hash, password, salt, iterations);
    ScramKeys { salt: salt.to_vec(), iterations, stored_key, server_key }
}

fn base64(text: &str) -> Vec<u8> {
    crate::sasl::decode_payload(text).unwrap()
}

/// Hands the exchange the nonce of a vector, which is not base64 of random bytes.
fn with_nonce(mut challenge: ScramChallenge, nonce: &str, server_first: &str) -> ScramChallenge {
    challenge.set_for_test(nonce, server_first);
    challenge
}

fn vector(
    mechanism: Mechanism,
    salt: &str,
    client_first: &str,
    server_first: &str,
    client_final: &str,
    server_final: &str,
) {
    let hash = mechanism.hash().unwrap();
    let nonce = server_first.split([',', '=']).nth(1).unwrap();
    let server = ScramServer::start(mechanism, &NO_BINDING, client_first.as_bytes()).unwrap();
    assert_eq!(server.username(), "user");
    assert_eq!(server.authzid(), None);
    let (challenge, message) = server.challenge(keys(hash, "pencil", &base64(salt), 4096), &[7; 18]);
    assert!(message.ends_with(format!(",s={salt},i=4096").as_bytes()));
    let challenge = with_nonce(challenge, nonce, server_first);
    assert_eq!(challenge.finish(&NO_BINDING, client_final.as_bytes()).unwrap(), server_final.as_bytes());

    let bare = client_first.strip_prefix("n,,").unwrap();
    let client = ScramClient::for_test(hash, "pencil", bare);
    assert_eq!(client.first(), client_first.as_bytes());
    let (verifier, message) = client.respond(server_first.as_bytes()).unwrap();
    assert_eq!(message, client_final.as_bytes());
    verifier.verify(server_final.as_bytes()).unwrap();
}

#[test]
fn rfc_5802() {
    vector(
        Mechanism::ScramSha1,
        "QSXCR+Q6sek8bf92",
        "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    );
}

#[test]
fn rfc_7677() {
    vector(
        Mechanism::ScramSha256,
        "W22ZaJ0SNY7soEsUEjb6gQ==",
        "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    );
}

fn start(mechanism: Mechanism, tls: &TlsBinding, message: &str) -> Result<ScramServer, ScramError> {
    ScramServer::start(mechanism, tls, message.as_bytes())
}

#[test]
fn the_flag_fits_the_mechanism() {
    let bindable = tls(Some(b"hash"), None);
    let cases = [
        (Mechanism::ScramSha256, &bindable, "n,,n=a,r=x", None),
        (Mechanism::ScramSha256, &NO_BINDING, "y,,n=a,r=x", None),
        (Mechanism::ScramSha256Plus, &bindable, "p=tls-server-end-point,,n=a,r=x", None),
        (Mechanism::ScramSha256, &bindable, "y,,n=a,r=x", Some(ScramError::Downgrade)),
        (Mechanism::ScramSha256Plus, &bindable, "n,,n=a,r=x", Some(ScramError::BindingFlag)),
        (Mechanism::ScramSha256Plus, &bindable, "y,,n=a,r=x", Some(ScramError::BindingFlag)),
        (Mechanism::ScramSha256, &bindable, "p=tls-server-end-point,,n=a,r=x", Some(ScramError::BindingFlag)),
        (Mechanism::ScramSha256Plus, &bindable, "p=tls-exporter,,n=a,r=x", Some(ScramError::BindingType)),
        (Mechanism::ScramSha256Plus, &bindable, "p=tls-unique,,n=a,r=x", Some(ScramError::BindingType)),
        (Mechanism::ScramSha256Plus, &NO_BINDING, "p=tls-exporter,,n=a,r=x", Some(ScramError::BindingType)),
        (Mechanism::Plain, &NO_BINDING, "n,,n=a,r=x", Some(ScramError::Malformed)),
    ];
    for (mechanism, tls, message, error) in cases {
        assert_eq!(start(mechanism, tls, message).err(), error, "{mechanism:?} {message}");
    }
}

#[test]
fn first_messages() {
    let server = start(Mechanism::ScramSha1, &NO_BINDING, "n,a=a=2Cb@c,n=a=2Cb,r=x,z=ignored").unwrap();
    assert_eq!((server.username(), server.authzid()), ("a,b", Some("a,b@c")));
    let long = format!("n,,n=a,r={}", "x".repeat(257));
    let name = format!("n,,n={},r=x", "x".repeat(1024));
    for wrong in [
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=a",
        "n,,n=a,r=",
        "n,,n=,r=x",
        "n,,r=x,n=a",
        "n,,n=a=,r=x",
        "n,x,n=a,r=x",
        "n,a=,n=a,r=x",
        "N,,n=a,r=x",
        "q=1,,n=a,r=x",
        "n,,n=a,r=x,",
        "n,,n=a,r=x\u{e9}",
        "n,,n=a,r=a b",
        "p=,,n=a,r=x",
        "n,,n=a\0,r=x",
        &long,
        &name,
    ] {
        let error = start(Mechanism::ScramSha1, &NO_BINDING, wrong).unwrap_err();
        assert!(matches!(error, ScramError::Malformed | ScramError::BindingFlag), "{wrong}: {error}");
        assert_eq!(error.condition(), SaslCondition::MalformedRequest);
    }
    for mandatory in ["n,,m=1,n=a,r=x", "n,,n=a,r=x,m=1"] {
        assert_eq!(start(Mechanism::ScramSha1, &NO_BINDING, mandatory).err(), Some(ScramError::Extension));
    }
    assert!(ScramServer::start(Mechanism::ScramSha1, &NO_BINDING, b"n,,n=\xff,r=x").is_err());
}

/// One whole exchange; what the server and then the client make of it.
fn exchange(
    mechanism: Mechanism,
    client_binding: ClientBinding,
    server_tls: &TlsBinding,
    passwords: (&str, &str),
    tamper: impl Fn(&mut Vec<u8>),
) -> Result<SaltedPassword, ScramError> {
    let hash = mechanism.hash().unwrap();
    let secret = ScramSecret::password(passwords.1);
    let client = ScramClient::new(hash, "a,b=c", secret, client_binding, &[1; 16]);
    let server = ScramServer::start(mechanism, server_tls, &client.first())?;
    assert_eq!(server.username(), "a,b=c");
    let (challenge, first) = server.challenge(keys(hash, passwords.0, b"salty", 4096), &[2; 18]);
    let (verifier, mut last) = client.respond(&first)?;
    tamper(&mut last);
    verifier.verify(&challenge.finish(server_tls, &last)?)
}

#[test]
fn a_binding_has_to_be_this_connections() {
    let ours = tls(Some(b"certificate"), Some([5; 32]));
    let bound = |kind, data: &[u8]| ClientBinding::Bound(kind, data.to_vec());
    let run =
        |mechanism, binding| exchange(mechanism, binding, &ours, ("secret", "secret"), |_| ()).map(|_| ());
    use BindingType::{TlsExporter, TlsServerEndPoint};
    assert_eq!(run(Mechanism::ScramSha256Plus, bound(TlsExporter, &[5; 32])), Ok(()));
    assert_eq!(run(Mechanism::ScramSha1Plus, bound(TlsServerEndPoint, b"certificate")), Ok(()));
    assert_eq!(run(Mechanism::ScramSha256, ClientBinding::Unsupported), Ok(()));
    for (kind, data) in [(TlsExporter, &[6; 32][..]), (TlsExporter, &[]), (TlsServerEndPoint, b"certificatE")]
    {
        assert_eq!(run(Mechanism::ScramSha256Plus, bound(kind, data)), Err(ScramError::BindingMismatch));
    }
    assert_eq!(run(Mechanism::ScramSha256, ClientBinding::NotOffered), Err(ScramError::Downgrade));
    assert!(matches!(ClientBinding::strongest(&ours, &[]), Some(ClientBinding::Bound(TlsExporter, _))));
    assert!(ClientBinding::strongest(&NO_BINDING, &[]).is_none());
}

#[test]
fn the_final_message_repeats_the_header() {
    // "y,," where the client first said "n,,".
    let result = exchange(
        Mechanism::ScramSha256,
        ClientBinding::Unsupported,
        &NO_BINDING,
        ("secret", "secret"),
        |last| last[2..6].copy_from_slice(b"eSws"),
    );
    assert_eq!(result, Err(ScramError::BindingMismatch));
}

#[test]
fn final_messages() {
    for (wrong, error) in [
        ("", ScramError::Malformed),
        ("c=biws,r=NONCE", ScramError::Malformed),
        ("c=biws,r=NONCE,p=*", ScramError::Malformed),
        ("c=biws,r=NONCE,p=", ScramError::Proof),
        ("c=biws,r=NONCE,p=AAAA", ScramError::Proof),
        ("c=biws,r=NONCE,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=", ScramError::Proof),
        ("c=biws,r=other,p=AAAA", ScramError::Nonce),
        ("c=bi,r=NONCE,p=AAAA", ScramError::Malformed),
        ("c=biwsAA==,r=NONCE,p=AAAA", ScramError::BindingMismatch),
        ("c=,r=NONCE,p=AAAA", ScramError::BindingMismatch),
        ("m=1,c=biws,r=NONCE,p=AAAA", ScramError::Extension),
        ("c=biws,r=NONCE,m=1,p=AAAA", ScramError::Extension),
        ("r=NONCE,c=biws,p=AAAA", ScramError::Malformed),
    ] {
        let server = start(Mechanism::ScramSha1, &NO_BINDING, "n,,n=a,r=x").unwrap();
        let (challenge, first) = server.challenge(keys(ScramHash::Sha1, "p", b"s", 1), &[0; 18]);
        let first = String::from_utf8(first).unwrap();
        let nonce = &first[2..first.find(',').unwrap()];
        let message = wrong.replace("NONCE", nonce);
        assert_eq!(challenge.finish(&NO_BINDING, message.as_bytes()), Err(error), "{wrong}");
    }
}

#[test]
fn what_a_client_refuses() {
    let respond = |server_first: &str| {
        ScramClient::for_test(ScramHash::Sha1, "pencil", "n=user,r=abc")
            .respond(server_first.as_bytes())
            .err()
    };
    for (message, error) in [
        ("r=abc,s=AAAA,i=4096", ScramError::Nonce),
        ("r=abX1,s=AAAA,i=4096", ScramError::Nonce),
        ("r=abc1,s=AAAA,i=4095", ScramError::Iterations),
        ("r=abc1,s=AAAA,i=1000001", ScramError::Iterations),
        ("r=abc1,s=AAAA,i=-1", ScramError::Malformed),
        ("r=abc1,s=,i=4096", ScramError::Malformed),
        ("r=abc1,s=*,i=4096", ScramError::Malformed),
        ("m=1,r=abc1,s=AAAA,i=4096", ScramError::Extension),
        ("e=other-error", ScramError::Malformed),
    ] {
        assert_eq!(respond(message), Some(error), "{message}");
    }
    let verify = |server_final: &str| {
        let client = ScramClient::for_test(ScramHash::Sha1, "pencil", "n=user,r=abc");
        let (verifier, _) = client.respond(b"r=abc1,s=AAAA,i=4096").unwrap();
        verifier.verify(server_final.as_bytes()).err()
    };
    assert_eq!(verify("e=invalid-proof"), Some(ScramError::Refused));
    assert_eq!(verify("v=AAAA"), Some(ScramError::Signature));
    assert_eq!(verify("v="), Some(ScramError::Signature));
    assert_eq!(verify("v=*"), Some(ScramError::Malformed));
    assert_eq!(verify(""), Some(ScramError::Malformed));
}

#[test]
fn a_cached_password_saves_the_password() {
    let first = b"r=abc1,s=AAAA,i=4096";
    let salted = |password: &str| SaltedPassword {
        hash: ScramHash::Sha1,
        salt: vec![0; 3],
        iterations: 4096,
        key: ScramHash::Sha1.salted_password(password, &[0; 3], 4096).to_vec(),
    };
    let message = |secret: ScramSecret| {
        ScramClient::for_test(ScramHash::Sha1, "", "n=user,r=abc")
            .with_secret(secret)
            .respond(first)
            .map(|(_, m)| m)
    };
    let by_password = message(ScramSecret::password("pencil")).unwrap();
    let by_cache = ScramSecret { password: None, salted: Some(salted("pencil")) };
    assert_eq!(message(by_cache).unwrap(), by_password);
    let stale = SaltedPassword { salt: vec![9], ..salted("pencil") };
    let only_stale = ScramSecret { password: None, salted: Some(stale.clone()) };
    assert_eq!(message(only_stale), Err(ScramError::PasswordNeeded));
    let both = ScramSecret { password: Some("pencil".into()), salted: Some(stale) };
    assert_eq!(message(both).unwrap(), by_password);
}

fn mechanism() -> impl Strategy<Value = Mechanism> {
    prop::sample::select(&Mechanism::ALL[..4])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn both_sides_agree_and_only_on_one_password(
        mechanism in mechanism(),
        password in "[ -~äß€]{1,20}",
        other in "[ -~]{1,20}",
        exporter: [u8; 32],
    ) {
        let ours = tls(Some(b"certificate"), Some(exporter));
        let binding = || match mechanism.is_plus() {
            true => ClientBinding::strongest(&ours, &[]).unwrap(),
            false => ClientBinding::Unsupported,
        };
        let same = exchange(mechanism, binding(), &ours, (&password, &password), |_| ());
        prop_assert!(same.is_ok());
        if password != other {
            let different = exchange(mechanism, binding(), &ours, (&password, &other), |_| ());
            prop_assert_eq!(different, Err(ScramError::Proof));
        }
    }

    #[test]
    fn a_touched_final_message_fails(mechanism in mechanism(), at: prop::sample::Index, with in 1u8..255) {
        let ours = tls(Some(b"certificate"), None);
        let binding = match mechanism.is_plus() {
            true => ClientBinding::strongest(&ours, &[]).unwrap(),
            false => ClientBinding::Unsupported,
        };
        let touched = exchange(mechanism, binding, &ours, ("secret", "secret"), |last| {
            let at = at.index(last.len());
            last[at] ^= with;
        });
        prop_assert!(touched.is_err());
    }
}

proptest! {
    #[test]
    fn garbage_is_refused_without_panic(first: Vec<u8>, text in "[npy]?,?(a=)?,?n=.{0,9},r=.{0,9}", last: Vec<u8>) {
        let _ = ScramServer::start(Mechanism::ScramSha256, &NO_BINDING, &first);
        if let Ok(server) = ScramServer::start(Mechanism::ScramSha256, &NO_BINDING, text.as_bytes()) {
            let (challenge, _) = server.challenge(keys(ScramHash::Sha256, "p", b"s", 1), &[0; 18]);
            prop_assert!(challenge.finish(&NO_BINDING, &last).is_err());
        }
    }
}
