//! The page of sessions.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use tidings_core::session::SessionQuery;

use super::answer::{html, see};
use super::failure::Failure;
use super::filters;
use super::form::Posted;
use super::page::Page;
use super::table::Table;
use crate::api::sessions::{LISTING, SORTS, SessionView, place_cursor, place_from};
use crate::request::Params;
use crate::state::App;

const ROWS: usize = 100;

#[derive(Template)]
#[template(path = "sessions.html")]
struct ListPage {
    page: Page,
    sessions: Vec<SessionView>,
    table: Option<Table>,
    connected: usize,
    first: Option<String>,
    next: Option<String>,
    q: String,
}

pub(crate) async fn list(
    State(app): State<App>,
    page: Page,
    mut params: Params,
) -> Result<Response, Failure> {
    let q = params.text("q").unwrap_or_default().trim().to_owned();
    let (order, descending) = params.sort(SORTS).unwrap_or_default();
    let contains = (!q.is_empty()).then(|| q.clone());
    let after = params.place(LISTING, place_from);
    let at_first = after.is_none();
    let found =
        app.core.session.search(&SessionQuery { contains, order, descending, after, limit: ROWS }).await;
    let table = Table::new("/sessions", &[("q", &q)], SORTS, order, descending);
    let next = found.next.map(|place| table.after(&place_cursor(&place)));
    let first = (!at_first).then(|| table.first());
    let connected = app.core.session.connected();
    let sessions = found.items.into_iter().map(|info| app.session_view(info)).collect();
    Ok(html(&ListPage { page, sessions, table: Some(table), connected, first, next, q }))
}

pub(crate) async fn end(State(app): State<App>, posted: Posted) -> Result<Response, Failure> {
    posted.page.to_administer()?;
    app.core.session.end(&posted.page.actor(), posted.form.value("jid")).await?;
    Ok(see("/sessions?done=ended"))
}
