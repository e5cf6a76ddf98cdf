//! Peers that lie, servers that stop, and senders that do not wait: nothing is lost, counted twice or
//! given to another account.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a failed test panics"
)]

mod common;

use std::collections::HashSet;
use std::time::Duration;

use common::device::{Device, Kind};
use common::disk::Shim;
use common::random::Rng;
use common::server::{Home, Server};
use common::sightings::Sighting;
use common::wire::{Heard, Wire};
use common::{accounts, api, until};
use serde_json::json;
use tidings_xmpp::xml::Element;
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(60);

async fn home_with(names: &[&str]) -> Home {
    let home = Home::new();
    accounts::create(&home.database(), names.iter().map(|name| (*name).to_owned()), &[]).await;
    home
}

async fn send_to(server: &Server, name: &str, title: &str) -> String {
    api::send(server.addresses.http, &json!({ "to": { "user": name }, "title": title })).await
}

/// The next notification on this wire.
async fn notification(wire: &mut Wire) -> Sighting {
    loop {
        let element = wire.await_element("message").await.expect("a notification comes");
        if let Some(sighting) = Sighting::of(&element) {
            return sighting;
        }
    }
}

/// The stream error that ends this wire.
async fn stream_error(wire: &mut Wire) -> Element {
    loop {
        let element = wire.element().await.expect("a stream error comes");
        if element.name() == "error" {
            return element;
        }
    }
}

/// Waits for a notification's figures: recipients, delivered, opened, pending, expired, cancelled.
async fn figures_become(server: &Server, id: &str, wanted: [u64; 6]) {
    let figures = async || api::figures(server.addresses.http, id).await;
    until("figures", PATIENCE, figures, |found| *found == wanted).await;
}

