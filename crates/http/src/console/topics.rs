//! The page of topics, where an operator subscribes and unsubscribes accounts.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tidings_core::model::Topic;
use tidings_core::store::TopicRow;

use super::answer::{html_with, see};
use super::failure::Failure;
use super::filters;
use super::filters::sentence;
use super::form::{Form, Posted};
use super::page::Page;
use crate::percent;
use crate::problem::Problem;
use crate::request::Params;
use crate::request::cursor;
use crate::state::{App, AppState};

const LISTING: &str = "topics";
const ROWS: usize = 100;

#[derive(Template)]
#[template(path = "topics.html")]
struct ListPage {
    page: Page,
    topics: Vec<TopicRow>,
    next: Option<String>,
    fault: Option<String>,
}

pub(crate) async fn list(
    State(app): State<App>,
    page: Page,
    mut params: Params,
) -> Result<Response, Failure> {
    app.topics_page(page, params.cursor(LISTING), None).await
}

pub(crate) async fn subscribe(State(app): State<App>, posted: Posted) -> Result<Response, Failure> {
    change(&app, posted, true).await
}

pub(crate) async fn unsubscribe(State(app): State<App>, posted: Posted) -> Result<Response, Failure> {
    change(&app, posted, false).await
}

async fn change(app: &App, posted: Posted, subscribe: bool) -> Result<Response, Failure> {
    let Posted { page, form } = posted;
    page.to_administer()?;
    match apply(app, &page, &form, subscribe).await {
        Ok(username) => {
            let done = if subscribe { "subscribed" } else { "unsubscribed" };
            Ok(match form.value("back") {
                "user" => see(&format!("/users/{}?done={done}", percent::encode(&username))),
                _ => see(&format!("/topics?done={done}")),
            })
        }
        Err(problem) => app.topics_page(page, None, Some(sentence(problem.text()))).await,
    }
}

async fn apply(app: &App, page: &Page, form: &Form, subscribe: bool) -> Result<String, Problem> {
    let topic = Topic::parse(form.value("topic").trim())
        .map_err(|error| Problem::field("topic", error.to_string()))?;
    let account = app.account(form.value("username").trim()).await?;
    let topics = &app.core.notification;
    if subscribe {
        topics.subscribe(&page.actor(), account.reference(), topic).await?;
    } else {
        topics.unsubscribe(&page.actor(), account.reference(), topic).await?;
    }
    Ok(account.username.to_string())
}

impl AppState {
    async fn topics_page(
        &self,
        page: Page,
        after: Option<String>,
        fault: Option<String>,
    ) -> Result<Response, Failure> {
        let found = self.core.notification.topics(after, ROWS).await?;
        let next = found.next.map(|name| format!("/topics?cursor={}", cursor::write(LISTING, &name)));
        let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        Ok(html_with(status, &ListPage { page, topics: found.items, next, fault }))
    }
}
