//! The document that `POST /v1/notifications` takes: read into a request, every wrong field named.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::HeaderValue;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tidings_core::auth::Grant;
use tidings_core::error::FieldError;
use tidings_core::model::{Audience, Content, Ext, Priority, Timestamp, Topic, Username};
use tidings_core::notification::Request;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::request::{Fields, json};

/// To whom a notification is sent: exactly one of these.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `audience` reads by hand")]
pub(crate) struct NewAudience {
    /// True: every account that exists when it is released.
    all: Option<bool>,
    /// One account, by username or alias.
    user: Option<String>,
    /// Several accounts, by username or alias.
    #[schema(min_items = 1)]
    users: Option<Vec<String>>,
    /// Every account that is subscribed when it is released.
    topic: Option<String>,
}

/// A notification to be sent. One of `title`, `message` and `data` is required. The
/// document is at most 64 KiB; `title`, `message`, `uri` (which counts twice), `image`,
/// `data` and `ext` together are at most 60 KiB once they are written as XML.
#[derive(ToSchema)]
#[schema(as = NewNotification)]
#[expect(dead_code, reason = "describes what `read` reads by hand")]
pub(crate) struct NewNotification {
    /// To whom: exactly one of all, user, users and topic. An endpoint is reached by its own
    /// address only.
    to: NewAudience,
    /// A short headline, at most 1024 bytes.
    title: Option<String>,
    /// The text.
    message: Option<String>,
    /// What opens on a tap, at most 2048 bytes: `http`, `https`, `tel`, `mailto`, `geo`, `sms`, or a
    /// scheme that the operator allows besides (`notifications.uri_schemes`).
    uri: Option<String>,
    /// A picture's address, `http` or `https`, at most 2048 bytes.
    image: Option<String>,
    /// What the app reads: at most 64 keys of at most 128 bytes.
    data: Option<BTreeMap<String, String>>,
    /// What only one door understands: for each (at most 8, named by a-z, 0-9 and -) a JSON object of
    /// at most 16 KiB, which comes out byte for byte as it is written here.
    #[schema(value_type = Option<BTreeMap<String, Object>>)]
    ext: Option<BTreeMap<String, Value>>,
    /// `low`, `normal` (the default) or `high`.
    #[schema(example = "normal")]
    priority: Option<String>,
    /// Seconds that it may wait for a device; 0: now or never. More than the
    /// server's maximum is cut down to it.
    ttl: Option<u64>,
    /// It replaces what the same sender has sent with the same key and is still pending. At most
    /// 128 bytes.
    collapse_key: Option<String>,
    /// When to send it; at most a minute past, which is now.
    #[schema(format = DateTime)]
    send_at: Option<String>,
}

/// Reads a document into a request.
pub(super) fn read(grant: Grant, document: &[u8], most_users: usize) -> Result<Request, Problem> {
    let mut fields = Fields::parse(document)?;
    let audience = match fields.object("to", |to| audience(to, most_users)) {
        Some(audience) => audience,
        None => {
            if fields.is_sound() {
                fields.wrong(
                    "to",
                    "is required: {\"all\": true}, {\"user\": …}, {\"users\": […]} or {\"topic\": …}",
                );
            }
            None
        }
    };
    let content = Content {
        title: fields.text("title"),
        message: fields.text("message"),
        uri: fields.text("uri"),
        image: fields.text("image"),
        data: data(&mut fields),
    };
    let ext = ext(&mut fields, document);
    let priority = match fields.text("priority") {
        None => Priority::default(),
        Some(name) => Priority::parse(&name).unwrap_or_else(|| {
            fields.wrong("priority", "must be low, normal or high");
            Priority::default()
        }),
    };
    let ttl = fields.seconds("ttl").map(Duration::from_secs);
    let collapse_key = fields.text("collapse_key");
    let send_at = fields.text("send_at").and_then(|text| {
        let at = Timestamp::parse(&text);
        if at.is_none() {
            fields.wrong(
                "send_at",
                "must be an RFC 3339 date and time with an offset, such as 2026-01-02T03:04:05Z",
            );
        }
        at
    });
    let said = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    if fields.is_sound() && !said(&content.title) && !said(&content.message) && content.data.is_empty() {
        fields.wrong("message", "give a title, a message or data");
    }
    fields.finish()?;
    match audience {
        Some(audience) => {
            let request = Request::by_key(grant, audience, content);
            Ok(Request { ext, priority, ttl, collapse_key, send_at, ..request })
        }
        None => Err(Problem::field("to", "is required")),
    }
}

