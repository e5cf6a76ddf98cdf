//! What a bound session's peer sends: where each stanza goes.

use std::sync::Arc;

use tidings_xmpp::ext::csi::ClientState;
use tidings_xmpp::ext::sm::{self as wire_sm, Nonza};
use tidings_xmpp::ext::{markers, receipts};
use tidings_xmpp::ns;
use tidings_xmpp::stanza::{self, Condition, Iq, IqKind, Message, MessageKind, Presence, StanzaError};
use tidings_xmpp::stream::{StreamCondition, StreamError};
use tidings_xmpp::xml::Element;
use tokio::time::Instant;

use super::address::{AddressError, Addressee};
use super::bound_session::BoundSession;
use super::context::Context;
use super::outcome::{Outcome, reply};
use super::presence_stanza::PresenceStanza;
use super::session_entry::SessionEntry;
use super::{address, iq, siblings};
use crate::model::{Encoding, NotificationId, Show, Status};

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
        let to = element.attribute("to");
        if let Addressee::Resource(resource) = address::addressee(context, &session.entry, to) {
            let resource = resource.to_owned();
            pass_on(session, context, element, &resource, out);
            return Outcome::Continue;
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
        // What was held back goes out before the answers to what follows.
        if session.set_inactive(state == ClientState::Inactive)
            && !session.backpressured
            && session.wants_pump(&context.sources, now)
        {
            session.pump(&context.sources, now, out).await;
        }
        return Outcome::Continue;
    }
    if element.ns() == ns::SM {
        return stream_management(session, context, &element, now, out).await;
    }
    Outcome::fail(StreamCondition::UnsupportedStanzaType)
}

/// A stanza for one of the account's own resources (RFC 6121 section 8.5.3).
fn pass_on(
    session: &mut BoundSession,
    context: &Context,
    mut element: Element,
    resource: &str,
    out: &mut Vec<u8>,
) {
    element.set_attribute("from", siblings::jid(&context.config.domain, &session.entry));
    if *resource == *session.entry.resource {
        return reply(session, &element, out);
    }
    let sessions = context.session.registry.sessions(session.entry.account);
    let bytes = element.to_bytes();
    let passed_on = bytes.len() <= context.config.limits.stanza_bytes
        && sessions.iter().any(|other| *other.resource == *resource && other.pass_on(bytes.clone().into()));
    // A presence for nobody is ignored, and a message that expects no answer (section 8.5.3.2).
    let expects_answer = match element.name() {
        "iq" => true,
        _ => Message::from_element(&element).is_some_and(|message| message.kind() != MessageKind::Headline),
    };
    if !passed_on && expects_answer && stanza::may_be_answered(&element) {
        reply(session, &stanza::error_reply(&element, StanzaError::service_unavailable()), out);
    }
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
    let Some(message) = Message::from_element(element) else { return };
    if message.kind() == MessageKind::Error {
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
    // The server takes no messages, and passes none on to other accounts (RFC 6121 section
    // 8.5.1); chat states and the like need no answer.
    let expects_answer = match message.kind() {
        MessageKind::Groupchat => true,
        MessageKind::Normal | MessageKind::Chat => message.body().is_some(),
        MessageKind::Headline | MessageKind::Error => false,
    };
    if !understood && expects_answer {
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
    use stanza::{PresenceKind, Show as WireShow};
    if presence.to.is_some() {
        // No account sees another's. Who joins a room that is none is told, and who asks for
        // somebody's presence.
        let to = address::addressee(context, &session.entry, presence.to.as_deref());
        match (to, presence.kind) {
            (Addressee::Server | Addressee::Account | Addressee::Resource(_), _) => {}
            (_, PresenceKind::Available) => {
                reply(session, &stanza::error_reply(element, StanzaError::service_unavailable()), out);
            }
            (_, PresenceKind::Subscribe | PresenceKind::Probe) => {
                let mut refused = Element::new("presence", ns::CLIENT).with_attribute("type", "unsubscribed");
                for (name, value) in [("from", presence.to), ("id", presence.id)] {
                    if let Some(value) = value {
                        refused.set_attribute(name, value);
                    }
                }
                reply(session, &refused, out);
            }
            _ => {}
        }
        return;
    }
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
    set_presence(session, context, show, presence.priority, element, out);
}

/// Writes what the account's other sessions have left for this one.
pub(super) fn write_from_siblings(session: &mut BoundSession, context: &Context, out: &mut Vec<u8>) {
    let Some(from) = session.entry.take_from_siblings() else { return };
    if session.entry.show() != Show::Unavailable {
        from.presences.iter().for_each(|sibling| write_presence(session, context, sibling, out));
    }
    for stanza in from.stanzas {
        let start = out.len();
        out.extend_from_slice(&stanza);
        if let Some(sm) = &mut session.sm {
            sm.keep(start, out);
        }
    }
}

fn write_presence(session: &mut BoundSession, context: &Context, of: &SessionEntry, out: &mut Vec<u8>) {
    let start = out.len();
    siblings::write_presence(&context.config.domain, of, &session.entry, out);
    if let Some(sm) = &mut session.sm {
        sm.keep(start, out);
    }
}

/// Applies a new presence: the session itself, its siblings and watchers are told, and the feed
/// starts or stops.
fn set_presence(
    session: &mut BoundSession,
    context: &Context,
    show: Show,
    priority: i8,
    stanza: &Element,
    out: &mut Vec<u8>,
) {
    let entry = Arc::clone(&session.entry);
    let before_status = entry.status();
    let passed_on = PresenceStanza::of(stanza, &siblings::jid(&context.config.domain, &entry));
    let before = context.session.registry.set_presence(&entry, show, priority, passed_on);
    context.presence.changed(entry.account, &entry.username, &entry.resource, before, show);
    let others = context.session.registry.siblings(&entry);
    siblings::tell(&entry, &others);
    if session.encoding != Encoding::Legacy {
        siblings::write_presence(&context.config.domain, &entry, &entry, out);
        // Who resumes knows what it has sent: this is not kept to be sent again.
        if let Some(sm) = &mut session.sm {
            sm.count_sent();
        }
    }
    if before == Show::Unavailable && show != Show::Unavailable {
        others.iter().for_each(|other| write_presence(session, context, other, out));
    }
    match (before_status, entry.status()) {
        (Status::Available, Status::Available) => {}
        (_, Status::Available) => {
            session.start_feed();
        }
        _ => session.stop_feed(),
    }
}
