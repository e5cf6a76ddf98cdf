//! Whether a stanza's addresses may stand (RFC 6120 sections 8.1.1 and 8.1.2).

use tidings_xmpp::jid::Jid;
use tidings_xmpp::xml::Element;

use super::context::Context;
use super::serves;
use super::session_entry::SessionEntry;

/// What is wrong with a stanza's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressError {
    /// `from` is not the session's own address.
    From,
    /// `to` is no address.
    To,
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
            Jid::new(to).map(|_| ()).map_err(|_| AddressError::To)
        }
        _ => Ok(()),
    }
}

/// The bare or the full address of the session.
fn is_own(context: &Context, entry: &SessionEntry, from: &str) -> bool {
    let Ok(from) = Jid::new(from) else { return false };
    from.node().is_some_and(|node| node.as_str() == entry.username.as_str())
        && serves(&context.config.domain, from.domain().as_str())
        && from.resource().is_none_or(|resource| *resource.as_str() == *entry.resource)
}
