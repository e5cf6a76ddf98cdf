//! The page of API keys.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::response::Response;
use serde_json::json;
use tidings_core::auth::NewKey;
use tidings_core::model::{KeyId, Scope};

use super::answer::{html_with, see};
use super::failure::Failure;
use super::filters;
use super::form::{Form, Posted};
use super::page::Page;
use crate::api::keys::KeyView;
use crate::state::{App, AppState};

/// A key that was just made.
struct Made {
    name: String,
    secret: String,
    curl: String,
}

#[derive(Template)]
#[template(path = "keys.html")]
struct ListPage {
    page: Page,
    keys: Vec<KeyView>,
    form: Form,
    made: Option<Made>,
}

pub(crate) async fn list(State(app): State<App>, page: Page) -> Result<Response, Failure> {
    Ok(app.keys_page(page, Form::default(), None))
}

pub(crate) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    posted: Posted,
) -> Result<Response, Failure> {
    let Posted { page, mut form } = posted;
    page.to_administer()?;
    let Some(scope) = Scope::parse(form.value("scope")) else { return Ok(app.keys_page(page, form, None)) };
    let names = |field: &str| Some(form.names(field)).filter(|names| !names.is_empty());
    let (topics, users) = (names("topics"), names("users"));
    let new = NewKey { name: form.value("name").trim().to_owned(), scope, topics, users };
    form.wrong_fields(&app.core.auth.check_new_key(&new), str::to_owned);
    if !form.is_sound() {
        return Ok(app.keys_page(page, form, None));
    }
    let example = example(&new);
    let (key, secret) = app.core.auth.create_key(&page.actor(), new).await?;
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:7070");
    let base = app.settings.public_url.clone().unwrap_or_else(|| format!("http://{host}"));
    let curl = match scope {
        Scope::Read => format!("curl {base}/v1/stats -H 'Authorization: Bearer {secret}'"),
        Scope::Send | Scope::Admin => format!(
            "curl {base}/v1/notifications \\\n  -H 'Authorization: Bearer {secret}' \\\n  \
             -H 'Content-Type: application/json' \\\n  -d '{{\"to\": {example}, \"title\": \"Hello\"}}'"
        ),
    };
    Ok(app.keys_page(page, Form::default(), Some(Made { name: key.name, secret, curl })))
}

/// An audience that the key may send to, as JSON. One that is bound to names alone gets the first of them.
fn example(new: &NewKey) -> String {
    let first = |names: &Option<Vec<String>>| {
        let name = names.as_ref()?.first()?;
        // A pattern's beginning is a name, too, unless nothing is left.
        Some(name.trim_end_matches('*').to_owned()).filter(|name| !name.is_empty())
    };
    let audience = match (first(&new.topics), first(&new.users)) {
        (Some(topic), _) => json!({ "topic": topic }),
        (None, Some(user)) => json!({ "user": user }),
        (None, None) if new.topics.is_some() => json!({ "topic": "news" }),
        (None, None) if new.users.is_some() => json!({ "user": "ana" }),
        (None, None) => json!({ "all": true }),
    };
    // Within single quotes of a shell; a username may have one.
    audience.to_string().replace('\'', "'\\''")
}

pub(crate) async fn revoke(State(app): State<App>, posted: Posted) -> Result<Response, Failure> {
    posted.page.to_administer()?;
    app.core.auth.revoke_key(&posted.page.actor(), &KeyId(posted.form.value("id").to_owned())).await?;
    Ok(see("/keys?done=revoked"))
}

impl AppState {
    fn keys_page(&self, page: Page, form: Form, made: Option<Made>) -> Response {
        let status = if form.is_sound() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        let keys = self.core.auth.keys().into_iter().map(Into::into).collect();
        html_with(status, &ListPage { page, keys, form, made })
    }
}
