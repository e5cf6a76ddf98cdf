//! The initiating side of a stream, from the first byte to a bound or resumed session.
//!
//! [`Negotiation`] is fed bytes and answers with bytes and [`Step`]s: stream, STARTTLS
//! (unless TLS came first), XEP-0077 registration where it is wanted (with a XEP-0445
//! token), the strongest SASL mechanism that both sides know, then XEP-0198 resumption
//! or a new resource with stream management. What it can name before TLS is a domain;
//! credentials enter only once a [`TlsBinding`] is there.

mod error;
#[cfg(test)]
mod tests;

use std::fmt;

use super::{Features, StreamError, write_header};
use crate::ext::sm::Nonza;
use crate::ext::{bind, preauth, register};
use crate::ns;
use crate::sasl::{
    ClientBinding, Mechanism, Plain, SaltedPassword, SaslFailure, ScramClient, ScramError, ScramSecret,
    ScramVerifier, TlsBinding, decode_payload, encode_payload,
};
use crate::stanza::{Condition, Iq, StanzaError};
use crate::xml::{
    Element, Frame, FrameLimits, FrameReader, StreamContext, StreamHeader, parse_open, parse_stanza_with,
};

pub use self::error::NegotiationError;

/// What a client reads of one stanza: the server's 64 KiB and room for its envelope.
const LIMITS: FrameLimits = FrameLimits { bytes: 96 * 1024, depth: 64, attributes: 128 };

/// What a client wants of a stream.
#[derive(Clone)]
pub struct Options {
    /// The domain to ask for.
    pub domain: String,
    /// The account.
    pub username: String,
    /// Its password, or what was kept of it.
    pub secret: ScramSecret,
    /// Create the account first.
    pub registration: Option<Registration>,
    /// Whether the password may be sent as it is, under TLS, to a server that knows no SCRAM.
    pub allow_plain: bool,
    /// The resource to ask for; the server makes one up where there is none.
    pub resource: Option<String>,
    /// A session to resume (XEP-0198); a new one is bound where the server has lost it.
    pub resume: Option<Resume>,
    /// Fresh random bytes for SCRAM.
    pub nonce: [u8; 24],
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Options({}@{})", self.username, self.domain)
    }
}

/// How an account is created.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registration {
    /// A registration key (XEP-0445).
    pub token: Option<String>,
}

/// A session to resume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// What the server called it.
    pub id: String,
    /// How many of its stanzas were handled here.
    pub handled: u32,
}

/// What a driver does next. Bytes in `out` are to be written first, in every case.
#[derive(Debug)]
pub enum Step {
    /// Read more.
    More,
    /// Start TLS on the same socket, then call [`Negotiation::tls_started`]. What was
    /// read beyond this point must be dropped; it has been taken from the input.
    StartTls,
    /// The account is about to be created: store the credentials before writing `out`,
    /// then call [`Negotiation::receive`] again.
    Registering,
    /// The account exists now. Write `out` and call [`Negotiation::receive`] again.
    Registered,
    /// There is a session; [`Negotiation::finish`] gives the reader for it.
    Ready(Box<Ready>),
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The full JID; `None` for a resumed session, which keeps its own.
    pub jid: Option<String>,
    /// The domain that the server answered as.
    pub domain: String,
    /// Stream management, where the server has it.
    pub management: Management,
    /// Whether the server knows XEP-0352.
    pub client_state: bool,
    /// With which mechanism the login went.
    pub mechanism: Mechanism,
    /// May stand in for the password at the next login.
    pub salted: Option<SaltedPassword>,
}

/// How far the server took stream management (XEP-0198).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Management {
    /// Not at all.
    Off,
    /// It counts; with an id the session can be resumed.
    Enabled {
        /// What to call the session when resuming.
        id: Option<String>,
        /// How long the server keeps it, in seconds.
        max_seconds: Option<u32>,
    },
    /// The session goes on; the server has handled this many of our stanzas.
    Resumed {
        /// Modulo 2^32.
        handled: u32,
    },
}

/// See the [module's documentation](self).
pub struct Negotiation {
    options: Options,
    reader: FrameReader,
    context: StreamContext,
    domain: String,
    tls: Option<TlsBinding>,
    /// Set by the success of a login.
    authenticated: Option<(Mechanism, Option<SaltedPassword>)>,
    features: Features,
    state: State,
}

enum State {
    /// Our header is out; theirs comes.
    Header,
    Features,
    StartTls,
    /// The driver is doing TLS.
    Handshake,
    PreAuth,
    /// `<query/>` is in the driver's hands.
    Register,
    Challenge(ScramClient, Mechanism),
    Proof(ScramVerifier, Mechanism),
    Proved(SaltedPassword, Mechanism),
    Plain,
    Resume,
    Bind,
    Enable(String),
    Done,
}

