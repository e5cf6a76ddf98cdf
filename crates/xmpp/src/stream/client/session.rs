//! After the login: an earlier session resumed, or a resource with stream management.

use super::offer::Profile;
use super::{
    KnownFeatures, Management, Negotiation, NegotiationError, Ready, State, Step, answer, unexpected,
};
use crate::ext::sm::Nonza;
use crate::ext::{bind, sasl2};
use crate::ns;
use crate::sasl::Mechanism;
use crate::stanza::{Condition, Iq, StanzaError};
use crate::xml::Element;

const BIND_ID: &str = "bind";

impl Negotiation {
    // ---- by XEP-0388 ----

    /// The login stands, and this became of what it brought along.
    pub(super) fn logged_in(
        &mut self,
        outcome: sasl2::Outcome,
        jid: String,
        success: &Element,
    ) -> Result<Step, NegotiationError> {
        match outcome {
            sasl2::Outcome::Resumed { handled } if self.options.resume.is_some() => {
                return Ok(self.resumed_inline(handled));
            }
            sasl2::Outcome::Resumed { .. } => return Err(unexpected(success)),
            sasl2::Outcome::Bound { management } => {
                let management = management.map(|nonza| management_of(&nonza));
                // What was sent behind the login counts on it.
                if self.greeted && !matches!(management, Some(Management::Enabled { .. })) {
                    return Err(NegotiationError::Changed);
                }
                self.state = State::Bound { jid, management };
            }
            sasl2::Outcome::LoggedIn if self.greeted => return Err(NegotiationError::Changed),
            sasl2::Outcome::LoggedIn => {
                // The session that was asked for along with the login is no more.
                if success.child("failed", ns::SM).is_some() {
                    self.options.resume = None;
                }
                self.state = State::Features;
            }
        }
        Ok(Step::More)
    }

    /// The features of a session that was bound along with the login are known.
    pub(super) fn bound_inline(
        &mut self,
        jid: String,
        management: Option<Management>,
        out: &mut Vec<u8>,
    ) -> Step {
        match management {
            Some(management) => self.ready(Some(jid), management),
            None => self.bound(jid, out),
        }
    }

    // ---- by RFC 6120 ----

    pub(super) fn session(&mut self, out: &mut Vec<u8>) -> Result<Step, NegotiationError> {
        if self.features.stream_management && self.options.resume.is_some() {
            self.state = self.ask_for_session(out);
            return Ok(Step::More);
        }
        self.bind(out)
    }

    /// Asks ahead of the login's success for what comes after it.
    pub(super) fn ask_ahead(&mut self, out: &mut Vec<u8>) {
        match self.profile {
            Profile::Rfc6120 => {
                self.open(out);
                self.after = Some(self.ask_for_session(out));
            }
            // The login has asked already; only a new session is greeted.
            Profile::Sasl2 if self.options.resume.is_none() => self.greet(out),
            Profile::Sasl2 => {}
        }
    }

    /// Asks for the session to be resumed, or for a new one.
    fn ask_for_session(&mut self, out: &mut Vec<u8>) -> State {
        match &self.options.resume {
            Some(resume) => {
                let resume = Nonza::Resume { previd: resume.id.clone(), h: resume.handled };
                resume.to_element().write(out, ns::CLIENT);
                State::Resume
            }
            None => self.ask_for_resource(out),
        }
    }

    /// Asks for a resource; ahead, also for what follows it.
    fn ask_for_resource(&mut self, out: &mut Vec<u8>) -> State {
        let request = bind::request(self.options.resource.as_deref());
        Iq::set(BIND_ID, request).into_element().write(out, ns::CLIENT);
        if self.pipelining.is_some() {
            enable(out);
            self.greet(out);
        }
        State::Bind
    }

    /// Says ahead what a new session says first.
    fn greet(&mut self, out: &mut Vec<u8>) {
        if let Some(pipelining) = &self.pipelining {
            out.extend_from_slice(&pipelining.greeting);
            self.greeted = true;
        }
    }

    pub(super) fn resumed(&mut self, element: &Element, out: &mut Vec<u8>) -> Result<Step, NegotiationError> {
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
        self.state = self.ask_for_resource(out);
        Ok(Step::More)
    }

    /// The answer to our request for a resource.
    pub(super) fn bind_answered(
        &mut self,
        element: &Element,
        out: &mut Vec<u8>,
    ) -> Result<Step, NegotiationError> {
        match answer(element, BIND_ID) {
            Some(Ok(result)) => {
                let jid = result.children().find_map(bind::parse_result);
                let jid = jid.ok_or_else(|| unexpected(element))?.trim().to_owned();
                Ok(self.bound(jid, out))
            }
            Some(Err(error)) => Err(NegotiationError::Bind(error)),
            None => Err(unexpected(element)),
        }
    }

    fn bound(&mut self, jid: String, out: &mut Vec<u8>) -> Step {
        if !self.features.stream_management {
            return self.ready(Some(jid), Management::Off);
        }
        if !self.greeted {
            enable(out);
        }
        self.state = State::Enable(jid);
        Step::More
    }

    pub(super) fn enabled(&mut self, element: &Element, jid: String) -> Step {
        match Nonza::from_element(element) {
            Some(nonza @ (Nonza::Enabled { .. } | Nonza::Failed { .. })) => {
                self.ready(Some(jid), management_of(&nonza))
            }
            // A stanza that the server sent before it read our request; none is due yet.
            _ => {
                self.state = State::Enable(jid);
                Step::More
            }
        }
    }

    fn ready(&mut self, jid: Option<String>, management: Management) -> Step {
        let mechanism = self.authenticated.as_ref().map_or(Mechanism::Plain, |(mechanism, _)| *mechanism);
        let known = KnownFeatures::new(&self.login_features, &self.features, self.profile, mechanism);
        self.done(jid, management, known, self.features.client_state)
    }

    /// The server has not said again what its sessions offer.
    fn resumed_inline(&mut self, handled: u32) -> Step {
        let known = self.pipelining.take().map(|pipelining| pipelining.known);
        self.done(None, Management::Resumed { handled }, known, false)
    }

    fn done(
        &mut self,
        jid: Option<String>,
        management: Management,
        known: Option<KnownFeatures>,
        client_state: bool,
    ) -> Step {
        self.state = State::Done;
        let (mechanism, salted) = self.authenticated.take().unwrap_or((Mechanism::Plain, None));
        Step::Ready(Box::new(Ready {
            jid,
            domain: self.domain.clone(),
            management,
            client_state,
            mechanism,
            salted,
            known: known.filter(|_| !self.long),
            greeted: self.greeted,
        }))
    }
}

/// How the server's answer leaves stream management.
fn management_of(nonza: &Nonza) -> Management {
    match nonza {
        Nonza::Enabled { id, resume, max } => {
            let id = id.clone().filter(|id| *resume && !id.is_empty());
            Management::Enabled { id, max_seconds: *max }
        }
        _ => Management::Off,
    }
}

fn enable(out: &mut Vec<u8>) {
    Nonza::Enable { resume: true, max: None }.to_element().write(out, ns::CLIENT);
}
