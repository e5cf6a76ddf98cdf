//! `/v1/users/{username}/tokens`: what lets an account's programs in without its password.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tidings_core::audit::Actor;
use tidings_core::auth::NewToken;
use tidings_core::model::{AccountToken, TokenId};
use utoipa::ToSchema;

use super::view::moment;
use crate::middleware::key::{Key, ToAdminister, ToRead};
use crate::problem::{self, Problem};
use crate::request::{Document, Fields, Segment, Segments};
use crate::state::App;

/// A token of an account; its secret is not known any more.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountToken)]
pub(crate) struct TokenView {
    /// Its public name, safe to show and to log.
    pub id: String,
    /// What its owner calls it.
    pub label: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Null: it does not end.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

impl From<AccountToken> for TokenView {
    fn from(token: AccountToken) -> Self {
        Self {
            id: token.id.0,
            label: token.label,
            created_at: moment(token.created_at),
            expires_at: token.expires_at.map(moment),
        }
    }
}

/// An account's tokens, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenList {
    tokens: Vec<TokenView>,
}

/// A token to be made.
#[derive(ToSchema)]
#[schema(as = NewToken)]
#[expect(dead_code, reason = "describes what `create` reads by hand")]
pub(crate) struct NewTokenView {
    /// For people: at most 100 characters.
    label: Option<String>,
    /// Seconds until it ends, at most ten years; it does not end where this is left out.
    #[schema(minimum = 1, maximum = 315_360_000)]
    expires_in: Option<u64>,
}

/// A fresh token.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedToken {
    #[serde(flatten)]
    view: TokenView,
    /// The secret: shown this once.
    token: String,
}

/// An account's tokens, oldest first.
#[utoipa::path(
    get, path = "/v1/users/{username}/tokens", tag = "users", operation_id = "tokens",
    params(("username" = String, Path, description = "A username or an alias")),
    responses(
        (status = 200, description = "All of them", body = TokenList),
        (status = 404, description = "Unknown user", body = problem::Document, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: Key<ToRead>,
    Segment(username): Segment,
) -> Result<Json<TokenList>, Problem> {
    let account = app.account(&username).await?;
    let tokens = app.core.auth.tokens(account.reference()).await?;
    Ok(Json(TokenList { tokens: tokens.into_iter().map(Into::into).collect() }))
}

/// Makes a token of an account.
#[utoipa::path(
    post, path = "/v1/users/{username}/tokens", tag = "users", operation_id = "createToken",
    params(("username" = String, Path, description = "A username or an alias")),
    request_body = NewTokenView,
    responses(
        (status = 201, description = "Made; the secret is shown this once", body = CreatedToken),
        (status = 404, description = "Unknown user", body = problem::Document, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn create(
    State(app): State<App>,
    Key { grant, .. }: Key<ToAdminister>,
    Segment(username): Segment,
    Document(document): Document,
) -> Result<(StatusCode, Json<CreatedToken>), Problem> {
    let account = app.account(&username).await?;
    let mut fields = Fields::parse_optional(&document)?;
    let new = NewToken { label: fields.text("label"), expires_in: fields.seconds("expires_in") };
    fields.refused(app.core.auth.check_new_token(&new));
    fields.finish()?;
    let (token, secret) = app.core.auth.create_token(&Actor::from(&grant), account.reference(), new).await?;
    Ok((StatusCode::CREATED, Json(CreatedToken { view: token.into(), token: secret })))
}

/// Removes a token at once.
#[utoipa::path(
    delete, path = "/v1/users/{username}/tokens/{id}", tag = "users", operation_id = "removeToken",
    params(
        ("username" = String, Path, description = "A username or an alias"),
        ("id" = String, Path, description = "The token's id"),
    ),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "Unknown user or id", body = problem::Document, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Key { grant, .. }: Key<ToAdminister>,
    Segments(username, id): Segments,
) -> Result<StatusCode, Problem> {
    let account = app.account(&username).await?;
    app.core.auth.remove_token(&Actor::from(&grant), account.reference(), &TokenId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
