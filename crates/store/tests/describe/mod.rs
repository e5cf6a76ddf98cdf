//! Writes down what a store says, as text that a fixture keeps beside its database.

use std::fmt::{Display, Write as _};

use tidings_core::model::{AccountId, Audience, Counters, Notification, Payload, SendRights, Timestamp};
use tidings_core::store::{AccountQuery, EndpointQuery, Payloads, Store};

/// When the history of a fixture begins.
pub const START: Timestamp = Timestamp(1_760_000_000_000);

/// So many seconds after [`START`].
pub fn at(seconds: i64) -> Timestamp {
    Timestamp(START.0 + seconds * 1000)
}

/// SHA-256 stands here in a real one.
pub fn hash(byte: u8) -> [u8; 32] {
    [byte; 32]
}

/// What a fixture's notification is called.
pub fn name(notification: &Notification) -> &str {
    let content = notification.payload.text();
    content.map_or(Some("bytes"), |content| content.title.as_deref()).unwrap_or("?")
}

fn counters(counters: &Counters) -> String {
    let Counters { recipients, delivered, opened, expired, cancelled } = counters;
    let pending = counters.pending();
    format!(
        "{recipients} = {delivered} delivered ({opened} opened) + {pending} pending + {expired} expired \
         + {cancelled} cancelled"
    )
}

fn audience(audience: &Audience) -> String {
    match audience {
        Audience::All => "all".into(),
        Audience::Topic(topic) => format!("topic {topic}"),
        Audience::Users(names) => format!("users {}", listed(names)),
        Audience::Endpoint(id) => format!("endpoint {id}"),
    }
}

fn listed<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn or_none<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

/// Everything that the port tells, as of `now`.
pub async fn describe(store: &dyn Store, now: Timestamp) -> String {
    let mut text = String::new();
    let totals = store.totals().await.unwrap();
    writeln!(text, "accounts: {}", totals.accounts).unwrap();
    writeln!(text, "notifications: {}, {} scheduled", totals.notifications, totals.scheduled).unwrap();
    writeln!(text, "copies: {}", counters(&totals.counters)).unwrap();
    notifications(store, &mut text).await;
    accounts(store, now, &mut text).await;
    administration(store, now, &mut text).await;
    text
}

async fn notifications(store: &dyn Store, text: &mut String) {
    let page = store.notifications(None, 1000).await.unwrap();
    assert_eq!(page.next, None);
    for record in page.items {
        let Notification { id, seq, payload, priority, collapse_key, sent_at, expires_at, .. } =
            &record.notification;
        let title = name(&record.notification);
        writeln!(text, "\nnotification {title} at {}, place {}", record.position, seq.0).unwrap();
        let state = record.state.as_str();
        writeln!(text, "  {id} {state} {}, {}", priority.as_str(), audience(&record.audience)).unwrap();
        writeln!(text, "  key {}", or_none(collapse_key.as_ref())).unwrap();
        writeln!(
            text,
            "  created {}, send {}, sent {sent_at}, expires {expires_at}",
            record.created_at,
            or_none(record.send_at)
        )
        .unwrap();
        writeln!(text, "  {}", counters(&record.counters)).unwrap();
        match payload {
            Payload::Text(content) => {
                writeln!(text, "  {}", serde_json::to_string(content).unwrap()).unwrap();
            }
            Payload::Bytes(bytes) => writeln!(text, "  bytes {}", hex(bytes)).unwrap(),
        }
        // What came with step 0003.
        if let Some(sender) = &record.notification.sender {
            writeln!(text, "  sender {sender:?}").unwrap();
        }
        for (door, object) in record.notification.ext.iter() {
            writeln!(text, "  ext {door} {object}").unwrap();
        }
    }
}

