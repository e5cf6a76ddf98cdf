//! Whether a stanza's addresses may stand (RFC 6120 sections 8.1.1 and 8.1.2).

use tidings_xmpp::jid::BareJid;
use tidings_xmpp::resource;
use tidings_xmpp::xml::Element;

use super::context::Context;
use super::serves;
use super::session_entry::SessionEntry;
use crate::model::Username;

/// What is wrong with a stanza's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressError {
    /// `from` is not the session's own address.
    From,
    /// `to` is no address.
    To,
}

/// Who a stanza is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Addressee<'a> {
    /// The server, or nobody named.
    Server,
    /// The session's own account.
    Account,
    /// A resource of the session's own account.
    Resource(&'a str),
    /// Another address of the served domain.
    Other,
    /// An address of another domain, which cannot be reached.
    Elsewhere,
}

/// Who is meant by `to`, in a stanza of this session's peer.
pub(super) fn addressee<'a>(context: &Context, entry: &SessionEntry, to: Option<&'a str>) -> Addressee<'a> {
    let Some(to) = to else { return Addressee::Server };
    let (bare, resource) = match to.split_once('/') {
        Some((bare, resource)) => (bare, Some(resource)),
        None => (to, None),
    };
    let (node, domain) = match bare.split_once('@') {
        Some((node, domain)) => (Some(node), domain),
        None => (None, bare),
    };
    if !serves(&context.config.domain, domain) {
        return Addressee::Elsewhere;
    }
    let is_own = |node| Username::parse(node).is_ok_and(|name| name == entry.username);
    match (node, resource) {
        (None, None) => Addressee::Server,
        (Some(node), None) if is_own(node) => Addressee::Account,
        (Some(node), Some(resource)) if is_own(node) => Addressee::Resource(resource),
        _ => Addressee::Other,
    }
}

/// Checks what the peer wrote there. Devices send the domain or nothing, which costs next to nothing.
pub(super) fn check(context: &Context, entry: &SessionEntry, stanza: &Element) -> Result<(), AddressError> {
    if let Some(from) = stanza.attribute("from")
        && !is_own(context, entry, from)
    {
        return Err(AddressError::From);
    }
    match stanza.attribute("to") {
        Some(to) if to != context.config.domain && !serves(&context.config.domain, to) => {
            parse(to).map(|_| ()).ok_or(AddressError::To)
        }
        _ => Ok(()),
    }
}

/// The bare or the full address of the session.
fn is_own(context: &Context, entry: &SessionEntry, from: &str) -> bool {
    let Some((from, resource)) = parse(from) else { return false };
    from.node().is_some_and(|node| node.as_str() == entry.username.as_str())
        && serves(&context.config.domain, from.domain().as_str())
        && resource.is_none_or(|resource| *resource == *entry.resource)
}

/// An address: its bare JID, and its resource where it has one (RFC 7622).
fn parse(jid: &str) -> Option<(BareJid, Option<String>)> {
    let (bare, resource) = match jid.split_once('/') {
        Some((bare, resource)) => (bare, Some(resource::prepare(resource)?)),
        None => (jid, None),
    };
    Some((BareJid::new(bare).ok()?, resource))
}
