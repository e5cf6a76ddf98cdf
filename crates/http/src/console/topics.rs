//! The pages of topics, where an operator subscribes and unsubscribes accounts, and says who may
//! subscribe by themselves.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tidings_core::model::{Topic, TopicPolicy};
use tidings_core::store::{Subscriber, TopicRow};

use super::answer::{html, html_with, see};
use super::failure::Failure;
use super::filters;
use super::filters::sentence;
use super::form::{Form, Posted};
use super::page::Page;
use crate::api::topics::{TopicView, subscribers_after, subscribers_cursor};
use crate::percent;
use crate::problem::Problem;
use crate::request::{Params, cursor};
use crate::state::{App, AppState};

const LISTING: &str = "topics";
const ROWS: usize = 100;

#[derive(Template)]
#[template(path = "topics.html")]
struct ListPage {
    page: Page,
    topics: Vec<TopicView>,
    default: &'static str,
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

#[derive(Template)]
#[template(path = "topic.html")]
struct ShowPage {
    page: Page,
    topic: TopicView,
    /// What the operator has said of this topic: empty for what the configuration says.
    policy: &'static str,
    default: &'static str,
    rows: Vec<Subscriber>,
    next: Option<String>,
}

/// One topic, by a parameter: a name may have slashes.
pub(crate) async fn show(
    State(app): State<App>,
    page: Page,
    mut params: Params,
) -> Result<Response, Failure> {
    let topic = parse(&params.text("topic").unwrap_or_default())?;
    let manager = &app.core.notification;
    let rows = manager.subscribers_of(&topic, subscribers_after(&mut params), ROWS).await?;
    let address = format!("/topics/one?topic={}", percent::encode(topic.as_str()));
    let next = rows.next.map(|after| format!("{address}&cursor={}", subscribers_cursor(after)));
    let row = manager.topic(&topic).await?.unwrap_or(TopicRow { topic, subscribers: 0, policy: None });
    let policy = row.policy.map_or("", TopicPolicy::as_str);
    let default = manager.effective_policy(None).as_str();
    let topic = app.topic_view(row);
    Ok(html(&ShowPage { page, topic, policy, default, rows: rows.items, next }))
}

/// Says who may subscribe.
pub(crate) async fn set(State(app): State<App>, posted: Posted) -> Result<Response, Failure> {
    let Posted { page, form } = posted;
    page.to_administer()?;
    let policy = match form.value("subscribe") {
        "" => None,
        text => Some(
            TopicPolicy::parse(text).ok_or_else(|| Problem::field("subscribe", "must be open or granted"))?,
        ),
    };
    let topic = match parse(form.value("topic").trim()) {
        Ok(topic) => topic,
        Err(problem) => return app.topics_page(page, None, Some(sentence(problem.text()))).await,
    };
    app.core.notification.set_topic_policy(&page.actor(), &topic, policy).await?;
    Ok(see(&format!("/topics/one?topic={}&done=saved", percent::encode(topic.as_str()))))
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
                "topic" => {
                    let topic = percent::encode(form.value("topic").trim());
                    see(&format!("/topics/one?topic={topic}&done={done}"))
                }
                _ => see(&format!("/topics?done={done}")),
            })
        }
        Err(problem) => app.topics_page(page, None, Some(sentence(problem.text()))).await,
    }
}

async fn apply(app: &App, page: &Page, form: &Form, subscribe: bool) -> Result<String, Problem> {
    let topic = parse(form.value("topic").trim())?;
    let account = app.account(form.value("username").trim()).await?;
    let topics = &app.core.notification;
    if subscribe {
        topics.subscribe(&page.actor(), account.reference(), topic).await?;
    } else {
        topics.unsubscribe(&page.actor(), account.reference(), topic).await?;
    }
    Ok(account.username.to_string())
}

fn parse(topic: &str) -> Result<Topic, Problem> {
    Topic::parse(topic).map_err(|error| Problem::field("topic", error.to_string()))
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
        let topics = found.items.into_iter().map(|row| self.topic_view(row)).collect();
        let default = self.core.notification.effective_policy(None).as_str();
        Ok(html_with(status, &ListPage { page, topics, default, next, fault }))
    }
}
