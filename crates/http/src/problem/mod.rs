//! Problem documents (RFC 9457), and which error becomes which.

mod kind;

use std::borrow::Cow;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tidings_core::auth::AuthError;
use tidings_core::error::{ChangeError, FieldError};
use tidings_core::notification::AcceptError;
use tidings_core::store::StoreError;
use utoipa::ToSchema;

pub(crate) use self::kind::ProblemKind;

/// An error as its reader gets it: a problem document (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    kind: ProblemKind,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    /// Seconds.
    retry_after: Option<u32>,
    challenge: Option<&'static str>,
}

/// A problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document {
    /// Names the kind of problem; programs compare it.
    #[serde(rename = "type")]
    #[schema(example = "urn:tidings:problem:invalid-fields")]
    kind: String,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong this time, for people.
    detail: String,
    /// Every field that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<WrongField>,
}

/// A field that is wrong.
#[derive(Serialize, ToSchema)]
#[schema(as = FieldError)]
pub(crate) struct WrongField {
    /// Its path, such as `to.users[3]`.
    #[schema(example = "to.users[3]")]
    field: String,
    /// Why, for people.
    detail: String,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(kind: ProblemKind) -> Self {
        Self { kind, detail: Cow::Borrowed(""), errors: Vec::new(), retry_after: None, challenge: None }
    }

    /// Says what is wrong, for people.
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Seconds after which a repeat makes sense.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Fields are wrong.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] if one.field.is_empty() => one.detail.clone(),
            [one] => format!("{}: {}", one.field, one.detail),
            many => format!("{} fields are wrong", many.len()),
        };
        let problem = Self::new(ProblemKind::InvalidFields).detail(detail);
        Self { errors, ..problem }
    }

    /// One field is wrong.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::fields(vec![FieldError { field: field.into(), detail: detail.into() }])
    }

    /// What was named does not exist.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemKind::NotFound).detail(detail)
    }

    /// A name is taken.
    pub fn conflict(field: &str, detail: impl Into<String>) -> Self {
        let problem = Self::field(field, detail);
        Self { kind: ProblemKind::Conflict, ..problem }
    }

    /// There is no such path.
    pub fn unknown_route(uri: &Uri) -> Self {
        Self::new(ProblemKind::UnknownRoute).detail(format!("there is nothing at {}", uri.path()))
    }

    /// The path does not take this method.
    pub fn unknown_method(method: &Method, uri: &Uri) -> Self {
        Self::new(ProblemKind::MethodNotAllowed).detail(format!("{} does not take {method}", uri.path()))
    }

    /// As much waits as may: for the users that `errors` names, or in all.
    pub fn queue_full(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [] => "as much waits on this server as may; nothing was sent to anyone".to_owned(),
            [one] => format!("{}; nothing was sent to anyone", one.detail),
            many => format!("too much waits for {} users; nothing was sent to anyone", many.len()),
        };
        let problem = Self::new(ProblemKind::QueueFull).detail(detail).retry_after(60);
        Self { errors, ..problem }
    }

    /// There is too much to do right now.
    pub fn overloaded(detail: &'static str) -> Self {
        Self::new(ProblemKind::Overloaded).detail(detail).retry_after(1)
    }

    /// Too many attempts failed.
    pub fn throttled() -> Self {
        Self::new(ProblemKind::Throttled)
            .detail("too many attempts from this address; wait a minute")
            .retry_after(60)
    }

    /// No key, or a wrong one.
    pub fn unauthorized(challenge: &'static str, detail: &'static str) -> Self {
        let problem = Self::new(ProblemKind::Unauthorized).detail(detail);
        Self { challenge: Some(challenge), ..problem }
    }

    /// A body is larger than it may be.
    pub fn too_large(limit: usize) -> Self {
        Self::new(ProblemKind::TooLarge).detail(format!("the document is larger than {limit} bytes"))
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The fields that are wrong.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// Seconds after which a repeat makes sense.
    pub fn wait(&self) -> Option<u32> {
        self.retry_after
    }

    /// What is wrong, for people.
    pub fn text(&self) -> &str {
        &self.detail
    }
}

/// Why nothing more is taken for this user.
pub(crate) fn waiting_for(name: &str) -> String {
    format!("as many notifications as may wait for {name} already")
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let document = Document {
            kind: format!("urn:tidings:problem:{}", self.kind.name()),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: self.detail.into_owned(),
            errors: self
                .errors
                .into_iter()
                .map(|e| WrongField { field: e.field, detail: e.detail })
                .collect(),
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::new(ProblemKind::Conflict).detail("the name is taken"),
            StoreError::NotFound | StoreError::Gone => Self::not_found("not found"),
            StoreError::UnknownUsers(names) => Self::fields(
                names
                    .into_iter()
                    .map(|name| FieldError { field: "to".into(), detail: format!("unknown user: {name}") })
                    .collect(),
            ),
            StoreError::QueueFull(names) => Self::queue_full(
                names.into_iter().map(|name| FieldError::new("to", waiting_for(&name))).collect(),
            ),
            StoreError::Busy => Self::overloaded("the store is behind with its writes; nothing was changed"),
            StoreError::Full => Self::new(ProblemKind::DiskFull)
                .detail("the server's disk is full; nothing was changed")
                .retry_after(60),
            StoreError::Incompatible(_) | StoreError::Unavailable(_) | StoreError::Failed(_) => {
                tracing::error!(%error, "the store failed");
                // Disks and file systems recover, or the operator frees space: worth a repeat, not a fault of the request.
                Self::new(ProblemKind::StoreFailed)
                    .detail("the store failed; the server's log says why")
                    .retry_after(30)
            }
        }
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Invalid(errors) => Self::fields(errors),
            AcceptError::Forbidden(_) => Self::new(ProblemKind::Forbidden).detail(error.to_string()),
            AcceptError::IdempotencyMismatch => Self::field("Idempotency-Key", error.to_string()),
            AcceptError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Invalid(errors) => Self::fields(errors),
            ChangeError::Conflict(field) => Self::conflict(field, error.to_string()),
            ChangeError::NotFound(_) => Self::not_found(error.to_string()),
            ChangeError::Forbidden(why) => Self::new(ProblemKind::Forbidden).detail(why),
            ChangeError::LimitReached { field, why } => Self::field(field, why),
            ChangeError::Throttled => Self::throttled(),
            ChangeError::Store(error) => error.into(),
        }
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::NotAuthorized | AuthError::Disabled => {
                Self::unauthorized("Bearer realm=\"tidings\"", "wrong name or password")
            }
            AuthError::Throttled => Self::throttled(),
            AuthError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_fails_asks_for_a_repeat() {
        for (error, kind, seconds) in [
            (StoreError::Busy, ProblemKind::Overloaded, "1"),
            (StoreError::Full, ProblemKind::DiskFull, "60"),
            (StoreError::Unavailable("the connection was lost".into()), ProblemKind::StoreFailed, "30"),
            (StoreError::Failed("disk I/O error".into()), ProblemKind::StoreFailed, "30"),
        ] {
            let problem = Problem::from(error);
            assert_eq!(problem.kind, kind);
            let response = problem.into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[RETRY_AFTER], seconds);
        }
    }
}
