//! A connection before its session: answers the negotiation's questions through
//! the auth manager, and binds or resumes a session.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidings_xmpp::sasl::{self, TlsBinding};
use tidings_xmpp::stanza::StanzaError;
use tidings_xmpp::stream::StreamError;
use tidings_xmpp::stream::server::{Answer, Bound, Negotiation, Question, Resumed, Step, Verdict};
use tidings_xmpp::xml::{Element, StreamHeader, escape_attribute};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::bound_session::BoundSession;
use super::connection::Peer;
use super::registry::Claim;
use super::session_entry::{Command, NewSessionEntry, SessionEntry};
use super::{iq, sm};
use crate::Core;
use crate::auth::{AuthError, AuthenticatedAccount, RegistrationRequest};
use crate::model::Show;

/// The resource of androidpn's own client, which it uses whatever it logs in with.
const ANDROIDPN_RESOURCE: &str = "AndroidpnClient";
const MAX_RESOURCE_BYTES: usize = 1023;
/// How long a live connection has to hand its session to the one that resumes it.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct NegotiationDriver {
    machine: Negotiation,
    peer: Peer,
    tls: &'static str,
    pub(super) deadline: Instant,
    /// Known once the password is proven; used once the exchange has succeeded.
    candidate: Option<AuthenticatedAccount>,
    disabled: bool,
    session: Option<Box<BoundSession>>,
}

/// What a step of the negotiation comes to.
pub(super) enum Transition {
    Continue,
    NewStream,
    /// The same stream goes on.
    Authenticated,
    StartTls,
    Bound(Box<BoundSession>),
    Close,
}

/// How far the negotiation came by itself.
pub(super) enum Advance {
    Transition(Transition),
    /// To be answered before it goes on.
    Question(Question),
}

impl NegotiationDriver {
    pub(super) fn new(core: &Core, peer: Peer, tls: Option<TlsBinding>) -> Self {
        let version = tls.as_ref().map_or("", |tls| tls.version);
        Self {
            machine: Negotiation::new(Arc::clone(&core.negotiation), tls),
            peer,
            tls: version,
            deadline: Instant::now() + Duration::from_secs(core.config.limits.auth_seconds),
            candidate: None,
            disabled: false,
            session: None,
        }
    }

    pub(super) fn tls_started(&mut self, tls: TlsBinding) {
        self.tls = tls.version;
        self.machine.tls_started(tls);
    }

    /// A session that was bound and not yet handed over.
    pub(super) fn take_session(&mut self) -> Option<Box<BoundSession>> {
        self.session.take()
    }

    pub(super) fn authenticated(&self) -> bool {
        self.machine.authenticated()
    }

    pub(super) fn open(&mut self, core: &Core, header: &StreamHeader, out: &mut Vec<u8>) -> Advance {
        let step = self.machine.open(header, &mut |bytes| core.random.fill(bytes), out);
        self.advance(step, out)
    }

    pub(super) fn stanza(&mut self, core: &Core, element: Element, out: &mut Vec<u8>) -> Advance {
        let step = self.machine.stanza(element, &mut |bytes| core.random.fill(bytes), out);
        self.advance(step, out)
    }

    pub(super) fn close(&mut self, out: &mut Vec<u8>) -> Advance {
        let _ = self.machine.close(out);
        Advance::Transition(Transition::Close)
    }

    pub(super) fn fail(&mut self, error: StreamError, out: &mut Vec<u8>) {
        self.machine.fail(error, out);
    }

    /// Answers what the negotiation asks, until it waits for the peer or is over.
    pub(super) async fn answered(
        &mut self,
        core: &Arc<Core>,
        mut question: Question,
        out: &mut Vec<u8>,
    ) -> Transition {
        loop {
            let answer = self.answer(core, question).await;
            let step = self.machine.answer(answer, &mut |bytes| core.random.fill(bytes), out);
            match self.advance(step, out) {
                Advance::Question(next) => question = next,
                Advance::Transition(transition) => return transition,
            }
        }
    }

    fn advance(&mut self, step: Step, out: &mut Vec<u8>) -> Advance {
        Advance::Transition(match step {
            Step::Continue => Transition::Continue,
            Step::NewStream => Transition::NewStream,
            Step::Authenticated => Transition::Authenticated,
            Step::StartTls => Transition::StartTls,
            Step::Close => Transition::Close,
            Step::Ask(question) => return Advance::Question(question),
            Step::Bound(bound) => match self.session.take() {
                None => Transition::Close,
                Some(mut session) => {
                    if matches!(bound, Bound::Resumed) {
                        session.replay_unacknowledged(out);
                    }
                    Transition::Bound(session)
                }
            },
        })
    }

