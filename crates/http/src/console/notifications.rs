//! The list of notifications, and the page of one.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use tidings_core::model::{Audience, Counters, NotificationState, Payload, SenderFilter};
use tidings_core::store::NotificationRecord;

use super::answer::{html, see};
use super::chart::Chart;
use super::failure::Failure;
use super::form::Posted;
use super::page::Page;
use super::{chart, filters};
use crate::api::notifications::{parse_id, unknown_id};
use crate::api::view::NotificationView;
use crate::percent;
use crate::request::{Params, Segment, cursor};
use crate::samples::TimelinePoint;
use crate::state::{App, AppState};

const LISTING: &str = "notifications";
const ROWS: usize = 50;
/// A notification as young as this has its chart before the first sample.
const FRESH: Duration = Duration::from_secs(60);

/// A notification in a table.
pub(crate) struct Row {
    pub view: NotificationView,
    pub headline: String,
    pub audience: String,
    pub bar: String,
    /// The delivered part in percent.
    pub share: String,
}

impl Row {
    pub fn new(record: NotificationRecord) -> Self {
        let headline = headline(&record.notification.payload);
        let audience = audience(&record.audience, record.counters.recipients);
        let view = NotificationView::from(record);
        let bar = chart::bar(&[
            ("opened", view.opened),
            ("delivered", view.delivered.saturating_sub(view.opened)),
            ("pending", view.pending),
            ("expired", view.expired),
            ("cancelled", view.cancelled),
        ]);
        let share = match view.recipients {
            0 => String::new(),
            all => format!("{} %", view.delivered.saturating_mul(100) / all),
        };
        Self { view, headline, audience, bar, share }
    }

    /// Whether it can still be cancelled.
    pub fn open(&self) -> bool {
        matches!(self.view.state, "scheduled" | "live")
    }
}

/// What a notification is called in lists.
pub(crate) fn headline(payload: &Payload) -> String {
    let Some(content) = payload.text() else { return "(encrypted)".to_owned() };
    let text = content.title.as_deref().filter(|text| !text.trim().is_empty()).or(content.message.as_deref());
    let first = text.and_then(|text| text.lines().find(|line| !line.trim().is_empty()));
    match first {
        Some(line) if line.chars().count() > 120 => line.chars().take(119).chain(['…']).collect(),
        Some(line) => line.to_owned(),
        None => "(data only)".to_owned(),
    }
}

/// To whom it went, for people.
pub(crate) fn audience(audience: &Audience, recipients: u64) -> String {
    match audience {
        Audience::All => "everyone".to_owned(),
        Audience::Topic(topic) => format!("topic {topic}"),
        Audience::Endpoint(id) => format!("endpoint {id}"),
        Audience::Users(names) => {
            let shown: Vec<_> = names.iter().take(3).map(ToString::to_string).collect();
            let more = usize::try_from(recipients).unwrap_or(usize::MAX).max(names.len()) - shown.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            shown.join(", ") + &more
        }
    }
}

#[derive(Template)]
#[template(path = "notifications.html")]
struct ListPage {
    page: Page,
    latest: Vec<Row>,
    next: Option<String>,
    /// Whose alone; empty for everyone's.
    sender: String,
}

pub(crate) async fn list(
    State(app): State<App>,
    page: Page,
    mut params: Params,
) -> Result<Response, Failure> {
    let sender = params.text("sender").unwrap_or_default();
    let before = params.position(LISTING);
    let (found, filter) = if sender.is_empty() {
        (app.core.notification.list(before, ROWS).await?, String::new())
    } else {
        let filter = SenderFilter::new(sender.as_str());
        let found = app.core.notification.list_by(filter, before, ROWS).await?;
        (found, format!("sender={}&", percent::encode(&sender)))
    };
    let next = found.next.map(|position| {
        format!("/notifications?{filter}cursor={}", cursor::write(LISTING, &position.to_string()))
    });
    let latest = found.items.into_iter().map(Row::new).collect();
    Ok(html(&ListPage { page, latest, next, sender }))
}

#[derive(Template)]
#[template(path = "notification.html")]
struct ShowPage {
    page: Page,
    row: Row,
    chart: Option<Chart>,
}

pub(crate) async fn show(
    State(app): State<App>,
    page: Page,
    Segment(id): Segment,
) -> Result<Response, Failure> {
    let record = app.core.notification.get(parse_id(&id)?).await?.ok_or_else(unknown_id)?;
    let chart = app.progress(&record);
    Ok(html(&ShowPage { page, row: Row::new(record), chart }))
}

impl AppState {
    /// How a notification came along; nothing once that is forgotten.
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    fn progress(&self, record: &NotificationRecord) -> Option<Chart> {
        let samples = self.samples.timelines.of(record.notification.id);
        let fresh = self.core.clock.now().since(record.notification.sent_at) < FRESH;
        if record.state == NotificationState::Scheduled || (samples.is_empty() && !fresh) {
            return None;
        }
        let recipients = record.counters.recipients;
        let begun = Counters { recipients, ..Counters::default() };
        let first = TimelinePoint::at(record.notification.sent_at, &begun);
        let now = self.core.clock.now();
        let last = TimelinePoint::at(now, &record.counters);
        let samples = samples.into_iter().filter(|sample| sample.at > first.at && sample.at < now);
        let points = [first].into_iter().chain(samples).chain([last]);
        Some(Chart {
            title: "Over time",
            series: vec!["delivered", "opened", "pending", "expired"],
            points: points
                .map(|p| (p.at, [p.delivered, p.opened, p.pending, p.expired].map(|n| n as f64).to_vec()))
                .collect(),
            filled: true,
        })
    }
}

pub(crate) async fn cancel(
    State(app): State<App>,
    Segment(id): Segment,
    posted: Posted,
) -> Result<Response, Failure> {
    posted.page.to_send()?;
    let id = parse_id(&id)?;
    app.core.notification.cancel(&posted.page.actor(), id).await?.ok_or_else(unknown_id)?;
    Ok(see(&format!("/notifications/{id}?done=cancelled")))
}
