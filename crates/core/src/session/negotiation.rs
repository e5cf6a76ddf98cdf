//! A connection before its session: answers the negotiation's questions through
//! the auth manager. What it has learned of the peer is its [`Stage`].

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidings_xmpp::sasl::{self, TlsBinding};
use tidings_xmpp::stanza::StanzaError;
use tidings_xmpp::stream::StreamError;
use tidings_xmpp::stream::server::{Answer, Bound, Negotiation, Question, Resumed, Step, Verdict};
use tidings_xmpp::xml::{Element, StreamHeader};
use tokio::time::Instant;

use super::binding::{self, BindRequest};
use super::bound_session::BoundSession;
use super::context::Context;
use super::iq;
use super::peer::Peer;
use crate::auth::{AuthError, AuthenticatedAccount, RegistrationRequest};
use crate::model::Show;

pub(super) struct NegotiationDriver {
    machine: Negotiation,
    peer: Peer,
    tls: &'static str,
    pub(super) deadline: Instant,
    /// The deadline was put off for a registration.
    extended: bool,
    stage: Stage,
}

/// What the peer has shown of itself. Only [`Stage::Authenticated`] leads to a session.
enum Stage {
    /// Nothing yet, or nothing that held.
    Anonymous,
    /// A SCRAM exchange is under way: what a proof that fits will come to.
    Proving(Result<AuthenticatedAccount, AuthError>),
    /// Whose credentials it has.
    Authenticated(AuthenticatedAccount),
    /// It has a session, which begins once the negotiation has said so.
    Bound(Box<BoundSession>),
}

impl Stage {
    /// The stage after a login that ended so, and what the peer is told.
    fn after_login(login: Result<AuthenticatedAccount, AuthError>) -> (Self, Verdict) {
        match login {
            Ok(account) => (Self::Authenticated(account), Verdict::Accepted),
            Err(error) => (Self::Anonymous, verdict(&error)),
        }
    }

    /// The SCRAM proof fits. Without an exchange under way it proves nothing.
    fn prove(self) -> (Self, Verdict) {
        match self {
            Self::Proving(login) => Self::after_login(login),
            Self::Anonymous | Self::Authenticated(_) => (Self::Anonymous, Verdict::NotAuthorized),
            Self::Bound(session) => (Self::Bound(session), Verdict::NotAuthorized),
        }
    }

    /// Whose resource may be bound, or session resumed.
    fn account(&self) -> Option<&AuthenticatedAccount> {
        match self {
            Self::Authenticated(account) => Some(account),
            Self::Anonymous | Self::Proving(_) | Self::Bound(_) => None,
        }
    }
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
    pub(super) fn new(context: &Context, peer: Peer, tls: Option<TlsBinding>, now: Instant) -> Self {
        let version = tls.as_ref().map_or("", |tls| tls.version);
        Self {
            machine: Negotiation::new(Arc::clone(&context.negotiation), tls),
            peer,
            tls: version,
            deadline: now + Duration::from_secs(context.config.limits.auth_seconds),
            extended: false,
            stage: Stage::Anonymous,
        }
    }

    /// A peer that registers may be a person who fills in a form: it has longer, once.
    pub(super) fn extend_deadline(&mut self, context: &Context, now: Instant) {
        if self.machine.registering() && !self.extended {
            self.extended = true;
            let longer = now + Duration::from_secs(context.config.limits.registration_seconds);
            self.deadline = self.deadline.max(longer);
        }
    }

    pub(super) fn tls_started(&mut self, tls: TlsBinding) {
        self.tls = tls.version;
        self.machine.tls_started(tls);
    }

    /// A session that has not begun yet; the connection ends without it.
    pub(super) fn into_session(self) -> Option<Box<BoundSession>> {
        match self.stage {
            Stage::Bound(session) => Some(session),
            Stage::Anonymous | Stage::Proving(_) | Stage::Authenticated(_) => None,
        }
    }

    /// Where the peer is.
    pub(super) fn address(&self) -> IpAddr {
        self.peer.address.ip()
    }

    pub(super) fn authenticated(&self) -> bool {
        self.machine.authenticated()
    }

