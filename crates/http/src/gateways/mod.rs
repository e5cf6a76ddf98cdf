//! Other people's protocols: each makes a notification of its own form, and answers in its own words.

mod androidpn;

use axum::Router;
use axum::routing::post;

use crate::state::App;

/// All routes of the gateways.
pub(crate) fn router() -> Router<App> {
    Router::new().route("/notification.do", post(androidpn::send).get(androidpn::get))
}
