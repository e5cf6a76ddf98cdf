//! What a bound session's peer sends: where each stanza goes.

use std::sync::Arc;

use tidings_xmpp::ext::csi::ClientState;
use tidings_xmpp::ext::sm::{self as wire_sm, Nonza};
use tidings_xmpp::ext::{markers, receipts};
use tidings_xmpp::ns;
use tidings_xmpp::stanza::{self, Condition, Iq, IqKind, Message, Presence, StanzaError};
use tidings_xmpp::stream::{StreamCondition, StreamError};
use tidings_xmpp::xml::Element;
use tokio::time::Instant;

use super::address::AddressError;
use super::bound_session::BoundSession;
use super::context::Context;
use super::outcome::{Outcome, reply};
use super::{address, iq, siblings};
use crate::model::{NotificationId, Show, Status};

/// Handles one element of the stream's first level.
pub(super) async fn handle(
    session: &mut BoundSession,
    context: &Context,
    element: Element,
    now: Instant,
    out: &mut Vec<u8>,
) -> Outcome {
    if element.ns() == ns::CLIENT {
        if let Some(sm) = &mut session.sm {
            sm.count_received();
        }
        match address::check(context, &session.entry, &element) {
            Ok(()) => {}
            Err(AddressError::From) => return Outcome::fail(StreamCondition::InvalidFrom),
            Err(AddressError::To) => {
                if stanza::may_be_answered(&element) {
                    // From the server: the address that is none would not be understood either.
                    let error = stanza::error_reply(&element, StanzaError::jid_malformed())
                        .with_attribute("from", context.config.domain.clone());
                    reply(session, &error, out);
                }
                return Outcome::Continue;
            }
        }
        match element.name() {
            "iq" => return iq_stanza(session, context, element, now, out).await,
            "message" => {
                message(session, context, &element, out).await;
                return Outcome::Continue;
            }
            "presence" => {
                presence(session, context, &element, out).await;
                return Outcome::Continue;
            }
            _ => return Outcome::fail(StreamCondition::UnsupportedStanzaType),
        }
    }
    if let Some(state) = ClientState::from_element(&element) {
        session.set_inactive(state == ClientState::Inactive);
        return Outcome::Continue;
    }
    if element.ns() == ns::SM {
        return stream_management(session, context, &element, now, out).await;
    }
    Outcome::fail(StreamCondition::UnsupportedStanzaType)
}

async fn stream_management(
    session: &mut BoundSession,
    context: &Context,
    element: &Element,
    now: Instant,
    out: &mut Vec<u8>,
) -> Outcome {
    match (Nonza::from_element(element), &mut session.sm) {
        (Some(Nonza::Request), Some(sm)) => wire_sm::write_ack(sm.received(), out),
        (Some(Nonza::Ack(h)), Some(_)) => return acknowledged(session, context, h, out).await,
        (Some(Nonza::Enable { resume, .. }), None) => {
            session.enable_management(&context.sources, resume, now).to_element().write(out, ns::CLIENT);
        }
        (None, _) => {
            return Outcome::fail(StreamError::with_text(
                StreamCondition::InvalidXml,
                "not an element of stream management",
            ));
        }
        // Asking for what was not enabled, or enabling twice.
        _ => {
            let failed = Nonza::Failed { h: None, condition: Condition::UnexpectedRequest };
            failed.to_element().write(out, ns::CLIENT);
        }
    }
    Outcome::Continue
}

/// The peer acknowledged everything up to `h`. More than was sent ends the
/// stream (XEP-0198 section 4).
pub(super) async fn acknowledged(
    session: &mut BoundSession,
    context: &Context,
    h: u32,
    out: &mut Vec<u8>,
) -> Outcome {
    match session.acknowledged(&context.sources, h, out).await {
        Ok(()) => Outcome::Continue,
        Err(error) => Outcome::Fail(
            StreamError::with_text(StreamCondition::UndefinedCondition, error.to_string()),
            Some(error.to_element()),
        ),
    }
}

