//! `/v1/topics`: topics are listed, accounts subscribed and unsubscribed.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tidings_core::audit::Actor;
use tidings_core::model::Topic;
use tidings_core::store::TopicRow;
use utoipa::ToSchema;

use crate::middleware::key::{Key, ToAdminister, ToRead};
use crate::problem::{self, Problem};
use crate::request::{Params, Segments, cursor};
use crate::state::App;

const LISTING: &str = "topics";

/// A topic that has subscribers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Topic)]
pub(crate) struct TopicView {
    topic: String,
    /// How many accounts are subscribed.
    subscribers: u64,
}

/// Topics by name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TopicPage {
    topics: Vec<TopicView>,
    /// Where the next page begins; null on the last.
    next: Option<String>,
}

/// Topics that have subscribers, by name.
#[utoipa::path(
    get, path = "/v1/topics", tag = "topics", operation_id = "topics",
    params(
        ("limit" = Option<usize>, Query, description = "Rows of a page, 1 to 1000 (default 100)"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page", body = TopicPage)),
    security(("key" = [])),
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: Key<ToRead>,
    mut params: Params,
) -> Result<Json<TopicPage>, Problem> {
    let (limit, after) = (params.limit(), params.cursor(LISTING));
    params.finish()?;
    let page = app.core.notification.topics(after, limit).await?;
    let view = |row: TopicRow| TopicView { topic: row.topic.to_string(), subscribers: row.subscribers };
    Ok(Json(TopicPage {
        topics: page.items.into_iter().map(view).collect(),
        next: page.next.map(|name| cursor::write(LISTING, &name)),
    }))
}

/// Subscribes an account: what is sent to the topic from now on is for it too.
#[utoipa::path(
    put, path = "/v1/topics/{topic}/subscribers/{username}", tag = "topics", operation_id = "subscribe",
    params(
        ("topic" = String, Path, description = "1 to 128 letters, digits or any of ._~:/- (its slashes escaped as %2F)"),
        ("username" = String, Path, description = "A username or an alias"),
    ),
    responses(
        (status = 204, description = "It is subscribed"),
        (status = 404, description = "Unknown user", body = problem::Document, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn subscribe(
    State(app): State<App>,
    Key { grant, .. }: Key<ToAdminister>,
    Segments(topic, username): Segments,
) -> Result<StatusCode, Problem> {
    let topic = parse(&topic)?;
    let account = app.account(&username).await?;
    app.core.notification.subscribe(&Actor::from(&grant), account.reference(), topic).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends an account's subscription: what is pending by it counts as cancelled.
#[utoipa::path(
    delete, path = "/v1/topics/{topic}/subscribers/{username}", tag = "topics", operation_id = "unsubscribe",
    params(
        ("topic" = String, Path, description = "The topic (its slashes escaped as %2F)"),
        ("username" = String, Path, description = "A username or an alias"),
    ),
    responses(
        (status = 204, description = "It is not subscribed any more"),
        (status = 404, description = "Unknown user", body = problem::Document, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn unsubscribe(
    State(app): State<App>,
    Key { grant, .. }: Key<ToAdminister>,
    Segments(topic, username): Segments,
) -> Result<StatusCode, Problem> {
    let topic = parse(&topic)?;
    let account = app.account(&username).await?;
    app.core.notification.unsubscribe(&Actor::from(&grant), account.reference(), topic).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse(topic: &str) -> Result<Topic, Problem> {
    Topic::parse(topic).map_err(|error| Problem::field("topic", error.to_string()))
}
