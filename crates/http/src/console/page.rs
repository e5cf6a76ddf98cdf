//! What all pages have in common: the operator, the frame, headers and the page of an error.

use std::net::IpAddr;

use askama::Template;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY, RETRY_AFTER,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tidings_core::model::Role;
use tidings_core::store::StoreError;

use super::login::Operator;
use crate::api::problem::Problem;
use crate::api::problem_kind::ProblemKind;
use crate::middleware;
use crate::state::App;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// The policy of a page that shows what its reader asked to see: a picture from elsewhere.
const POLICY_WITH_PICTURES: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' https:; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// What every page of an operator who is logged in shows.
pub(crate) struct Page {
    pub operator: String,
    pub role: Role,
    pub csrf: String,
    pub domain: String,
    /// What was just done, from the address.
    pub done: Option<&'static str>,
    /// The browser's address.
    pub source: IpAddr,
    path: String,
}

impl Page {
    pub fn new(app: &App, operator: Operator) -> Self {
        Self {
            operator: operator.name,
            role: operator.role,
            csrf: operator.csrf,
            domain: app.core.config.domain.clone(),
            done: operator.done,
            source: operator.source,
            path: operator.path,
        }
    }

    /// The places of the console that this operator may go to.
    pub fn places(&self) -> Vec<(&'static str, &'static str)> {
        let mut places = vec![
            ("/", "Dashboard"),
            ("/notifications", "Notifications"),
            ("/users", "Users"),
            ("/sessions", "Sessions"),
            ("/topics", "Topics"),
            ("/keys", "API keys"),
            ("/audit", "Audit log"),
        ];
        if self.may_administer() {
            places.push(("/operators", "Operators"));
        }
        places
    }

    /// Whether this is where we are.
    pub fn at(&self, place: &str) -> bool {
        if place == "/" {
            return self.path == "/";
        }
        self.path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether this operator may send notifications.
    pub fn may_send(&self) -> bool {
        matches!(self.role, Role::Sender | Role::Administrator)
    }

    /// Whether this operator may change anything.
    pub fn may_administer(&self) -> bool {
        self.role == Role::Administrator
    }

    /// Refuses who may not send.
    pub fn to_send(&self) -> Result<(), Failure> {
        self.need(self.may_send())
    }

    /// Refuses who is no administrator.
    pub fn to_administer(&self) -> Result<(), Failure> {
        self.need(self.may_administer())
    }

    fn need(&self, enough: bool) -> Result<(), Failure> {
        if enough {
            return Ok(());
        }
        let role = self.role.as_str();
        let detail = format!("the role of {}, {role}, does not reach that far", self.operator);
        Err(Problem::new(ProblemKind::Role).detail(detail).into())
    }
}

impl FromRequestParts<App> for Page {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        Operator::find(parts, app).await.map(|operator| Self::new(app, operator))
    }
}

/// Why there is no page.
pub(crate) enum Failure {
    /// Log in first, then come back here.
    Login(String),
    /// Something else.
    Problem(Problem),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Problem(error.into())
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    title: &'a str,
    detail: &'a str,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Login(next) if next == "/" => see("/login"),
            Self::Login(next) => see(&format!("/login?next={}", crate::api::users::percent(&next))),
            Self::Problem(problem) => {
                let title = problem.status().canonical_reason().unwrap_or("Error");
                let mut response = html(&ErrorPage { title, detail: problem.text() });
                *response.status_mut() = problem.status();
                if let Some(seconds) = problem.wait() {
                    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
                }
                response
            }
        }
    }
}

/// A page.
pub(crate) fn html(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => {
            let mut response = text.into_response();
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            headers.insert(CONTENT_SECURITY_POLICY, POLICY);
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page with a status of its own: a form with faults.
pub(crate) fn html_with(status: StatusCode, template: &impl Template) -> Response {
    let mut response = html(template);
    *response.status_mut() = status;
    response
}

/// A page that may show pictures from elsewhere.
pub(crate) fn html_with_pictures(status: StatusCode, template: &impl Template) -> Response {
    let mut response = html_with(status, template);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY_WITH_PICTURES);
    response
}

/// Go and see there: the answer to a form that was done.
pub(crate) fn see(path: &str) -> Response {
    match HeaderValue::from_str(path) {
        Ok(path) => (StatusCode::SEE_OTHER, [(LOCATION, path)]).into_response(),
        Err(_) => (StatusCode::SEE_OTHER, [(LOCATION, "/")]).into_response(),
    }
}

/// What the `done` parameter says. A fixed list: an address shows no text of its own.
pub(crate) fn done(query: Option<&str>) -> Option<&'static str> {
    let word = form_urlencoded::parse(query?.as_bytes()).find(|(name, _)| name == "done")?.1;
    Some(match word.as_ref() {
        "sent" => "Sent: it is on durable storage, and devices get it now.",
        "scheduled" => "Scheduled.",
        "cancelled" => "Cancelled: who has it keeps it, nobody else gets it.",
        "created" => "Created.",
        "saved" => "Saved.",
        "removed" => "Removed.",
        "ended" => "The session ends. Its device may connect again.",
        "disabled" => "Disabled: its sessions end, logins are refused.",
        "enabled" => "Enabled.",
        "subscribed" => "Subscribed.",
        "unsubscribed" => "Unsubscribed.",
        "revoked" => "Revoked: the key does not work any more.",
        "password" => "Your password is changed, your other logins are ended.",
        _ => return None,
    })
}

/// Nothing there: a page for people, a problem document for programs.
pub(crate) async fn unknown_route(State(_): State<App>, headers: HeaderMap, uri: Uri) -> Response {
    answer(&headers, middleware::unknown_route(&uri))
}

/// Not with this method.
pub(crate) async fn unknown_method(method: Method, headers: HeaderMap, uri: Uri) -> Response {
    answer(&headers, middleware::unknown_method(&method, &uri))
}

fn answer(headers: &HeaderMap, problem: Problem) -> Response {
    let accept = headers.get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        Failure::Problem(problem).into_response()
    } else {
        problem.into_response()
    }
}
