//! `/v1/events`: what happens, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::json;
use tidings_core::events::Event;
use tidings_core::model::Show;
use tokio::sync::broadcast::error::RecvError;

use crate::middleware::key::{Key, ToRead};
use crate::places::InUse;
use crate::problem::Problem;
use crate::rights;
use crate::state::App;

/// Seconds between comments that keep the connection alive.
const HEARTBEAT_SECONDS: u64 = 15;

/// What happens, as it happens (server-sent events).
///
/// Events: `presence` {username, resource, presence, online}, `accepted` {id, recipients, priority},
/// `delivered`, `expired` and `cancelled` {id, accounts}, `opened` {id, username}, and
/// `lagged` {missed} for a client that reads too slowly. Nothing is kept for who is not listening.
#[utoipa::path(
    get, path = "/v1/events", tag = "stats", operation_id = "events",
    responses((status = 200, description = "A stream that ends with the server, or with the key", body = String, content_type = "text/event-stream")),
    security(("key" = [])),
)]
pub(crate) async fn stream(
    State(app): State<App>,
    in_use: Option<Extension<InUse>>,
    key: Key<ToRead>,
) -> Result<Response, Problem> {
    let permit = Arc::clone(&app.streams)
        .try_acquire_owned()
        .map_err(|_| Problem::overloaded("too many event streams at once"))?;
    let ended = rights::key_ended(Arc::clone(&app.core), key.grant.id);
    let state = (app.core.events.subscribe(), app, ended, (permit, in_use));
    let events = stream::unfold(state, |(mut events, app, mut ended, held)| async move {
        let event = tokio::select! {
            biased;
            () = app.stopped() => return None,
            () = &mut ended => return None,
            event = events.recv() => match event {
                Ok(event) => write(&event),
                Err(RecvError::Lagged(missed)) => named("lagged", &json!({ "missed": missed })),
                Err(RecvError::Closed) => return None,
            },
        };
        Some((Ok::<_, Infallible>(event), (events, app, ended, held)))
    });
    let alive = KeepAlive::new().interval(Duration::from_secs(HEARTBEAT_SECONDS));
    // nginx would keep events back until its buffer is full.
    let unbuffered = [("x-accel-buffering", "no")];
    Ok((unbuffered, Sse::new(events).keep_alive(alive)).into_response())
}

fn write(event: &Event) -> sse::Event {
    match event {
        Event::Presence { username, resource, show } => named(
            "presence",
            &json!({
                "username": username.as_str(),
                "resource": resource,
                "presence": show.as_str(),
                "online": *show != Show::Unavailable,
            }),
        ),
        Event::Accepted { id, recipients, priority } => named(
            "accepted",
            &json!({ "id": id.to_string(), "recipients": recipients, "priority": priority.as_str() }),
        ),
        Event::Delivered { id, accounts } => {
            named("delivered", &json!({ "id": id.to_string(), "accounts": accounts }))
        }
        Event::Opened { id, username } => {
            named("opened", &json!({ "id": id.to_string(), "username": username.as_str() }))
        }
        Event::Expired { id, accounts } => {
            named("expired", &json!({ "id": id.to_string(), "accounts": accounts }))
        }
        Event::Cancelled { id, accounts } => {
            named("cancelled", &json!({ "id": id.to_string(), "accounts": accounts }))
        }
    }
}

fn named(name: &str, data: &serde_json::Value) -> sse::Event {
    sse::Event::default().event(name).data(data.to_string())
}
