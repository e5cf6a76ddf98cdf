//! From an authenticated account to a session: binds a resource (RFC 6120 section 7).

use std::sync::Arc;

use tidings_xmpp::resource;
use tidings_xmpp::stanza::StanzaError;
use tidings_xmpp::xml::escape_attribute;

use super::bound_session::BoundSession;
use super::context::Context;
use super::peer::Peer;
use super::registry::Claim;
use super::session_entry::{NewSessionEntry, SessionEntry};
use crate::auth::AuthenticatedAccount;

/// The resource of androidpn's own client, which it uses whatever it logs in with.
const ANDROIDPN_RESOURCE: &str = "AndroidpnClient";

/// What a client asks to bind.
pub(super) struct BindRequest {
    /// The resource; the server chooses one where there is none.
    pub(super) resource: Option<String>,
    /// It logs in by XEP-0078.
    pub(super) iq_auth: bool,
}

/// Makes a session and claims its resource. Answers its full JID, too.
pub(super) fn bind(
    context: &Context,
    account: &AuthenticatedAccount,
    request: BindRequest,
    peer: Peer,
    tls: &'static str,
) -> Result<(Box<BoundSession>, String), StanzaError> {
    let mut secret = [0; 16];
    context.random.fill(&mut secret);
    let resource = match request.resource.filter(|resource| !resource.is_empty()) {
        Some(resource) => resource::prepare(&resource)
            .ok_or_else(|| StanzaError::bad_request("the resource is not valid"))?,
        None => format!("tidings-{:016x}", context.random_u64()),
    };
    let jid = format!("{}@{}/{}", account.username, context.config.domain, resource);
    let mut to = Vec::with_capacity(jid.len());
    escape_attribute(&jid, &mut to);
    // By XEP-0386 it is the first half of one.
    let own = resource.split('/').next() == Some(ANDROIDPN_RESOURCE);
    let legacy = request.iq_auth || own;
    let entry = Arc::new(SessionEntry::new(NewSessionEntry {
        id: context.session.registry.next_id(),
        account: account.account,
        username: account.username.clone(),
        resource,
        to: to.into(),
        created_at: context.clock.now(),
        secret,
        peer: peer.address.ip(),
        tls,
    }));
    match context.session.registry.claim(&entry, context.config.limits.sessions_per_account) {
        Claim::Registered => {}
        Claim::TooMany => {
            return Err(StanzaError::resource_constraint("too many sessions of this account"));
        }
    }
    context.auth.succeeded();
    Ok((Box::new(BoundSession::new(entry, legacy)), jid))
}
