//! The initiating side of a stream, from the first byte to a bound or resumed session.
//!
//! [`Negotiation`] is fed bytes and answers with bytes and [`Step`]s: stream, STARTTLS
//! (unless TLS came first), XEP-0077 registration where it is wanted (with a XEP-0445
//! token), the strongest SASL mechanism that both sides know, then XEP-0198 resumption
//! or a new resource with stream management: all in one step where the server knows
//! XEP-0388 ([`Options::sasl2`]), one after the other by RFC 6120. What it can name before
//! TLS is a domain; credentials enter only once a [`TlsBinding`] is there.
//!
//! What a known server will ask for is said ahead of its asking ([`Pipelining`], XEP-0305):
//! under TLS two round trips, instead of six by RFC 6120 and three by XEP-0388; before it,
//! `<starttls/>` and nothing else. Its offers and proofs are checked all the same, in their
//! order, before there is a session.

mod error;
mod exchange;
mod offer;
mod pipelining;
mod session;
mod terms;
#[cfg(test)]
mod tests;

use super::{Features, Opening, StreamError, write_header};
use crate::ext::{preauth, register, sasl2};
use crate::ns;
use crate::sasl::{Mechanism, SaltedPassword, ScramClient, ScramVerifier, TlsBinding};
use crate::stanza::{Condition, Iq, StanzaError};
use crate::xml::{
    Element, Frame, FrameLimits, FrameReader, StreamContext, StreamHeader, parse_open, parse_stanza_with,
};

pub use self::error::NegotiationError;
use self::offer::Profile;
use self::pipelining::suits;
pub use self::pipelining::{KnownFeatures, Pipelining};
pub use self::terms::{Management, Options, Ready, Registration, Resume, Sasl2, Step};

/// What a client reads of one stanza: the server's 64 KiB and room for its envelope.
const LIMITS: FrameLimits = FrameLimits { bytes: 96 * 1024, depth: 64, attributes: 128 };

/// See the [module's documentation](self).
pub struct Negotiation {
    options: Options,
    reader: FrameReader,
    context: StreamContext,
    domain: String,
    tls: Option<TlsBinding>,
    /// How the login is spoken.
    profile: Profile,
    /// Set by the success of a login.
    authenticated: Option<(Mechanism, Option<SaltedPassword>)>,
    features: Features,
    /// Those before the login.
    login_features: Features,
    /// The server's proof came in a step of its own, for which one must wait.
    long: bool,
    pipelining: Option<Pipelining>,
    greeted: bool,
    /// Follows the next features, when what it waits for has been asked for ahead.
    after: Option<State>,
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
    /// What a token's holder is to fill in comes.
    Fields,
    /// `<query/>` is in the driver's hands.
    Register,
    Challenge(ScramClient, Mechanism),
    Proof(ScramVerifier, Mechanism),
    Proved(SaltedPassword, Mechanism),
    Plain,
    Resume,
    Bind,
    Enable(String),
    /// Bound by XEP-0386; the features of the session come.
    Bound {
        jid: String,
        /// How stream management stands, where it was asked for along with the login.
        management: Option<Management>,
    },
    Done,
}

const PRE_AUTH_ID: &str = "preauth";
const FIELDS_ID: &str = "fields";
const REGISTER_ID: &str = "register";

impl Negotiation {
    /// Opens the stream: appends our header. `tls` is set where TLS came first.
    pub fn new(options: Options, tls: Option<TlsBinding>, out: &mut Vec<u8>) -> Self {
        let mut options = options;
        let ahead = options.registration.is_none() && options.stream_management;
        let pipelining = options.pipelining.take().filter(|_| ahead);
        let mut negotiation = Self {
            domain: options.domain.clone(),
            options,
            reader: FrameReader::new(LIMITS),
            context: StreamContext::default(),
            tls,
            profile: Profile::Rfc6120,
            authenticated: None,
            features: Features::default(),
            login_features: Features::default(),
            long: false,
            pipelining,
            greeted: false,
            after: None,
            state: State::Header,
        };
        negotiation.start(out);
        negotiation
    }

