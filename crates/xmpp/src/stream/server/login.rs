//! Under TLS, before authentication: SASL, XEP-0078, registration.

use jid::{BareJid, DomainPart, NodePart};

use super::request::{Request, RequestId};
use super::resource_binding::ResourceBinding;
use super::sasl2_inline::Sasl2Inline;
use super::{
    Answer, Bound, Context, MAX_FAILURES, Outcome, Question, RegisterOffer, Settings, Stage, Step, Verdict,
    out_of_turn,
};
use crate::ext::{auth0078, ping, preauth, register, sasl2, sm};
use crate::ns;
use crate::resource;
use crate::sasl::{
    MAX_PASSWORD, Mechanism, Plain, SaslCondition, SaslFailure, ScramChallenge, ScramError, ScramServer,
    TlsBinding, authorizes, decode_payload, encode_payload,
};
use crate::stanza::{Condition, ErrorKind, StanzaError};
use crate::stream::{Features, StreamCondition, StreamError};
use crate::xml::Element;

/// The longest name, e-mail address or token of a registration, in bytes.
const MAX_FIELD: usize = 1024;

/// The stage between TLS and a login.
#[derive(Debug)]
pub(super) struct Login {
    tls: TlsBinding,
    failures: u8,
    /// What XEP-0445 brought.
    token: Option<String>,
    /// The form of XEP-0077 was asked for, or an account made.
    registering: bool,
    /// The exchange under way is one of XEP-0388, and this is what the login brings along.
    inline: Option<Box<sasl2::InlineRequests>>,
}

/// How far a SASL exchange has come, as the peer is to move.
#[derive(Debug)]
pub(super) enum Exchange {
    Idle,
    /// The mechanism was named without an initial response; an empty challenge is out.
    Named(Mechanism),
    /// SCRAM's challenge is out.
    Challenged(Box<ScramChallenge>),
}

/// What the driver has been asked.
#[derive(Debug)]
pub(super) enum LoginAsked {
    Keys(Box<ScramServer>),
    /// A SASL login, right as far as SASL goes; what to say in `<success/>`.
    Sasl {
        username: String,
        success: Option<Vec<u8>>,
    },
    /// A SASL login that failed: only to be counted.
    Failed(SaslFailure),
    IqAuth {
        id: RequestId,
        jid: String,
        resource: String,
    },
    /// Which fields are wanted of who has presented a token.
    Invited(RequestId),
    Register(RequestId),
}

impl Login {
    pub(super) fn new(tls: TlsBinding) -> Self {
        Self { tls, failures: 0, token: None, registering: false, inline: None }
    }

    pub(super) fn registering(&self) -> bool {
        self.registering
    }

    pub(super) fn tls(&self) -> &TlsBinding {
        &self.tls
    }

    pub(super) fn features(tls: &TlsBinding, settings: &Settings) -> Features {
        let mechanisms: Vec<_> = Mechanism::offered(tls).map(|one| one.name().to_owned()).collect();
        Features {
            authentication: Some(sasl2::Offered {
                mechanisms: mechanisms.clone(),
                resume: settings.stream_management,
                bind: true,
                manage: settings.stream_management,
            }),
            mechanisms,
            channel_bindings: tls.types().collect(),
            register: settings.register != RegisterOffer::Closed,
            // An invitation is good under every policy.
            register_token: true,
            iq_auth: settings.iq_auth,
            pipelining: true,
            ..Features::default()
        }
    }

