//! The console in front of an in-memory server with devices that come, go and
//! acknowledge: `cargo run -p tidings-http --example console [empty]`, then log in
//! at the printed address as `admin`, `sender` or `viewer`, password `correct horse`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a tool for work on the pages"
)]

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidings_core::audit::Actor;
use tidings_core::auth::{NewKey, RegistrationRequest};
use tidings_core::clock::{Clock as _, SystemClock, SystemRandom};
use tidings_core::config::Config;
use tidings_core::model::{Audience, Content, Priority, Role, Sender, Timestamp, Topic, Username};
use tidings_core::notification::Request;
use tidings_core::session::{Connection, Control, Peer};
use tidings_core::{Core, Ports};
use tidings_http::{Deployment, Http, Settings};
use tidings_store::MemoryStore;
use tidings_xmpp::sasl::TlsBinding;
use tokio::net::TcpListener;
use tokio::time::Instant;

const PASSWORD: &str = "correct horse";
const NAMES: [&str; 24] = [
    "amara", "björn", "chen", "dmitri", "eloise", "farid", "greta", "hiro", "ines", "jonas", "keiko", "lars",
    "mira", "nadia", "oskar", "priya", "quentin", "rosa", "sven", "tomoko", "umar", "viola", "wanda",
    "yusuf",
];

#[tokio::main]
async fn main() {
    let config = Config { domain: "push.example.org".into(), ..Config::default() };
    let core = Core::start(
        config,
        Ports::local(Arc::new(MemoryStore::new()), Arc::new(SystemClock), Arc::new(SystemRandom)),
    )
    .await
    .unwrap();
    for (name, role) in [("admin", Role::Administrator), ("sender", Role::Sender), ("viewer", Role::Viewer)] {
        core.auth.put_operator(&Actor::CommandLine, name, PASSWORD, role).await.unwrap();
    }
    core.auth.add_process_key("secret");
    if std::env::args().nth(1).as_deref() != Some("empty") {
        tokio::spawn(populate(Arc::clone(&core)));
    }
    let listener =
        TcpListener::bind(std::env::var("HTTP").as_deref().unwrap_or("127.0.0.1:0")).await.unwrap();
    println!("http://{}/ (API key: secret)", listener.local_addr().unwrap());
    let certificate: Arc<dyn Fn() -> Option<Timestamp> + Send + Sync> =
        Arc::new(|| Some(SystemClock.now().plus(Duration::from_secs(61 * 86_400))));
    let deployment = Deployment {
        xmpp: Some(5222),
        xmpps: Some(5223),
        certificate: Some(certificate),
        key_fingerprint: Some(Arc::new(|| [0x5a; 32])),
        ..Deployment::default()
    };
    let http = Http::deployed(core, Settings::default(), deployment);
    http.serve(listener, async { tokio::signal::ctrl_c().await.unwrap() }).await;
}

