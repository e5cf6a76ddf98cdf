//! From an authenticated account to a session: binds a resource (RFC 6120 section 7), or
//! resumes an earlier session (XEP-0198 section 5).

use std::sync::Arc;
use std::time::Duration;

use tidings_xmpp::stanza::StanzaError;
use tidings_xmpp::stream::server::Resumed;
use tidings_xmpp::xml::escape_attribute;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::bound_session::BoundSession;
use super::peer::Peer;
use super::registry::Claim;
use super::session_entry::{Command, NewSessionEntry, SessionEntry};
use super::sm;
use crate::Core;
use crate::auth::AuthenticatedAccount;
use crate::model::{AccountId, Show};

/// The resource of androidpn's own client, which it uses whatever it logs in with.
const ANDROIDPN_RESOURCE: &str = "AndroidpnClient";
const MAX_RESOURCE_BYTES: usize = 1023;
/// How long a live connection has to hand its session to the one that resumes it.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(5);

/// What a client asks to bind.
pub(super) struct BindRequest {
    /// The resource; the server chooses one where there is none.
    pub(super) resource: Option<String>,
    /// It logs in by XEP-0078.
    pub(super) iq_auth: bool,
}

/// Makes a session and claims its resource. Answers its full JID, too.
pub(super) fn bind(
    core: &Core,
    account: &AuthenticatedAccount,
    request: BindRequest,
    peer: Peer,
    tls: &'static str,
) -> Result<(Box<BoundSession>, String), StanzaError> {
    let mut secret = [0; 16];
    core.random.fill(&mut secret);
    let resource = match request.resource.filter(|resource| !resource.is_empty()) {
        Some(resource) => {
            let prepared = tidings_xmpp::jid::ResourcePart::new(&resource)
                .map_err(|_| StanzaError::bad_request("the resource is not valid"))?;
            prepared.as_str().to_owned()
        }
        None => format!("tidings-{:016x}", core.random_u64()),
    };
    if resource.len() > MAX_RESOURCE_BYTES {
        return Err(StanzaError::bad_request("the resource is too long"));
    }
    let jid = format!("{}@{}/{}", account.username, core.config.domain, resource);
    let mut to = Vec::with_capacity(jid.len());
    escape_attribute(&jid, &mut to);
    // By XEP-0386 it is the first half of one.
    let own = resource.split('/').next() == Some(ANDROIDPN_RESOURCE);
    let legacy = request.iq_auth || own;
    let entry = Arc::new(SessionEntry::new(NewSessionEntry {
        id: core.session.next_id(),
        account: account.account,
        username: account.username.clone(),
        resource,
        to: to.into(),
        created_at: core.clock.now(),
        secret,
        peer: peer.address.ip(),
        tls,
    }));
    match core.session.claim(&entry, core.config.limits.sessions_per_account) {
        Claim::Registered => {}
        Claim::TooMany => {
            return Err(StanzaError::resource_constraint("too many sessions of this account"));
        }
    }
    core.auth.succeeded();
    Ok((Box::new(BoundSession::new(entry, legacy)), jid))
}

/// Takes over the session of this account that `previd` names.
pub(super) async fn resume(
    core: &Core,
    account: AccountId,
    previd: &str,
    h: u32,
    peer: Peer,
    tls: &'static str,
) -> Result<(Box<BoundSession>, Resumed), Option<u32>> {
    // Only among the account's own: another's id means nothing here.
    let entries = core.session.sessions(account);
    let entry = entries.iter().find(|entry| sm::is_resumption_id(entry, previd)).ok_or(None)?;
    let mut session = match entry.take_detached() {
        Some(session) => session,
        None => {
            let (to, from) = oneshot::channel();
            if !entry.command(Command::Transfer(to)) {
                return Err(None);
            }
            // Boxed by the caller; a connection that does not answer keeps its session.
            timeout(TRANSFER_TIMEOUT, from).await.ok().and_then(Result::ok).ok_or(None)?
        }
    };
    let received = session.sm.as_ref().map(|sm| sm.received());
    if session.sm.as_ref().is_none_or(|sm| !sm.resumable) || !session.resumed(core, h).await {
        core.session.remove(entry);
        return Err(received);
    }
    core.session.change(entry, || entry.reattach(peer.address.ip(), tls));
    core.presence.changed(entry.account, &entry.username, &entry.resource, Show::Unavailable, entry.show());
    let jid = format!("{}@{}/{}", entry.username, core.config.domain, entry.resource);
    core.auth.succeeded();
    Ok((session, Resumed { jid, handled: received.unwrap_or(0) }))
}
