//! The page of API keys.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::response::Response;
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
    let name = form.value("name").trim().to_owned();
    form.wrong_fields(&app.core.auth.check_key_name(&name), str::to_owned);
    let scope = Scope::parse(form.value("scope"));
    let Some(scope) = scope.filter(|_| form.is_sound()) else { return Ok(app.keys_page(page, form, None)) };
    let (key, secret) = app.core.auth.create_key(&page.actor(), &name, scope).await?;
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:7070");
    let base = app.settings.public_url.clone().unwrap_or_else(|| format!("http://{host}"));
    let curl = match scope {
        Scope::Read => format!("curl {base}/v1/stats -H 'Authorization: Bearer {secret}'"),
        Scope::Send | Scope::Admin => format!(
            "curl {base}/v1/notifications \\\n  -H 'Authorization: Bearer {secret}' \\\n  \
             -H 'Content-Type: application/json' \\\n  -d '{{\"to\": {{\"all\": true}}, \"title\": \"Hello\"}}'"
        ),
    };
    Ok(app.keys_page(page, Form::default(), Some(Made { name: key.name, secret, curl })))
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
