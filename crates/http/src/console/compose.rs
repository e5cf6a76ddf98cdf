//! The form that sends a notification, with the question before a broadcast.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use tidings_core::model::{Audience, Content, Priority, Sender, Show, Timestamp, Topic, Username};
use tidings_core::notification::{AcceptError, Request};
use tidings_core::store::{NotificationRecord, StoreError, TopicRow};

use super::answer::{html_with_pictures, see};
use super::failure::Failure;
use super::filters;
use super::filters::sentence;
use super::form::{Form, Posted};
use super::page::Page;
use crate::api::notifications::{parse_id, unknown_id};
use crate::problem::{Problem, waiting_for};
use crate::request::Params;
use crate::state::{App, AppState};

/// Units of the time to live, in seconds.
pub(crate) const UNITS: [(&str, u64); 4] =
    [("seconds", 1), ("minutes", 60), ("hours", 3600), ("days", 86_400)];

/// What is looked over once more before a broadcast.
pub(crate) const CONFIRMED: [(&str, &str); 8] = [
    ("title", "Title"),
    ("message", "Message"),
    ("uri", "URI"),
    ("image", "Image"),
    ("data", "Data"),
    ("priority", "Priority"),
    ("ttl", "Time to live"),
    ("collapse_key", "Collapse key"),
];

/// Topics that the form offers.
const OFFERED: usize = 200;
/// Names that are looked up while they are typed.
const LOOKED_UP: usize = 100;

/// What a priority means for the person, where that is worth a word.
pub(crate) fn urgency(priority: &str) -> &'static str {
    match priority {
        "high" => "High: goes before everything else that waits.",
        "low" => "Low: may wait until the phone is in use.",
        _ => "",
    }
}

#[derive(Template)]
#[template(path = "compose.html")]
struct ComposePage {
    page: Page,
    form: Form,
    fault: Option<String>,
    accounts: u64,
    online: usize,
    topics: Vec<TopicRow>,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    page: Page,
    form: Form,
    audience: String,
    reach: Reach,
    at: Option<Timestamp>,
}

/// Which accounts a notification would reach now.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reach {
    accounts: u64,
    /// How many of them are online, where that was looked up.
    online: Option<usize>,
    /// Names that no account has.
    unknown: Vec<String>,
}

impl Reach {
    fn words(&self) -> String {
        let accounts = filters::group(&self.accounts.to_string());
        let mut words = format!("Reaches {accounts} account{}", if self.accounts == 1 { "" } else { "s" });
        if let Some(online) = self.online {
            words.push_str(&format!(", {} online now", filters::group(&online.to_string())));
        }
        words.push('.');
        if !self.unknown.is_empty() {
            words.push_str(&format!(" Unknown: {}.", self.unknown.join(", ")));
        }
        words
    }
}

/// The empty form, or one filled in from an earlier notification, a user or a topic.
pub(crate) async fn form(
    State(app): State<App>,
    page: Page,
    mut params: Params,
) -> Result<Response, Failure> {
    page.to_send()?;
    let mut form = Form::default();
    form.set("audience", "users");
    if let Some(id) = params.text("from") {
        let record = app.core.notification.get(parse_id(&id)?).await?.ok_or_else(unknown_id)?;
        fill(&mut form, record);
    }
    if let Some(user) = params.text("user") {
        form.set("users", user);
    }
    if let Some(topic) = params.text("topic") {
        form.set("audience", "topic");
        form.set("topic", topic);
    }
    if form.value("priority").is_empty() {
        form.set("priority", "normal");
    }
    form.set("unit", "hours");
    app.compose(page, form, None).await
}

