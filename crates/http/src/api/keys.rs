//! `/v1/keys`: API keys are made, listed and revoked.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tidings_core::audit::Actor;
use tidings_core::auth::NewKey;
use tidings_core::model::{ApiKey, KeyId, NamePattern, Scope, SendRights};
use utoipa::ToSchema;

use super::view::moment;
use crate::middleware::key::{Key, ToAdminister, ToRead};
use crate::problem::{self, Problem};
use crate::request::{Document, Fields, Segment};
use crate::state::App;

/// An API key; its secret is not known any more.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct KeyView {
    /// Its public name, safe to show and to log.
    pub id: String,
    /// What it was called when it was created.
    pub name: String,
    /// `send`, `read` or `admin`.
    pub scope: &'static str,
    /// The only topics that it may send to, where it is bound; a trailing `*` matches the rest.
    pub topics: Option<Vec<String>>,
    /// The only users that it may send to, where it is bound; a trailing `*` matches the rest.
    pub users: Option<Vec<String>>,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// To about a minute.
    #[schema(format = DateTime)]
    pub last_used: Option<String>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        let listed = |patterns: Vec<NamePattern>| patterns.iter().map(ToString::to_string).collect();
        let (topics, users) = match key.rights {
            SendRights::Everyone => (None, None),
            SendRights::Only { topics, users } => (Some(listed(topics)), Some(listed(users))),
        };
        Self {
            topics,
            users,
            id: key.id.0,
            name: key.name,
            scope: key.scope.as_str(),
            created_at: moment(key.created_at),
            last_used: key.last_used.map(moment),
        }
    }
}

impl KeyView {
    /// Whom it may send to, for people.
    pub fn sends_to(&self) -> String {
        if self.scope == Scope::Read.as_str() {
            return "nobody".to_owned();
        }
        let (Some(topics), Some(users)) = (&self.topics, &self.users) else { return "everyone".to_owned() };
        let part = |what: &str, names: &[String]| match names {
            [] => None,
            [one] => Some(format!("{what} {one}")),
            many => Some(format!("{what}s {}", many.join(", "))),
        };
        let parts: Vec<_> = [part("topic", topics), part("user", users)].into_iter().flatten().collect();
        if parts.is_empty() { "nobody".to_owned() } else { parts.join("; ") }
    }
}

/// All API keys, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyList {
    keys: Vec<KeyView>,
}

/// A fresh API key.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedKey {
    #[serde(flatten)]
    view: KeyView,
    /// The secret: shown this once.
    key: String,
}

/// An API key to be created.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `create` reads by hand")]
#[schema(as = NewKey)]
pub(crate) struct NewKeyView {
    /// For people: 1 to 100 characters.
    name: String,
    /// `send`: send notifications, and see them by id. `read`: see everything. `admin`: everything.
    #[schema(example = "send")]
    scope: String,
    /// Binds it: it sends to these topics (and to the users that `users` names) alone; a trailing `*`
    /// matches the rest. At most 256.
    #[schema(example = json!(["news", "alerts*"]))]
    topics: Option<Vec<String>>,
    /// Binds it: it sends to these users (and to the topics that `topics` names) alone, by the name that
    /// it gives; a trailing `*` matches the rest. At most 256.
    users: Option<Vec<String>>,
}

/// All API keys, oldest first.
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys", operation_id = "keys",
    responses((status = 200, description = "All of them", body = KeyList)),
    security(("key" = [])),
)]
pub(crate) async fn list(State(app): State<App>, _: Key<ToRead>) -> Json<KeyList> {
    Json(KeyList { keys: app.core.auth.keys().into_iter().map(Into::into).collect() })
}

/// Creates an API key.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys", operation_id = "createKey",
    request_body = NewKeyView,
    responses((status = 201, description = "Created; the secret is shown this once", body = CreatedKey)),
    security(("key" = [])),
)]
pub(crate) async fn create(
    State(app): State<App>,
    Key { grant, .. }: Key<ToAdminister>,
    Document(document): Document,
) -> Result<(StatusCode, Json<CreatedKey>), Problem> {
    let mut fields = Fields::parse(&document)?;
    let name = fields.required_text("name").unwrap_or_default();
    fields.refused(app.core.auth.check_new_key(&NewKey::new(&name, Scope::Send)));
    let scope = fields.required_text("scope").and_then(|text| {
        let scope = Scope::parse(&text);
        if scope.is_none() {
            fields.wrong("scope", "must be send, read or admin");
        }
        scope
    });
    // The least, where the scope is wrong.
    let new = NewKey {
        name,
        scope: scope.unwrap_or(Scope::Send),
        topics: fields.texts("topics"),
        users: fields.texts("users"),
    };
    fields.refused(app.core.auth.check_new_key(&new));
    fields.finish()?;
    let (key, secret) = app.core.auth.create_key(&Actor::from(&grant), new).await?;
    Ok((StatusCode::CREATED, Json(CreatedKey { view: key.into(), key: secret })))
}

/// Revokes an API key at once.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "keys", operation_id = "revokeKey",
    params(("id" = String, Path, description = "The key's id")),
    responses(
        (status = 204, description = "Revoked"),
        (status = 404, description = "Unknown id", body = problem::Document, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    Key { grant, .. }: Key<ToAdminister>,
    Segment(id): Segment,
) -> Result<StatusCode, Problem> {
    app.core.auth.revoke_key(&Actor::from(&grant), &KeyId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
