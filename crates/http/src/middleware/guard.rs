//! What every request passes, whatever its route: a bound on requests at once,
//! a bound on its time, a count, and the headers that browsers ask for.

use std::future::Future;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::SemaphorePermit;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::problem::{Problem, ProblemKind};
use crate::state::App;

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// The layer around all routes.
pub(crate) async fn layer(State(app): State<App>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    run(&app, &method, route, next.run(request)).await
}

/// Answers a request within the bounds, if there is room for it.
pub(crate) async fn run(
    app: &App,
    method: &Method,
    route: &str,
    answer: impl Future<Output = Response>,
) -> Response {
    let started = Instant::now();
    let response = match enter(app, route) {
        Ok(_permit) => in_time(timeout(app.request_time(), answer).await),
        Err(refusal) => refusal.into_response(),
    };
    leave(app, method, route, started, response)
}

/// A request's place among those under way; or the answer to one too many.
fn enter<'a>(app: &'a App, route: &str) -> Result<Option<SemaphorePermit<'a>>, Problem> {
    // Monitoring must see the server when it is at its limit.
    let exempt = matches!(route, "/healthz" | "/readyz" | "/metrics");
    match app.in_flight.try_acquire() {
        Ok(permit) => Ok(Some(permit)),
        Err(_) if exempt => Ok(None),
        Err(_) => Err(Problem::overloaded("too many requests at once")),
    }
}

/// The answer, or that it took too long.
fn in_time(answer: Result<Response, Elapsed>) -> Response {
    answer.unwrap_or_else(|_| {
        Problem::new(ProblemKind::Timeout)
            .detail("the request was not complete, or not answered, in time")
            .into_response()
    })
}

/// Counts the request, and adds the headers that browsers ask for to its answer.
fn leave(app: &App, method: &Method, route: &str, started: Instant, mut response: Response) -> Response {
    app.requests.count(route, method, response.status(), started.elapsed());
    let headers = response.headers_mut();
    headers.reserve(HEADERS.len());
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    response
}
