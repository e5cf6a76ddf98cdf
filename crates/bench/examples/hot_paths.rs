//! Runs one hot path a number of times, for a program that counts instructions:
//! `hot_paths NAME TIMES`; without arguments it lists the names, with `--cpu`
//! what of the processor changes counts. `cargo xtask bench-check` compares the
//! counts with `crates/bench/instruction-counts.txt`.

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a program for developers")]

use std::hint::black_box;
use std::sync::Arc;

use tidings_core::clock::{Clock, SystemClock};
use tidings_core::model::{
    AccountId, Audience, Content, Ext, KeyId, NewAccount, NotificationId, Payload, Priority, ScramKeys,
    Sender, Timestamp, Username,
};
use tidings_core::store::prelude::*;
use tidings_core::store::{Committed, NewNotification, Next, PendingBounds, Settlement};
use tidings_store::{SqliteOptions, SqliteStore};
use tidings_xmpp::ext::push::{PushMessage, headline_template};
use tidings_xmpp::ext::sm::Nonza;
use tidings_xmpp::sasl::{ClientBinding, ScramClient, ScramHash, ScramSecret};
use tidings_xmpp::xml::{FrameLimits, FrameReader, escape_attribute, parse_stanza};

const LIMITS: FrameLimits = FrameLimits { bytes: 65_536, depth: 32, attributes: 64 };
const HEADER: &[u8] =
    b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
    to='localhost' version='1.0'>";
const RECEIPT: &[u8] = b"<message to='localhost' id='c7'><received xmlns='urn:xmpp:receipts' \
    id='019386f4-0000-7000-8000-000000000001'/></message>";
const IQ: &[u8] =
    b"<iq type='get' id='q1' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>";

type Path = (&'static str, fn(usize));

const PATHS: &[Path] = &[
    ("framing: cut 10 stanzas out of a read", framing),
    ("parsing: a receipt", |times| parsing(RECEIPT, times)),
    ("parsing: an iq", |times| parsing(IQ, times)),
    ("acknowledgement: read <a/>", acknowledgement),
    ("encoding: a notification", encoding),
    ("fan-out: write an encoded notification to a device", fan_out),
    ("login: a SCRAM client's first message", login),
    ("settlement: 1,000 devices acknowledge a broadcast", settlement),
    ("acceptance: 100 notifications to single accounts", acceptance),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [name, times] => {
            let times = times.parse().expect("a number of times");
            let (_, path) = PATHS.iter().find(|(known, _)| known == name).expect("a name from the list");
            path(times);
        }
        [option] if option == "--cpu" => println!("{}", cpu()),
        _ => PATHS.iter().for_each(|(name, _)| println!("{name}")),
    }
}