    /// What takes more room than SCRAM does is boxed.
    async fn answer(&mut self, core: &Arc<Core>, question: Question) -> Answer {
        let source = self.peer.address.ip();
        match question {
            Question::Scram { username, hash } => match core.auth.scram(&username, hash, source).await {
                Ok(lookup) => {
                    self.candidate = lookup.identity;
                    self.disabled = lookup.disabled;
                    Answer::Scram(Some(sasl::ScramKeys {
                        salt: lookup.keys.salt,
                        iterations: lookup.keys.iterations,
                        stored_key: lookup.keys.stored_key,
                        server_key: lookup.keys.server_key,
                    }))
                }
                Err(error) => Answer::Refused(verdict(&error)),
            },
            Question::ScramSucceeded { .. } => Answer::Password(match (&self.candidate, self.disabled) {
                (None, _) => Verdict::NotAuthorized,
                (Some(_), true) => Verdict::Disabled,
                (Some(_), false) => Verdict::Accepted,
            }),
            Question::AuthFailed { .. } => {
                self.candidate = None;
                core.auth.failed(source);
                Answer::Password(Verdict::NotAuthorized)
            }
            Question::Password { username, password } => {
                Answer::Password(match self.check_password(core, &username, &password).await {
                    Ok(identity) => {
                        self.candidate = Some(identity);
                        Verdict::Accepted
                    }
                    Err(error) => verdict(&error),
                })
            }
            Question::IqAuth { username, password, resource } => {
                let identity = match self.check_password(core, &username, &password).await {
                    Ok(identity) => identity,
                    Err(error) => return Answer::Password(verdict(&error)),
                };
                match self.bind(core, identity, Some(resource), true) {
                    Ok(_jid) => Answer::Password(Verdict::Accepted),
                    Err(_) => Answer::Password(Verdict::Unavailable),
                }
            }
            Question::Register { username, password, name, email, token } => {
                let request = RegistrationRequest { username, password, name, email, token };
                let registered = Box::pin(core.auth.register(request, source)).await;
                Answer::Registered(registered.map(|_| ()).map_err(iq::register_error))
            }
            Question::Bind { resource } => Answer::Bind(match self.candidate.clone() {
                Some(identity) => self.bind(core, identity, resource, false),
                None => Err(StanzaError::not_authorized()),
            }),
            Question::Enable { resume } => match &mut self.session {
                Some(session) => Answer::Enabled(session.enable_management(core, resume)),
                None => Answer::Refused(Verdict::Unavailable),
            },
            Question::Resume { previd, h } => Answer::Resume(Box::pin(self.resume(core, &previd, h)).await),
        }
    }

    /// Boxed; see [`answer`](Self::answer).
    fn check_password<'a>(
        &self,
        core: &'a Core,
        username: &'a str,
        password: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<AuthenticatedAccount, AuthError>> + Send + 'a>> {
        Box::pin(core.auth.check_password(username, password, self.peer.address.ip()))
    }

    /// Makes the session and claims its resource (RFC 6120 section 7).
    fn bind(
        &mut self,
        core: &Arc<Core>,
        identity: AuthenticatedAccount,
        resource: Option<String>,
        iq_auth: bool,
    ) -> Result<String, StanzaError> {
        let mut secret = [0; 16];
        core.random.fill(&mut secret);
        let resource = match resource.filter(|resource| !resource.is_empty()) {
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
        let jid = format!("{}@{}/{}", identity.username, core.config.domain, resource);
        let mut to = Vec::with_capacity(jid.len());
        escape_attribute(&jid, &mut to);
        // By XEP-0386 it is the first half of one.
        let own = resource.split('/').next() == Some(ANDROIDPN_RESOURCE);
        let legacy = iq_auth || own;
        let entry = Arc::new(SessionEntry::new(NewSessionEntry {
            id: core.session.next_id(),
            account: identity.account,
            username: identity.username,
            resource,
            to: to.into(),
            created_at: core.clock.now(),
            secret,
            peer: self.peer.address.ip(),
            tls: self.tls,
        }));
        match core.session.claim(&entry, core.config.limits.sessions_per_account) {
            Claim::Registered => {}
            Claim::TooMany => {
                return Err(StanzaError::resource_constraint("too many sessions of this account"));
            }
        }
        self.session = Some(Box::new(BoundSession::new(entry, legacy)));
        core.auth.succeeded();
        Ok(jid)
    }

    /// Takes over the session that this account's client names (XEP-0198 section 5).
    async fn resume(&mut self, core: &Arc<Core>, previd: &str, h: u32) -> Result<Resumed, Option<u32>> {
        let identity = self.candidate.clone().ok_or(None)?;
        // Only among the account's own: another's id means nothing here.
        let entries = core.session.sessions(identity.account);
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
        core.session.change(entry, || entry.reattach(self.peer.address.ip(), self.tls));
        core.presence.changed(
            entry.account,
            &entry.username,
            &entry.resource,
            Show::Unavailable,
            entry.show(),
        );
        let jid = format!("{}@{}/{}", entry.username, core.config.domain, entry.resource);
        self.session = Some(session);
        core.auth.succeeded();
        Ok(Resumed { jid, handled: received.unwrap_or(0) })
    }
}

fn verdict(error: &AuthError) -> Verdict {
    match error {
        AuthError::NotAuthorized => Verdict::NotAuthorized,
        AuthError::Disabled => Verdict::Disabled,
        AuthError::Throttled => Verdict::Throttled,
        AuthError::Store(_) => Verdict::Unavailable,
    }
}
