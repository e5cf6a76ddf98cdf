//! Logging in and out, and the operator whose cookie a request carries.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::header::{COOKIE, HeaderValue, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use tidings_core::auth::AuthError;
use tidings_core::model::Role;
use tidings_core::store::WebSession;

use super::form::{self, Form, Posted};
use super::page::{self, Failure, html, html_with, see};
use crate::api::params::Params;
use crate::api::problem::Problem;
use crate::api::problem_kind::ProblemKind;
use crate::net::PeerAddress;
use crate::state::{App, AppState};

/// How long a login lasts.
const LASTS: Duration = Duration::from_secs(12 * 3600);

/// Who is logged in, and where they are.
pub(crate) struct Operator {
    pub name: String,
    pub role: Role,
    pub csrf: String,
    pub done: Option<&'static str>,
    pub path: String,
    /// The browser's address.
    pub source: IpAddr,
}

impl Operator {
    /// Finds the login that a request's cookie names.
    pub async fn find(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let path = parts.uri.path().to_owned();
        let back = || Failure::Login(parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned());
        let Some(hash) = cookie_hash(&parts.headers, app) else { return Err(back()) };
        let Some(session) = app.core.store.web_session(hash, app.core.clock.now()).await? else {
            return Err(back());
        };
        let operators = app.core.store.operators().await?;
        let Some(operator) = operators.into_iter().find(|operator| operator.name == session.operator) else {
            return Err(back());
        };
        let done = page::done(parts.uri.query());
        let source = source(app, &parts.headers, &parts.extensions);
        Ok(Self { name: operator.name, role: operator.role, csrf: session.csrf, done, path, source })
    }
}

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
    if let Some(hash) = cookie_hash(&headers, &app)
        && app.core.store.web_session(hash, app.core.clock.now()).await?.is_some()
    {
        return Ok(see(&next));
    }
    Ok(html(&LoginPage { form: Form::default(), next, fault: None }))
}

pub(crate) async fn enter(State(app): State<App>, request: Request) -> Result<Response, Failure> {
    if form::foreign(request.headers()) {
        return Err(Problem::new(ProblemKind::Forged).detail("log in on this page").into());
    }
    let source = source(&app, request.headers(), request.extensions());
    let mut form = form::read_unauthenticated(&app, request).await?;
    let (name, password) = (form.value("username").trim().to_owned(), form.value("password").to_owned());
    form.forget("password");
    let next = local(form.value("next"));
    match app.core.auth.check_operator(&name, &password, source).await {
        Ok(operator) => {
            app.audit(&operator.name, "operator.login", &source.to_string()).await?;
            let cookie = app.log_in(&operator.name).await?;
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
    if let Some(hash) = cookie_hash(&headers, &app) {
        app.core.store.end_web_sessions(Some(hash), None).await?;
    }
    app.audit(&posted.page.operator, "operator.logout", "").await?;
    let gone = app.cookie("", Duration::ZERO);
    Ok(([(SET_COOKIE, gone)], see("/login")).into_response())
}

impl AppState {
    /// Starts a login; the cookie that carries it.
    pub(crate) async fn log_in(&self, operator: &str) -> Result<HeaderValue, Problem> {
        let mut secret = [0; 32];
        self.core.random.fill(&mut secret);
        let secret = URL_SAFE_NO_PAD.encode(secret);
        // One way: who sees the token in a page does not learn the cookie.
        let csrf = Sha256::new().chain_update(b"csrf ").chain_update(secret.as_bytes()).finalize();
        self.core
            .store
            .put_web_session(WebSession {
                hash: Sha256::digest(secret.as_bytes()).into(),
                operator: operator.to_owned(),
                csrf: URL_SAFE_NO_PAD.encode(csrf),
                expires_at: self.core.clock.now().plus(LASTS),
            })
            .await?;
        Ok(self.cookie(&secret, LASTS))
    }

    fn cookie_name(&self) -> &'static str {
        // Browsers take the prefix only with `Secure`, and then from this host alone.
        if self.settings.secure() { "__Host-tidings" } else { "tidings" }
    }

    fn cookie(&self, value: &str, lasts: Duration) -> HeaderValue {
        let text = format!(
            "{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{}",
            self.cookie_name(),
            lasts.as_secs(),
            if self.settings.secure() { "; Secure" } else { "" }
        );
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }
}

/// SHA-256 of the login cookie.
fn cookie_hash(headers: &HeaderMap, app: &App) -> Option<[u8; 32]> {
    let name = app.cookie_name();
    let value = headers.get_all(COOKIE).iter().find_map(|header| {
        let pairs = header.to_str().ok()?.split(';');
        pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
    })?;
    (!value.is_empty()).then(|| Sha256::digest(value.as_bytes()).into())
}

/// Where a request comes from, seen past trusted proxies.
fn source(app: &App, headers: &HeaderMap, extensions: &Extensions) -> IpAddr {
    let peer = extensions.get::<PeerAddress>();
    let mut source = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip().to_canonical());
    let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok());
    let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
    for hop in hops.iter().rev() {
        if !app.settings.trusted_proxies.contains(&source) {
            break;
        }
        match hop.trim().parse::<IpAddr>() {
            Ok(address) => source = address.to_canonical(),
            Err(_) => break,
        }
    }
    source
}

/// A path on this server, or the front page.
fn local(next: &str) -> String {
    // Browsers drop tabs and line ends from an address before they read it.
    let plain = !next.contains(|c: char| c == '\\' || c.is_control());
    let inside = next.starts_with('/') && !next.starts_with("//") && plain;
    if inside { next.to_owned() } else { "/".to_owned() }
}

/// An error's words as a sentence.
pub(crate) fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
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
