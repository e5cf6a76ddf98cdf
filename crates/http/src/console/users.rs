//! The list of users, and the page of one.

use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tidings_core::auth::{AccountEdit, NewToken, RegistrationRequest};
use tidings_core::error::ChangeError;
use tidings_core::model::{Account, AccountId, TokenId, Username};
use tidings_core::store::{AccountQuery, AccountSortKey, HistoryEntry};

use super::answer::{html, html_with, see};
use super::failure::Failure;
use super::filters;
use super::form::{Form, Posted};
use super::notifications::{audience, headline};
use super::page::Page;
use super::table::Table;
use crate::api::listing::{LISTING, SORTS, UserFilter, UserPlace};
use crate::api::sessions::SessionView;
use crate::api::tokens::TokenView;
use crate::api::users::{UserDetails, UserView};
use crate::api::view::moment;
use crate::percent;
use crate::problem::Problem;
use crate::request::{Params, Segment, cursor};
use crate::state::{App, AppState};

const ROWS: usize = 50;
/// Pending notifications on a user's page.
const PENDING: usize = 20;
/// Past ones.
const PAST_ROWS: usize = 20;
/// The listing of past notifications, in cursors.
const PAST: &str = "past";
/// Usernames that completion offers.
const OFFERED: usize = 8;

#[derive(Template)]
#[template(path = "users.html")]
struct ListPage {
    page: Page,
    users: Vec<UserView>,
    table: Table,
    first: Option<String>,
    next: Option<String>,
    q: String,
    online: String,
    filtered: bool,
}

pub(crate) async fn list(
    State(app): State<App>,
    page: Page,
    mut params: Params,
) -> Result<Response, Failure> {
    let q = params.text("q").unwrap_or_default().trim().to_owned();
    let online = params.text("online").unwrap_or_default();
    let (order, descending) = params.sort(SORTS).unwrap_or_default();
    let filter = UserFilter {
        contains: (!q.is_empty()).then(|| q.clone()),
        online: online.parse().ok(),
        order,
        descending,
        after: params.place(LISTING, UserPlace::read),
        limit: ROWS,
    };
    let at_first = filter.after.is_none();
    let found = app.users(filter).await?;
    let short = found.items.len() < ROWS && found.next.is_some();
    let filters = [("q", q.as_str()), ("online", online.as_str())];
    let table = Table::new("/users", &filters, SORTS, order, descending);
    let next = found.next.map(|place| table.after(&place.cursor()));
    let first = (!at_first).then(|| table.first());
    let filtered = !q.is_empty() || !online.is_empty();
    let mut users: Vec<_> = found.items.into_iter().map(|row| app.user_view(row)).collect();
    // Where a search stopped before it came to the one that was named, that one is shown all the same.
    if short
        && at_first
        && online.is_empty()
        && let Some(user) = app.exactly(&q).await?
        && !users.iter().any(|other| other.username == user.username)
    {
        users.insert(0, user);
    }
    Ok(html(&ListPage { page, users, table, first, next, q, online, filtered }))
}

