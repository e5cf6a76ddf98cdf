//! Requests (`iq` of type get or set) that a bound session's peer may send.

use std::sync::Arc;

use tidings_xmpp::ext::disco::{self, Identity, Info};
use tidings_xmpp::ext::{androidpn, blocking, entity_time, private, push, register, roster, version};
use tidings_xmpp::ns;
use tidings_xmpp::stanza::{Iq, IqKind, StanzaError};
use tidings_xmpp::stream::StreamCondition;
use tidings_xmpp::xml::Element;

use super::address::{self, Addressee};
use super::bound_session::BoundSession;
use super::context::Context;
use super::outcome::{Outcome, reply};
use crate::auth::AccountEdit;
use crate::error::ChangeError;
use crate::model::{Encoding, NotificationId, Topic, Username};
use crate::store::StoreError;

/// Answers a request; every one gets an answer.
pub(super) async fn request(
    session: &mut BoundSession,
    context: &Context,
    iq: &Iq,
    out: &mut Vec<u8>,
) -> Outcome {
    let answer = match address::addressee(context, &session.entry, iq.to.as_deref()) {
        Addressee::Server => server_request(session, context, iq).await,
        Addressee::Account => account_request(iq),
        Addressee::Other | Addressee::Resource(_) => other_request(iq),
        Addressee::Elsewhere => Err(StanzaError::service_unavailable()),
    };
    match answer {
        Ok(Answer::Result(payload)) => reply(session, &iq.result(payload), out),
        Ok(Answer::Removed) => {
            reply(session, &iq.result(None), out);
            return Outcome::Fail(StreamCondition::NotAuthorized.into(), None);
        }
        Err(error) => reply(session, &iq.error(error), out),
    }
    Outcome::Continue
}

enum Answer {
    Result(Option<Element>),
    /// The account is gone.
    Removed,
}

type Answered = Result<Answer, StanzaError>;

fn account_request(iq: &Iq) -> Answered {
    let payload = iq.payload.as_ref().ok_or_else(StanzaError::service_unavailable)?;
    match (iq.kind, payload.name(), payload.ns()) {
        (IqKind::Get, "query", ns::DISCO_INFO) => {
            let info = Info {
                node: None,
                identities: vec![Identity::new("account", "registered", "")],
                features: vec![ns::DISCO_INFO.into()],
            };
            Ok(Answer::Result(Some(info.to_element())))
        }
        (IqKind::Get, "query", ns::DISCO_ITEMS) => Ok(Answer::Result(Some(disco::items(None, &[])))),
        (IqKind::Get, "ping", ns::PING) => Ok(Answer::Result(None)),
        (IqKind::Get, "query", ns::ROSTER) => Ok(Answer::Result(Some(roster::empty()))),
        (IqKind::Get, _, _) => stored_for_account(payload),
        _ => Err(StanzaError::service_unavailable()),
    }
}

/// What messengers keep with an account, and ask for at each login without looking whether it is
/// offered: there is none of it.
fn stored_for_account(payload: &Element) -> Answered {
    let nothing = private::empty(payload).or_else(|| blocking::empty(payload));
    nothing.map(|nothing| Answer::Result(Some(nothing))).ok_or_else(StanzaError::service_unavailable)
}

/// Nobody is told whether there is such an address (XEP-0030 section 8).
fn other_request(iq: &Iq) -> Answered {
    let bare = iq.to.as_deref().is_some_and(|to| !to.contains('/'));
    match &iq.payload {
        Some(payload) if bare && iq.kind == IqKind::Get && payload.is("query", ns::DISCO_ITEMS) => {
            Ok(Answer::Result(Some(disco::items(payload.attribute("node"), &[]))))
        }
        _ => Err(StanzaError::service_unavailable()),
    }
}