/// Checks the form, asks before a broadcast, sends.
pub(crate) async fn submit(State(app): State<App>, posted: Posted) -> Result<Response, Failure> {
    let Posted { page, mut form } = posted;
    page.to_send()?;
    app.core.notification.check_room()?;
    let request = read(&mut form, &page.operator, app.core.config.limits.users_per_notification);
    if let Err(AcceptError::Invalid(errors)) = app.core.notification.check(&request) {
        form.wrong_fields(&errors, place);
    }
    if !form.is_sound() {
        return app.compose(page, form, Some("Some fields need another look.".to_owned())).await;
    }
    match (form.value("step"), &request.audience) {
        ("edit", _) => return app.compose(page, form, None).await,
        ("send", _) | (_, Audience::Users(_)) => {}
        (_, wide) => {
            let reach = app.reach(wide).await?;
            let audience = match wide {
                Audience::Topic(topic) => format!("topic {topic}"),
                _ => "everyone".to_owned(),
            };
            let at = request.send_at;
            let confirm = ConfirmPage { page, form, audience, reach, at };
            return Ok(html_with_pictures(StatusCode::OK, &confirm));
        }
    }
    let scheduled = request.send_at.is_some_and(|at| at > app.core.clock.now());
    match app.core.notification.send(&page.actor(), request).await {
        Ok(accepted) => {
            let done = if scheduled { "scheduled" } else { "sent" };
            Ok(see(&format!("/notifications/{}?done={done}", accepted.id)))
        }
        Err(AcceptError::Invalid(errors)) => {
            form.wrong_fields(&errors, place);
            let words = form.summary();
            app.compose(page, form, words).await
        }
        Err(AcceptError::Store(StoreError::UnknownUsers(names))) => {
            form.wrong("users", format!("unknown: {}", names.join(", ")));
            app.compose(page, form, Some("Nothing was sent to anyone.".to_owned())).await
        }
        Err(AcceptError::Store(StoreError::QueueFull(names))) if !names.is_empty() => {
            let full: Vec<String> = names.iter().map(|name| waiting_for(name)).collect();
            form.wrong("users", full.join("; "));
            app.compose(page, form, Some("Nothing was sent to anyone.".to_owned())).await
        }
        Err(error @ AcceptError::IdempotencyMismatch) => {
            form.forget("once");
            tracing::debug!(%error, "a form was sent twice with different content");
            let words = "This form was sent before with other content. Send it again to send both.";
            app.compose(page, form, Some(words.to_owned())).await
        }
        // A person in the console is bound to nobody.
        Err(error @ AcceptError::Forbidden(_)) => Err(Problem::from(error).into()),
        Err(AcceptError::Store(error)) => {
            let problem = Problem::from(error);
            let words = sentence(problem.text());
            app.compose(page, form, Some(words)).await
        }
    }
}

impl AppState {
    async fn compose(&self, page: Page, mut form: Form, fault: Option<String>) -> Result<Response, Failure> {
        if form.value("once").is_empty() {
            let mut once = [0; 16];
            self.core.random.fill(&mut once);
            form.set("once", URL_SAFE_NO_PAD.encode(once));
        }
        let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let accounts = self.core.notification.totals().await?.accounts;
        let online = self.core.session.online();
        let topics = self.core.notification.topics(None, OFFERED).await?.items;
        Ok(html_with_pictures(status, &ComposePage { page, form, fault, accounts, online, topics }))
    }

    /// Which accounts an audience consists of now.
    async fn reach(&self, audience: &Audience) -> Result<Reach, StoreError> {
        match audience {
            Audience::All => {
                let accounts = self.core.notification.totals().await?.accounts;
                Ok(Reach { accounts, online: Some(self.core.session.online()), unknown: Vec::new() })
            }
            Audience::Users(names) if names.len() > LOOKED_UP => {
                Ok(Reach { accounts: names.len() as u64, ..Reach::default() })
            }
            Audience::Users(names) => self.reach_of(names).await,
            // This form names none.
            Audience::Endpoint(_) => Ok(Reach::default()),
            Audience::Topic(topic) => {
                let accounts = self.core.notification.subscribers(topic).await?;
                Ok(Reach {
                    accounts,
                    online: Some(self.core.session.connected_to(topic)),
                    unknown: Vec::new(),
                })
            }
        }
    }

    async fn reach_of(&self, names: &[Username]) -> Result<Reach, StoreError> {
        let mut found = BTreeSet::new();
        let mut unknown = Vec::new();
        for name in names {
            match self.core.auth.account(name).await? {
                Some(account) => drop(found.insert(account.id)),
                None => unknown.push(name.to_string()),
            }
        }
        let online = found.iter().filter(|id| self.core.session.presence(**id) != Show::Unavailable).count();
        Ok(Reach { accounts: found.len() as u64, online: Some(online), unknown })
    }
}

