//! What all pages have in common: the operator, the frame, and what was just done.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use tidings_core::audit::Actor;
use tidings_core::model::Role;

use super::failure::Failure;
use super::operator::Operator;
use crate::problem::{Problem, ProblemKind};
use crate::state::App;

/// What every page of an operator who is logged in shows.
pub(crate) struct Page {
    pub operator: String,
    pub role: Role,
    pub csrf: String,
    pub domain: String,
    /// What was just done, from the address.
    pub done: Option<&'static str>,
    /// The browser's address.
    pub source: IpAddr,
    pub path: String,
}

impl Page {
    /// The page at this address.
    pub fn new(app: &App, operator: Operator, uri: &Uri) -> Self {
        Self {
            operator: operator.name,
            role: operator.role,
            csrf: operator.csrf,
            domain: app.core.config.domain.clone(),
            done: done(uri.query()),
            source: operator.source,
            path: uri.path().to_owned(),
        }
    }

    /// The places of the console that this operator may go to.
    pub fn places(&self) -> Vec<(&'static str, &'static str)> {
        let mut places = vec![
            ("/", "Dashboard"),
            ("/notifications", "Notifications"),
            ("/users", "Users"),
            ("/sessions", "Sessions"),
            ("/topics", "Topics"),
            ("/invitations", "Invitations"),
            ("/keys", "API keys"),
            ("/audit", "Audit log"),
        ];
        if self.may_administer() {
            places.push(("/operators", "Operators"));
        }
        places
    }

    /// Who asks for a change with a form of this page.
    pub fn actor(&self) -> Actor {
        Actor::Operator(self.operator.clone())
    }

    /// Whether this is where we are.
    pub fn at(&self, place: &str) -> bool {
        if place == "/" {
            return self.path == "/";
        }
        self.path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether this operator may send notifications.
    pub fn may_send(&self) -> bool {
        matches!(self.role, Role::Sender | Role::Administrator)
    }

    /// Whether this operator may change anything.
    pub fn may_administer(&self) -> bool {
        self.role == Role::Administrator
    }

    /// Refuses who may not send.
    pub fn to_send(&self) -> Result<(), Failure> {
        self.need(self.may_send())
    }

    /// Refuses who is no administrator.
    pub fn to_administer(&self) -> Result<(), Failure> {
        self.need(self.may_administer())
    }

    fn need(&self, enough: bool) -> Result<(), Failure> {
        if enough {
            return Ok(());
        }
        let role = self.role.as_str();
        let detail = format!("the role of {}, {role}, does not reach that far", self.operator);
        Err(Problem::new(ProblemKind::Role).detail(detail).into())
    }
}

impl FromRequestParts<App> for Page {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        Operator::find(parts, app).await.map(|operator| Self::new(app, operator, &parts.uri))
    }
}

/// What the `done` parameter says. A fixed list: an address shows no text of its own.
fn done(query: Option<&str>) -> Option<&'static str> {
    let word = form_urlencoded::parse(query?.as_bytes()).find(|(name, _)| name == "done")?.1;
    Some(match word.as_ref() {
        "sent" => "Sent: it is on durable storage, and devices get it now.",
        "scheduled" => "Scheduled.",
        "cancelled" => "Cancelled: who has it keeps it, nobody else gets it.",
        "created" => "Created.",
        "saved" => "Saved.",
        "removed" => "Removed.",
        "ended" => "The session ends. Its device may connect again.",
        "disabled" => "Disabled: its sessions end, logins are refused.",
        "enabled" => "Enabled.",
        "subscribed" => "Subscribed.",
        "unsubscribed" => "Unsubscribed.",
        "revoked" => "Revoked: the key does not work any more.",
        "withdrawn" => "Withdrawn: nobody can register with it any more.",
        "revoked-token" => "Removed: the token does not work any more.",
        "password" => "Your password is changed, your other logins are ended.",
        _ => return None,
    })
}
