//! The operator whose cookie a request carries, and the cookie.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{COOKIE, HeaderValue};
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use tidings_core::model::Role;
use tidings_core::store::WebSession;

use super::failure::Failure;
use crate::peer;
use crate::problem::Problem;
use crate::state::{App, AppState};

/// How long a login lasts.
pub(crate) const LASTS: Duration = Duration::from_secs(12 * 3600);

/// Who is logged in, and where they are.
pub(crate) struct Operator {
    pub name: String,
    pub role: Role,
    pub csrf: String,
    /// The browser's address.
    pub source: IpAddr,
}

impl Operator {
    /// Finds the login that a request's cookie names.
    pub async fn find(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let back = || Failure::Login(parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned());
        let Some(hash) = cookie_hash(&parts.headers, app) else { return Err(back()) };
        let Some(session) = app.core.store.web_session(hash, app.core.clock.now()).await? else {
            return Err(back());
        };
        let operators = app.core.store.operators().await?;
        let Some(operator) = operators.into_iter().find(|operator| operator.name == session.operator) else {
            return Err(back());
        };
        let source = peer::source(&app.settings, &parts.headers, &parts.extensions);
        Ok(Self { name: operator.name, role: operator.role, csrf: session.csrf, source })
    }
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

    pub(crate) fn cookie(&self, value: &str, lasts: Duration) -> HeaderValue {
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
pub(crate) fn cookie_hash(headers: &HeaderMap, app: &App) -> Option<[u8; 32]> {
    let name = app.cookie_name();
    let value = headers.get_all(COOKIE).iter().find_map(|header| {
        let pairs = header.to_str().ok()?.split(';');
        pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
    })?;
    (!value.is_empty()).then(|| Sha256::digest(value.as_bytes()).into())
}