    pub(super) fn stanza(
        mut self,
        exchange: Exchange,
        element: Element,
        context: &mut Context<'_>,
    ) -> Outcome {
        match (element.name(), element.ns(), exchange) {
            ("auth" | "response" | "abort", ns::SASL, exchange)
            | ("authenticate" | "response" | "abort", ns::SASL2, exchange) => {
                if matches!(exchange, Exchange::Idle) {
                    let requests = || Box::new(sasl2::InlineRequests::from_element(&element));
                    self.inline = (element.ns() == ns::SASL2).then(requests);
                }
                self.exchange(exchange, &element, context)
            }
            ("iq", ns::CLIENT, Exchange::Idle) => match Request::read(element, context) {
                Some(request) => self.request(request, context),
                None => self.idle(),
            },
            ("iq", ns::CLIENT, exchange)
                if element.attribute("type") == Some("get") && element.children().any(ping::is_ping) =>
            {
                if let Some(request) = Request::read(element, context) {
                    request.result(None, context);
                }
                Ok((Stage::Login(self, exchange), Step::Continue))
            }
            ("iq" | "message" | "presence", ns::CLIENT, _) => Err(StreamCondition::NotAuthorized.into()),
            ("starttls", ns::TLS, _) => {
                context.send(&Element::new("failure", ns::TLS));
                Ok((Stage::Done, Step::Close))
            }
            ("enable" | "resume", ns::SM, exchange) => {
                context.send(&sm::failed(Condition::UnexpectedRequest, None));
                Ok((Stage::Login(self, exchange), Step::Continue))
            }
            _ => Err(StreamCondition::UnsupportedStanzaType.into()),
        }
    }

    pub(super) fn answer(mut self, asked: LoginAsked, answer: Answer, context: &mut Context<'_>) -> Outcome {
        match (asked, answer) {
            (LoginAsked::Keys(server), Answer::Scram(Some(keys))) => {
                let (challenge, message) = server.challenge(keys, &context.random::<18>());
                context.send(&self.sasl("challenge", Some(&message)));
                Ok((Stage::Login(self, Exchange::Challenged(Box::new(challenge))), Step::Continue))
            }
            (LoginAsked::Keys(_), Answer::Scram(None)) => {
                self.refuse(SaslCondition::TemporaryAuthFailure, context)
            }
            (LoginAsked::Keys(_), Answer::Refused(verdict)) => self.refuse(sasl_failure(verdict), context),
            (LoginAsked::Sasl { username, success }, Answer::Password(Verdict::Accepted)) => {
                let binding = ResourceBinding::new(username);
                if let Some(requests) = self.inline {
                    return Sasl2Inline::begin(binding, success, *requests, context);
                }
                context.send(&self.sasl("success", success.as_deref()));
                Ok((Stage::Binding(binding), Step::NewStream))
            }
            (LoginAsked::Sasl { .. }, Answer::Password(verdict)) => {
                self.refuse(sasl_failure(verdict), context)
            }
            (LoginAsked::Failed(failure), Answer::Password(verdict)) => match verdict {
                Verdict::Throttled | Verdict::Unavailable => self.refuse(sasl_failure(verdict), context),
                _ => self.refuse(failure, context),
            },
            (LoginAsked::IqAuth { id, jid, resource }, Answer::Password(Verdict::Accepted)) => {
                id.result(None, context);
                Ok((Stage::Done, Step::Bound(Bound::Resource { jid, resource, legacy: true })))
            }
            (LoginAsked::IqAuth { id, .. }, Answer::Password(verdict)) => {
                id.error(iq_error(verdict), context);
                self.count_failure()
            }
            (LoginAsked::Invited(id), Answer::Invited(Ok(username))) => {
                let mut fields = register_fields(None);
                fields.username = username;
                id.result(Some(fields.to_element()), context);
                self.idle()
            }
            (LoginAsked::Invited(id), Answer::Invited(Err(error))) => {
                id.error(error, context);
                self.count_failure()
            }
            (LoginAsked::Register(id), Answer::Registered(Ok(()))) => {
                self.registering = true;
                id.result(None, context);
                self.idle()
            }
            (LoginAsked::Register(id), Answer::Registered(Err(error))) => {
                id.error(error, context);
                self.count_failure()
            }
            _ => Err(out_of_turn()),
        }
    }

    // ---- SASL ----

    fn exchange(self, exchange: Exchange, element: &Element, context: &mut Context<'_>) -> Outcome {
        let profile = if self.inline.is_some() { ns::SASL2 } else { ns::SASL };
        match (element.name(), exchange) {
            // An exchange keeps to the profile that it began in.
            _ if element.ns() != profile => self.refuse(SaslCondition::MalformedRequest, context),
            ("response", exchange) => self.response(exchange, element, context),
            ("abort", _) => self.refuse(SaslCondition::Aborted, context),
            (_, Exchange::Idle) => self.auth(element, context),
            _ => {
                let text = "a login is under way; abort it first";
                self.refuse(SaslFailure::with_text(SaslCondition::MalformedRequest, text), context)
            }
        }
    }