/// Usernames for completion: that one, those that begin like this, those that contain it.
pub(crate) async fn complete(
    State(app): State<App>,
    _: Page,
    mut params: Params,
) -> Result<Json<Vec<String>>, Failure> {
    let Some(text) = params.text("q") else { return Ok(Json(Vec::new())) };
    let start = text.to_lowercase();
    let mut names: Vec<String> = app.exactly(&text).await?.map(|user| user.username).into_iter().collect();
    // A search goes through a bounded number of accounts; the index finds a beginning anywhere.
    let after = AccountSortKey { username: start.clone(), id: AccountId(0), last_offline: None };
    let begins = AccountQuery { after: Some(after), limit: OFFERED, ..AccountQuery::default() };
    let contains = AccountQuery { contains: Some(text), limit: OFFERED, ..AccountQuery::default() };
    for (query, start) in [(begins, start.as_str()), (contains, "")] {
        if names.len() < OFFERED {
            let found = app.core.auth.accounts(query).await?.items;
            let found = found.into_iter().map(|row| row.account.username.to_string());
            for name in found.filter(|name| name.starts_with(start)) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    names.truncate(OFFERED);
    Ok(Json(names))
}

#[derive(Template)]
#[template(path = "user-new.html")]
struct NewPage {
    page: Page,
    form: Form,
}

pub(crate) async fn new(page: Page) -> Result<Response, Failure> {
    page.to_administer()?;
    Ok(html(&NewPage { page, form: Form::default() }))
}

pub(crate) async fn create(State(app): State<App>, posted: Posted) -> Result<Response, Failure> {
    let Posted { page, mut form } = posted;
    page.to_administer()?;
    let request = RegistrationRequest {
        username: form.value("username").trim().to_owned(),
        password: form.value("password").to_owned(),
        name: form.text("name"),
        email: form.text("email"),
        token: None,
    };
    form.forget("password");
    match app.core.auth.create_account(&page.actor(), request).await {
        Ok(account) => {
            return Ok(see(&format!("/users/{}?done=created", percent::encode(account.username.as_str()))));
        }
        Err(error) => beside_fields(&mut form, error)?,
    }
    Ok(html_with(StatusCode::UNPROCESSABLE_ENTITY, &NewPage { page, form }))
}

/// A pending notification on a user's page.
struct Pending {
    id: String,
    headline: String,
    priority: &'static str,
    sent_at: String,
    expires_at: String,
}

/// A past notification on a user's page.
struct Past {
    id: String,
    headline: String,
    audience: String,
    outcome: &'static str,
    sent_at: String,
}

impl From<HistoryEntry> for Past {
    fn from(past: HistoryEntry) -> Self {
        let HistoryEntry { record, outcome } = past;
        Self {
            id: record.notification.id.to_string(),
            headline: headline(&record.notification.payload),
            audience: audience(&record.audience, record.counters.recipients),
            outcome: outcome.as_str(),
            sent_at: moment(record.notification.sent_at),
        }
    }
}

/// A token that was just made.
struct MadeToken {
    label: String,
    secret: String,
}

#[derive(Template)]
#[template(path = "user.html")]
struct ShowPage {
    page: Page,
    user: UserView,
    topics: Vec<String>,
    sessions: Vec<SessionView>,
    /// Few sessions need no sorting.
    table: Option<Table>,
    pending: Vec<Pending>,
    /// Of these, those that its clients have had without acknowledging any.
    withheld: u64,
    past: Vec<Past>,
    /// Where the past ones begin, unless with the newest.
    before: Option<u64>,
    older: Option<String>,
    form: Form,
    fault: Option<String>,
    tokens: Vec<TokenView>,
    made: Option<MadeToken>,
}

pub(crate) async fn show(
    State(app): State<App>,
    page: Page,
    Segment(username): Segment,
    mut params: Params,
) -> Result<Response, Failure> {
    let account = app.account(&username).await?;
    app.user_page(page, account, params.position(PAST), None, None).await
}

pub(crate) async fn change(
    State(app): State<App>,
    Segment(username): Segment,
    posted: Posted,
) -> Result<Response, Failure> {
    let Posted { page, mut form } = posted;
    page.to_administer()?;
    let account = app.account(&username).await?;
    let edit = AccountEdit {
        name: Some(form.text("name")),
        email: Some(form.text("email")),
        alias: Some(form.text("alias")),
        password: Some(form.value("password").to_owned()).filter(|text| !text.is_empty()),
        disabled: None,
        publish: Some(form.names("publish")),
    };
    form.forget("password");
    match app.core.auth.change_account(&page.actor(), account.reference(), edit).await {
        Ok(()) => {
            return Ok(see(&format!("/users/{}?done=saved", percent::encode(account.username.as_str()))));
        }
        Err(error) => beside_fields(&mut form, error)?,
    }
    app.user_page(page, account, None, Some(form), None).await
}

/// Makes a token, and shows its secret this once.
pub(crate) async fn create_token(
    State(app): State<App>,
    Segment(username): Segment,
    posted: Posted,
) -> Result<Response, Failure> {
    let Posted { page, form } = posted;
    page.to_administer()?;
    let account = app.account(&username).await?;
    let days = match form.text("days") {
        None => None,
        Some(text) => {
            let days = text.parse::<u64>().ok().and_then(|days| days.checked_mul(86_400));
            Some(days.ok_or_else(|| Problem::field("days", "must be a whole number of days"))?)
        }
    };
    let new = NewToken { label: form.text("label"), expires_in: days };
    let (token, secret) =
        app.core.auth.create_token(&page.actor(), account.reference(), new).await.map_err(Problem::from)?;
    let made = MadeToken { label: token.label.unwrap_or(token.id.0), secret };
    app.user_page(page, account, None, None, Some(made)).await
}

pub(crate) async fn remove_token(
    State(app): State<App>,
    Segment(username): Segment,
    posted: Posted,
) -> Result<Response, Failure> {
    posted.page.to_administer()?;
    let account = app.account(&username).await?;
    let id = TokenId(posted.form.value("id").to_owned());
    app.core.auth.remove_token(&posted.page.actor(), account.reference(), &id).await?;
    Ok(see(&format!("/users/{}?done=revoked-token", percent::encode(account.username.as_str()))))
}

pub(crate) async fn disable(
    state: State<App>,
    username: Segment,
    posted: Posted,
) -> Result<Response, Failure> {
    set_disabled(state, username, posted, true).await
}

pub(crate) async fn enable(
    state: State<App>,
    username: Segment,
    posted: Posted,
) -> Result<Response, Failure> {
    set_disabled(state, username, posted, false).await
}

async fn set_disabled(
    State(app): State<App>,
    Segment(username): Segment,
    posted: Posted,
    disabled: bool,
) -> Result<Response, Failure> {
    posted.page.to_administer()?;
    let account = app.account(&username).await?;
    let edit = AccountEdit { disabled: Some(disabled), ..AccountEdit::default() };
    app.core.auth.change_account(&posted.page.actor(), account.reference(), edit).await?;
    let done = if disabled { "disabled" } else { "enabled" };
    Ok(see(&format!("/users/{}?done={done}", percent::encode(account.username.as_str()))))
}

pub(crate) async fn remove(
    State(app): State<App>,
    Segment(username): Segment,
    posted: Posted,
) -> Result<Response, Failure> {
    posted.page.to_administer()?;
    let account = app.account(&username).await?;
    app.core.auth.remove_account(&posted.page.actor(), account.reference()).await?;
    Ok(see("/users?done=removed"))
}

impl AppState {
    /// The account with this very username or alias.
    async fn exactly(&self, name: &str) -> Result<Option<UserView>, Failure> {
        let Ok(name) = Username::parse(name) else { return Ok(None) };
        let Some(account) = self.core.auth.account(&name).await? else { return Ok(None) };
        Ok(Some(self.user_details(account).await?.user))
    }

    async fn user_page(
        &self,
        page: Page,
        account: Account,
        before: Option<u64>,
        form: Option<Form>,
        made: Option<MadeToken>,
    ) -> Result<Response, Failure> {
        let tokens = self.core.auth.tokens(account.reference()).await?.into_iter().map(TokenView::from);
        let tokens = tokens.collect();
        let sessions = self.core.session.of(account.id).into_iter().map(|info| self.session_view(info));
        let sessions = sessions.collect();
        let pending = self.core.notification.pending(account.id, PENDING).await?;
        let pending = pending.into_iter().map(|notification| Pending {
            id: notification.id.to_string(),
            headline: headline(&notification.payload),
            priority: notification.priority.as_str(),
            sent_at: moment(notification.sent_at),
            expires_at: moment(notification.expires_at),
        });
        let pending = pending.collect();
        let past = self.core.notification.history(account.id, before, PAST_ROWS).await?;
        let older = past.next.map(|position| {
            let cursor = cursor::write(PAST, &position.to_string());
            format!("/users/{}?cursor={cursor}#past", percent::encode(account.username.as_str()))
        });
        let past = past.items.into_iter().map(Past::from).collect();
        let withheld = self.core.session.withheld(account.id) as u64;
        let UserDetails { user, topics } = self.user_details(account).await?;
        // Some of these may be over.
        let withheld = withheld.min(user.pending);
        let fault = form.as_ref().and_then(Form::summary);
        let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let form = form.unwrap_or_else(|| {
            let mut form = Form::default();
            form.set("name", user.name.clone().unwrap_or_default());
            form.set("email", user.email.clone().unwrap_or_default());
            form.set("alias", user.alias.clone().unwrap_or_default());
            form.set("publish", user.publish.join(" "));
            form
        });
        Ok(html_with(
            status,
            &ShowPage {
                page,
                user,
                topics,
                sessions,
                table: None,
                pending,
                withheld,
                past,
                before,
                older,
                form,
                fault,
                tokens,
                made,
            },
        ))
    }
}

/// Says beside the fields what is wrong with them; other errors have a page of their own.
fn beside_fields(form: &mut Form, error: ChangeError) -> Result<(), Failure> {
    let problem = Problem::from(error);
    if problem.errors().is_empty() {
        return Err(problem.into());
    }
    form.wrong_fields(problem.errors(), str::to_owned);
    Ok(())
}
