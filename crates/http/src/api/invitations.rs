//! `/v1/invitations`: what lets one device register is made, listed and withdrawn; and the address of
//! this server as devices read it, in a link or off a QR code.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tidings_core::audit::Actor;
use tidings_core::auth::NewInvitation;
use tidings_core::model::{Invitation, InvitationId};
use utoipa::ToSchema;

use super::view::moment;
use crate::middleware::key::{Key, ToAdminister, ToRead};
use crate::percent;
use crate::problem::{self, Problem};
use crate::request::{Document, Fields, Params, Segment, cursor};
use crate::state::{App, AppState};

const LISTING: &str = "invitations";

/// An invitation; its token is not known any more.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invitation)]
pub(crate) struct InvitationView {
    /// Its public name, safe to show and to log.
    pub id: String,
    /// The only username that it is good for.
    pub username: Option<String>,
    /// What the account is subscribed to.
    pub topics: Vec<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// The account that was made with it, as it was called then.
    pub used_by: Option<String>,
    #[schema(format = DateTime)]
    pub used_at: Option<String>,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        let (used_by, used_at) = invitation.used.map(|used| (used.by.to_string(), moment(used.at))).unzip();
        Self {
            id: invitation.id.0,
            username: invitation.username.map(|username| username.to_string()),
            topics: invitation.topics.iter().map(ToString::to_string).collect(),
            created_at: moment(invitation.created_at),
            expires_at: moment(invitation.expires_at),
            used_by,
            used_at,
        }
    }
}

/// Invitations, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvitationPage {
    invitations: Vec<InvitationView>,
    /// Where the next page begins; null on the last.
    next: Option<String>,
}

/// An invitation to be made.
#[derive(ToSchema)]
#[schema(as = NewInvitation)]
#[expect(dead_code, reason = "describes what `create` reads by hand")]
pub(crate) struct NewInvitationView {
    /// The only username that it is good for; any, where this is left out.
    username: Option<String>,
    /// What the account is subscribed to, also where that must be granted.
    #[schema(example = json!(["news"]))]
    topics: Option<Vec<String>>,
    /// Seconds until it ends.
    #[schema(minimum = 1, maximum = 2_592_000, default = 604_800)]
    expires_in: Option<u64>,
}

/// A fresh invitation.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedInvitation {
    /// Its public name, safe to show and to log.
    id: String,
    /// What the device reads, `tidings:HOST?domain=…&token=…`: shown this once.
    uri: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Invitations, newest first; used and expired ones for as long as the history goes back.
#[utoipa::path(
    get, path = "/v1/invitations", tag = "invitations", operation_id = "invitations",
    params(
        ("limit" = Option<usize>, Query, description = "Rows of a page, 1 to 1000 (default 100)"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page", body = InvitationPage)),
    security(("key" = [])),
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: Key<ToRead>,
    mut params: Params,
) -> Result<Json<InvitationPage>, Problem> {
    let (limit, before) = (params.limit(), invitations_before(&mut params));
    params.finish()?;
    let page = app.core.auth.invitations(before, limit).await?;
    Ok(Json(InvitationPage {
        invitations: page.items.into_iter().map(|row| row.invitation.into()).collect(),
        next: page.next.map(invitations_cursor),
    }))
}

/// Where to continue in a listing of invitations.
pub(crate) fn invitations_before(params: &mut Params) -> Option<u64> {
    params.position(LISTING)
}

/// The cursor of a listing of invitations that continues below this position.
pub(crate) fn invitations_cursor(before: u64) -> String {
    cursor::write(LISTING, &before.to_string())
}

/// Makes an invitation: one device can register with it, once, also where registration is closed.
#[utoipa::path(
    post, path = "/v1/invitations", tag = "invitations", operation_id = "createInvitation",
    request_body = NewInvitationView,
    responses(
        (status = 201, description = "Made; its address is shown this once", body = CreatedInvitation),
        (status = 409, description = "There is an account of this name", body = problem::Document, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn create(
    State(app): State<App>,
    Key { grant, .. }: Key<ToAdminister>,
    Document(document): Document,
) -> Result<(StatusCode, Json<CreatedInvitation>), Problem> {
    let mut fields = Fields::parse_optional(&document)?;
    let new = NewInvitation {
        username: fields.text("username"),
        topics: fields.texts("topics").unwrap_or_default(),
        expires_in: fields.seconds("expires_in"),
    };
    fields.refused(app.core.auth.check_new_invitation(&new));
    fields.finish()?;
    let (invitation, token) = app.core.auth.invite(&Actor::from(&grant), new).await?;
    let uri = app.device_uri(Some(&token));
    let expires_at = moment(invitation.expires_at);
    Ok((StatusCode::CREATED, Json(CreatedInvitation { id: invitation.id.0, uri, expires_at })))
}

/// Withdraws an invitation: nobody can register with it any more.
#[utoipa::path(
    delete, path = "/v1/invitations/{id}", tag = "invitations", operation_id = "removeInvitation",
    params(("id" = String, Path, description = "The invitation's id")),
    responses(
        (status = 204, description = "Withdrawn; the account of one that was used stays"),
        (status = 404, description = "Unknown id", body = problem::Document, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Key { grant, .. }: Key<ToAdminister>,
    Segment(id): Segment,
) -> Result<StatusCode, Problem> {
    app.core.auth.remove_invitation(&Actor::from(&grant), &InvitationId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where devices connect.
pub(crate) struct DeviceAddress {
    pub host: String,
    pub domain: String,
    /// The port for STARTTLS.
    pub xmpp: Option<u16>,
    /// The port for direct TLS.
    pub xmpps: Option<u16>,
}

impl AppState {
    /// Where devices connect: to the host that the outside reaches the API at, where that is known.
    pub(crate) fn device_address(&self) -> DeviceAddress {
        let domain = self.core.config.domain.clone();
        let public = self.settings.public_url.as_deref().and_then(|url| {
            let uri: axum::http::Uri = url.parse().ok()?;
            uri.host().map(ToOwned::to_owned)
        });
        let (xmpp, xmpps) = (self.deployment.xmpp, self.deployment.xmpps);
        DeviceAddress { host: public.unwrap_or_else(|| domain.clone()), domain, xmpp, xmpps }
    }

    /// `tidings:HOST?domain=D[&xmpp=P][&xmpps=P][&token=T][&fp=sha256:HEX]`: all that a device needs.
    pub(crate) fn device_uri(&self, token: Option<&str>) -> String {
        let DeviceAddress { host, domain, xmpp, xmpps } = self.device_address();
        let mut uri = format!("tidings:{host}?domain={}", percent::encode(&domain));
        for (name, port) in [("xmpp", xmpp), ("xmpps", xmpps)] {
            if let Some(port) = port {
                uri.push_str(&format!("&{name}={port}"));
            }
        }
        if let Some(token) = token {
            uri.push_str(&format!("&token={}", percent::encode(token)));
        }
        if let Some(fingerprint) = self.deployment.key_fingerprint() {
            let hex: String = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
            uri.push_str(&format!("&fp=sha256:{hex}"));
        }
        uri
    }
}