/// Which accounts the form's audience reaches, in words, while it is filled in; nothing
/// where it names none yet.
pub(crate) async fn reach(
    State(app): State<App>,
    page: Page,
    mut params: Params,
) -> Result<Json<Option<String>>, Failure> {
    page.to_send()?;
    let mut form = Form::default();
    for name in ["audience", "users", "topic"] {
        form.set(name, params.text(name).unwrap_or_default());
    }
    let Some(audience) = audience(&mut form, app.core.config.limits.users_per_notification) else {
        return Ok(Json(None));
    };
    Ok(Json(Some(app.reach(&audience).await?.words())))
}

/// Reads the form into a request, noting beside each field what is wrong. Where the
/// audience is, another stands in for it, so that the rest can be looked at, too.
fn read(form: &mut Form, operator: &str, most_users: usize) -> Request {
    let audience = audience(form, most_users);
    let content = Content {
        title: form.text("title"),
        message: form.text("message"),
        uri: form.text("uri"),
        image: form.text("image"),
        data: data(form),
    };
    if content.title.is_none() && content.message.is_none() && content.data.is_empty() {
        form.wrong("message", "give a title, a message or data");
    }
    let priority = Priority::parse(form.value("priority")).unwrap_or_default();
    let ttl = ttl(form);
    let send_at = send_at(form);
    let collapse_key = form.text("collapse_key");
    let audience = audience.unwrap_or(Audience::All);
    let idempotency = form.text("once").map(|once| {
        let mut content = Sha256::new();
        for (name, value) in form.pairs() {
            content.update(format!("{name}={value}\0"));
        }
        (once, content.finalize().into())
    });
    let sender = Sender::Operator(operator.to_owned());
    let request = Request::new(sender, audience, content);
    Request { priority, ttl, collapse_key, send_at, idempotency, ..request }
}

fn audience(form: &mut Form, most_users: usize) -> Option<Audience> {
    match form.value("audience") {
        "all" => Some(Audience::All),
        "topic" => match Topic::parse(form.value("topic").trim()) {
            Ok(topic) => Some(Audience::Topic(topic)),
            Err(error) => {
                form.wrong("topic", error.to_string());
                None
            }
        },
        _ => {
            let text = form.value("users").to_owned();
            let mut names = Vec::new();
            for word in text.split([',', ';', ' ', '\n', '\t']).filter(|word| !word.is_empty()) {
                match Username::parse(word) {
                    Ok(name) => names.push(name),
                    Err(error) => form.wrong("users", format!("{word}: {error}")),
                }
            }
            if names.is_empty() {
                form.wrong("users", "name at least one user");
            } else if names.len() > most_users {
                form.wrong("users", format!("at most {most_users} users at once"));
            }
            form.fault("users").is_none().then_some(Audience::Users(names))
        }
    }
}

fn data(form: &mut Form) -> BTreeMap<String, String> {
    let text = form.value("data").to_owned();
    let mut data = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match line.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                data.insert(key.trim().to_owned(), value.to_owned());
            }
            _ => form.wrong("data", format!("not key=value: {line}")),
        }
    }
    data
}

fn ttl(form: &mut Form) -> Option<Duration> {
    let text = form.text("ttl")?;
    let unit = UNITS.iter().find(|(name, _)| form.is("unit", name)).map_or(1, |(_, seconds)| *seconds);
    match text.parse::<u64>() {
        Ok(count) => Some(Duration::from_secs(count.saturating_mul(unit))),
        Err(_) => {
            form.wrong("ttl", "must be a whole number, 0 or more");
            None
        }
    }
}

/// A browser's date and time has no offset: the script adds it in minutes, and
/// without the script it is UTC, as the label says.
fn send_at(form: &mut Form) -> Option<Timestamp> {
    let text = form.text("send_at")?;
    let zone: i32 = form.value("zone").parse().unwrap_or(0);
    let zone = zone.clamp(-18 * 60, 18 * 60);
    let seconds = if text.len() == 16 { ":00" } else { "" };
    let sign = if zone < 0 { '-' } else { '+' };
    let offset = format!("{sign}{:02}:{:02}", zone.abs() / 60, zone.abs() % 60);
    let at = Timestamp::parse(&format!("{text}{seconds}{offset}"));
    if at.is_none() {
        form.wrong("send_at", "must be a date and a time");
    }
    at
}