async fn server_request(session: &mut BoundSession, context: &Context, iq: &Iq) -> Answered {
    let payload = iq.payload.as_ref().ok_or_else(StanzaError::service_unavailable)?;
    let set = iq.kind == IqKind::Set;
    // What takes more room than a ping is boxed.
    match (payload.ns(), payload.name()) {
        (ns::PING, "ping") if !set => Ok(Answer::Result(None)),
        (ns::DISCO_INFO, "query") if !set => disco_info(payload),
        (ns::DISCO_ITEMS, "query") if !set => {
            Ok(Answer::Result(Some(disco::items(payload.attribute("node"), &[]))))
        }
        // Messengers ask for a roster before anything else; there are no contacts here.
        (ns::ROSTER, "query") if !set => Ok(Answer::Result(Some(roster::empty()))),
        (ns::SESSION, "session") if set => Ok(Answer::Result(None)),
        (ns::VERSION, "query") if !set => {
            Ok(Answer::Result(Some(version::answer("Tidings", env!("CARGO_PKG_VERSION")))))
        }
        (ns::TIME, "time") if !set => {
            Ok(Answer::Result(Some(entity_time::answer(&context.clock.now().whole_seconds().to_string()))))
        }
        (ns::PRIVATE | ns::BLOCKING, _) if !set => stored_for_account(payload),
        (ns::BIND, "bind") => Err(StanzaError::not_allowed()),
        (ns::REGISTER, "query") => Box::pin(registration(session, context, iq, payload)).await,
        (ns::PUSH, _) => Box::pin(push_request(session, context, iq, payload)).await,
        (ns, _) if androidpn::Request::is_known(ns) => {
            Box::pin(androidpn_request(session, context, iq, payload)).await
        }
        _ => Err(StanzaError::service_unavailable()),
    }
}

/// What the server offers, in disco#info and in its XEP-0115 caps.
pub(super) fn server_info(node: Option<&str>) -> Info {
    let features = [
        ns::CAPS,
        ns::DISCO_INFO,
        ns::DISCO_ITEMS,
        ns::PING,
        ns::PUSH,
        ns::RECEIPTS,
        ns::REGISTER,
        ns::TIME,
        ns::VERSION,
    ]
    .map(str::to_owned);
    Info {
        node: node.map(str::to_owned),
        identities: vec![Identity::new("server", "im", "Tidings")],
        features: features.into(),
    }
}

fn disco_info(payload: &Element) -> Answered {
    let node = payload.attribute("node");
    let (ours, ver) = super::server_caps();
    if node.is_some_and(|node| node != format!("{ours}#{ver}")) {
        return Err(StanzaError::item_not_found());
    }
    Ok(Answer::Result(Some(server_info(node).to_element())))
}

/// XEP-0077 sections 3.2 and 3.3, from a bound session.
async fn registration(session: &mut BoundSession, context: &Context, iq: &Iq, payload: &Element) -> Answered {
    let entry = &session.entry;
    match register::Request::from_payload(iq.kind, payload)? {
        register::Request::Fields => {
            let mut fields = register::Fields::usual("Set a new password, or remove the account.", false);
            fields.registered_as = Some(entry.username.to_string());
            Ok(Answer::Result(Some(fields.to_element())))
        }
        register::Request::Remove => {
            context.auth.remove_account(&entry.actor(), entry.reference()).await.map_err(change_error)?;
            Ok(Answer::Removed)
        }
        register::Request::Submit(fields) => {
            // Only one's own password can be changed here.
            let own = fields
                .username
                .as_deref()
                .is_none_or(|name| Username::parse(name).is_ok_and(|name| name == entry.username));
            if !own {
                return Err(StanzaError::not_allowed());
            }
            let Some(password) = fields.password else {
                return Err(StanzaError::bad_request("a new password is needed"));
            };
            let edit = AccountEdit { password: Some(password), ..AccountEdit::default() };
            change(session, context, edit).await
        }
    }
}

/// A change of the account's own; its other sessions end where they may not go on.
async fn change(session: &BoundSession, context: &Context, edit: AccountEdit) -> Answered {
    let entry = &session.entry;
    let changed = context.auth.change_account(&entry.actor(), entry.reference(), edit).await;
    changed.map(|()| Answer::Result(None)).map_err(change_error)
}

