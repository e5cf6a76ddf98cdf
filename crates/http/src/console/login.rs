//! Logging in and out.

use std::time::Duration;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::header::{HeaderValue, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tidings_core::auth::{AuthError, LOGIN_LASTS};

use super::answer::{html, html_with, see};
use super::failure::Failure;
use super::filters::sentence;
use super::form::{self, Form, Posted};
use super::operator::{cookie, secret};
use crate::peer;
use crate::problem::{Problem, ProblemKind};
use crate::request::Params;
use crate::state::App;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    form: Form,
    next: String,
    fault: Option<String>,
}

pub(crate) async fn form(
    State(app): State<App>,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, Failure> {
    let next = local(&params.text("next").unwrap_or_default());
    if let Some(secret) = secret(&app.settings, &headers)
        && app.core.auth.web_login(secret).await?.is_some()
    {
        return Ok(see(&next));
    }
    Ok(html(&LoginPage { form: Form::default(), next, fault: None }))
}

pub(crate) async fn enter(State(app): State<App>, request: Request) -> Result<Response, Failure> {
    if form::foreign(&app.settings, request.headers()) {
        return Err(Problem::new(ProblemKind::Forged)
            .detail(
                "the browser says that this form came from another address than the server was asked at. Log in on \
                 its own page; where a proxy stands in between, have it pass the header Host on, or set http.public_url",
            )
            .into());
    }
    let source = peer::source(&app.settings, request.headers(), request.extensions());
    let mut form = form::read_unauthenticated(&app, request).await?;
    let (name, password) = (form.value("username").trim().to_owned(), form.value("password").to_owned());
    form.forget("password");
    let next = local(form.value("next"));
    match app.core.auth.log_in(&name, &password, source).await {
        Ok(secret) => {
            let cookie = cookie(&app.settings, &secret, LOGIN_LASTS);
            Ok(([(SET_COOKIE, cookie)], see(&next)).into_response())
        }
        Err(AuthError::Store(error)) => Err(error.into()),
        Err(error @ AuthError::Throttled) => {
            let fault = Some(sentence(&error.to_string()));
            let mut response = html_with(StatusCode::TOO_MANY_REQUESTS, &LoginPage { form, next, fault });
            response.headers_mut().insert("retry-after", HeaderValue::from_static("60"));
            Ok(response)
        }
        Err(AuthError::NotAuthorized | AuthError::Disabled) => {
            let fault = Some("Wrong name or password.".to_owned());
            Ok(html_with(StatusCode::UNAUTHORIZED, &LoginPage { form, next, fault }))
        }
    }
}

pub(crate) async fn leave(
    State(app): State<App>,
    headers: HeaderMap,
    posted: Posted,
) -> Result<Response, Failure> {
    if let Some(secret) = secret(&app.settings, &headers) {
        app.core.auth.log_out(&posted.page.operator, secret).await?;
    }
    let gone = cookie(&app.settings, "", Duration::ZERO);
    Ok(([(SET_COOKIE, gone)], see("/login")).into_response())
}

/// A path on this server, or the front page.
fn local(next: &str) -> String {
    // Browsers drop tabs and line ends from an address before they read it.
    let plain = !next.contains(|c: char| c == '\\' || c.is_control());
    let inside = next.starts_with('/') && !next.starts_with("//") && plain;
    if inside { next.to_owned() } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_only_to_this_server() {
        for outside in
            ["https://x.example/", "//x.example/", "/\\x.example", "/\t/x.example", "x", "", "javascript:0"]
        {
            assert_eq!(local(outside), "/", "{outside}");
        }
        assert_eq!(local("/users?q=a"), "/users?q=a");
    }
}
