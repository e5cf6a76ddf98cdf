//! Which scope of API key a route needs, and the check of the key that a request shows.

use std::marker::PhantomData;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use tidings_core::auth::{Grant, KeyError};
use tidings_core::model::Scope;

use crate::peer;
use crate::problem::{Problem, ProblemKind};
use crate::state::App;

pub(crate) const CHALLENGE: &str = "Bearer realm=\"tidings\"";
const WRONG_KEY: &str = "Bearer realm=\"tidings\", error=\"invalid_token\"";

/// What a route asks of a key.
pub(crate) trait Need {
    /// Whether this scope reaches.
    fn met_by(scope: Scope) -> bool;
    /// The scopes that do, for people.
    const SCOPES: &'static str;
}

/// Sending notifications.
pub(crate) struct ToSend;
/// Seeing or withdrawing a notification whose id one knows.
pub(crate) struct ToFollow;
/// Seeing everything.
pub(crate) struct ToRead;
/// Changing anything.
pub(crate) struct ToAdminister;

impl Need for ToSend {
    fn met_by(scope: Scope) -> bool {
        matches!(scope, Scope::Send | Scope::Admin)
    }
    const SCOPES: &'static str = "this needs a key of scope send or admin";
}

impl Need for ToFollow {
    fn met_by(_: Scope) -> bool {
        true
    }
    const SCOPES: &'static str = "this needs a key";
}

impl Need for ToRead {
    fn met_by(scope: Scope) -> bool {
        matches!(scope, Scope::Read | Scope::Admin)
    }
    const SCOPES: &'static str = "this needs a key of scope read or admin";
}

impl Need for ToAdminister {
    fn met_by(scope: Scope) -> bool {
        scope == Scope::Admin
    }
    const SCOPES: &'static str = "this needs a key of scope admin";
}

/// A request with a key that reaches; refused before its body is read otherwise.
pub(crate) struct Key<N> {
    /// What it grants.
    pub grant: Grant,
    need: PhantomData<N>,
}

impl<N: Need> FromRequestParts<App> for Key<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Some(secret) = bearer(&parts.headers) else {
            return Err(Problem::unauthorized(CHALLENGE, "send an API key: Authorization: Bearer KEY"));
        };
        let source = peer::source(&app.settings, &parts.headers, &parts.extensions);
        check::<N>(app, secret, source).map(|grant| Self { grant, need: PhantomData })
    }
}

/// What this secret grants, if it reaches, in a request that comes from `source`.
pub(crate) fn check<N: Need>(app: &App, secret: &str, source: IpAddr) -> Result<Grant, Problem> {
    let grant = app.core.auth.check_key_from(secret, source).map_err(|error| match error {
        KeyError::Unknown => Problem::unauthorized(WRONG_KEY, "this API key is unknown or was revoked"),
        KeyError::Throttled => Problem::throttled(),
    })?;
    if N::met_by(grant.scope) {
        Ok(grant)
    } else {
        Err(Problem::new(ProblemKind::Scope).detail(format!(
            "{}; this one has scope {}",
            N::SCOPES,
            grant.scope.as_str()
        )))
    }
}

/// The secret of an `Authorization: Bearer` field (RFC 6750 section 2.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    credentials(headers, "bearer")
}

/// What follows the scheme in the `Authorization` field.
pub(crate) fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (found, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    (found.eq_ignore_ascii_case(scheme) && !rest.is_empty()).then_some(rest)
}