/// The instruction sets for which libraries have code of their own.
fn cpu() -> String {
    let mut words = vec![std::env::consts::ARCH];
    #[cfg(target_arch = "x86_64")]
    for (name, is_there) in [
        ("ssse3", is_x86_feature_detected!("ssse3")),
        ("sse4.2", is_x86_feature_detected!("sse4.2")),
        ("aes", is_x86_feature_detected!("aes")),
        ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("bmi2", is_x86_feature_detected!("bmi2")),
        ("sha", is_x86_feature_detected!("sha")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ] {
        if is_there {
            words.push(name);
        }
    }
    words.join(" ")
}

fn framing(times: usize) {
    let mut reader = FrameReader::new(LIMITS);
    let mut header = HEADER;
    let _ = reader.read(&mut header).expect("a header");
    let ten = [RECEIPT, IQ].concat().repeat(5);
    for _ in 0..times {
        let mut input = black_box(ten.as_slice());
        while let Some(frame) = reader.read(&mut input).expect("well-formed") {
            black_box(&frame);
        }
    }
}

fn parsing(stanza: &[u8], times: usize) {
    for _ in 0..times {
        black_box(parse_stanza(black_box(stanza)).expect("well-formed"));
    }
}

fn acknowledgement(times: usize) {
    for _ in 0..times {
        let element = parse_stanza(black_box(b"<a xmlns='urn:xmpp:sm:3' h='4711'/>")).expect("well-formed");
        black_box(Nonza::from_element(&element));
    }
}

fn message() -> PushMessage {
    PushMessage {
        id: "019386f4-0000-7000-8000-000000000001".into(),
        title: Some("Your parcel is on its way".into()),
        message: Some("It leaves the depot this morning & will be with you by noon.".into()),
        uri: Some("https://example.org/parcels/4711".into()),
        image: None,
        data: Vec::new(),
        ext: Vec::new(),
        collapse: None,
        priority: "normal".into(),
        topic: None,
        sent: "2026-01-02T03:04:05Z".into(),
        expires: Some("2026-01-30T03:04:05Z".into()),
    }
}

fn encoding(times: usize) {
    let message = message();
    for _ in 0..times {
        black_box(headline_template(black_box(&message), "localhost", &message.id));
    }
}

fn fan_out(times: usize) {
    let message = message();
    let template = headline_template(&message, "localhost", &message.id);
    let mut to = Vec::new();
    escape_attribute("device-0004711@localhost/phone", &mut to);
    for _ in 0..times {
        let mut out = Vec::new();
        template.write(black_box(&to), &mut out);
        black_box(&out);
    }
}

fn login(times: usize) {
    for _ in 0..times {
        let secret = ScramSecret::password("secret");
        let client = ScramClient::new(
            ScramHash::Sha256,
            black_box("user"),
            secret,
            ClientBinding::Unsupported,
            &[7; 18],
        );
        black_box(client.first());
    }
}

/// A SQLite store with accounts, and their numbers.
fn store(accounts: usize) -> (tempfile::TempDir, Arc<SqliteStore>, Vec<AccountId>, tokio::runtime::Runtime) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(&dir.path().join("paths.db"), SqliteOptions::default()).expect("a store");
    let store = Arc::new(store);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let keys =
        ScramKeys { salt: vec![1; 16], iterations: 4096, stored_key: vec![2; 32], server_key: vec![3; 32] };
    let now = SystemClock.now();
    let ids = runtime.block_on(async {
        let mut ids = Vec::new();
        for number in 0..accounts {
            let new = NewAccount {
                username: name(number),
                name: None,
                email: None,
                sha1: keys.clone(),
                sha256: keys.clone(),
                created_at: now,
            };
            ids.push(store.create_account(new).await.expect("an account").id);
        }
        ids
    });
    (dir, store, ids, runtime)
}

fn name(number: usize) -> Username {
    Username::parse(&format!("device-{number}")).expect("a name")
}

fn notification(audience: Audience, number: u64) -> NewNotification {
    let now = Timestamp(1_800_000_000_000);
    let id = u128::from(number).to_be_bytes();
    let random = [id[6], id[7], id[8], id[9], id[10], id[11], id[12], id[13], id[14], id[15]];
    NewNotification {
        id: NotificationId::new(now, random),
        audience,
        payload: Payload::Text(Content {
            title: Some("A title".into()),
            message: Some("A message".into()),
            ..Content::default()
        }),
        ext: Ext::default(),
        sender: Sender::Key { id: KeyId("1".into()), name: "back end".into() },
        priority: Priority::Normal,
        collapse_key: None,
        created_at: now,
        send_at: None,
        expires_at: Timestamp(4_000_000_000_000),
        idempotency: None,
        bounds: PendingBounds::default(),
    }
}

fn settlement(times: usize) {
    let (_dir, store, accounts, runtime) = store(1000);
    let mut feed = store.watch();
    runtime.block_on(async {
        for number in 0..times as u64 {
            store.accept(notification(Audience::All, number + 1)).await.expect("accepted");
            let Some(Next::Committed(Committed::Released(released))) = feed.try_next() else { return };
            let seq = released.notification.seq;
            let batch = accounts.iter().map(|account| Settlement { account: *account, seq }).collect();
            black_box(store.settle(batch).await.expect("settled"));
        }
    });
}

fn acceptance(times: usize) {
    let (_dir, store, _, runtime) = store(100);
    runtime.block_on(async {
        for round in 0..times as u64 {
            let many = (0..100usize).map(|number| {
                let audience = Audience::Users(vec![name(number)]);
                store.accept(notification(audience, round * 100 + number as u64 + 1))
            });
            black_box(futures_util::future::join_all(many).await);
        }
    });
}
