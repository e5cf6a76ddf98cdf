//! The API: one file a resource. `docs/http-api.md` shows it by example.

mod events;
pub(crate) mod health;
pub(crate) mod invitations;
pub(crate) mod keys;
pub(crate) mod listing;
pub(crate) mod metrics;
mod new_notification;
mod nodes;
pub(crate) mod notifications;
mod openapi;
pub(crate) mod sessions;
pub(crate) mod stats;
pub(crate) mod tokens;
pub(crate) mod topics;
pub(crate) mod users;
pub(crate) mod view;

use axum::Router;
use axum::routing::{get, post, put};

pub use self::openapi::document as openapi_document;
use crate::state::App;

/// All routes of the API, and those without a key.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route(notifications::PATH, post(notifications::send).get(notifications::list))
        .route("/v1/notifications/{id}", get(notifications::show).delete(notifications::cancel))
        .route("/v1/users", post(users::create).get(users::list))
        .route("/v1/users/{username}", get(users::show).patch(users::change).delete(users::remove))
        .route("/v1/users/{username}/tokens", get(tokens::list).post(tokens::create))
        .route("/v1/users/{username}/tokens/{id}", axum::routing::delete(tokens::remove))
        .route("/v1/sessions", get(sessions::list))
        // A wildcard, so that the slash before the resource need not be escaped.
        .route("/v1/sessions/{*jid}", axum::routing::delete(sessions::end))
        .route("/v1/topics", get(topics::list))
        .route("/v1/topics/{topic}", put(topics::set))
        .route("/v1/topics/{topic}/subscribers", get(topics::subscribers))
        .route(
            "/v1/topics/{topic}/subscribers/{username}",
            put(topics::subscribe).delete(topics::unsubscribe),
        )
        .route("/v1/keys", get(keys::list).post(keys::create))
        .route("/v1/keys/{id}", axum::routing::delete(keys::revoke))
        .route("/v1/invitations", get(invitations::list).post(invitations::create))
        .route("/v1/invitations/{id}", axum::routing::delete(invitations::remove))
        .route("/v1/nodes", get(nodes::list))
        .route("/v1/stats", get(stats::show))
        .route("/v1/events", get(events::stream))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .route("/openapi.json", get(openapi::show))
}