/// Ends a server well, and has everything counted again.
async fn stop_and_recount(server: Server, home: &Home) {
    server.stop();
    assert_eq!(accounts::verify_counters(&home.database()).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledging_more_than_was_sent_ends_the_stream_and_settles_nothing() {
    let home = home_with(&["liar"]).await;
    let server = home.start();
    let (mut wire, resumption) = Wire::session(server.addresses.xmpps, "liar", "phone").await.unwrap();
    let id = send_to(&server, "liar", "one").await;
    assert_eq!(notification(&mut wire).await.id, id);
    wire.acknowledge(17).await.unwrap();
    let error = stream_error(&mut wire).await;
    let text = String::from_utf8_lossy(&error.to_bytes()).into_owned();
    assert!(text.contains("undefined-condition"), "{text}");
    assert!(text.contains("handled-count-too-high"), "{text}");
    assert!(text.contains("h='17'") && text.contains("send-count='2'"), "{text}");
    assert_eq!(api::figures(server.addresses.http, &id).await, [1, 0, 0, 1, 0, 0]);

    // Resuming with such a count gives nothing away either, and the session is over.
    let mut again = Wire::connect(server.addresses.xmpps).await.unwrap();
    again.authenticate("liar").await.unwrap();
    assert!(!again.resume(&resumption, 17).await.unwrap());
    again.bind("phone").await.unwrap();
    again.enable().await.unwrap();
    again.available().await.unwrap();
    assert_eq!(notification(&mut again).await.id, id);
    // Its own presence came first.
    again.acknowledge(2).await.unwrap();
    figures_become(&server, &id, [1, 1, 0, 0, 0, 0]).await;
    stop_and_recount(server, &home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_device_acknowledged_another_gets_when_it_resumes() {
    let home = home_with(&["twin"]).await;
    let server = home.start();
    let (mut phone, _) = Wire::session(server.addresses.xmpps, "twin", "phone").await.unwrap();
    let (mut tablet, resumption) = Wire::session(server.addresses.xmpps, "twin", "tablet").await.unwrap();
    // Its own presence, and the phone's: then the tablet's connection is a hole.
    for _ in 0..2 {
        tablet.await_element("presence").await.unwrap();
    }
    let mut sent = Vec::new();
    for title in ["one", "two", "three"] {
        sent.push(send_to(&server, "twin", title).await);
    }
    let (mut handled, mut seen) = (0, Vec::new());
    while seen.len() < sent.len() {
        let element = phone.element().await.unwrap();
        handled += u32::from(matches!(element.name(), "iq" | "message" | "presence"));
        seen.extend(Sighting::of(&element).map(|sighting| sighting.id));
    }
    assert_eq!(seen, sent);
    phone.acknowledge(handled).await.unwrap();
    for id in &sent {
        figures_become(&server, id, [1, 1, 0, 0, 0, 0]).await;
    }
    drop(tablet);
    let mut tablet = Wire::connect(server.addresses.xmpps).await.unwrap();
    tablet.authenticate("twin").await.unwrap();
    assert!(tablet.resume(&resumption, 2).await.unwrap());
    let mut seen = Vec::new();
    while seen.len() < sent.len() {
        seen.push(notification(&mut tablet).await.id);
    }
    assert_eq!(seen, sent);
    tablet.acknowledge(2 + 3).await.unwrap();
    // It is owed nothing more: the next thing that comes is new.
    let next = send_to(&server, "twin", "four").await;
    assert_eq!(notification(&mut tablet).await.id, next);
    stop_and_recount(server, &home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_with_a_thousand_topics_is_read_slowly_and_not_shown_out() {
    let home = home_with(&["reader"]).await;
    let server = home.start();
    let (mut wire, _) = Wire::session(server.addresses.xmpps, "reader", "phone").await.unwrap();
    let mut all = String::new();
    for number in 0..700 {
        all += &format!(
            "<iq type='set' id='s{number}'><subscribe xmlns='urn:tidings:push:1' topic='topic{number}'/></iq>"
        );
    }
    wire.say(&all).await.unwrap();
    let mut answered = 0;
    while answered < 700 {
        let element = wire.element().await.expect("the stream goes on");
        answered += u32::from(element.name() == "iq" && element.attribute("type") == Some("result"));
    }
    let id = api::send(server.addresses.http, &json!({ "to": { "topic": "topic699" }, "title": "t" })).await;
    assert_eq!(notification(&mut wire).await.id, id);
    stop_and_recount(server, &home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_resumed_by_its_own_account_only() {
    let home = home_with(&["victim", "thief"]).await;
    let server = home.start();
    let (mut victim, resumption) = Wire::session(server.addresses.xmpps, "victim", "phone").await.unwrap();
    let mut thief = Wire::connect(server.addresses.xmpps).await.unwrap();
    thief.authenticate("thief").await.unwrap();
    assert!(!thief.resume(&resumption, 0).await.unwrap(), "another account's session");
    for nonsense in ["", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &"A".repeat(4000)] {
        assert!(!thief.resume(nonsense, 0).await.unwrap(), "{nonsense}");
    }
    thief.bind("phone").await.unwrap();
    thief.enable().await.unwrap();
    thief.available().await.unwrap();

    // Both go on, each with its own.
    let to_victim = send_to(&server, "victim", "one").await;
    let to_thief = send_to(&server, "thief", "two").await;
    assert_eq!(notification(&mut victim).await.id, to_victim);
    assert_eq!(notification(&mut thief).await.id, to_thief);
    victim.acknowledge(2).await.unwrap();
    figures_become(&server, &to_victim, [1, 1, 0, 0, 0, 0]).await;
    assert_eq!(api::figures(server.addresses.http, &to_thief).await, [1, 0, 0, 1, 0, 0]);
    stop_and_recount(server, &home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_for_what_was_never_sent_to_the_account_change_nothing() {
    let home = home_with(&["reader", "stranger"]).await;
    let server = home.start();
    let direct = send_to(&server, "reader", "private").await;
    let everyone = api::send(server.addresses.http, &json!({ "to": { "all": true }, "title": "all" })).await;
    let topic = json!({ "to": { "topic": "nobodys" }, "title": "topic" });
    let topic = api::send(server.addresses.http, &topic).await;

    let mut wire = Wire::connect(server.addresses.xmpps).await.unwrap();
    wire.authenticate("stranger").await.unwrap();
    wire.bind("phone").await.unwrap();
    let made_up = ["00000000-0000-0000-0000-000000000000", "not an id", "", &direct.to_uppercase()];
    for id in [direct.as_str(), topic.as_str()].into_iter().chain(made_up) {
        wire.say(&format!(
            "<message to='localhost'><received xmlns='urn:xmpp:receipts' id='{id}'/></message>\
             <message to='localhost'><displayed xmlns='urn:xmpp:chat-markers:0' id='{id}'/></message>\
             <iq type='set' id='c'><deliverconfirm xmlns='androidpn:iq:deliverconfirm'>\
             <uuid>{id}</uuid></deliverconfirm></iq>"
        ))
        .await
        .unwrap();
    }
    // Answered in order: a client that gets this answer has been heard.
    wire.say("<iq type='get' id='last' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>").await.unwrap();
    while wire.await_element("iq").await.unwrap().attribute("id") != Some("last") {}
    assert_eq!(api::figures(server.addresses.http, &direct).await, [1, 0, 0, 1, 0, 0]);
    assert_eq!(api::figures(server.addresses.http, &everyone).await, [2, 0, 0, 2, 0, 0]);
    assert_eq!(api::figures(server.addresses.http, &topic).await, [0; 6]);

    // A receipt ahead of the notification is one: the device may have it from another session.
    for _ in 0..3 {
        wire.say(&format!(
            "<message to='localhost'><received xmlns='urn:xmpp:receipts' id='{everyone}'/></message>"
        ))
        .await
        .unwrap();
    }
    figures_become(&server, &everyone, [2, 1, 0, 1, 0, 0]).await;
    stop_and_recount(server, &home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_connections_cannot_share_a_session() {
    let mut rng = Rng::of_environment("adversarial");
    let home = home_with(&["twin"]).await;
    let server = home.start();
    let (mut first, resumption) = Wire::session(server.addresses.xmpps, "twin", "phone").await.unwrap();
    let mut sent = Vec::new();
    for round in 0..20 {
        sent.push(send_to(&server, "twin", &format!("{round}")).await);
        if rng.chance(50) {
            notification(&mut first).await;
        }
        // Nothing was acknowledged; two come for the session at once, and it may still be live.
        let mut rivals = Vec::new();
        for _ in 0..2 {
            let mut wire = Wire::connect(server.addresses.xmpps).await.unwrap();
            wire.authenticate("twin").await.unwrap();
            rivals.push(wire);
        }
        let (mut one, mut two) = (rivals.remove(0), rivals.remove(0));
        let (a, b) = tokio::join!(one.resume(&resumption, 0), two.resume(&resumption, 0));
        let (a, b) = (a.unwrap_or(false), b.unwrap_or(false));
        assert!(a || b, "one of them gets it");
        // Whoever got it first lost it to the other, and is told; only one is left in the end.
        let (mut winner, mut loser) = if b { (two, one) } else { (one, two) };
        if a && b {
            let marker = send_to(&server, "twin", "marker").await;
            sent.push(marker.clone());
            let alive = async |wire: &mut Wire| loop {
                match wire.hear().await {
                    Ok(Heard::Stanza(element)) => {
                        if Sighting::of(&element).is_some_and(|sighting| sighting.id == marker) {
                            return true;
                        }
                    }
                    Ok(Heard::End) | Err(_) => return false,
                }
            };
            let (one, two) = tokio::join!(alive(&mut winner), alive(&mut loser));
            assert!(one != two, "one has the session, the other heard the stream's end: {one} {two}");
            if two {
                std::mem::swap(&mut winner, &mut loser);
            }
        }
        // The one before is told that it is over.
        while let Ok(Heard::Stanza(_)) = first.hear().await {}
        first = winner;
    }
    let sessions = api::ask(server.addresses.http, "GET", "/v1/sessions", None).await.body;
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(1), "{sessions}");

    // All of it is still to be had, in order, once.
    assert!({
        drop(first);
        let mut last = Wire::connect(server.addresses.xmpps).await.unwrap();
        last.authenticate("twin").await.unwrap();
        let resumed = last.resume(&resumption, 0).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < sent.len() {
            seen.push(notification(&mut last).await.id);
        }
        assert_eq!(seen, sent);
        last.acknowledge(sent.len() as u32).await.unwrap();
        let pending =
            async || api::ask(server.addresses.http, "GET", "/v1/stats", None).await.body["pending"].clone();
        until("pending", PATIENCE, pending, |pending| *pending == 0).await;
        resumed
    });
    stop_and_recount(server, &home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_stop_tells_everybody_and_loses_nothing() {
    let mut rng = Rng::of_environment("adversarial");
    let home = home_with(&["phone", "old-phone", "tablet", "away"]).await;
    let mut server = home.start();
    let (to, place) = watch::channel(Some(server.addresses.xmpps));
    let mut devices: Vec<_> =
        [("phone", Kind::Managed), ("old-phone", Kind::Legacy), ("tablet", Kind::Receipts)]
            .into_iter()
            .map(|(name, kind)| {
                let resource = if kind == Kind::Legacy { "AndroidpnClient" } else { "r" };
                Device::start(name, resource, kind, place.clone(), rng.fork())
            })
            .collect();
    let mut sent = 0;
    for _ in 0..3 {
        let (mut witness, _) = Wire::session(server.addresses.xmpps, "away", "witness").await.unwrap();
        // It takes what comes and acknowledges none of it.
        let http = server.addresses.http;
        let sender = tokio::spawn(async move {
            let mut accepted = 0;
            for n in 0.. {
                let body = json!({ "to": { "all": true }, "title": format!("{n}") });
                match api::request(http, "POST", "/v1/notifications", Some(&body), None).await {
                    Ok(answer) if answer.status == 202 => accepted += 1,
                    // It is stopping: not accepted, and said so, or the listener is closed.
                    Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.body),
                    Err(_) => return accepted,
                }
            }
            accepted
        });
        for _ in 0..5 {
            notification(&mut witness).await;
        }
        server.terminate();
        to.send_replace(None);
        let goodbye = stream_error(&mut witness).await;
        assert!(goodbye.children().any(|child| child.name() == "system-shutdown"), "{goodbye:?}");
        assert!(matches!(witness.hear().await, Ok(Heard::End)), "then the stream ends");
        drop(witness);
        let (status, rest) = server.ended();
        assert!(status.success(), "{status}\n{}", home.log_tail());
        assert_eq!(rest, "");
        sent += sender.await.unwrap();
        assert_eq!(accounts::verify_counters(&home.database()).await, Vec::<String>::new());
        server = home.start();
        to.send_replace(Some(server.addresses.xmpps));
    }
    devices.push(Device::start("away", "r", Kind::Managed, place, rng.fork()));
    let seen = async || devices.iter().map(Device::seen).collect::<Vec<_>>();
    // What was under way when the sender lost its answer may be there, too.
    until("delivery", PATIENCE, seen, |seen| seen.iter().all(|seen| *seen >= sent)).await;
    let ids: Vec<HashSet<_>> = devices
        .iter()
        .map(|device| device.first_sightings().into_iter().map(|sighting| sighting.id).collect())
        .collect();
    let accepted: HashSet<_> = api::notifications(server.addresses.http)
        .await
        .iter()
        .map(|one| one["id"].as_str().unwrap_or_default().to_owned())
        .collect();
    for (device, ids) in devices.iter().zip(&ids) {
        assert_eq!(device.complaints(), Vec::<String>::new(), "{}", device.label());
        assert_eq!(ids, &accepted, "{}", device.label());
    }
    stop_and_recount(server, &home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_answered_with_patience_and_every_202_is_kept() {
    const SENDERS: usize = 64;
    const EACH: usize = 30;
    /// Requests that the server takes at once.
    const ROOM: usize = 16;
    let home = home_with(&["phone"]).await;
    let Some(shim) = Shim::build(&home) else { return };
    let home = shim.under(home).set(&format!("http.requests={ROOM}"));
    shim.heal();
    let server = home.start();
    let (before, _) = server.memory();
    // Each sync takes as long as a bad card's.
    shim.now("slow 40");
    let http = server.addresses.http;
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            tokio::spawn(async move {
                let (mut accepted, mut refused) = (Vec::new(), 0);
                for n in 0..EACH {
                    let body = json!({ "to": { "user": "phone" }, "title": format!("{sender}-{n}"),
                        "message": "x".repeat(30_000) });
                    let answer = api::request(http, "POST", "/v1/notifications", Some(&body), None).await;
                    let answer = answer.expect("an answer comes");
                    match answer.status {
                        202 => accepted.push(answer.body["id"].as_str().expect("an id").to_owned()),
                        429 | 503 => {
                            assert!(answer.header("retry-after").is_some(), "{}", answer.head);
                            refused += 1;
                        }
                        status => panic!("{status} {}", answer.body),
                    }
                }
                (accepted, refused)
            })
        })
        .collect();
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for sender in senders {
        let (ids, no) = sender.await.unwrap();
        accepted.extend(ids);
        refused += no;
    }
    let (after, most) = server.memory();
    eprintln!(
        "flood: {} accepted, {refused} refused; {before} KiB before, {after} KiB after, {most} KiB at most",
        accepted.len()
    );
    assert!(refused > 0, "{SENDERS} senders at once are more than {ROOM}");
    // What is in flight, in a few copies, beside SQLite's cache and log.
    let bound = 160 * 1024;
    assert!(most < before + bound, "{most} KiB at most, {before} KiB before");
    shim.heal();
    let known: HashSet<_> = api::notifications(http)
        .await
        .iter()
        .map(|one| one["id"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(known.len(), accepted.len(), "what was refused is not there");
    assert!(accepted.iter().all(|id| known.contains(id)), "every 202 is there");
    stop_and_recount(server, &home).await;
}