    /// TLS is up: a new stream begins in it.
    pub fn tls_started(&mut self, tls: TlsBinding, out: &mut Vec<u8>) {
        self.tls = Some(tls);
        self.reader.reset();
        self.start(out);
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

    /// The account's name: an invitation may be for another one than [`Options::username`].
    pub fn username(&self) -> &str {
        &self.options.username
    }

    /// The stream's reader, once there is a session.
    pub fn finish(self) -> (FrameReader, StreamContext) {
        (self.reader, self.context)
    }

    fn open(&self, out: &mut Vec<u8>) {
        let opening = Opening { to: Some(&self.options.domain), version: Some("1.0"), ..Opening::default() };
        write_header(&opening, out);
    }

    /// Begins a stream before the login, and what comes next where that can be done ahead.
    fn start(&mut self, out: &mut Vec<u8>) {
        self.open(out);
        self.state = State::Header;
        let Some(tls) = &self.tls else {
            if self.pipelining.is_some() {
                self.after = Some(ask_for_tls(out));
            }
            return;
        };
        match self.pipelining.as_ref().and_then(|pipelining| pipelining.known.choice(tls)) {
            Some(choice) => {
                // Known features are whole: all that a session needs goes along.
                let whole = sasl2::Offered { resume: true, bind: true, manage: true, ..Default::default() };
                self.after = self.authenticate(choice, &whole, out);
            }
            None => self.pipelining = None,
        }
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
                self.features = self.offer(element)?;
                match self.after.take() {
                    None => self.offered(out),
                    Some(state) => {
                        self.check_offer()?;
                        self.state = state;
                        Ok(Step::More)
                    }
                }
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
                Some(Ok(_)) if self.options.registration.as_ref().is_some_and(|one| one.repeated) => {
                    Ok(self.register(out))
                }
                Some(Ok(_)) => {
                    let (_, query) = register::Request::Fields.to_payload();
                    Iq::get(FIELDS_ID, query).into_element().write(out, ns::CLIENT);
                    self.state = State::Fields;
                    Ok(Step::More)
                }
                Some(Err(error)) => Err(NegotiationError::Registration(error)),
                None => Err(unexpected(element)),
            },
            State::Fields => match answer(element, FIELDS_ID) {
                Some(Ok(iq)) => {
                    let fields = iq.children().find_map(register::Fields::from_element);
                    if let Some(username) = fields.and_then(|fields| fields.username) {
                        self.options.username = username;
                    }
                    Ok(self.register(out))
                }
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
                self.exchange(state, element, out)
            }
            State::Bound { jid, management } => {
                self.features = self.offer(element)?;
                Ok(self.bound_inline(jid, management, out))
            }
            State::Resume => self.resumed(element, out),
            State::Bind => self.bind_answered(element, out),
            State::Enable(jid) => Ok(self.enabled(element, jid)),
            // The loop does not come here in these states.
            State::Header | State::Handshake | State::Done => Err(unexpected(element)),
        }
    }

    /// What the server offers, without what is not to be used.
    fn offer(&self, element: &Element) -> Result<Features, NegotiationError> {
        let mut features = Features::from_element(element).ok_or_else(|| unexpected(element))?;
        if !self.options.stream_management {
            features.stream_management = false;
            if let Some(offered) = &mut features.authentication {
                offered.manage = false;
                offered.resume = false;
            }
        }
        Ok(features)
    }

    /// The features are known: what they are good for depends on how far we are.
    fn offered(&mut self, out: &mut Vec<u8>) -> Result<Step, NegotiationError> {
        if self.tls.is_none() {
            if self.features.starttls.is_none() {
                return Err(NegotiationError::TlsNotOffered);
            }
            self.state = ask_for_tls(out);
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
            Some(Registration { token: Some(token), .. }) if self.features.register_token => {
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
            Some(Registration { token, .. }) if !self.features.register_token => token.clone(),
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

    /// Whether the server still offers what was asked for ahead.
    fn check_offer(&mut self) -> Result<(), NegotiationError> {
        if self.tls.is_none() {
            return self.features.starttls.map(drop).ok_or(NegotiationError::TlsNotOffered);
        }
        if self.authenticated.is_some() {
            return if suits(&self.features) { Ok(()) } else { Err(NegotiationError::Changed) };
        }
        self.login_features.clone_from(&self.features);
        match (&self.pipelining, &self.tls) {
            (Some(pipelining), Some(tls)) => pipelining.known.still_leads_there(&self.features, tls),
            _ => Err(NegotiationError::Changed),
        }
    }
}

fn unexpected(element: &Element) -> NegotiationError {
    NegotiationError::Unexpected(element.name().chars().take(64).collect())
}

fn ask_for_tls(out: &mut Vec<u8>) -> State {
    Element::new("starttls", ns::TLS).write(out, ns::CLIENT);
    State::StartTls
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
