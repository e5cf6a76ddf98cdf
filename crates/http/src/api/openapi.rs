//! The API's description, generated from the handlers.

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::Ref;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Description, RefOr};
use utoipa::{Modify, OpenApi};

use super::{events, invitations, keys, nodes, notifications, sessions, stats, tokens, topics, users};
use crate::problem;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tidings",
        description = "Sends notifications to devices, and looks after accounts, sessions, topics and keys.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    paths(
        notifications::send, notifications::list, notifications::show, notifications::cancel,
        users::list, users::create, users::show, users::change, users::remove,
        tokens::list, tokens::create, tokens::remove,
        sessions::list, sessions::end,
        topics::list, topics::set, topics::subscribers, topics::subscribe, topics::unsubscribe,
        invitations::list, invitations::create, invitations::remove,
        keys::list, keys::create, keys::revoke,
        nodes::list,
        stats::show, events::stream,
    ),
    components(schemas(problem::Document)),
    tags(
        (name = "notifications", description = "Send, follow, withdraw"),
        (name = "users", description = "Accounts: a device or a person"),
        (name = "sessions", description = "Who is connected"),
        (name = "topics", description = "Who is subscribed to what"),
        (name = "invitations", description = "What lets one device register"),
        (name = "keys", description = "API keys"),
        (name = "nodes", description = "The servers that serve together"),
        (name = "stats", description = "Counts and events"),
    ),
    modifiers(&Common),
)]
struct Api;

/// What all routes have in common: the key, and how they refuse.
struct Common;

impl Modify for Common {
    fn modify(&self, api: &mut Description) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
            "An API key of scope send (send and follow notifications), read (see everything) or admin",
        ));
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(scheme.build()));
        for path in api.paths.paths.values_mut() {
            for operation in [&mut path.get, &mut path.put, &mut path.post, &mut path.patch, &mut path.delete]
            {
                let Some(operation) = operation else { continue };
                let mut refusals = vec![
                    ("401", "No API key, or a wrong one"),
                    ("403", "The key's scope does not reach"),
                    (
                        "503",
                        "Overloaded, or the disk is full, or the store failed: try again after Retry-After",
                    ),
                ];
                if operation.request_body.is_some() {
                    refusals.push(("400", "Not JSON"));
                    refusals.push(("413", "Larger than 64 KiB"));
                    refusals.push(("415", "Not application/json"));
                }
                if operation.request_body.is_some() || operation.parameters.is_some() {
                    refusals.push(("422", "Fields are wrong: errors names each"));
                }
                for (status, description) in refusals {
                    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
                    let response = ResponseBuilder::new()
                        .description(description)
                        .content("application/problem+json", body)
                        .build();
                    let known = &mut operation.responses.responses;
                    known.entry(status.to_owned()).or_insert(RefOr::T(response));
                }
            }
        }
    }
}

/// The description of all of `/v1` (OpenAPI 3.1), as JSON for people.
pub fn document() -> &'static str {
    static DOCUMENT: LazyLock<String> =
        LazyLock::new(|| Api::openapi().to_pretty_json().map(|json| json + "\n").unwrap_or_default());
    &DOCUMENT
}

pub(crate) async fn show() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], document())
}
