//! `/v1/topics`: topics are listed, accounts subscribed and unsubscribed; who may subscribe by itself.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tidings_core::audit::Actor;
use tidings_core::model::{AccountId, Topic, TopicPolicy};
use tidings_core::store::TopicRow;
use utoipa::ToSchema;

use crate::middleware::key::{Key, ToAdminister, ToRead};
use crate::problem::{self, Problem};
use crate::request::{Document, Fields, Params, Segment, Segments, cursor};
use crate::state::{App, AppState};

const LISTING: &str = "topics";
const SUBSCRIBERS: &str = "subscribers";

/// A topic that has subscribers, or a policy of its own.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Topic)]
pub(crate) struct TopicView {
    pub topic: String,
    /// How many accounts are subscribed.
    pub subscribers: u64,
    /// `open`: any account may subscribe by itself. `granted`: only this API and the console
    /// subscribe.
    #[schema(example = "open")]
    pub subscribe: &'static str,
}

/// Who may subscribe to a topic.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `set` reads by hand")]
pub(crate) struct TopicSettings {
    /// `open` or `granted`; who is subscribed stays so.
    #[schema(example = "granted")]
    subscribe: String,
}

/// An account that is subscribed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Subscriber {
    username: String,
}

/// Subscribers, the oldest account first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubscriberPage {
    subscribers: Vec<Subscriber>,
    /// Where the next page begins; null on the last.
    next: Option<String>,
}

/// Topics by name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TopicPage {
    topics: Vec<TopicView>,
    /// Where the next page begins; null on the last.
    next: Option<String>,
}

/// Topics that have subscribers or a policy of their own, by name.
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
    Ok(Json(TopicPage {
        topics: page.items.into_iter().map(|row| app.topic_view(row)).collect(),
        next: page.next.map(|name| cursor::write(LISTING, &name)),
    }))
}

/// Says who may subscribe to a topic.
#[utoipa::path(
    put, path = "/v1/topics/{topic}", tag = "topics", operation_id = "setTopic",
    params(("topic" = String, Path, description = "1 to 128 letters, digits or any of ._~:/- (its slashes escaped as %2F)")),
    request_body = TopicSettings,
    responses((status = 200, description = "The topic", body = TopicView)),
    security(("key" = [])),
)]
pub(crate) async fn set(
    State(app): State<App>,
    Key { grant, .. }: Key<ToAdminister>,
    Segment(topic): Segment,
    Document(document): Document,
) -> Result<Json<TopicView>, Problem> {
    let topic = parse(&topic)?;
    let mut fields = Fields::parse(&document)?;
    let policy = fields.required_text("subscribe").and_then(|text| {
        let policy = TopicPolicy::parse(&text);
        if policy.is_none() {
            fields.wrong("subscribe", "must be open or granted");
        }
        policy
    });
    fields.finish()?;
    app.core.notification.set_topic_policy(&Actor::from(&grant), &topic, policy).await?;
    let row = app.core.notification.topic(&topic).await?;
    let row = row.unwrap_or(TopicRow { topic, subscribers: 0, policy });
    Ok(Json(app.topic_view(row)))
}

/// Who is subscribed to a topic, the oldest account first.
#[utoipa::path(
    get, path = "/v1/topics/{topic}/subscribers", tag = "topics", operation_id = "subscribers",
    params(
        ("topic" = String, Path, description = "The topic (its slashes escaped as %2F)"),
        ("limit" = Option<usize>, Query, description = "Rows of a page, 1 to 1000 (default 100)"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page; empty for a topic that nobody is subscribed to", body = SubscriberPage)),
    security(("key" = [])),
)]
pub(crate) async fn subscribers(
    State(app): State<App>,
    _: Key<ToRead>,
    Segment(topic): Segment,
    mut params: Params,
) -> Result<Json<SubscriberPage>, Problem> {
    let topic = parse(&topic)?;
    let (limit, after) = (params.limit(), subscribers_after(&mut params));
    params.finish()?;
    let page = app.core.notification.subscribers_of(&topic, after, limit).await?;
    let subscribers = page.items.into_iter().map(|row| Subscriber { username: row.username.to_string() });
    Ok(Json(SubscriberPage { subscribers: subscribers.collect(), next: page.next.map(subscribers_cursor) }))
}

/// Where to continue in a listing of subscribers.
pub(crate) fn subscribers_after(params: &mut Params) -> Option<AccountId> {
    params.place(SUBSCRIBERS, |key| key.parse().ok().map(AccountId))
}

/// The cursor of a listing of subscribers that continues after this account.
pub(crate) fn subscribers_cursor(after: AccountId) -> String {
    cursor::write(SUBSCRIBERS, &after.0.to_string())
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

impl AppState {
    /// A topic as the API shows it.
    pub(crate) fn topic_view(&self, row: TopicRow) -> TopicView {
        TopicView {
            topic: row.topic.to_string(),
            subscribers: row.subscribers,
            subscribe: self.core.notification.effective_policy(row.policy).as_str(),
        }
    }
}
