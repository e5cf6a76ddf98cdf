//! `/v1/users`: accounts are made, listed, shown, changed and removed.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tidings_core::audit::Actor;
use tidings_core::auth::{AccountEdit, RegistrationRequest};
use tidings_core::model::{Account, Show, Username};
use tidings_core::store::AccountRow;
use utoipa::ToSchema;

use super::listing::{LISTING, SORTS, UserFilter, UserPlace};
use super::view::moment;
use crate::middleware::key::{Key, ToAdminister, ToRead};
use crate::percent;
use crate::problem::{self, Problem};
use crate::request::{Document, Fields, Params, Segment};
use crate::state::{App, AppState};

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView {
    pub username: String,
    /// A second name that is taken wherever a username is.
    pub alias: Option<String>,
    /// A display name.
    pub name: Option<String>,
    pub email: Option<String>,
    /// Whether a session is available.
    pub online: bool,
    /// The best presence of its sessions: `unavailable`, `available`, `chat`, `away`, `xa` or `dnd`.
    pub presence: &'static str,
    /// When it was last known alive: now, while it is online.
    #[schema(format = DateTime)]
    pub last_seen: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Notifications that wait for it.
    pub pending: u64,
    /// Whether logins are refused.
    pub disabled: bool,
    /// The topics that it may send to by its own login; a trailing `*` matches the rest.
    pub publish: Vec<String>,
}

/// One account, with what it is subscribed to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserDetails)]
pub(crate) struct UserDetails {
    #[serde(flatten)]
    pub user: UserView,
    /// Its topics, sorted.
    pub topics: Vec<String>,
}

/// Accounts by username.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserPage {
    users: Vec<UserView>,
    /// Where the next page begins; null on the last.
    next: Option<String>,
}

/// An account to be created.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `create` reads by hand")]
pub(crate) struct NewUser {
    /// Letters, digits and `.-_`; case is folded.
    username: String,
    password: String,
    /// A display name.
    name: Option<String>,
    email: Option<String>,
}

/// What to change; fields that are not there stay as they are.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `change` reads by hand")]
pub(crate) struct UserChange {
    /// A display name; null removes it.
    name: Option<String>,
    /// Null removes it.
    email: Option<String>,
    /// A second name; null removes it.
    alias: Option<String>,
    /// Ends the account's sessions.
    password: Option<String>,
    /// True refuses logins and ends the account's sessions.
    disabled: Option<bool>,
    /// The topics that it may send to by its own login; a trailing `*` matches the rest. At most 256;
    /// null or an empty list: none.
    #[schema(example = json!(["news", "alerts*"]))]
    publish: Option<Vec<String>>,
}

