//! Why there is no page, and the page that says so.

use askama::Template;
use axum::extract::State;
use axum::http::header::{HeaderValue, RETRY_AFTER};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use tidings_core::error::ChangeError;
use tidings_core::store::StoreError;

use super::answer::{html, see};
use crate::percent;
use crate::problem::Problem;
use crate::state::App;

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

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
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
            Self::Login(next) => see(&format!("/login?next={}", percent::encode(&next))),
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

/// Nothing there: a page for people, a problem document for programs.
pub(crate) async fn unknown_route(State(_): State<App>, headers: HeaderMap, uri: Uri) -> Response {
    answer(&headers, Problem::unknown_route(&uri))
}

/// Not with this method.
pub(crate) async fn unknown_method(method: Method, headers: HeaderMap, uri: Uri) -> Response {
    answer(&headers, Problem::unknown_method(&method, &uri))
}

fn answer(headers: &HeaderMap, problem: Problem) -> Response {
    refusal_for(headers)(problem)
}

/// How a problem is written for who sent these headers: a page for people, a document for programs.
pub(crate) fn refusal_for(headers: &HeaderMap) -> fn(Problem) -> Response {
    let accept = headers.get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        |problem| Failure::Problem(problem).into_response()
    } else {
        Problem::into_response
    }
}