    pub(super) fn open(&mut self, context: &Context, header: &StreamHeader, out: &mut Vec<u8>) -> Advance {
        let step = self.machine.open(header, &mut |bytes| context.random.fill(bytes), out);
        self.advance(step, out)
    }

    pub(super) fn stanza(&mut self, context: &Context, element: Element, out: &mut Vec<u8>) -> Advance {
        let step = self.machine.stanza(element, &mut |bytes| context.random.fill(bytes), out);
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
        context: &Context,
        mut question: Question,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Transition {
        loop {
            let answer = self.answer(context, question, now).await;
            let step = self.machine.answer(answer, &mut |bytes| context.random.fill(bytes), out);
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
            Step::Bound(bound) => match std::mem::replace(&mut self.stage, Stage::Anonymous) {
                Stage::Bound(mut session) => {
                    if matches!(bound, Bound::Resumed) {
                        session.replay_unacknowledged(out);
                    }
                    Transition::Bound(session)
                }
                // The negotiation binds only what was answered with a session.
                Stage::Anonymous | Stage::Proving(_) | Stage::Authenticated(_) => Transition::Close,
            },
        })
    }

    /// What takes more room than SCRAM does is boxed.
    async fn answer(&mut self, context: &Context, question: Question, now: Instant) -> Answer {
        let source = self.peer.address.ip();
        if let Stage::Bound(session) = &mut self.stage {
            return match question {
                Question::Enable { resume } => {
                    Answer::Enabled(session.enable_management(&context.sources, resume, now))
                }
                // Nothing else is asked once there is a session.
                _ => Answer::Refused(Verdict::Unavailable),
            };
        }
        match question {
            Question::Scram { username, hash } => match context.auth.scram(&username, hash, source).await {
                Ok(lookup) => {
                    self.stage = Stage::Proving(lookup.proven);
                    Answer::Scram(Some(sasl::ScramKeys {
                        salt: lookup.keys.salt,
                        iterations: lookup.keys.iterations,
                        stored_key: lookup.keys.stored_key,
                        server_key: lookup.keys.server_key,
                    }))
                }
                Err(error) => {
                    self.stage = Stage::Anonymous;
                    Answer::Refused(verdict(&error))
                }
            },
            Question::ScramSucceeded { .. } => {
                let (stage, verdict) = std::mem::replace(&mut self.stage, Stage::Anonymous).prove();
                self.stage = stage;
                Answer::Password(verdict)
            }
            Question::AuthFailed { username } => {
                self.stage = Stage::Anonymous;
                context.auth.failed(&username, source);
                Answer::Password(Verdict::NotAuthorized)
            }
            Question::Password { username, password } => {
                let login = self.check_password(context, &username, &password).await;
                let (stage, verdict) = Stage::after_login(login);
                self.stage = stage;
                Answer::Password(verdict)
            }
            Question::IqAuth { username, password, resource } => {
                let login = self.check_password(context, &username, &password).await;
                let (stage, verdict) = Stage::after_login(login);
                self.stage = stage;
                if verdict != Verdict::Accepted {
                    return Answer::Password(verdict);
                }
                match self.bind(context, Some(resource), true) {
                    Ok(_jid) => Answer::Password(Verdict::Accepted),
                    Err(_) => {
                        // Login and binding are one for this peer, and both have failed.
                        self.stage = Stage::Anonymous;
                        Answer::Password(Verdict::Unavailable)
                    }
                }
            }
            Question::Invited { token } => {
                let username = Box::pin(context.auth.invited_username(&token, source)).await;
                let username = username.map(|username| username.map(|name| name.to_string()));
                Answer::Invited(username.map_err(iq::change_error))
            }
            Question::Register { username, password, name, email, token } => {
                let request = RegistrationRequest { username, password, name, email, token };
                let registered = Box::pin(context.auth.register(request, source)).await;
                Answer::Registered(registered.map(|_| ()).map_err(iq::change_error))
            }
            Question::Bind { resource } => Answer::Bind(self.bind(context, resource, false)),
            // There is nothing to enable it for.
            Question::Enable { .. } => Answer::Refused(Verdict::Unavailable),
            Question::Resume { previd, h } => {
                Answer::Resume(Box::pin(self.resume(context, &previd, h)).await)
            }
        }
    }

