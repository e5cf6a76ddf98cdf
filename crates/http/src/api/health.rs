//! `/healthz` and `/readyz`: whether the process answers, and whether it takes notifications.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tidings_core::store::StoreError;
use tokio::time::{Instant, timeout};

use crate::problem::{Problem, ProblemKind};
use crate::state::{App, AppState};

/// How long an answer of the store's self-test holds: it writes, and any client may ask without a key.
const FRESH: Duration = Duration::from_secs(1);
/// How long the self-test may take.
const SELF_TEST_TIME: Duration = Duration::from_secs(5);

/// How the server is.
#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
}

/// The process answers.
pub(crate) async fn alive() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The server can take notifications: a write reaches durable storage.
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<Health>, Problem> {
    if *app.stopping.borrow() {
        return Err(Problem::overloaded("the server is stopping"));
    }
    match app.store_works().await {
        Ok(()) => Ok(Json(Health { status: "ready" })),
        Err(error) => Err(Problem::new(ProblemKind::NotReady)
            .detail(match error {
                StoreError::Full => "the server's disk is full",
                StoreError::Busy => "the store is behind with its writes",
                _ => "the store does not take writes; the server's log says why",
            })
            .retry_after(5)),
    }
}

impl AppState {
    /// Whether the store takes writes; asked at most once a second, by one at a time.
    pub(crate) async fn store_works(&self) -> Result<(), StoreError> {
        let mut last = self.readiness.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < FRESH
        {
            return answer.clone();
        }
        let answer = timeout(SELF_TEST_TIME, self.core.check_store()).await.unwrap_or(Err(StoreError::Busy));
        if let Err(error) = &answer {
            tracing::error!(%error, "the store's self-test failed");
        }
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}