/// Reads `to`; `None` after noting what is wrong.
fn audience(to: &mut Fields, most_users: usize) -> Option<Audience> {
    if to.present(&["endpoint"]) != 0 {
        to.wrong("endpoint", "an endpoint is reached by its own address only");
        to.drain();
        return None;
    }
    if to.present(&["all", "user", "users", "topic"]) != 1 {
        to.wrong("", "must have exactly one of all, user, users and topic");
        to.drain();
        return None;
    }
    if let Some(all) = to.flag("all") {
        if !all {
            to.wrong("all", "must be true");
        }
        return all.then_some(Audience::All);
    }
    if let Some(user) = to.text("user") {
        return match Username::parse(&user) {
            Ok(user) => Some(Audience::Users(vec![user])),
            Err(error) => {
                to.wrong("user", error.to_string());
                None
            }
        };
    }
    if let Some(topic) = to.text("topic") {
        return match Topic::parse(&topic) {
            Ok(topic) => Some(Audience::Topic(topic)),
            Err(error) => {
                to.wrong("topic", error.to_string());
                None
            }
        };
    }
    users(to, most_users)
}

fn users(to: &mut Fields, most: usize) -> Option<Audience> {
    let values = match to.value("users")? {
        Value::Array(values) => values,
        other => {
            to.mistyped("users", "an array of usernames", &other);
            return None;
        }
    };
    if values.is_empty() || values.len() > most {
        to.wrong("users", format!("must name 1 to {most} users"));
        return None;
    }
    let mut names = Vec::with_capacity(values.len());
    let mut sound = true;
    for (index, value) in values.into_iter().enumerate() {
        let field = || format!("users[{index}]");
        match value {
            Value::String(text) => match Username::parse(&text) {
                Ok(name) => names.push(name),
                Err(error) => {
                    sound = false;
                    to.wrong(&field(), error.to_string());
                }
            },
            other => {
                sound = false;
                to.mistyped(&field(), "a string", &other);
            }
        }
    }
    sound.then_some(Audience::Users(names))
}

fn data(fields: &mut Fields) -> BTreeMap<String, String> {
    let read = |data: &mut Fields| {
        let mut entries = BTreeMap::new();
        for (key, value) in data.drain() {
            match value {
                Value::String(text) => {
                    entries.insert(key, text);
                }
                other => data.mistyped(&key, "a string", &other),
            }
        }
        entries
    };
    fields.object("data", read).unwrap_or_default()
}

/// Reads `ext` as it is written in the document.
fn ext(fields: &mut Fields, document: &[u8]) -> Ext {
    #[derive(Deserialize)]
    struct Written<'a> {
        #[serde(borrow)]
        ext: BTreeMap<String, &'a RawValue>,
    }
    let mut ext = Ext::default();
    match fields.value("ext") {
        None => {}
        Some(Value::Object(_)) => match serde_json::from_slice::<Written<'_>>(json::text(document)) {
            Ok(written) => {
                for (door, object) in written.ext {
                    if let Err(error) = ext.insert(&door, object.get()) {
                        fields.wrong(&format!("ext.{door}"), error.to_string());
                    }
                }
            }
            Err(error) => fields.wrong("ext", error.to_string()),
        },
        Some(other) => fields.mistyped("ext", "an object", &other),
    }
    ext
}

/// The request's idempotency key.
pub(super) fn idempotency(
    header: Option<&HeaderValue>,
    document: &[u8],
) -> Result<Option<(String, [u8; 32])>, Problem> {
    let Some(value) = header else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => Ok(Some((key.to_owned(), fingerprint(document)))),
        _ => Err(Problem::field("Idempotency-Key", "must be 1 to 255 visible ASCII characters")),
    }
}

/// The same for the same JSON, whatever the order of its fields and the space between them.
fn fingerprint(document: &[u8]) -> [u8; 32] {
    // What is no JSON is refused already; in what is, a map's fields are in order.
    let plain = json::parse(document).map(|(value, _)| in_order(value).to_string());
    Sha256::digest(plain.as_deref().map_or(document, str::as_bytes)).into()
}