    /// Boxed; see [`answer`](Self::answer).
    fn check_password<'a>(
        &self,
        context: &'a Context,
        username: &'a str,
        password: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<AuthenticatedAccount, AuthError>> + Send + 'a>> {
        Box::pin(context.auth.check_password(username, password, self.peer.address.ip()))
    }

    /// Binds a resource; its full JID.
    fn bind(
        &mut self,
        context: &Context,
        resource: Option<String>,
        iq_auth: bool,
    ) -> Result<String, StanzaError> {
        let account = self.stage.account().ok_or_else(StanzaError::not_authorized)?;
        let request = BindRequest { resource, iq_auth };
        let (session, jid) = binding::bind(context, account, request, self.peer, self.tls)?;
        self.stage = Stage::Bound(session);
        Ok(jid)
    }

    /// Takes over the session that the account's client names (XEP-0198 section 5). Where it
    /// is lost: how many of the client's stanzas it has handled, as far as that is known.
    async fn resume(&mut self, context: &Context, previd: &str, h: u32) -> Result<Resumed, Option<u32>> {
        let account = self.stage.account().cloned().ok_or(None)?;
        let registry = &context.session.registry;
        let session = registry.resume(account.account, previd).await.ok_or(None)?;
        let (entry, handled) = (Arc::clone(&session.entry), session.handled());
        // This connection's from now on, also where the future is dropped in what follows.
        self.stage = Stage::Bound(session);
        let resumed = match &mut self.stage {
            Stage::Bound(session) => session.resumed(&context.sources, h).await,
            Stage::Anonymous | Stage::Proving(_) | Stage::Authenticated(_) => false,
        };
        if !resumed {
            if let Stage::Bound(session) = std::mem::replace(&mut self.stage, Stage::Authenticated(account)) {
                registry.end_taken(&session);
            }
            return Err(handled);
        }
        registry.reattach(&entry, self.peer.address.ip(), self.tls, || {
            let (before, now) = (Show::Unavailable, entry.show());
            context.presence.changed(entry.account, &entry.username, &entry.resource, before, now);
        });
        context.auth.succeeded();
        let jid = format!("{}@{}/{}", entry.username, context.config.domain, entry.resource);
        Ok(Resumed { jid, handled: handled.unwrap_or(0) })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, Username};
    use crate::session::session_entry::testing;

    fn account() -> AuthenticatedAccount {
        AuthenticatedAccount { account: AccountId(7), username: Username::parse("ana").unwrap() }
    }

    #[test]
    fn only_a_proof_that_fits_a_known_enabled_account_authenticates() {
        let (stage, verdict) = Stage::Proving(Ok(account())).prove();
        assert_eq!((stage.account(), verdict), (Some(&account()), Verdict::Accepted));
        for (error, said) in [
            (AuthError::NotAuthorized, Verdict::NotAuthorized),
            (AuthError::Disabled, Verdict::Disabled),
            (AuthError::Throttled, Verdict::Throttled),
        ] {
            let (stage, verdict) = Stage::Proving(Err(error)).prove();
            assert!(matches!(stage, Stage::Anonymous));
            assert_eq!(verdict, said);
        }
    }

    #[test]
    fn the_keys_of_an_account_alone_lead_to_no_session() {
        assert_eq!(Stage::Proving(Ok(account())).account(), None);
        assert_eq!(Stage::Anonymous.account(), None);
    }

    #[test]
    fn a_proof_without_an_exchange_takes_back_what_was_proven() {
        for stage in [Stage::Anonymous, Stage::Authenticated(account())] {
            let (stage, verdict) = stage.prove();
            assert!(matches!(stage, Stage::Anonymous));
            assert_eq!(verdict, Verdict::NotAuthorized);
        }
    }

    #[test]
    fn a_session_is_not_lost_to_a_login_that_nothing_asked_for() {
        let session = Box::new(BoundSession::new(testing::entry(1, "phone"), false));
        let (stage, verdict) = Stage::Bound(session).prove();
        assert_eq!(verdict, Verdict::NotAuthorized);
        assert_eq!(stage.account(), None, "one session a stream");
        assert!(matches!(stage, Stage::Bound(_)));
    }
}