/// Fills the form in from a notification, to send it again.
fn fill(form: &mut Form, record: NotificationRecord) {
    match record.audience {
        // Sent again to whom the operator chooses.
        Audience::Endpoint(_) => {}
        Audience::All => form.set("audience", "all"),
        Audience::Topic(topic) => {
            form.set("audience", "topic");
            form.set("topic", topic.as_str());
        }
        Audience::Users(names) => {
            let names: Vec<_> = names.iter().map(Username::as_str).collect();
            form.set("users", names.join(", "));
        }
    }
    let content = record.notification.payload.text().cloned().unwrap_or_default();
    for (name, text) in [
        ("title", content.title),
        ("message", content.message),
        ("uri", content.uri),
        ("image", content.image),
        ("collapse_key", record.notification.collapse_key),
    ] {
        form.set(name, text.unwrap_or_default());
    }
    let data: Vec<_> = content.data.iter().map(|(key, value)| format!("{key}={value}")).collect();
    form.set("data", data.join("\n"));
    form.set("priority", record.notification.priority.as_str());
}

/// The form's field for one of the API's.
fn place(field: &str) -> String {
    match field.split(['.', '[']).next().unwrap_or_default() {
        "to" => if field.contains("topic") { "topic" } else { "users" }.to_owned(),
        "" => "message".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Form {
        let mut form = Form::default();
        for (name, value) in pairs {
            form.set(name, *value);
        }
        form
    }

    #[test]
    fn reads_a_whole_form() {
        let mut form = form(&[
            ("audience", "users"),
            ("users", "Anna, bob\tcarl"),
            ("title", " t "),
            ("message", "m\nn"),
            ("data", "a=1\n\n b =x=y"),
            ("priority", "high"),
            ("ttl", "2"),
            ("unit", "hours"),
            ("send_at", "2026-01-02T03:04"),
            ("zone", "-90"),
            ("once", "x"),
        ]);
        let request = read(&mut form, "admin", 3);
        assert!(form.is_sound());
        let names = ["anna", "bob", "carl"].map(|name| Username::parse(name).unwrap()).to_vec();
        assert_eq!(request.audience, Audience::Users(names));
        let content = request.payload.text().unwrap();
        assert_eq!(content.title.as_deref(), Some("t"));
        assert_eq!(content.data.get("b").map(String::as_str), Some("x=y"));
        assert_eq!(request.ttl, Some(Duration::from_secs(7200)));
        assert_eq!(request.send_at.unwrap().to_string(), "2026-01-02T04:34:00Z");
        assert_eq!(
            (request.idempotency.unwrap().0, request.sender),
            ("x".into(), Sender::Operator("admin".into()))
        );
    }

    #[test]
    fn faults_stand_beside_their_fields() {
        let mut wrong = form(&[
            ("audience", "users"),
            ("users", "a b@c d"),
            ("data", "nonsense"),
            ("ttl", "soon"),
            ("send_at", "x"),
        ]);
        read(&mut wrong, "admin", 9);
        for name in ["users", "data", "ttl", "send_at", "message"] {
            assert!(wrong.fault(name).is_some(), "{name}");
        }
        let mut empty = form(&[("audience", "all")]);
        read(&mut empty, "admin", 9);
        assert!(empty.fault("message").is_some());
        let mut many = form(&[("audience", "users"), ("users", "a b c"), ("title", "t")]);
        read(&mut many, "admin", 2);
        assert!(many.fault("users").is_some());
    }

    #[test]
    fn a_reach_is_told_in_words() {
        let reach = Reach { accounts: 1, online: None, unknown: Vec::new() };
        assert_eq!(reach.words(), "Reaches 1 account.");
        let unknown = vec!["ghost".to_owned(), "x".to_owned()];
        let reach = Reach { accounts: 12_000, online: Some(7), unknown };
        assert_eq!(reach.words(), "Reaches 12\u{202f}000 accounts, 7 online now. Unknown: ghost, x.");
    }

    #[test]
    fn the_apis_fields_have_their_place() {
        assert_eq!(place("to.users[3]"), "users");
        assert_eq!(place("to.topic"), "topic");
        assert_eq!(place("data.k"), "data");
        assert_eq!(place("title"), "title");
    }
}
