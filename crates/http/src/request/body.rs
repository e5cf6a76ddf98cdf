//! Bodies: a bound on their bytes, and on what clients without a credential may make the server wait for.

use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::LengthLimitError;
use tokio::time::timeout;

use crate::peer;
use crate::problem::{Problem, ProblemKind};
use crate::state::App;

/// Bytes of a document.
pub(crate) const DOCUMENT_BYTES: usize = 64 * 1024;

/// How long a body may take from a client without a credential.
const UNAUTHENTICATED_BODY_TIME: Duration = Duration::from_secs(5);

/// A JSON document's bytes.
pub(crate) struct Document(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Document {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if let Some(kind) = request.headers().get(CONTENT_TYPE) {
            let essence = kind.as_bytes().split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
            if !essence.eq_ignore_ascii_case(b"application/json") {
                return Err(Problem::new(ProblemKind::MediaType)
                    .detail("send JSON, with Content-Type: application/json"));
            }
        }
        read_body(request, DOCUMENT_BYTES).await.map(Self)
    }
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read_body(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let encoding = request.headers().get(CONTENT_ENCODING).map(|value| value.as_bytes().trim_ascii());
    if encoding.is_some_and(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err(Problem::new(ProblemKind::MediaType)
            .detail("a body is taken as it is, without a Content-Encoding such as gzip"));
    }
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|n| n.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|n| n > limit as u64) {
        return Err(Problem::too_large(limit));
    }
    to_bytes(request.into_body(), limit).await.map_err(|error| {
        if std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<LengthLimitError>) {
            Problem::too_large(limit)
        } else {
            Problem::new(ProblemKind::Incomplete).detail("the body ended before it was complete")
        }
    })
}

/// Reads a body from a client that has shown no credential yet: only so many at
/// once and from one address, and soon, so that clients that have one do not wait for it. Where there
/// are more, the slowest gives way.
pub(crate) async fn read_unauthenticated_body(
    app: &App,
    request: Request,
    limit: usize,
) -> Result<Bytes, Problem> {
    let source = peer::source(&app.settings, request.headers(), request.extensions());
    let place = app
        .unauthenticated_bodies
        .enter(Some(source))
        .map_err(|_| Problem::overloaded("too many requests without a credential at once"))?;
    let slow = || Problem::new(ProblemKind::Timeout).detail("the body did not come in time");
    tokio::select! {
        read = timeout(UNAUTHENTICATED_BODY_TIME, read_body(request, limit)) => read.unwrap_or_else(|_| Err(slow())),
        () = place.place.ended() => Err(slow()),
    }
}
