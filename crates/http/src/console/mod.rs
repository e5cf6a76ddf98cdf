//! The console: pages made by the server, one stylesheet, one script.
//!
//! Who may what: a viewer sees, a sender also sends, an administrator does
//! everything. Every change carries the login's CSRF token and is written to
//! the audit log.

mod answer;
pub(crate) mod assets;
mod audit;
mod chart;
pub(crate) mod compose;
mod dashboard;
mod failure;
mod filters;
mod form;
mod invitations;
mod keys;
mod login;
mod notifications;
mod operator;
mod operators;
mod page;
mod qr;
mod refresh;
mod sessions;
mod table;
mod topics;
mod users;

use axum::Router;
use axum::routing::{get, post};

pub(crate) use self::failure::{refusal_for, unknown_method, unknown_route};
use crate::state::App;

/// All routes of the console.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/", get(dashboard::show))
        .route("/login", get(login::form).post(login::enter))
        .route("/logout", post(login::leave))
        .route("/password", get(operators::password_form).post(operators::change_password))
        .route("/users", get(users::list).post(users::create))
        .route("/users/new", get(users::new))
        .route("/users/{username}", get(users::show).post(users::change))
        .route("/users/{username}/disable", post(users::disable))
        .route("/users/{username}/enable", post(users::enable))
        .route("/users/{username}/remove", post(users::remove))
        .route("/users/{username}/tokens", post(users::create_token))
        .route("/users/{username}/tokens/remove", post(users::remove_token))
        .route("/sessions", get(sessions::list))
        .route("/sessions/end", post(sessions::end))
        .route("/notifications", get(notifications::list).post(compose::submit))
        .route("/notifications/new", get(compose::form))
        .route("/notifications/{id}", get(notifications::show))
        .route("/notifications/{id}/cancel", post(notifications::cancel))
        .route("/topics", get(topics::list).post(topics::set))
        .route("/topics/one", get(topics::show))
        .route("/topics/subscribe", post(topics::subscribe))
        .route("/topics/unsubscribe", post(topics::unsubscribe))
        .route("/keys", get(keys::list).post(keys::create))
        .route("/keys/revoke", post(keys::revoke))
        .route("/invitations", get(invitations::list).post(invitations::create))
        .route("/invitations/remove", post(invitations::remove))
        .route("/audit", get(audit::list))
        .route("/operators", get(operators::list).post(operators::put))
        .route("/operators/remove", post(operators::remove))
        .route("/complete", get(users::complete))
        .route("/reach", get(compose::reach))
        .route("/live", get(refresh::stream))
        .route("/assets/{name}", get(assets::show))
}