    fn auth(self, auth: &Element, context: &mut Context<'_>) -> Outcome {
        let named = auth.attribute("mechanism").and_then(Mechanism::from_name);
        let Some(mechanism) =
            named.filter(|wanted| Mechanism::offered(&self.tls).any(|offered| offered == *wanted))
        else {
            return self.refuse(SaslCondition::InvalidMechanism, context);
        };
        let payload = match self.inline {
            Some(_) => auth.child_text("initial-response", ns::SASL2).unwrap_or_default(),
            None => auth.text(),
        };
        if payload.is_empty() {
            context.send(&self.sasl("challenge", None));
            return Ok((Stage::Login(self, Exchange::Named(mechanism)), Step::Continue));
        }
        self.initial(mechanism, &payload, context)
    }

    fn response(self, exchange: Exchange, response: &Element, context: &mut Context<'_>) -> Outcome {
        match exchange {
            Exchange::Idle => self.refuse(SaslCondition::MalformedRequest, context),
            Exchange::Named(mechanism) => self.initial(mechanism, &response.text(), context),
            Exchange::Challenged(challenge) => self.proof(*challenge, &response.text(), context),
        }
    }

    fn initial(self, mechanism: Mechanism, payload: &str, context: &mut Context<'_>) -> Outcome {
        let Ok(message) = decode_payload(payload) else {
            return self.refuse(SaslCondition::IncorrectEncoding, context);
        };
        match mechanism {
            Mechanism::Plain => {
                let Some(Plain { authzid, username, password }) = Plain::decode(&message) else {
                    return self.refuse(SaslCondition::MalformedRequest, context);
                };
                if let Err(failure) = check_names(authzid.as_deref(), &username, context) {
                    return self.refuse(failure, context);
                }
                let asked = LoginAsked::Sasl { username: username.clone(), success: None };
                Ok((Stage::LoginAsked(self, asked), Step::Ask(Question::Password { username, password })))
            }
            _ => {
                let server = match ScramServer::start(mechanism, &self.tls, &message) {
                    Ok(server) => server,
                    Err(error) => return self.refuse(scram_failure(error), context),
                };
                if let Err(failure) = check_names(server.authzid(), server.username(), context) {
                    return self.refuse(failure, context);
                }
                let question =
                    Question::Scram { username: server.username().to_owned(), hash: server.hash() };
                Ok((Stage::LoginAsked(self, LoginAsked::Keys(Box::new(server))), Step::Ask(question)))
            }
        }
    }

    fn proof(self, challenge: ScramChallenge, payload: &str, context: &mut Context<'_>) -> Outcome {
        let Ok(message) = decode_payload(payload) else {
            return self.refuse(SaslCondition::IncorrectEncoding, context);
        };
        let username = challenge.username().to_owned();
        let (asked, question) = match challenge.finish(&self.tls, &message) {
            Ok(success) => (
                LoginAsked::Sasl { username: username.clone(), success: Some(success) },
                Question::ScramSucceeded { username },
            ),
            Err(error) => (LoginAsked::Failed(scram_failure(error)), Question::AuthFailed { username }),
        };
        Ok((Stage::LoginAsked(self, asked), Step::Ask(question)))
    }

    fn refuse(mut self, failure: impl Into<SaslFailure>, context: &mut Context<'_>) -> Outcome {
        let failure = failure.into();
        context.send(&match self.inline.take() {
            Some(_) => sasl2::failure(&failure),
            None => failure.to_element(),
        });
        self.count_failure()
    }

    /// `<challenge/>` or `<success/>`, the latter of RFC 6120 only.
    fn sasl(&self, name: &'static str, payload: Option<&[u8]>) -> Element {
        let element = Element::new(name, if self.inline.is_some() { ns::SASL2 } else { ns::SASL });
        match payload {
            Some(payload) => element.with_text(encode_payload(payload)),
            None => element,
        }
    }