async fn push_request(session: &mut BoundSession, context: &Context, iq: &Iq, payload: &Element) -> Answered {
    let entry = Arc::clone(&session.entry);
    let actor = entry.actor();
    match push::Request::from_payload(iq.kind, payload)? {
        push::Request::Enable => session.encoding = Encoding::Headline,
        push::Request::Subscribe(name) => {
            let topic = topic(&name)?;
            let subscribed = context.notification.subscribe(&actor, entry.reference(), topic).await;
            subscribed.map_err(change_error)?;
        }
        push::Request::Unsubscribe(name) => {
            let topic = topic(&name)?;
            let ended = context.notification.unsubscribe(&actor, entry.reference(), topic).await;
            ended.map_err(change_error)?;
        }
        push::Request::Subscriptions => {
            let topics = context.notification.topics_of(entry.account).await.map_err(store_error)?;
            return Ok(Answer::Result(Some(push::subscriptions(topics.iter().map(Topic::as_str)))));
        }
    }
    Ok(Answer::Result(None))
}

fn topic(name: &str) -> Result<Topic, StanzaError> {
    Topic::parse(name).map_err(|error| StanzaError::bad_request(error.to_string()))
}

/// What androidpn's forks added.
async fn androidpn_request(
    session: &mut BoundSession,
    context: &Context,
    iq: &Iq,
    payload: &Element,
) -> Answered {
    let request = androidpn::Request::from_payload(iq.kind, payload)?;
    let entry = Arc::clone(&session.entry);
    let own = |name: &Option<String>| {
        let given = name.as_deref().filter(|name| !name.is_empty());
        given.is_none_or(|name| Username::parse(name).is_ok_and(|name| name == entry.username))
    };
    match request {
        androidpn::Request::Confirm(id) => {
            if let Ok(id) = id.parse::<NotificationId>() {
                session.receipt(&context.sources, id, false).await;
            }
        }
        androidpn::Request::SetAlias { username, alias } => {
            if !own(&username) {
                return Err(StanzaError::not_allowed());
            }
            let edit = AccountEdit { alias: Some(Some(alias)), ..AccountEdit::default() };
            return change(session, context, edit).await;
        }
        androidpn::Request::SetTags { username, tags } => {
            if !own(&username) {
                return Err(StanzaError::not_allowed());
            }
            let wanted = tags.iter().map(|tag| topic(tag)).collect::<Result<_, _>>()?;
            let set = context.notification.set_topics(&entry.actor(), entry.reference(), wanted).await;
            set.map_err(change_error)?;
        }
    }
    Ok(Answer::Result(None))
}

/// What a peer is told when the store does not do it.
pub(super) fn store_error(error: StoreError) -> StanzaError {
    match error {
        StoreError::Conflict => StanzaError::conflict(),
        StoreError::NotFound | StoreError::Gone => StanzaError::item_not_found(),
        StoreError::Busy | StoreError::Full | StoreError::Unavailable(_) => {
            StanzaError::resource_constraint("the server is busy; try again")
        }
        error => {
            tracing::error!(%error, "a request failed");
            StanzaError::internal_server_error()
        }
    }
}

/// What a peer is told when a manager does not do it.
pub(super) fn change_error(error: ChangeError) -> StanzaError {
    match error {
        ChangeError::Conflict(_) => StanzaError::conflict(),
        ChangeError::NotFound(_) => StanzaError::item_not_found(),
        ChangeError::Forbidden(why) => StanzaError::forbidden(why),
        ChangeError::Invalid(_) => StanzaError::not_acceptable(error.to_string()),
        ChangeError::LimitReached { .. } | ChangeError::Throttled => {
            StanzaError::resource_constraint(error.to_string())
        }
        ChangeError::Store(error) => store_error(error),
    }
}
