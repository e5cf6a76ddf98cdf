//! Tells a page that something changed; the page then fetches itself again.
//! What a browser gets is at most one short line a second, however much happens.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tidings_core::events::Event;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::failure::Failure;
use super::operator::secret;
use super::page::Page;
use crate::places::InUse;
use crate::problem::Problem;
use crate::rights::{self, Ended};
use crate::samples;
use crate::state::App;

/// Between two lines to one browser.
const PAUSE: Duration = Duration::from_secs(1);

/// What changed since the last line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Changes {
    presence: bool,
    notifications: bool,
    tick: bool,
}

impl Changes {
    fn note(&mut self, event: &Event) {
        match event {
            Event::Presence { .. } => self.presence = true,
            _ => self.notifications = true,
        }
    }

    fn words(self) -> String {
        let names = [(self.presence, "presence"), (self.notifications, "notifications"), (self.tick, "tick")];
        names.into_iter().filter_map(|(set, name)| set.then_some(name)).collect::<Vec<_>>().join(" ")
    }
}

struct Watch {
    app: App,
    events: Receiver<Event>,
    /// The operator is no longer logged in.
    ended: Ended,
    next_line: Instant,
    next_tick: Instant,
    /// Something may have happened between the page's making and this stream's beginning.
    unseen: bool,
    _permit: tokio::sync::OwnedSemaphorePermit,
    /// The connection is not idle.
    _in_use: Option<Extension<InUse>>,
}

pub(crate) async fn stream(
    State(app): State<App>,
    in_use: Option<Extension<InUse>>,
    headers: HeaderMap,
    page: Page,
) -> Result<Response, Failure> {
    let secret = secret(&app.settings, &headers).ok_or(Failure::Login(page.path))?;
    let ended = rights::login_ended(Arc::clone(&app.core), secret.to_owned());
    let permit = Arc::clone(&app.streams)
        .try_acquire_owned()
        .map_err(|_| Problem::overloaded("too many pages are open"))?;
    let watch = Watch {
        events: app.core.events.subscribe(),
        ended,
        next_line: Instant::now(),
        next_tick: Instant::now() + samples::STEP,
        unseen: true,
        _permit: permit,
        _in_use: in_use,
        app,
    };
    let lines = stream::unfold(watch, |mut watch| async move {
        let changes = watch.changes().await?;
        let line = sse::Event::default().event("change").data(changes.words());
        Some((Ok::<_, Infallible>(line), watch))
    });
    let alive = KeepAlive::new().interval(Duration::from_secs(15));
    // nginx would keep events back until its buffer is full.
    let unbuffered = [("x-accel-buffering", "no")];
    Ok((unbuffered, Sse::new(lines).keep_alive(alive)).into_response())
}

impl Watch {
    /// Gathers what happens until something did and the pause is over; `None`
    /// when the server stops or the login ends.
    async fn changes(&mut self) -> Option<Changes> {
        let unseen = std::mem::take(&mut self.unseen);
        let mut changes = Changes { presence: unseen, notifications: unseen, tick: false };
        loop {
            let line_due = changes != Changes::default();
            tokio::select! {
                biased;
                () = self.app.stopped() => return None,
                () = &mut self.ended => return None,
                () = sleep_until(self.next_line), if line_due => {
                    self.next_line = Instant::now() + PAUSE;
                    return Some(changes);
                }
                () = sleep_until(self.next_tick) => {
                    self.next_tick = Instant::now() + samples::STEP;
                    changes.tick = true;
                }
                event = self.events.recv() => match event {
                    Ok(event) => changes.note(&event),
                    Err(RecvError::Lagged(_)) => {
                        changes.presence = true;
                        changes.notifications = true;
                    }
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_named_once() {
        let mut changes = Changes::default();
        assert_eq!(changes.words(), "");
        changes.tick = true;
        changes.presence = true;
        assert_eq!(changes.words(), "presence tick");
    }
}