    fn count_failure(mut self) -> Outcome {
        self.failures += 1;
        if self.failures >= MAX_FAILURES {
            let text = "too many failed attempts";
            return Err(StreamError::with_text(StreamCondition::PolicyViolation, text));
        }
        self.idle()
    }

    fn idle(self) -> Outcome {
        Ok((Stage::Login(self, Exchange::Idle), Step::Continue))
    }

    // ---- XEP-0077, XEP-0078, XEP-0445 ----

    fn request(self, request: Request, context: &mut Context<'_>) -> Outcome {
        match request.payload.ns() {
            ns::IQ_AUTH => self.iq_auth(request, context),
            ns::REGISTER => self.register(request, context),
            ns::PRE_AUTH => self.pre_auth(&request, context),
            // Some clients keep a slow login alive with it.
            ns::PING if !request.set => {
                request.result(None, context);
                self.idle()
            }
            _ => Err(StreamCondition::NotAuthorized.into()),
        }
    }

    fn iq_auth(self, request: Request, context: &mut Context<'_>) -> Outcome {
        if !context.settings.iq_auth {
            return self.refuse_request(&request, StanzaError::service_unavailable(), context);
        }
        let credentials = match auth0078::Request::from_payload(request.kind(), &request.payload) {
            Ok(auth0078::Request::Fields(username)) => {
                request.result(Some(auth0078::fields(username.as_deref())), context);
                return self.idle();
            }
            Ok(auth0078::Request::Submit(credentials)) => credentials,
            Err(error) => return self.refuse_request(&request, error, context),
        };
        let auth0078::Credentials { username, password, resource } = credentials;
        let Some((jid, resource)) = full_jid(&username, context.domain, &resource) else {
            return self.refuse_request(&request, StanzaError::jid_malformed(), context);
        };
        if password.len() > MAX_PASSWORD {
            return self.refuse_request(&request, StanzaError::not_authorized(), context);
        }
        let asked = LoginAsked::IqAuth { id: request.into_id(), jid, resource: resource.clone() };
        Ok((Stage::LoginAsked(self, asked), Step::Ask(Question::IqAuth { username, password, resource })))
    }

    fn register(mut self, request: Request, context: &mut Context<'_>) -> Outcome {
        let offer = context.settings.register;
        let submission = match register::Request::from_payload(request.kind(), &request.payload) {
            Ok(register::Request::Fields) => {
                self.registering = offer != RegisterOffer::Closed || self.token.is_some();
                if let Some(token) = self.token.clone() {
                    let asked = LoginAsked::Invited(request.into_id());
                    return Ok((Stage::LoginAsked(self, asked), Step::Ask(Question::Invited { token })));
                }
                if offer == RegisterOffer::Closed {
                    return self.refuse_request(&request, StanzaError::not_allowed(), context);
                }
                request.result(Some(register_fields(Some(offer)).to_element()), context);
                return self.idle();
            }
            Ok(register::Request::Submit(submission)) => submission,
            // An account is removed in a session of its own (XEP-0077 section 3.2).
            Ok(register::Request::Remove) => {
                return self.refuse_request(&request, StanzaError::not_authorized(), context);
            }
            Err(error) => return self.refuse_request(&request, error, context),
        };
        let filled = |field: Option<String>| field.filter(|value| !value.is_empty());
        let register::Submission { username, password, email, name, key } = submission;
        let key = filled(key);
        // Without a token there is nobody to ask.
        if offer == RegisterOffer::Closed && key.is_none() && self.token.is_none() {
            return self.refuse_request(&request, StanzaError::not_allowed(), context);
        }
        let (Some(username), Some(password)) = (filled(username), filled(password)) else {
            let error = StanzaError::not_acceptable("a username and a password are needed");
            return self.refuse_request(&request, error, context);
        };
        let (name, email) = (filled(name), filled(email));
        let fits = [&name, &email, &key].into_iter().flatten().all(|value| value.len() <= MAX_FIELD);
        if !fits || password.len() > MAX_PASSWORD {
            return self.refuse_request(
                &request,
                StanzaError::not_acceptable("a field is too long"),
                context,
            );
        }
        if NodePart::new(&username).is_err() {
            return self.refuse_request(&request, StanzaError::jid_malformed(), context);
        }
        let token = key.or_else(|| self.token.clone());
        let asked = LoginAsked::Register(request.into_id());
        let question = Question::Register { username, password, name, email, token };
        Ok((Stage::LoginAsked(self, asked), Step::Ask(question)))
    }