async fn accounts(store: &dyn Store, now: Timestamp, text: &mut String) {
    let query = AccountQuery { limit: 1000, ..AccountQuery::default() };
    let page = store.accounts(query).await.unwrap();
    assert_eq!(page.next, None);
    for row in page.items {
        let account = row.account;
        writeln!(text, "\naccount {} {}", account.id.0, account.username).unwrap();
        writeln!(
            text,
            "  alias {}, name {}, email {}, disabled {}",
            or_none(account.alias.as_ref()),
            or_none(account.name.as_ref()),
            or_none(account.email.as_ref()),
            account.disabled
        )
        .unwrap();
        writeln!(
            text,
            "  created {} after place {}, seen {}, left {}",
            account.created_at,
            account.registered_at.0,
            or_none(account.last_seen),
            or_none(account.last_offline)
        )
        .unwrap();
        let credentials = store.credentials(&account.username).await.unwrap().unwrap();
        for keys in [credentials.sha1, credentials.sha256] {
            let [salt, stored, server] = [&keys.salt, &keys.stored_key, &keys.server_key].map(|key| hex(key));
            writeln!(text, "  keys {} {salt} {stored} {server}", keys.iterations).unwrap();
        }
        if !account.publish.is_empty() {
            writeln!(text, "  publishes {}", listed(&account.publish)).unwrap();
        }
        owned(store, account.id, text).await;
        writeln!(text, "  topics {}", listed(store.subscriptions(account.id).await.unwrap())).unwrap();
        let past = store.account_history(account.id, None, 1000).await.unwrap();
        let past = past.items.iter();
        let past = past.map(|past| format!("{} {}", name(&past.record.notification), past.outcome.as_str()));
        writeln!(text, "  past: {}", listed(past)).unwrap();
        writeln!(text, "  pending {}", row.pending).unwrap();
        let feed = store.feed(account.id, Payloads::Any, now, 1000).await.unwrap();
        writeln!(text, "  fed: {}", listed(feed.pending.iter().map(name))).unwrap();
    }
    text.push('\n');
    for row in store.topics(None, 1000).await.unwrap().items {
        let policy = row.policy.map_or_else(String::new, |policy| format!(", {}", policy.as_str()));
        writeln!(text, "topic {}: {}{policy}", row.topic, row.subscribers).unwrap();
    }
}

/// An account's tokens and endpoints.
async fn owned(store: &dyn Store, account: AccountId, text: &mut String) {
    for token in store.tokens(account).await.unwrap() {
        let (label, ends) = (or_none(token.label), or_none(token.expires_at));
        writeln!(text, "  token {} {label} {} {} {ends}", token.id.0, hex(&token.hash), token.created_at)
            .unwrap();
    }
    let query = EndpointQuery { account: Some(account), after: None, limit: 1000 };
    for row in store.endpoints(query).await.unwrap().items {
        let endpoint = row.endpoint;
        writeln!(
            text,
            "  endpoint {} at {}: {} {} {} {}, made {}, used {}, ends {}, revoked {}, {} pending",
            endpoint.id,
            row.position,
            endpoint.application,
            endpoint.instance,
            endpoint.resource,
            hex(&endpoint.token_hash),
            endpoint.created_at,
            or_none(endpoint.last_used),
            endpoint.expires_at,
            or_none(endpoint.revoked_at),
            row.pending
        )
        .unwrap();
    }
}

async fn administration(store: &dyn Store, now: Timestamp, text: &mut String) {
    text.push('\n');
    for key in store.keys().await.unwrap() {
        let (id, scope, used) = (key.id.0, key.scope.as_str(), or_none(key.last_used));
        let rights = match key.rights {
            SendRights::Everyone => String::new(),
            SendRights::Only { topics, users } => {
                format!(", to topics {} users {}", listed(topics), listed(users))
            }
        };
        writeln!(
            text,
            "key {id} {}, {scope}, {}, {}, {used}{rights}",
            key.name,
            hex(&key.hash),
            key.created_at
        )
        .unwrap();
    }
    for operator in store.operators().await.unwrap() {
        let role = operator.role.as_str();
        writeln!(
            text,
            "operator {} {role} {} {}",
            operator.name, operator.password_hash, operator.created_at
        )
        .unwrap();
    }
    for byte in 1..=9 {
        if let Some(session) = store.web_session(hash(byte), now).await.unwrap() {
            writeln!(text, "login {byte} {} {} {}", session.operator, session.csrf, session.expires_at)
                .unwrap();
        }
    }
    for entry in store.audit_log(None, 1000).await.unwrap().items {
        writeln!(
            text,
            "audit {} {} {} {} {}",
            entry.position, entry.at, entry.actor, entry.action, entry.subject
        )
        .unwrap();
    }
    // What came with step 0004.
    for row in store.invitations(None, 1000).await.unwrap().items {
        let one = row.invitation;
        let (name, topics) = (or_none(one.username.as_ref()), listed(&one.topics));
        let used = one.used.as_ref().map(|used| format!("by {} {}", used.by, used.at));
        writeln!(
            text,
            "invitation {} at {} {} for {name}, topics {topics}, made {}, ends {}, used {}",
            one.id.0,
            row.position,
            hex(&one.hash),
            one.created_at,
            one.expires_at,
            or_none(used)
        )
        .unwrap();
    }
    for key in ["domain", "secret", "none"] {
        let value = store.setting(key).await.unwrap();
        writeln!(text, "setting {key} {}", or_none(value.as_deref().map(hex))).unwrap();
    }
}
