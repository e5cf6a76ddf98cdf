//! The operator whose cookie a request carries, and the cookie.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{COOKIE, HeaderValue};
use axum::http::request::Parts;
use tidings_core::model::Role;

use super::failure::Failure;
use crate::state::App;
use crate::{Settings, peer};

/// Who is logged in, and where they are.
pub(crate) struct Operator {
    pub name: String,
    pub role: Role,
    pub csrf: String,
    /// The browser's address.
    pub source: IpAddr,
}

impl Operator {
    /// Finds the login that a request's cookie stands for.
    pub async fn find(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let back = || Failure::Login(parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned());
        let Some(secret) = secret(&app.settings, &parts.headers) else { return Err(back()) };
        let login = app.core.auth.web_login(secret).await?.ok_or_else(back)?;
        let source = peer::source(&app.settings, &parts.headers, &parts.extensions);
        Ok(Self { name: login.operator.name, role: login.operator.role, csrf: login.csrf, source })
    }
}

/// The secret in a request's login cookie.
pub(crate) fn secret<'a>(settings: &Settings, headers: &'a HeaderMap) -> Option<&'a str> {
    let name = name(settings);
    let value = headers.get_all(COOKIE).iter().find_map(|header| {
        let pairs = header.to_str().ok()?.split(';');
        pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
    })?;
    (!value.is_empty()).then_some(value)
}

/// The cookie that carries this secret; an empty one that lasts for no time removes it.
pub(crate) fn cookie(settings: &Settings, secret: &str, lasts: Duration) -> HeaderValue {
    let text = format!(
        "{}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{}",
        name(settings),
        lasts.as_secs(),
        if settings.secure() { "; Secure" } else { "" }
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

fn name(settings: &Settings) -> &'static str {
    // Browsers take the prefix only with `Secure`, and then from this host alone.
    if settings.secure() { "__Host-tidings" } else { "tidings" }
}
