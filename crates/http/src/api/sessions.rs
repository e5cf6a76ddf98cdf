//! `/v1/sessions`: the sessions of devices are listed and ended.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tidings_core::audit::Actor;
use tidings_core::model::SessionId;
use tidings_core::session::{SessionInfo, SessionOrder, SessionPlace, SessionQuery};
use utoipa::ToSchema;

use super::view::moment;
use crate::middleware::key::{Key, ToAdminister, ToRead};
use crate::problem::{self, Problem};
use crate::request::{Params, Segment, cursor};
use crate::state::{App, AppState};

pub(crate) const LISTING: &str = "sessions";
/// What sessions can be sorted by.
pub(crate) const SORTS: &[(&str, SessionOrder)] = &[
    ("created", SessionOrder::Created),
    ("username", SessionOrder::Username),
    ("client_ip", SessionOrder::Address),
];

/// The cursor of what comes after this session, in any order.
pub(crate) fn place_cursor(place: &SessionPlace) -> String {
    cursor::write(LISTING, &format!("{} {} {}", place.id.0, place.client_ip, place.username))
}

/// Reads what [`place_cursor`] wrote.
pub(crate) fn place_from(key: &str) -> Option<SessionPlace> {
    let mut words = key.splitn(3, ' ');
    let id = SessionId(words.next()?.parse().ok()?);
    let client_ip = words.next()?.parse().ok()?;
    Some(SessionPlace { id, client_ip, username: words.next()?.to_owned() })
}

/// A device's session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionView {
    /// `username@domain/resource`.
    pub jid: String,
    pub username: String,
    pub resource: String,
    /// `connected`, `authenticated`, `available`, or `detached` while it waits to be resumed.
    pub status: &'static str,
    /// `unavailable`, `available`, `chat`, `away`, `xa` or `dnd`.
    pub presence: &'static str,
    pub client_ip: String,
    /// The TLS version.
    pub tls: &'static str,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The node that it is connected to.
    pub node: String,
}

/// Sessions, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionPage {
    sessions: Vec<SessionView>,
    /// Where the next page begins; null on the last.
    next: Option<String>,
}

/// Sessions, oldest first where no other order is asked for.
#[utoipa::path(
    get, path = "/v1/sessions", tag = "sessions", operation_id = "sessions",
    params(
        ("q" = Option<String>, Query, description = "Only those whose username, resource or client address contains this"),
        ("sort" = Option<String>, Query, description = "`created` (default), `username` or `client_ip`; `-` before it turns the order round"),
        ("limit" = Option<usize>, Query, description = "Rows of a page, 1 to 1000 (default 100)"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page", body = SessionPage)),
    security(("key" = [])),
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: Key<ToRead>,
    mut params: Params,
) -> Result<Json<SessionPage>, Problem> {
    let contains = params.text("q");
    let (order, descending) = params.sort(SORTS).unwrap_or_default();
    let after = params.place(LISTING, place_from);
    let query = SessionQuery { contains, order, descending, after, limit: params.limit() };
    params.finish()?;
    let page = app.core.session.search(&query).await;
    Ok(Json(SessionPage {
        sessions: page.items.into_iter().map(|info| app.session_view(info)).collect(),
        next: page.next.map(|place| place_cursor(&place)),
    }))
}

/// Ends a session. Its device may connect again.
#[utoipa::path(
    delete, path = "/v1/sessions/{jid}", tag = "sessions", operation_id = "endSession",
    params(("jid" = String, Path, description = "The full JID; its slash may be escaped as %2F")),
    responses(
        (status = 204, description = "It ends"),
        (status = 404, description = "There is no such session", body = problem::Document, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn end(
    State(app): State<App>,
    Key { grant, .. }: Key<ToAdminister>,
    Segment(jid): Segment,
) -> Result<StatusCode, Problem> {
    app.core.session.end(&Actor::from(&grant), &jid).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl AppState {
    /// A session as the API shows it.
    pub(crate) fn session_view(&self, info: SessionInfo) -> SessionView {
        SessionView {
            jid: info.jid,
            username: info.username.to_string(),
            resource: info.resource,
            status: info.status.as_str(),
            presence: info.show.as_str(),
            client_ip: info.client_ip.to_string(),
            tls: info.tls,
            created_at: moment(info.created_at),
            node: self.core.cluster.name().to_owned(),
        }
    }
}
