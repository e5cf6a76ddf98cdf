//! What every request passes, whatever its route: a bound on requests at once,
//! a bound on its time, a count, and the headers that browsers ask for.

use std::future::Future;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tidings_core::panics::{Panicked, caught};
use tokio::sync::SemaphorePermit;
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

/// How a problem is written for who sent these headers.
pub(crate) type RefusalFor = fn(&HeaderMap) -> Refusal;
/// How a problem is written.
pub(crate) type Refusal = fn(Problem) -> Response;

/// The layer around all routes.
pub(crate) async fn layer(
    State((app, refusal)): State<(App, RefusalFor)>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let refuse = refusal(request.headers());
    run(&app, &method, route, next.run(request), refuse).await
}

/// Answers a request within the bounds, if there is room for it. A panic costs this request alone.
pub(crate) async fn run(
    app: &App,
    method: &Method,
    route: &str,
    answer: impl Future<Output = Response>,
    refuse: Refusal,
) -> Response {
    let started = Instant::now();
    let response = match enter(app, route) {
        Ok(_permit) => match timeout(app.request_time(), caught(answer)).await {
            Ok(Ok(response)) => response,
            Ok(Err(Panicked)) => refuse(internal()),
            Err(_) => refuse(late()),
        },
        Err(refusal) => refuse(refusal),
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

/// It took too long.
fn late() -> Problem {
    Problem::new(ProblemKind::Timeout).detail("the request was not complete, or not answered, in time")
}

/// The server is at fault.
fn internal() -> Problem {
    Problem::new(ProblemKind::Internal)
        .detail("the server failed at this request; its log says where. Whether it was done is not known")
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::middleware::from_fn_with_state;
    use axum::response::IntoResponse;
    use axum::routing::get;
    use tidings_core::clock::{SystemClock, SystemRandom};
    use tidings_core::config::Config;
    use tidings_core::{Core, Ports};
    use tower::ServiceExt as _;

    use super::*;
    use crate::state::AppState;
    use crate::{Deployment, Settings};

    #[tokio::test]
    async fn a_panic_is_answered_and_gives_back_what_the_request_held() {
        let store = Arc::new(tidings_store::MemoryStore::new());
        let ports = Ports::local(store, Arc::new(SystemClock), Arc::new(SystemRandom));
        let core = Core::start(Config::default(), ports).await.unwrap();
        let settings = Settings { requests: 1, ..Settings::default() };
        let app = Arc::new(AppState::new(core, settings, Deployment::default()));
        let refusal: RefusalFor = |_| Problem::into_response;
        let router: Router = Router::new()
            .route(
                "/at-once",
                get(|| async {
                    if true {
                        panic!("on purpose")
                    }
                }),
            )
            .route(
                "/later",
                get(|| async {
                    tokio::task::yield_now().await;
                    if true {
                        panic!("on purpose")
                    }
                }),
            )
            .route("/good", get(|| async { "good" }))
            .layer(from_fn_with_state((app, refusal), layer));
        for (path, status) in
            [("/at-once", 500), ("/later", 500), ("/good", 200), ("/at-once", 500), ("/good", 200)]
        {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::from_u16(status).unwrap(), "{path}");
            assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
    }
}