const PRE_AUTH_ID: &str = "preauth";
const REGISTER_ID: &str = "register";
const BIND_ID: &str = "bind";

impl Negotiation {
    /// Opens the stream: appends our header. `tls` is set where TLS came first.
    pub fn new(options: Options, tls: Option<TlsBinding>, out: &mut Vec<u8>) -> Self {
        let negotiation = Self {
            domain: options.domain.clone(),
            options,
            reader: FrameReader::new(LIMITS),
            context: StreamContext::default(),
            tls,
            authenticated: None,
            features: Features::default(),
            state: State::Header,
        };
        negotiation.open(out);
        negotiation
    }

    /// TLS is up: a new stream begins in it.
    pub fn tls_started(&mut self, tls: TlsBinding, out: &mut Vec<u8>) {
        self.tls = Some(tls);
        self.restart(out);
    }

    /// Takes bytes from the server, up to the next [`Step`]; what is left of `input`
    /// comes after it.
    ///
    /// # Errors
    /// See [`NegotiationError`]. There is no going on after one; `out` may still hold a
    /// farewell.
    pub fn receive(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<Step, NegotiationError> {
        while !matches!(self.state, State::Done | State::Handshake) {
            let element = match self.reader.read(input)? {
                None => break,
                Some(Frame::Close) => return Err(NegotiationError::Closed),
                Some(Frame::Open(bytes)) => {
                    let header = parse_open(bytes)?;
                    self.opened(header)?;
                    continue;
                }
                Some(Frame::Stanza(bytes)) => parse_stanza_with(bytes, &self.context)?,
            };
            if let Some(error) = StreamError::from_element(&element) {
                return Err(NegotiationError::Stream(error));
            }
            match self.advance(&element, out)? {
                Step::More => {}
                Step::StartTls => {
                    // Whatever came with <proceed/> was not protected by TLS.
                    *input = &[];
                    return Ok(Step::StartTls);
                }
                step => return Ok(step),
            }
        }
        Ok(Step::More)
    }

    /// The stream's reader, once there is a session.
    pub fn finish(self) -> (FrameReader, StreamContext) {
        (self.reader, self.context)
    }

    fn open(&self, out: &mut Vec<u8>) {
        let header = StreamHeader {
            to: Some(self.options.domain.clone()),
            version: Some("1.0".to_owned()),
            lang: Some("en".to_owned()),
            ..StreamHeader::default()
        };
        write_header(&header, out);
    }

    fn restart(&mut self, out: &mut Vec<u8>) {
        self.reader.reset();
        self.state = State::Header;
        self.open(out);
    }

    fn opened(&mut self, header: StreamHeader) -> Result<(), NegotiationError> {
        if !matches!(self.state, State::Header) {
            return Err(NegotiationError::Unexpected("stream".to_owned()));
        }
        if let Some(from) = header.from.filter(|from| !from.is_empty()) {
            self.domain = from;
        }
        self.context = header.context;
        self.state = State::Features;
        Ok(())
    }

    fn advance(&mut self, element: &Element, out: &mut Vec<u8>) -> Result<Step, NegotiationError> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Features => {
                self.features = Features::from_element(element).ok_or_else(|| unexpected(element))?;
                self.offered(out)
            }
            State::StartTls => match element.name() {
                "proceed" if element.ns() == ns::TLS => {
                    self.state = State::Handshake;
                    Ok(Step::StartTls)
                }
                "failure" if element.ns() == ns::TLS => Err(NegotiationError::TlsRefused),
                _ => Err(unexpected(element)),
            },
            State::PreAuth => match answer(element, PRE_AUTH_ID) {
                Some(Ok(_)) => Ok(self.register(out)),
                Some(Err(error)) => Err(NegotiationError::Registration(error)),
                None => Err(unexpected(element)),
            },
            State::Register => match answer(element, REGISTER_ID) {
                Some(Ok(_)) => {
                    self.options.registration = None;
                    self.login(out)?;
                    Ok(Step::Registered)
                }
                Some(Err(error)) => Err(NegotiationError::Registration(error)),
                None => Err(unexpected(element)),
            },
            state @ (State::Challenge(..) | State::Proof(..) | State::Proved(..) | State::Plain) => {
                self.exchange(state, element, out)?;
                Ok(Step::More)
            }
            State::Resume => self.resumed(element, out),
            State::Bind => match answer(element, BIND_ID) {
                Some(Ok(result)) => {
                    let jid = result.children().find_map(bind::parse_result);
                    let jid = jid.ok_or_else(|| unexpected(element))?.trim().to_owned();
                    Ok(self.bound(jid, out))
                }
                Some(Err(error)) => Err(NegotiationError::Bind(error)),
                None => Err(unexpected(element)),
            },
            State::Enable(jid) => Ok(self.enabled(element, jid)),
            // The loop does not come here in these states.
            State::Header | State::Handshake | State::Done => Err(unexpected(element)),
        }
    }

    /// The features are known: what they are good for depends on how far we are.
    fn offered(&mut self, out: &mut Vec<u8>) -> Result<Step, NegotiationError> {
        if self.tls.is_none() {
            if self.features.starttls.is_none() {
                return Err(NegotiationError::TlsNotOffered);
            }
            Element::new("starttls", ns::TLS).write(out, ns::CLIENT);
            self.state = State::StartTls;
            return Ok(Step::More);
        }
        if self.authenticated.is_some() {
            return self.session(out);
        }
        match &self.options.registration {
            None => {
                self.login(out)?;
                Ok(Step::More)
            }
            Some(_) if !self.features.register && !self.features.register_token => {
                Err(NegotiationError::Registration(StanzaError::new(Condition::NotAllowed)))
            }
            Some(Registration { token: Some(token) }) if self.features.register_token => {
                let request = Iq::set(PRE_AUTH_ID, preauth::request(token)).with_to(self.domain.as_str());
                request.into_element().write(out, ns::CLIENT);
                self.state = State::PreAuth;
                Ok(Step::More)
            }
            Some(_) => Ok(self.register(out)),
        }
    }

    fn register(&mut self, out: &mut Vec<u8>) -> Step {
        // Servers without XEP-0445 take a registration key as the form's field.
        let key = match &self.options.registration {
            Some(Registration { token }) if !self.features.register_token => token.clone(),
            _ => None,
        };
        let submission = register::Submission {
            username: Some(self.options.username.clone()),
            password: self.options.secret.password.clone(),
            key,
            ..register::Submission::default()
        };
        let (_, query) = register::Request::Submit(submission).to_payload();
        Iq::set(REGISTER_ID, query).into_element().write(out, ns::CLIENT);
        self.state = State::Register;
        Step::Registering
    }

    /// Starts the strongest mechanism.
    fn login(&mut self, out: &mut Vec<u8>) -> Result<(), NegotiationError> {
        let offered = &self.features.mechanisms;
        let none = || NegotiationError::NoMechanism(offered.clone());
        // Without TLS nothing is named; the states before this one see to it already.
        let tls = self.tls.as_ref().ok_or(NegotiationError::TlsNotOffered)?;
        let bound = ClientBinding::strongest(tls, &self.features.channel_bindings);
        let mechanism = Mechanism::ALL
            .into_iter()
            .filter(|mechanism| offered.iter().any(|name| name == mechanism.name()))
            .filter(|mechanism| !mechanism.is_plus() || bound.is_some())
            .find(|mechanism| *mechanism != Mechanism::Plain || self.options.allow_plain)
            .ok_or_else(none)?;

        let initial = match mechanism.hash() {
            None => {
                let password = self.options.secret.password.as_deref().ok_or_else(none)?;
                self.state = State::Plain;
                Plain::encode(&self.options.username, password)
            }
            Some(hash) => {
                let plus_offered =
                    Mechanism::ALL.iter().any(|m| m.is_plus() && offered.iter().any(|name| name == m.name()));
                let binding = match bound {
                    Some(bound) if mechanism.is_plus() => bound,
                    // Ours was not among the offered types: saying that none was offered
                    // would look like an attack to the server.
                    _ if plus_offered || !tls.available() => ClientBinding::Unsupported,
                    _ => ClientBinding::NotOffered,
                };
                let secret = self.options.secret.clone();
                let client =
                    ScramClient::new(hash, &self.options.username, secret, binding, &self.options.nonce);
                let first = client.first();
                self.state = State::Challenge(client, mechanism);
                first
            }
        };
        Element::new("auth", ns::SASL)
            .with_attribute("mechanism", mechanism.name())
            .with_text(encode_payload(&initial))
            .write(out, ns::CLIENT);
        Ok(())
    }

    /// One step of the SASL exchange.
    fn exchange(
        &mut self,
        state: State,
        element: &Element,
        out: &mut Vec<u8>,
    ) -> Result<(), NegotiationError> {
        if let Some(failure) = SaslFailure::from_element(element) {
            return Err(NegotiationError::Login(failure));
        }
        let success = match element.name() {
            "challenge" if element.ns() == ns::SASL => false,
            "success" if element.ns() == ns::SASL => true,
            _ => return Err(unexpected(element)),
        };
        let payload = decode_payload(element.text().trim()).map_err(|_| ScramError::Malformed)?;

        let (mechanism, salted) = match (state, success) {
            (State::Challenge(client, mechanism), false) => {
                let (verifier, last) = client.respond(&payload)?;
                respond(&last, out);
                self.state = State::Proof(verifier, mechanism);
                return Ok(());
            }
            // RFC 6120 lets the server's proof come with the success or before it.
            (State::Proof(verifier, mechanism), false) => {
                let salted = verifier.verify(&payload)?;
                respond(&[], out);
                self.state = State::Proved(salted, mechanism);
                return Ok(());
            }
            (State::Proof(verifier, mechanism), true) => (mechanism, Some(verifier.verify(&payload)?)),
            (State::Proved(salted, mechanism), true) => (mechanism, Some(salted)),
            (State::Plain, true) => (Mechanism::Plain, None),
            (_, true) => return Err(NegotiationError::NotProved),
            (_, false) => return Err(unexpected(element)),
        };
        self.authenticated = Some((mechanism, salted));
        self.restart(out);
        Ok(())
    }

    fn session(&mut self, out: &mut Vec<u8>) -> Result<Step, NegotiationError> {
        if self.features.stream_management
            && let Some(resume) = &self.options.resume
        {
            let resume = Nonza::Resume { previd: resume.id.clone(), h: resume.handled };
            resume.to_element().write(out, ns::CLIENT);
            self.state = State::Resume;
            return Ok(Step::More);
        }
        self.bind(out)
    }

    fn resumed(&mut self, element: &Element, out: &mut Vec<u8>) -> Result<Step, NegotiationError> {
        match Nonza::from_element(element) {
            Some(Nonza::Resumed { h, .. }) => Ok(self.ready(None, Management::Resumed { handled: h })),
            Some(Nonza::Failed { .. }) => self.bind(out),
            _ => Err(unexpected(element)),
        }
    }

    fn bind(&mut self, out: &mut Vec<u8>) -> Result<Step, NegotiationError> {
        if !self.features.bind {
            return Err(NegotiationError::Bind(StanzaError::new(Condition::FeatureNotImplemented)));
        }
        let request = bind::request(self.options.resource.as_deref());
        Iq::set(BIND_ID, request).into_element().write(out, ns::CLIENT);
        self.state = State::Bind;
        Ok(Step::More)
    }

    fn bound(&mut self, jid: String, out: &mut Vec<u8>) -> Step {
        if !self.features.stream_management {
            return self.ready(Some(jid), Management::Off);
        }
        Nonza::Enable { resume: true, max: None }.to_element().write(out, ns::CLIENT);
        self.state = State::Enable(jid);
        Step::More
    }

    fn enabled(&mut self, element: &Element, jid: String) -> Step {
        match Nonza::from_element(element) {
            Some(Nonza::Enabled { id, resume, max }) => {
                let id = id.filter(|id| resume && !id.is_empty());
                self.ready(Some(jid), Management::Enabled { id, max_seconds: max })
            }
            Some(Nonza::Failed { .. }) => self.ready(Some(jid), Management::Off),
            // A stanza that the server sent before it read our wish; none is due yet.
            _ => {
                self.state = State::Enable(jid);
                Step::More
            }
        }
    }

    fn ready(&mut self, jid: Option<String>, management: Management) -> Step {
        self.state = State::Done;
        let (mechanism, salted) = self.authenticated.take().unwrap_or((Mechanism::Plain, None));
        Step::Ready(Box::new(Ready {
            jid,
            domain: self.domain.clone(),
            management,
            client_state: self.features.client_state,
            mechanism,
            salted,
        }))
    }
}

fn unexpected(element: &Element) -> NegotiationError {
    NegotiationError::Unexpected(element.name().chars().take(64).collect())
}

fn respond(payload: &[u8], out: &mut Vec<u8>) {
    let response = Element::new("response", ns::SASL);
    let response = if payload.is_empty() { response } else { response.with_text(encode_payload(payload)) };
    response.write(out, ns::CLIENT);
}

/// The answer to our iq with that id: its result, or why not.
fn answer<'a>(element: &'a Element, id: &str) -> Option<Result<&'a Element, StanzaError>> {
    if !element.is("iq", ns::CLIENT) || element.attribute("id") != Some(id) {
        return None;
    }
    match element.attribute("type") {
        Some("result") => Some(Ok(element)),
        Some("error") => Some(Err(
            StanzaError::of(element).unwrap_or_else(|| StanzaError::new(Condition::UndefinedCondition))
        )),
        _ => None,
    }
}
