//! androidpn's own form, so that its back ends keep working.

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidings_core::error::FieldError;
use tidings_core::model::{Audience, Content, Username};
use tidings_core::notification::{AcceptError, Request as SendRequest};
use tidings_core::store::StoreError;

use crate::middleware::key::{self, ToSend};
use crate::peer;
use crate::problem::{Problem, ProblemKind, waiting_for};
use crate::request::{DOCUMENT_BYTES, read_body, read_unauthenticated_body};
use crate::state::App;

const CHALLENGE: &str = "Basic realm=\"tidings\", charset=\"UTF-8\"";

/// `POST` or `GET /notification.do?action=send`: form fields, in the body or the query string.
pub(crate) async fn send(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let mut fields = FormFields::default();
    fields.read(request.uri().query().unwrap_or_default().as_bytes());
    let secret = key_in_headers(request.headers());
    let source = peer::source(&app.settings, request.headers(), request.extensions());
    let is_form = request.headers().get(CONTENT_TYPE).is_none_or(|kind| {
        kind.as_bytes().to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded")
    });
    if !is_form {
        return Err(Problem::new(ProblemKind::MediaType)
            .detail("send a form, with Content-Type: application/x-www-form-urlencoded"));
    }
    if let Some(secret) = &secret {
        key::check::<ToSend>(&app, secret, source)?;
    }
    let body = match secret {
        Some(_) => read_body(request, DOCUMENT_BYTES).await?,
        None => read_unauthenticated_body(&app, request, DOCUMENT_BYTES).await?,
    };
    fields.read(&body);

    let secret = secret.or_else(|| fields.text("api_key")).ok_or_else(|| {
        Problem::unauthorized(
            CHALLENGE,
            "send an API key: as Bearer, as Basic password, or as the field api_key",
        )
    })?;
    let grant = key::check::<ToSend>(&app, &secret, source)?;
    if fields.text("action").as_deref() != Some("send") {
        return Err(Problem::new(ProblemKind::UnknownAction).detail("the only action here is send"));
    }
    app.core.notification.check_room()?;
    let audience = audience(&mut fields)?;
    let content = Content {
        title: fields.text("title"),
        message: fields.text("message"),
        uri: fields.text("uri"),
        ..Content::default()
    };
    if content.title.is_none() && content.message.is_none() {
        return Err(Problem::field("message", "give a title or a message"));
    }
    let request = SendRequest::by_key(grant, audience, content);
    let accepted = app.core.notification.accept(request).await.map_err(|error| match error {
        AcceptError::Store(StoreError::UnknownUsers(names)) => {
            Problem::field("username", format!("unknown user: {}", names.join(", ")))
        }
        AcceptError::Store(StoreError::QueueFull(names)) => {
            let full = |name: &String| FieldError::new("username", waiting_for(name));
            Problem::queue_full(names.iter().map(full).collect())
        }
        other => other.into(),
    })?;
    let answer =
        [(LOCATION.as_str(), "/notification.do".to_owned()), ("notification-id", accepted.id.to_string())];
    Ok((StatusCode::FOUND, answer).into_response())
}

/// androidpn took `GET`, too, and some programs send so: with the action it is [`send`], and never
/// without a key. Without one, where androidpn had its form is the way to ours.
pub(crate) async fn get(app: State<App>, request: Request) -> Result<Response, Problem> {
    let query = request.uri().query().unwrap_or_default();
    if form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == "action" && value == "send") {
        return send(app, request).await;
    }
    Ok((StatusCode::FOUND, [(LOCATION, "/notifications/new")]).into_response())
}

fn audience(fields: &mut FormFields) -> Result<Audience, Problem> {
    let username = fields.text("username");
    match fields.text("broadcast").as_deref() {
        Some("Y" | "y") => Ok(Audience::All),
        Some("N" | "n") | None => match username {
            Some(name) => match Username::parse(&name) {
                Ok(name) => Ok(Audience::Users(vec![name])),
                Err(error) => Err(Problem::field("username", error.to_string())),
            },
            None => Err(Problem::field("username", "is required unless broadcast is Y")),
        },
        Some(_) => Err(Problem::field("broadcast", "must be Y or N")),
    }
}

/// The key as Bearer or as Basic password, whatever the user name.
fn key_in_headers(headers: &HeaderMap) -> Option<String> {
    if let Some(secret) = key::bearer(headers) {
        return Some(secret.to_owned());
    }
    let decoded = STANDARD.decode(key::credentials(headers, "basic")?).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}

/// The fields of a form; the first of a name counts, later ones are ignored as androidpn did.
#[derive(Default)]
struct FormFields(Vec<(String, String)>);

impl FormFields {
    fn read(&mut self, encoded: &[u8]) {
        self.0.extend(form_urlencoded::parse(encoded).into_owned());
    }

    /// A field's text; empty counts as absent.
    fn text(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(key, value)| key == name && !value.is_empty())?;
        Some(self.0.swap_remove(index).1)
    }
}
