//! The page of the audit log.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use tidings_core::store::AuditEntry;

use super::answer::html;
use super::failure::Failure;
use super::filters;
use super::page::Page;
use crate::request::Params;
use crate::request::cursor;
use crate::state::App;

const LISTING: &str = "audit";
const ROWS: usize = 100;

#[derive(Template)]
#[template(path = "audit.html")]
struct ListPage {
    page: Page,
    entries: Vec<AuditEntry>,
    next: Option<String>,
}

/// Whose notifications a line leads to: an operator's or an API key's. Others send nothing.
fn sender(entry: &AuditEntry) -> Option<&str> {
    let others = ["command line", "account ", "stranger at "];
    let sends = !others.iter().any(|other| entry.actor.starts_with(other));
    sends.then_some(entry.actor.as_str())
}

pub(crate) async fn list(
    State(app): State<App>,
    page: Page,
    mut params: Params,
) -> Result<Response, Failure> {
    let found = app.core.auth.audit_log(params.position(LISTING), ROWS).await?;
    let next = found.next.map(|n| format!("/audit?cursor={}", cursor::write(LISTING, &n.to_string())));
    Ok(html(&ListPage { page, entries: found.items, next }))
}
