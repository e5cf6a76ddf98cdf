//! The page of invitations: a device that reads the square registers with it.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tidings_core::auth::{INVITATION_LASTS, INVITATION_LASTS_AT_MOST, NewInvitation};
use tidings_core::error::ChangeError;
use tidings_core::model::{Invitation, InvitationId};

use super::answer::{html_with, see};
use super::failure::Failure;
use super::filters;
use super::form::{Form, Posted};
use super::page::Page;
use super::qr;
use crate::api::invitations::{InvitationView, invitations_before, invitations_cursor};
use crate::api::view::moment;
use crate::problem::Problem;
use crate::request::Params;
use crate::state::{App, AppState};

const ROWS: usize = 100;
const DAY: u64 = 86_400;

/// An invitation that was just made.
struct Made {
    uri: String,
    qr: String,
    expires_at: String,
}

struct Row {
    view: InvitationView,
    /// `open`, `used` or `expired`.
    state: &'static str,
}

#[derive(Template)]
#[template(path = "invitations.html")]
struct ListPage {
    page: Page,
    rows: Vec<Row>,
    next: Option<String>,
    form: Form,
    made: Option<Made>,
    most_days: u64,
}

pub(crate) async fn list(
    State(app): State<App>,
    page: Page,
    mut params: Params,
) -> Result<Response, Failure> {
    let mut form = Form::default();
    form.set("days", (INVITATION_LASTS / DAY).to_string());
    app.invitations_page(page, invitations_before(&mut params), form, None).await
}

pub(crate) async fn create(State(app): State<App>, posted: Posted) -> Result<Response, Failure> {
    let Posted { page, mut form } = posted;
    page.to_administer()?;
    let most = INVITATION_LASTS_AT_MOST / DAY;
    let days = form.value("days").trim().parse::<u64>().ok().filter(|days| (1..=most).contains(days));
    let new = NewInvitation {
        username: form.text("username"),
        topics: form.names("topics"),
        expires_in: days.map(|days| days * DAY),
    };
    if days.is_none() {
        form.wrong("days", format!("must be 1 to {most}"));
        form.wrong_fields(&app.core.auth.check_new_invitation(&new), str::to_owned);
        return app.invitations_page(page, None, form, None).await;
    }
    match app.core.auth.invite(&page.actor(), new).await {
        Ok((invitation, token)) => {
            let uri = app.device_uri(Some(&token));
            let qr = qr::svg(&uri);
            let made = Made { uri, qr, expires_at: moment(invitation.expires_at) };
            form.forget("username");
            form.forget("topics");
            app.invitations_page(page, None, form, Some(made)).await
        }
        Err(error @ (ChangeError::Invalid(_) | ChangeError::Conflict(_))) => {
            form.wrong_fields(Problem::from(error).errors(), str::to_owned);
            app.invitations_page(page, None, form, None).await
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn remove(State(app): State<App>, posted: Posted) -> Result<Response, Failure> {
    posted.page.to_administer()?;
    let id = InvitationId(posted.form.value("id").to_owned());
    app.core.auth.remove_invitation(&posted.page.actor(), &id).await?;
    Ok(see("/invitations?done=withdrawn"))
}

impl AppState {
    async fn invitations_page(
        &self,
        page: Page,
        before: Option<u64>,
        form: Form,
        made: Option<Made>,
    ) -> Result<Response, Failure> {
        let now = self.core.clock.now();
        let row = |invitation: Invitation| {
            let state = match (&invitation.used, invitation.is_open(now)) {
                (Some(_), _) => "used",
                (None, true) => "open",
                (None, false) => "expired",
            };
            Row { view: invitation.into(), state }
        };
        let found = self.core.auth.invitations(before, ROWS).await?;
        let next = found.next.map(|position| format!("/invitations?cursor={}", invitations_cursor(position)));
        let rows = found.items.into_iter().map(|found| row(found.invitation)).collect();
        let status = if form.is_sound() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        let most_days = INVITATION_LASTS_AT_MOST / DAY;
        Ok(html_with(status, &ListPage { page, rows, next, form, made, most_days }))
    }
}
