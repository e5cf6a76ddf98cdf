//! How the console answers: pages with their headers, and ways to other pages.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY};
use axum::response::{IntoResponse, Response};

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// The policy of a page that shows what its reader asked to see: a picture from elsewhere.
const POLICY_WITH_PICTURES: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' https:; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

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