async fn iq_stanza(
    session: &mut BoundSession,
    context: &Context,
    element: Element,
    now: Instant,
    out: &mut Vec<u8>,
) -> Outcome {
    let iq = match Iq::from_element(element) {
        Ok(iq) => iq,
        Err(invalid) => {
            if let Some(error) = invalid.reply() {
                reply(session, &error, out);
            }
            return Outcome::Continue;
        }
    };
    match iq.kind {
        IqKind::Result | IqKind::Error => {
            session.pong(&context.sources, &iq.id, now, out).await;
            Outcome::Continue
        }
        IqKind::Get | IqKind::Set => iq::request(session, context, &iq, out).await,
    }
}

async fn message(session: &mut BoundSession, context: &Context, element: &Element, out: &mut Vec<u8>) {
    if element.attribute("type") == Some("error") {
        return;
    }
    let mut understood = false;
    if let Some(id) = receipts::received_id(element) {
        understood = true;
        if let Ok(id) = id.parse::<NotificationId>() {
            session.receipt(&context.sources, id, true).await;
        }
    }
    if let Some(id) = markers::displayed_id(element) {
        understood = true;
        if let Ok(id) = id.parse::<NotificationId>() {
            session.receipt(&context.sources, id, false).await;
            let entry = &session.entry;
            if let Err(error) = context.notification.opened(entry.account, &entry.username, id).await {
                tracing::warn!(%error, "an opened notification was not noted");
            }
        }
    }
    // The server takes no messages; chat states and the like need no answer.
    if !understood && Message::from_element(element).is_some_and(|message| message.body().is_some()) {
        let error = StanzaError::service_unavailable();
        reply(session, &stanza::error_reply(element, error), out);
    }
}

async fn presence(session: &mut BoundSession, context: &Context, element: &Element, out: &mut Vec<u8>) {
    let presence = match Presence::from_element(element) {
        Ok(presence) => presence,
        Err(error) => {
            reply(session, &stanza::error_reply(element, error), out);
            return;
        }
    };
    if presence.to.is_some() {
        // Directed presence: no account sees another's, and the server needs none.
        return;
    }
    use stanza::{PresenceKind, Show as WireShow};
    let show = match (presence.kind, presence.show) {
        (PresenceKind::Available, None) => Show::Available,
        (PresenceKind::Available, Some(WireShow::Chat)) => Show::Chat,
        (PresenceKind::Available, Some(WireShow::Away)) => Show::Away,
        (PresenceKind::Available, Some(WireShow::Xa)) => Show::ExtendedAway,
        (PresenceKind::Available, Some(WireShow::Dnd)) => Show::DoNotDisturb,
        (PresenceKind::Unavailable, _) => Show::Unavailable,
        // No rosters, so no subscriptions and no probes.
        _ => return,
    };
    set_presence(session, context, show, presence.priority, element, out).await;
}

/// Applies a new presence: siblings and watchers are told, and the feed starts or stops.
async fn set_presence(
    session: &mut BoundSession,
    context: &Context,
    show: Show,
    priority: i8,
    stanza: &Element,
    out: &mut Vec<u8>,
) {
    let entry = Arc::clone(&session.entry);
    let before_status = entry.status();
    let before = context.session.registry.set_presence(&entry, show, priority);
    context.presence.changed(entry.account, &entry.username, &entry.resource, before, show);
    let (domain, others) = (&context.config.domain, context.session.registry.siblings(&entry));
    siblings::tell(domain, &entry, &others, stanza);
    if before == Show::Unavailable && show != Show::Unavailable {
        for other in &others {
            reply(session, &siblings::presence_of(domain, other, &entry), out);
        }
    }
    match (before_status, entry.status()) {
        (Status::Available, Status::Available) => {}
        (_, Status::Available) => {
            session.start_feed();
        }
        _ => session.stop_feed(),
    }
}
