//! `/v1/notifications`: sending, listing, showing and cancelling.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::{self, FromRequest, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tidings_core::model::{Audience, NotificationId, SenderFilter};
use tidings_core::notification::{self, AcceptError};
use tidings_core::store::StoreError;
use utoipa::ToSchema;

use super::new_notification::{NewNotification, at_each_name, idempotency, read, unknown_users};
use super::view::{NotificationView, moment};
use crate::middleware::key::{Key, ToFollow, ToRead, ToSend};
use crate::problem::{self, Problem};
use crate::request::{Document, Params, Segment, cursor};
use crate::state::App;

/// Where notifications are sent to and listed.
pub(crate) const PATH: &str = "/v1/notifications";

const LISTING: &str = "notifications";

/// What `Idempotency-Key` says.
pub(crate) struct IdempotencyKey(Option<HeaderValue>);

impl IdempotencyKey {
    fn of(parts: &Parts) -> Self {
        Self(parts.headers.get("idempotency-key").cloned())
    }
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

/// A notification is on durable storage.
#[derive(Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// The notification's id.
    id: String,
    /// How many accounts it is for; for a scheduled one, how many it would be now.
    recipients: u64,
    /// Seconds that it may wait for a device, from its release on: what was asked for, or the most
    /// that this server grants.
    ttl: u64,
    /// After this moment it is not delivered any more.
    #[schema(format = DateTime)]
    expires_at: String,
}

impl From<notification::Accepted> for Accepted {
    fn from(accepted: notification::Accepted) -> Self {
        Self {
            id: accepted.id.to_string(),
            recipients: accepted.recipients,
            ttl: accepted.ttl.as_secs(),
            expires_at: moment(accepted.expires_at),
        }
    }
}

/// Sends a notification: answers once it is on durable storage.
#[utoipa::path(
    post, path = "/v1/notifications", tag = "notifications", operation_id = "sendNotification",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "A repeat with the same key within 24 hours answers the same id and sends nothing again; at most 255 visible ASCII characters")),
    request_body = NewNotification,
    responses((status = 202, description = "Accepted and durable", body = Accepted)),
    security(("key" = [])),
)]
pub(crate) async fn send(
    State(app): State<App>,
    Key { grant, .. }: Key<ToSend>,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    Document(document): Document,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    app.core.notification.check_room()?;
    let mut request = read(grant, &document, app.core.config.limits.users_per_notification)?;
    request.idempotency = idempotency(idempotency_key.as_ref(), &document)?;
    let single = matches!(&request.audience, Audience::Users(names) if names.len() == 1);
    match app.core.notification.accept(request).await {
        Ok(accepted) => Ok((StatusCode::ACCEPTED, Json(accepted.into()))),
        Err(AcceptError::Store(StoreError::UnknownUsers(unknown))) => {
            Err(unknown_users(&document, single, &unknown))
        }
        Err(AcceptError::Store(StoreError::QueueFull(full))) => {
            let errors = at_each_name(&document, single, &full, problem::waiting_for);
            Err(Problem::queue_full(errors))
        }
        Err(error) => Err(error.into()),
    }
}

/// [`send`], to a request that no router has seen.
pub(crate) async fn send_directly(app: &App, request: extract::Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let answer = async {
        let key = Key::from_request_parts(&mut parts, app).await?;
        let idempotency_key = IdempotencyKey::of(&parts);
        let document = Document::from_request(extract::Request::from_parts(parts, body), app).await?;
        send(State(Arc::clone(app)), key, idempotency_key, document).await
    };
    answer.await.into_response()
}

/// One notification, and how far it has come.
#[utoipa::path(
    get, path = "/v1/notifications/{id}", tag = "notifications", operation_id = "notification",
    params(("id" = String, Path, description = "The notification's id")),
    responses(
        (status = 200, description = "The notification", body = NotificationView),
        (status = 404, description = "Unknown id", body = problem::Document, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn show(
    State(app): State<App>,
    _: Key<ToFollow>,
    Segment(id): Segment,
) -> Result<Json<NotificationView>, Problem> {
    let id = parse_id(&id)?;
    let record = app.core.notification.get(id).await?.ok_or_else(unknown_id)?;
    Ok(Json(record.into()))
}

/// Notifications, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct NotificationPage {
    notifications: Vec<NotificationView>,
    /// Where the next page begins; null on the last.
    next: Option<String>,
}

/// Notifications, newest first.
#[utoipa::path(
    get, path = "/v1/notifications", tag = "notifications", operation_id = "notifications",
    params(
        ("sender" = Option<String>, Query, description = "Only those of this sender: a name, or `key:NAME`, `operator:NAME`, `user:NAME`, `endpoint:ID`; such a page may have fewer rows and still a next one"),
        ("limit" = Option<usize>, Query, description = "Rows of a page, 1 to 1000 (default 100)"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page", body = NotificationPage)),
    security(("key" = [])),
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: Key<ToRead>,
    mut params: Params,
) -> Result<Json<NotificationPage>, Problem> {
    let (limit, before) = (params.limit(), params.position(LISTING));
    let sender = params.text("sender").map(SenderFilter::new);
    params.finish()?;
    let page = match sender {
        Some(sender) => app.core.notification.list_by(sender, before, limit).await?,
        None => app.core.notification.list(before, limit).await?,
    };
    Ok(Json(NotificationPage {
        notifications: page.items.into_iter().map(Into::into).collect(),
        next: page.next.map(|position| cursor::write(LISTING, &position.to_string())),
    }))
}

/// Cancels what is still pending or scheduled, and answers the notification as it stands then.
#[utoipa::path(
    delete, path = "/v1/notifications/{id}", tag = "notifications", operation_id = "cancelNotification",
    params(("id" = String, Path, description = "The notification's id")),
    responses(
        (status = 200, description = "The notification, with nothing pending any more", body = NotificationView),
        (status = 404, description = "Unknown id", body = problem::Document, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    Key { grant, .. }: Key<ToSend>,
    Segment(id): Segment,
) -> Result<Json<NotificationView>, Problem> {
    let id = parse_id(&id)?;
    app.core.notification.withdraw(&grant, id).await?.ok_or_else(unknown_id)?;
    let record = app.core.notification.get(id).await?.ok_or_else(unknown_id)?;
    Ok(Json(record.into()))
}

pub(crate) fn parse_id(text: &str) -> Result<NotificationId, Problem> {
    text.parse().map_err(|()| unknown_id())
}

pub(crate) fn unknown_id() -> Problem {
    Problem::not_found("there is no notification with this id")
}