async fn populate(core: Arc<Core>) {
    for (index, name) in NAMES.into_iter().enumerate() {
        let title = name.split_at(name.chars().next().map_or(0, char::len_utf8));
        let request = RegistrationRequest {
            username: name.into(),
            password: PASSWORD.into(),
            name: (index % 3 != 0).then(|| format!("{}{} Example", title.0.to_uppercase(), title.1)),
            email: (index % 2 == 0).then(|| format!("u{index}@example.org")),
            token: None,
        };
        let account = core.auth.create_account(&Actor::CommandLine, request).await.unwrap();
        for topic in ["news", "weather/alps", "status"].into_iter().take(index % 4) {
            let topic = Topic::parse(topic).unwrap();
            core.notification.subscribe(&Actor::CommandLine, account.reference(), topic).await.unwrap();
        }
    }
    core.auth
        .create_key(&Actor::CommandLine, NewKey::new("orders backend", tidings_core::model::Scope::Send))
        .await
        .unwrap();
    core.auth
        .create_key(&Actor::CommandLine, NewKey::new("grafana", tidings_core::model::Scope::Read))
        .await
        .unwrap();
    for (index, name) in NAMES.into_iter().enumerate().filter(|(index, _)| index % 4 != 3) {
        tokio::spawn(device(Arc::clone(&core), name, index));
    }
    for round in 0u64.. {
        let user = |n: usize| Username::parse(NAMES[n % NAMES.len()]).unwrap();
        let round_index = usize::try_from(round).unwrap();
        let (audience, title, message) = match round % 6 {
            0 => (Audience::All, "Maintenance tonight", "From 22:00 to 22:30 the shop is read-only."),
            1 => (
                Audience::Users(vec![user(round_index)]),
                "Your order is on its way",
                "Parcel 4711 arrives tomorrow.",
            ),
            2 => (
                Audience::Topic(Topic::parse("news").unwrap()),
                "Morning briefing",
                "Five stories to start the day.",
            ),
            3 => (
                Audience::Users((0..7).map(|n| user(n * 3)).collect()),
                "Shift change",
                "You are on from 14:00.",
            ),
            4 => (
                Audience::Users(vec![user(3)]),
                "<script>alert(1)</script> & \"quotes\"",
                "A hostile title is only text.",
            ),
            _ => (
                Audience::Topic(Topic::parse("weather/alps").unwrap()),
                "Storm warning",
                "Gusts above 110 km/h.",
            ),
        };
        let content = Content {
            title: Some(title.into()),
            message: Some(message.into()),
            uri: round.is_multiple_of(2).then(|| "https://example.org/n/42".into()),
            ..Content::default()
        };
        let mut request = Request::new(Sender::Operator("admin".into()), audience, content);
        request.priority = if round.is_multiple_of(5) { Priority::High } else { Priority::Normal };
        if round % 9 == 7 {
            request.send_at = Some(SystemClock.now().plus(Duration::from_secs(86_400)));
        }
        core.notification.accept(request).await.unwrap();
        let pause = if round < 40 { 20 } else { 3000 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// A device that acknowledges what it gets, and goes away now and then.
async fn device(core: Arc<Core>, name: &'static str, index: usize) {
    let open = "<?xml version='1.0'?><stream:stream to='push.example.org' version='1.0' xmlns='jabber:client' \
                xmlns:stream='http://etherx.jabber.org/streams'>";
    loop {
        let tls = TlsBinding { version: "TLSv1.3", server_end_point: None, exporter: None };
        let peer = Peer { address: format!("198.51.100.{}:40000", index + 1).parse().unwrap() };
        let mut connection = core.connect(peer, Some(tls), Instant::now());
        let plain = STANDARD.encode(format!("\0{name}\0{PASSWORD}"));
        let auth = format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>");
        let bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
                    <resource>phone</resource></bind></iq>";
        let presence = match index % 5 {
            3 => "<presence><show>away</show></presence>",
            4 => "<presence><show>dnd</show></presence>",
            _ => "<presence/>",
        };
        let mut out = Vec::new();
        for xml in [open, auth.as_str(), open, bind, presence] {
            connection.receive(xml.as_bytes(), Instant::now(), &mut out).await;
        }
        let minutes = Duration::from_secs(40 + 17 * index as u64);
        let _ = tokio::time::timeout(minutes, acknowledge(&mut connection, out, index)).await;
        connection.receive(b"</stream:stream>", Instant::now(), &mut Vec::new()).await;
        connection.closed(Instant::now());
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

async fn acknowledge(connection: &mut Connection, mut out: Vec<u8>, index: usize) {
    loop {
        let text = String::from_utf8(std::mem::take(&mut out)).unwrap();
        for message in text.split("<message ").skip(1) {
            let Some(id) = message.split(" id='").nth(1).and_then(|rest| rest.split('\'').next()) else {
                continue;
            };
            let mut answer = format!("<message><received xmlns='urn:xmpp:receipts' id='{id}'/></message>");
            if index.is_multiple_of(2) {
                answer +=
                    &format!("<message><displayed xmlns='urn:xmpp:chat-markers:0' id='{id}'/></message>");
            }
            if connection.receive(answer.as_bytes(), Instant::now(), &mut out).await == Control::Close {
                return;
            }
        }
        connection.woken().await;
        if connection.wake(0, Instant::now(), &mut out).await == Control::Close {
            return;
        }
    }
}