/// The same value with the fields of each object in order, without those that are null.
fn in_order(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<String, Value> =
                fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
            sorted.into_iter().map(|(name, value)| (name, in_order(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(in_order).collect(),
        other => other,
    }
}

/// Names each unknown user where the sender wrote it.
pub(super) fn unknown_users(document: &[u8], single: bool, unknown: &[String]) -> Problem {
    let errors = at_each_name(document, single, unknown, |name| format!("unknown user: {name}"));
    Problem::fields(errors)
        .detail(format!("unknown user: {}; nothing was sent to anyone", unknown.join(", ")))
}

/// Says `why` of each of these names, where the sender wrote it.
pub(super) fn at_each_name(
    document: &[u8],
    single: bool,
    names: &[String],
    why: impl Fn(&str) -> String,
) -> Vec<FieldError> {
    let users = Fields::parse(document).ok().and_then(|mut fields| {
        fields.object("to", |to| match to.value("users") {
            Some(Value::Array(values)) => values,
            _ => Vec::new(),
        })
    });
    let users = users.unwrap_or_default();
    let place = |name: &String| {
        let index = users.iter().position(|value| {
            value.as_str().and_then(|text| Username::parse(text).ok()).is_some_and(|u| u.as_str() == name)
        });
        match index {
            Some(index) => format!("to.users[{index}]"),
            None if single => "to.user".to_owned(),
            None => "to.users".to_owned(),
        }
    };
    names.iter().map(|name| FieldError::new(place(name), why(name))).collect()
}

#[cfg(test)]
mod tests {
    use tidings_core::model::{KeyId, Scope, SendRights, Sender};

    use super::*;

    fn read(document: &[u8], most_users: usize) -> Result<Request, Problem> {
        let rights = SendRights::Everyone;
        let grant = Grant { id: KeyId("1".into()), name: "shop".into(), scope: Scope::Send, rights };
        super::read(grant, document, most_users)
    }

    fn wrong(document: &str) -> Vec<String> {
        read(document.as_bytes(), 3).unwrap_err().errors().iter().map(|e| e.field.clone()).collect()
    }

    #[test]
    fn the_same_request_has_one_fingerprint() {
        let first = fingerprint(br#"{"to": {"user": "a"}, "title": "t", "data": {"x": "1", "y": "2"}}"#);
        for same in [
            r#"{"data":{"y":"2","x":"1"},"title":"t","to":{"user":"a"}}"#,
            "{\n\"title\": \"\\u0074\", \"uri\": null, \"to\": {\"user\": \"a\"}, \"data\": {\"x\": \"1\", \"y\": \"2\"}}",
        ] {
            assert_eq!(fingerprint(same.as_bytes()), first, "{same}");
        }
        for other in [
            r#"{"to": {"user": "b"}, "title": "t", "data": {"x": "1", "y": "2"}}"#,
            r#"{"to": {"user": "a"}, "title": "t", "data": {"x": "2", "y": "1"}}"#,
            r#"{"to": {"users": ["a"]}, "title": "t", "data": {"x": "1", "y": "2"}}"#,
        ] {
            assert_ne!(fingerprint(other.as_bytes()), first, "{other}");
        }
    }

    #[test]
    fn reads_every_field() {
        let document = r#"{"to": {"users": ["Anna", "bob"]}, "title": "t", "message": "m", "uri": "u",
            "image": "i", "data": {"k": "v"}, "priority": "high", "ttl": 60, "collapse_key": "c",
            "send_at": "2026-01-02T03:04:05+01:00"}"#;
        let request = read(document.as_bytes(), 3).unwrap();
        let names = ["anna", "bob"].map(|name| Username::parse(name).unwrap());
        assert_eq!(request.audience, Audience::Users(names.to_vec()));
        let content = request.payload.text().unwrap();
        assert_eq!(content.title.as_deref(), Some("t"));
        assert_eq!(content.message.as_deref(), Some("m"));
        assert_eq!(content.uri.as_deref(), Some("u"));
        assert_eq!(content.image.as_deref(), Some("i"));
        assert_eq!(content.data.get("k").map(String::as_str), Some("v"));
        assert_eq!(request.priority, Priority::High);
        assert_eq!(request.ttl, Some(Duration::from_secs(60)));
        assert_eq!(request.collapse_key.as_deref(), Some("c"));
        assert_eq!(request.send_at.map(|at| at.to_string()).as_deref(), Some("2026-01-02T02:04:05Z"));
    }

    #[test]
    fn the_audience_is_exactly_one() {
        for to in ["{}", r#"{"all": true, "user": "a"}"#, r#"{"user": "a", "topic": "t"}"#] {
            assert_eq!(wrong(&format!(r#"{{"to": {to}, "title": "t"}}"#)), ["to"], "{to}");
        }
        assert_eq!(wrong(r#"{"title": "t"}"#), ["to"]);
        assert_eq!(wrong(r#"{"to": null, "title": "t"}"#), ["to"]);
        assert_eq!(wrong(r#"{"to": "all", "title": "t"}"#), ["to"]);
        assert_eq!(wrong(r#"{"to": {"all": false}, "title": "t"}"#), ["to.all"]);
        assert_eq!(wrong(r#"{"to": {"user": "a b"}, "title": "t"}"#), ["to.user"]);
        assert_eq!(wrong(r#"{"to": {"users": []}, "title": "t"}"#), ["to.users"]);
        assert_eq!(
            wrong(r#"{"to": {"users": ["a", 1, "@"]}, "title": "t"}"#),
            ["to.users[1]", "to.users[2]"]
        );
        assert_eq!(wrong(r#"{"to": {"users": ["a","b","c","d"]}, "title": "t"}"#), ["to.users"]);
        assert_eq!(wrong(r#"{"to": {"topic": "a b"}, "title": "t"}"#), ["to.topic"]);
        assert_eq!(wrong(r#"{"to": {"topic": null}, "title": "t"}"#), ["to"]);
        assert_eq!(wrong(r#"{"to": {"all": true, "x": 1}, "title": "t"}"#), ["to.x"]);
        assert_eq!(wrong(r#"{"to": {"endpoint": "e"}, "title": "t"}"#), ["to.endpoint"]);
        assert_eq!(wrong(r#"{"to": {"endpoint": "e", "all": true}, "title": "t"}"#), ["to.endpoint"]);
    }

    #[test]
    fn what_doors_add_is_kept_as_it_is_written() {
        let odd = "{ \"b\" :1.0e+2,\t\"a\":[\"\\u0041 \\/ é\", 18446744073709551616] }";
        let document =
            format!(r#"{{"ext": {{"x-1":{{}},"ntfy": {odd} }}, "to": {{"all": true}}, "title": "t"}}"#);
        let request = read(document.as_bytes(), 3).unwrap();
        assert_eq!(request.ext.iter().collect::<Vec<_>>(), [("ntfy", odd), ("x-1", "{}")]);
        assert!(matches!(request.sender, Sender::Key { name, .. } if name == "shop"));
        let with = |ext: &str| wrong(&format!(r#"{{"to": {{"all": true}}, "title": "t", "ext": {ext}}}"#));
        assert_eq!(with(r#"{"ntfy": [], "Ntfy": {}, "a": {}}"#), ["ext.Ntfy", "ext.ntfy"]);
        assert_eq!(with("[]"), ["ext"]);
        assert_eq!(with(r#""{}""#), ["ext"]);
        let long = format!(r#"{{"ntfy": {{"a": "{}"}}}}"#, "x".repeat(16 * 1024));
        assert_eq!(with(&long), ["ext.ntfy"]);
        let doors: Vec<_> = (0..9).map(|door| format!(r#""d{door}": {{}}"#)).collect();
        assert_eq!(with(&format!("{{{}}}", doors.join(","))), ["ext.d8"]);
        assert!(read(br#"{"to": {"all": true}, "title": "t", "ext": null}"#, 3).unwrap().ext.is_empty());
    }

    #[test]
    fn something_must_be_said() {
        assert_eq!(wrong(r#"{"to": {"all": true}}"#), ["message"]);
        assert_eq!(wrong(r#"{"to": {"all": true}, "title": "", "data": {}}"#), ["message"]);
        assert!(read(br#"{"to": {"all": true}, "data": {"k": ""}}"#, 3).is_ok());
    }

    #[test]
    fn names_all_that_is_wrong_at_once() {
        let document = r#"{"to": {"all": true}, "title": 1, "data": {"a": 1, "b": "x"}, "priority": "urgent",
            "ttl": -1, "send_at": "tomorrow", "colour": "red"}"#;
        assert_eq!(wrong(document), ["title", "data.a", "priority", "ttl", "send_at", "colour"]);
        assert_eq!(wrong(r#"{"to": {"all": true}, "title": "t", "ttl": 1.5}"#), ["ttl"]);
        assert_eq!(
            wrong(r#"{"to": {"all": true}, "title": "t", "send_at": "2026-01-02T03:04:05"}"#),
            ["send_at"]
        );
    }

    #[test]
    fn unknown_users_are_named_in_place() {
        let document = br#"{"to": {"users": ["a", "Ghost", "b"]}, "title": "t"}"#;
        let problem = unknown_users(document, false, &["ghost".to_owned()]);
        assert_eq!(problem.errors()[0].field, "to.users[1]");
        assert!(problem.text().contains("ghost"));
        let problem = unknown_users(br#"{"to": {"user": "ghost"}}"#, true, &["ghost".to_owned()]);
        assert_eq!(problem.errors()[0].field, "to.user");
    }
}