/// Accounts, by username where no other order is asked for.
#[utoipa::path(
    get, path = "/v1/users", tag = "users", operation_id = "users",
    params(
        ("q" = Option<String>, Query, description = "Only those whose username, alias, name or e-mail address contains this"),
        ("online" = Option<bool>, Query, description = "Only those that are, or are not, online"),
        ("sort" = Option<String>, Query, description = "`username` (default), `created` or `last_seen`, where those that are online are the last seen; `-` before it turns the order round"),
        ("limit" = Option<usize>, Query, description = "Rows of a page, 1 to 1000 (default 100); a filtered page may have fewer and still a next one"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page", body = UserPage)),
    security(("key" = [])),
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: Key<ToRead>,
    mut params: Params,
) -> Result<Json<UserPage>, Problem> {
    let (order, descending) = params.sort(SORTS).unwrap_or_default();
    let filter = UserFilter {
        contains: params.text("q"),
        online: params.flag("online"),
        order,
        descending,
        after: params.place(LISTING, UserPlace::read),
        limit: params.limit(),
    };
    params.finish()?;
    let page = app.users(filter).await?;
    Ok(Json(UserPage {
        users: page.items.into_iter().map(|row| app.user_view(row)).collect(),
        next: page.next.map(|place| place.cursor()),
    }))
}

/// Creates an account.
#[utoipa::path(
    post, path = "/v1/users", tag = "users", operation_id = "createUser",
    request_body = NewUser,
    responses(
        (status = 201, description = "Created", body = UserDetails),
        (status = 409, description = "The username is taken", body = problem::Document, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn create(
    State(app): State<App>,
    Key { grant, .. }: Key<ToAdminister>,
    Document(document): Document,
) -> Result<Response, Problem> {
    let mut fields = Fields::parse(&document)?;
    let username = fields.required_text("username");
    let password = fields.required_text("password");
    let request = RegistrationRequest {
        username: username.unwrap_or_default(),
        password: password.unwrap_or_default(),
        name: fields.text("name"),
        email: fields.text("email"),
        token: None,
    };
    fields.refused(app.core.auth.check_new_account(&request));
    fields.finish()?;
    let account = app.core.auth.create_account(&Actor::from(&grant), request).await?;
    let location = format!("/v1/users/{}", percent::encode(account.username.as_str()));
    let user = app.user_view(AccountRow { account, pending: 0 });
    let body = Json(UserDetails { user, topics: Vec::new() });
    Ok((StatusCode::CREATED, [(LOCATION, location)], body).into_response())
}

/// One account.
#[utoipa::path(
    get, path = "/v1/users/{username}", tag = "users", operation_id = "user",
    params(("username" = String, Path, description = "A username or an alias")),
    responses(
        (status = 200, description = "The account", body = UserDetails),
        (status = 404, description = "Unknown user", body = problem::Document, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn show(
    State(app): State<App>,
    _: Key<ToRead>,
    Segment(username): Segment,
) -> Result<Json<UserDetails>, Problem> {
    let account = app.account(&username).await?;
    app.user_details(account).await.map(Json)
}

/// Changes an account.
#[utoipa::path(
    patch, path = "/v1/users/{username}", tag = "users", operation_id = "changeUser",
    params(("username" = String, Path, description = "A username or an alias")),
    request_body = UserChange,
    responses(
        (status = 200, description = "The account", body = UserDetails),
        (status = 404, description = "Unknown user", body = problem::Document, content_type = "application/problem+json"),
        (status = 409, description = "The alias is taken", body = problem::Document, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn change(
    State(app): State<App>,
    Key { grant, .. }: Key<ToAdminister>,
    Segment(username): Segment,
    Document(document): Document,
) -> Result<Json<UserDetails>, Problem> {
    let account = app.account(&username).await?;
    let mut fields = Fields::parse(&document)?;
    let edit = AccountEdit {
        name: fields.text_or_null("name"),
        email: fields.text_or_null("email"),
        alias: fields.text_or_null("alias"),
        password: fields.text("password"),
        disabled: fields.flag("disabled"),
        publish: fields.texts_or_null("publish"),
    };
    fields.refused(app.core.auth.check_edit(&edit));
    fields.finish()?;
    app.core.auth.change_account(&Actor::from(&grant), account.reference(), edit).await?;
    let account = app.account(account.username.as_str()).await?;
    app.user_details(account).await.map(Json)
}

/// Removes an account: its sessions end, what is pending for it counts as cancelled.
#[utoipa::path(
    delete, path = "/v1/users/{username}", tag = "users", operation_id = "removeUser",
    params(("username" = String, Path, description = "A username or an alias")),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "Unknown user", body = problem::Document, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Key { grant, .. }: Key<ToAdminister>,
    Segment(username): Segment,
) -> Result<StatusCode, Problem> {
    let account = app.account(&username).await?;
    app.core.auth.remove_account(&Actor::from(&grant), account.reference()).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl AppState {
    /// The account with this username or alias.
    pub(crate) async fn account(&self, name: &str) -> Result<Account, Problem> {
        let unknown = || Problem::not_found("there is no user with this name");
        let name = Username::parse(name).map_err(|_| unknown())?;
        self.core.auth.account(&name).await?.ok_or_else(unknown)
    }

    /// An account as the API shows it.
    pub(crate) fn user_view(&self, row: AccountRow) -> UserView {
        let AccountRow { account, pending } = row;
        let show = self.core.session.presence(account.id);
        let online = show != Show::Unavailable;
        let last_seen = self.core.presence.last_seen(&account, show);
        UserView {
            username: account.username.to_string(),
            alias: account.alias.map(|alias| alias.to_string()),
            name: account.name,
            email: account.email,
            online,
            presence: show.as_str(),
            last_seen: last_seen.map(moment),
            created_at: moment(account.created_at),
            pending,
            disabled: account.disabled,
            publish: account.publish.iter().map(ToString::to_string).collect(),
        }
    }

    /// An account with what its page shows.
    pub(crate) async fn user_details(&self, account: Account) -> Result<UserDetails, Problem> {
        let pending = self.core.notification.pending_count(account.id).await?;
        let topics = self.core.notification.topics_of(account.id).await?;
        let user = self.user_view(AccountRow { account, pending });
        Ok(UserDetails { user, topics: topics.iter().map(ToString::to_string).collect() })
    }
}
