use askama::Template;
use axum::extract::State;
use axum::response::Response;
use tidings_core::model::SessionId;

use super::filters;
use super::form::Posted;
use super::page::{Failure, Page, html, see};
use crate::api::cursor;
use crate::api::params::Params;
use crate::api::sessions::SessionView;
use crate::state::App;

const LISTING: &str = "sessions";
const ROWS: usize = 100;

#[derive(Template)]
#[template(path = "sessions.html")]
struct ListPage {
    page: Page,
    sessions: Vec<SessionView>,
    connected: usize,
    next: Option<String>,
}

pub(crate) async fn list(
    State(app): State<App>,
    page: Page,
    mut params: Params,
) -> Result<Response, Failure> {
    let found = app.core.session.list(params.position(LISTING).map(SessionId), ROWS);
    let next = found.next.map(|id| format!("/sessions?cursor={}", cursor::write(LISTING, &id.0.to_string())));
    let connected = app.core.session.connected();
    let sessions = found.items.into_iter().map(|info| app.session_view(info)).collect();
    Ok(html(&ListPage { page, sessions, connected, next }))
}

pub(crate) async fn end(State(app): State<App>, posted: Posted) -> Result<Response, Failure> {
    posted.page.to_administer()?;
    app.end_session(&posted.page.operator, posted.form.value("jid")).await?;
    Ok(see("/sessions?done=ended"))
}