    /// XEP-0445 section 4: the token is kept for the registration that follows, which
    /// is where it is checked.
    fn pre_auth(mut self, request: &Request, context: &mut Context<'_>) -> Outcome {
        match preauth::parse_request(&request.payload).filter(|_| request.set) {
            Some(token) if (1..=MAX_FIELD).contains(&token.len()) => {
                self.token = Some(token.to_owned());
                request.result(None, context);
                self.idle()
            }
            _ => self.refuse_request(request, StanzaError::bad_request("not a token"), context),
        }
    }

    fn refuse_request(self, request: &Request, error: StanzaError, context: &mut Context<'_>) -> Outcome {
        request.error(error, context);
        self.count_failure()
    }
}

fn check_names(authzid: Option<&str>, username: &str, context: &Context<'_>) -> Result<(), SaslFailure> {
    if NodePart::new(username).is_err() {
        let text = "the username cannot be part of a JID";
        return Err(SaslFailure::with_text(SaslCondition::MalformedRequest, text));
    }
    if !authorizes(authzid, username, context.domain) {
        return Err(SaslCondition::InvalidAuthzid.into());
    }
    Ok(())
}

/// A wrong proof is told like any wrong password; the rest says what is wrong.
fn scram_failure(error: ScramError) -> SaslFailure {
    match error {
        ScramError::Proof => error.condition().into(),
        _ => SaslFailure::with_text(error.condition(), error.to_string()),
    }
}

fn sasl_failure(verdict: Verdict) -> SaslFailure {
    match verdict {
        Verdict::Accepted | Verdict::NotAuthorized => SaslCondition::NotAuthorized.into(),
        Verdict::Disabled => SaslCondition::AccountDisabled.into(),
        Verdict::Throttled => SaslFailure::with_text(
            SaslCondition::TemporaryAuthFailure,
            "too many failed attempts; wait a minute",
        ),
        Verdict::Unavailable => SaslCondition::TemporaryAuthFailure.into(),
    }
}

fn iq_error(verdict: Verdict) -> StanzaError {
    match verdict {
        Verdict::Accepted | Verdict::NotAuthorized => StanzaError::new(Condition::NotAuthorized),
        Verdict::Disabled => StanzaError::forbidden("the account is disabled"),
        Verdict::Throttled => StanzaError::resource_constraint("too many failed attempts; wait a minute"),
        Verdict::Unavailable => StanzaError::internal_server_error().with_kind(ErrorKind::Wait),
    }
}

/// The full JID that XEP-0078 binds, and its resource, both normalised.
fn full_jid(username: &str, domain: &str, resource: &str) -> Option<(String, String)> {
    let node = NodePart::new(username).ok()?;
    let domain = DomainPart::new(domain).ok()?;
    let resource = resource::prepare(resource)?;
    Some((format!("{}/{resource}", BareJid::from_parts(Some(&node), &domain)), resource))
}

/// What XEP-0077 wants to know: what is listed must be filled in, so no more than that. No key is wanted
/// of who has presented a token.
fn register_fields(offer: Option<RegisterOffer>) -> register::Fields {
    let (instructions, key) = match offer {
        Some(RegisterOffer::Token) => {
            ("Choose a username and a password; the key is your registration key.", Some("key"))
        }
        Some(RegisterOffer::Open | RegisterOffer::Closed) | None => {
            ("Choose a username and a password.", None)
        }
    };
    let wanted = ["username", "password"].into_iter().chain(key).map(String::from).collect();
    register::Fields { instructions: Some(instructions.to_owned()), wanted, ..register::Fields::default() }
}
