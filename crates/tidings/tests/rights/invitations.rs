//! Invitations: one device registers with each, also where registration is closed.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_client::{ClientError, Device, Invitation, Status};
use tidings_xmpp::xml::Element;
use tokio::time::timeout;

use super::common::accounts::PASSWORD;
use super::common::server::{Home, Server};
use super::common::wire::Wire;
use super::common::{api, until};
use super::{answer, outcome, start};

/// More than anything takes on the slowest machine.
const LIMIT: Duration = Duration::from_secs(60);

async fn closed(names: &[&str]) -> (Home, Server) {
    start(Home::new().set("registration.policy=closed"), names).await
}

/// An invitation's id and what a device reads.
async fn invite(server: &Server, body: Value) -> (String, Invitation) {
    let made = api::ask(server.addresses.http, "POST", "/v1/invitations", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let text = |name: &str| made.body[name].as_str().unwrap_or_else(|| panic!("{}", made.body));
    let invitation: Invitation = text("uri").parse().unwrap();
    assert_eq!((invitation.host.as_str(), invitation.domain.as_str()), ("localhost", "localhost"));
    assert_eq!(invitation.xmpp, Some(server.addresses.xmpp.port()));
    assert_eq!(invitation.xmpps, Some(server.addresses.xmpps.port()));
    assert!(text("expires_at").ends_with('Z'));
    (text("id").to_owned(), invitation)
}

fn token(invitation: &Invitation) -> &str {
    invitation.token.as_deref().unwrap()
}

/// A stream on which nothing but its features was said.
async fn stream(server: &Server) -> Wire {
    let mut wire = Wire::connect(server.addresses.xmpps).await.unwrap();
    let features = wire.open().await.unwrap();
    assert!(features.children().any(|child| child.ns() == "urn:xmpp:ibr-token:0"), "XEP-0445 is offered");
    wire
}

fn registration(username: &str, key: Option<&str>) -> String {
    let key = key.map(|key| format!("<key>{key}</key>")).unwrap_or_default();
    format!(
        "<query xmlns='jabber:iq:register'><username>{username}</username><password>{PASSWORD}</password>{key}</query>"
    )
}

fn pre_auth(token: &str) -> String {
    format!("<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>")
}

/// All of an error but the iq's own attributes.
fn error_of(iq: &Element) -> String {
    let error = iq.children().find(|child| child.name() == "error").expect("an error");
    String::from_utf8(error.to_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_try_one_registers() {
    let (_home, server) = closed(&[]).await;
    for round in 0..10 {
        let (_, invitation) = invite(&server, json!({})).await;
        let mut tries = Vec::new();
        for number in 0..4 {
            let (mut wire, token) = (stream(&server).await, token(&invitation).to_owned());
            tries.push(tokio::spawn(async move {
                let name = format!("r{round}n{number}");
                // Half of them by XEP-0445, half by the form's field.
                if number % 2 == 0 {
                    assert_eq!(outcome(&answer(&mut wire, "p", &pre_auth(&token)).await), "result");
                    outcome(&answer(&mut wire, "r", &registration(&name, None)).await)
                } else {
                    outcome(&answer(&mut wire, "r", &registration(&name, Some(&token))).await)
                }
            }));
        }
        let mut outcomes = Vec::new();
        for one in tries {
            outcomes.push(one.await.unwrap());
        }
        outcomes.sort();
        assert_eq!(outcomes, ["forbidden", "forbidden", "forbidden", "result"]);
    }
    let stats = api::ask(server.addresses.http, "GET", "/v1/stats", None).await.body;
    assert_eq!(stats["accounts"], 10);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_devices_with_one_invitation_one_is_let_in() {
    let (home, server) = closed(&[]).await;
    let (_, invitation) = invite(&server, json!({})).await;
    let devices = ["one.json", "two.json"].map(|file| {
        let path = home.beside(file);
        (Device::invited(&invitation).account_file(&path).start().unwrap(), path)
    });
    let mut let_in = Vec::new();
    for (mut device, path) in devices {
        let mut status = device.status();
        let online = async {
            loop {
                match status.current() {
                    Status::Online { .. } => return,
                    Status::Ended => std::future::pending().await,
                    _ => drop(status.changed().await),
                }
            }
        };
        let refused = timeout(LIMIT, async {
            tokio::select! {
                () = online => None,
                ended = device.next() => Some(ended.unwrap_err()),
            }
        });
        let refused = refused.await.unwrap();
        assert_eq!(path.exists(), refused.is_none(), "who was refused keeps no account");
        if let Some(error) = &refused {
            assert!(matches!(error, ClientError::Login(_)), "{error}");
        }
        let_in.push(refused.is_none());
    }
    let_in.sort_unstable();
    assert_eq!(let_in, [false, true]);
    let list = api::ask(server.addresses.http, "GET", "/v1/invitations", None).await.body;
    assert!(list["invitations"][0]["used_by"].is_string(), "{list}");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn used_expired_withdrawn_and_unknown_ones_are_one_error() {
    let (home, server) = closed(&[]).await;
    let (_, used) = invite(&server, json!({})).await;
    let (withdrawn_id, withdrawn) = invite(&server, json!({})).await;
    let (expired_id, expired) = invite(&server, json!({})).await;
    let mut wire = stream(&server).await;
    assert_eq!(outcome(&answer(&mut wire, "1", &registration("anna", Some(token(&used)))).await), "result");
    let path = format!("/v1/invitations/{withdrawn_id}");
    for status in [204, 404] {
        assert_eq!(api::ask(server.addresses.http, "DELETE", &path, None).await.status, status);
    }
    server.stop();
    let database = rusqlite::Connection::open(home.database()).unwrap();
    let over = "UPDATE invitations SET expires_at = 1 WHERE id = ?1";
    assert_eq!(database.execute(over, [&expired_id]).unwrap(), 1);
    drop(database);
    let server = home.start();
    let mut errors = Vec::new();
    for token in [token(&used), token(&withdrawn), token(&expired), "guessed"] {
        let mut wire = stream(&server).await;
        errors.push(error_of(&answer(&mut wire, "1", &registration("bert", Some(token))).await));
        // Asking what to fill in tells no more.
        let mut wire = stream(&server).await;
        assert_eq!(outcome(&answer(&mut wire, "2", &pre_auth(token)).await), "result");
        wire.say("<iq type='get' id='3'><query xmlns='jabber:iq:register'/></iq>").await.unwrap();
        errors.push(error_of(&wire.await_element("iq").await.unwrap()));
    }
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:#?}");
    // Whose answer was lost asks again and learns that the name is taken, by itself.
    let mut wire = stream(&server).await;
    let again = answer(&mut wire, "1", &registration("anna", Some(token(&used)))).await;
    assert_eq!(outcome(&again), "conflict");
    // Without any there is no way in, and nothing else is said.
    let mut wire = stream(&server).await;
    assert_eq!(outcome(&answer(&mut wire, "1", &registration("carl", None)).await), "not-allowed");
    let stats = api::ask(server.addresses.http, "GET", "/v1/stats", None).await.body;
    assert_eq!(stats["accounts"], 1);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_says_who_and_to_what() {
    let (_home, server) = closed(&["bert"]).await;
    let http = server.addresses.http;
    let granted = json!({ "subscribe": "granted" });
    api::ask(http, "PUT", "/v1/topics/ops", Some(&granted)).await;
    let body = json!({ "username": "Anna", "topics": ["ops", "news"], "expires_in": 60 });
    let (id, invitation) = invite(&server, body).await;
    let mut wire = stream(&server).await;
    let token = token(&invitation);
    assert_eq!(outcome(&answer(&mut wire, "1", &pre_auth(token)).await), "result");
    wire.say("<iq type='get' id='2'><query xmlns='jabber:iq:register'/></iq>").await.unwrap();
    let fields = wire.await_element("iq").await.unwrap();
    let query = fields.children().next().unwrap();
    assert_eq!(query.child_text("username", "jabber:iq:register").as_deref(), Some("anna"));
    assert_eq!(outcome(&answer(&mut wire, "3", &registration("eve", None)).await), "not-acceptable");
    assert_eq!(outcome(&answer(&mut wire, "4", &registration("anna", None)).await), "result");
    let anna = api::ask(http, "GET", "/v1/users/anna", None).await.body;
    assert_eq!(anna["topics"], json!(["news", "ops"]));
    let list = api::ask(http, "GET", "/v1/invitations", None).await.body;
    let shown = &list["invitations"][0];
    assert_eq!(
        (&shown["id"], &shown["username"], &shown["used_by"]),
        (&json!(id), &json!("anna"), &json!("anna"))
    );
    assert!(!list.to_string().contains(token), "the token is shown once");
    for (wrong, status, field) in [
        (json!({ "username": "bert" }), 409, "username"),
        (json!({ "username": "a b" }), 422, "username"),
        (json!({ "topics": ["ok", "not ok"] }), 422, "topics[1]"),
        (json!({ "expires_in": 0 }), 422, "expires_in"),
        (json!({ "expires_in": 2_592_001 }), 422, "expires_in"),
        (json!({ "usernames": "x" }), 422, "usernames"),
    ] {
        let answer = api::ask(http, "POST", "/v1/invitations", Some(&wrong)).await;
        let named = answer.body["errors"][0]["field"].as_str();
        assert_eq!((answer.status, named), (status, Some(field)), "{wrong}: {}", answer.body);
    }
    server.stop();
}

/// Also where registration is open, a token that is shown is one that must hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_counts_where_registration_is_open_too() {
    let (_home, server) = start(Home::new(), &[]).await;
    let (_, invitation) = invite(&server, json!({ "topics": ["news"] })).await;
    for (name, expected) in [("anna", "result"), ("bert", "forbidden")] {
        let mut wire = stream(&server).await;
        let registered = answer(&mut wire, "1", &registration(name, invitation.token.as_deref())).await;
        assert_eq!(outcome(&registered), expected);
    }
    let anna = api::ask(server.addresses.http, "GET", "/v1/users/anna", None).await.body;
    assert_eq!(anna["topics"], json!(["news"]));
    let mut wire = stream(&server).await;
    assert_eq!(outcome(&answer(&mut wire, "1", &registration("carl", None)).await), "result");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listen_takes_an_invitation() {
    let (home, server) = closed(&[]).await;
    let http = server.addresses.http;
    let body = json!({ "username": "lab-7", "topics": ["news"] });
    let made = api::ask(http, "POST", "/v1/invitations", Some(&body)).await.body;
    let uri = made["uri"].as_str().unwrap().to_owned();
    let listen = |uri: &str, file: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidings"));
        command.args(["listen", "--invite", uri, "--json", "--count", "1", "--account"]);
        command.arg(home.beside(file)).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    // Another server's key: nothing is told to this one.
    let (rest, fingerprint) = uri.split_once("&fp=sha256:").unwrap();
    assert_eq!(fingerprint.len(), 64);
    let forged = format!("{rest}&fp=sha256:{}", "0".repeat(64));
    let refused = listen(&forged, "forged.json").output().unwrap();
    let errors = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{errors}");
    assert!(errors.contains("not the one that the invitation is from"), "{errors}");

    let child = listen(&uri, "device.json").spawn().unwrap();
    let online =
        async || api::ask(http, "GET", "/v1/sessions", None).await.body["sessions"][0]["username"].clone();
    until("the device is online", LIMIT, online, |name| *name == json!("lab-7")).await;
    api::send(http, &json!({ "to": { "topic": "news" }, "title": "to whom was invited" })).await;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = timeout(LIMIT, output).await.unwrap().unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&line["title"], &line["topic"]), (&json!("to whom was invited"), &json!("news")));
    for (wrong, status) in [("tidings:", 2), ("https://localhost", 2)] {
        assert_eq!(listen(wrong, "none.json").output().unwrap().status.code(), Some(status), "{wrong}");
    }
    server.stop();
}
