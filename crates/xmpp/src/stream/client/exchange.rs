//! The SASL exchange, in either profile.

use super::offer::{Allowed, Choice, Profile, choose};
use super::{Negotiation, NegotiationError, Options, State, Step, unexpected};
use crate::ext::sasl2;
use crate::ns;
use crate::sasl::{Mechanism, Plain, SaslFailure, ScramClient, ScramError, decode_payload, encode_payload};
use crate::xml::Element;

/// What the server says of a login.
enum Reply {
    Challenge(Vec<u8>),
    /// With the mechanism's last word, where there is one.
    Success(Option<Vec<u8>>, sasl2::Outcome, String),
}

impl Negotiation {
    /// Starts the strongest mechanism.
    pub(super) fn login(&mut self, out: &mut Vec<u8>) -> Result<(), NegotiationError> {
        // Without TLS nothing is named; the states before this one see to it already.
        let tls = self.tls.as_ref().ok_or(NegotiationError::TlsNotOffered)?;
        self.login_features.clone_from(&self.features);
        let allowed = Allowed { plain: self.options.allow_plain, sasl2: self.options.sasl2.is_some() };
        let chosen = choose(&self.features, tls, allowed);
        let offered = self.features.authentication.clone().unwrap_or_default();
        let started = chosen.and_then(|choice| self.authenticate(choice, &offered, out));
        self.state = started.ok_or_else(|| {
            let older = &self.features.mechanisms;
            let newer = offered.mechanisms.iter().filter(|name| !older.contains(name));
            NegotiationError::NoMechanism(older.iter().chain(newer).cloned().collect())
        })?;
        Ok(())
    }

    /// Writes `<auth/>` or `<authenticate/>`, the latter with as much of what comes after
    /// the login as is `offered`. `None` where the mechanism wants a password that is not
    /// there.
    pub(super) fn authenticate(
        &mut self,
        choice: Choice,
        offered: &sasl2::Offered,
        out: &mut Vec<u8>,
    ) -> Option<State> {
        let Choice { profile, mechanism, binding } = choice;
        let Options { username, secret, nonce, .. } = &self.options;
        let (state, initial) = match mechanism.hash() {
            None => (State::Plain, Plain::encode(username, secret.password.as_deref()?)),
            Some(hash) => {
                let client = ScramClient::new(hash, username, secret.clone(), binding, nonce);
                let first = client.first();
                (State::Challenge(client, mechanism), first)
            }
        };
        let element = match profile {
            Profile::Rfc6120 => Element::new("auth", ns::SASL)
                .with_attribute("mechanism", mechanism.name())
                .with_text(encode_payload(&initial)),
            Profile::Sasl2 => self.inline_requests(offered).to_element(mechanism.name(), &initial),
        };
        element.write(out, ns::CLIENT);
        self.profile = profile;
        Some(state)
    }

    /// What the login brings along: the session that is to go on, or a resource.
    fn inline_requests(&self, offered: &sasl2::Offered) -> sasl2::InlineRequests {
        let resume = self.options.resume.as_ref();
        let inline = resume.filter(|_| offered.resume);
        // A new resource is no use as long as the old session may still be resumed.
        let binds = offered.bind && resume.is_none_or(|_| inline.is_some());
        let agent = self.options.sasl2.clone().unwrap_or_default();
        sasl2::InlineRequests {
            resume: inline.map(|resume| (resume.id.clone(), resume.handled)),
            bind: binds.then(|| sasl2::Bind {
                tag: agent.tag,
                agent: agent.user_agent,
                enable: offered.manage.then_some(true),
            }),
        }
    }

    /// One step of the exchange.
    pub(super) fn exchange(
        &mut self,
        state: State,
        element: &Element,
        out: &mut Vec<u8>,
    ) -> Result<Step, NegotiationError> {
        if let Some(failure) = SaslFailure::from_element(element) {
            return Err(NegotiationError::Login(failure));
        }
        let reply = self.reply(element)?.ok_or_else(|| unexpected(element))?;
        let payload = |payload: Option<Vec<u8>>| payload.unwrap_or_default();
        let (mechanism, salted, outcome, jid) = match (state, reply) {
            (State::Challenge(client, mechanism), Reply::Challenge(challenge)) => {
                let (verifier, last) = client.respond(&challenge)?;
                self.respond(&last, out);
                self.state = State::Proof(verifier, mechanism);
                if self.pipelining.is_some() {
                    self.ask_ahead(out);
                }
                return Ok(Step::More);
            }
            // Which this server did not do before; now the answer would come too late.
            (State::Proof(..), Reply::Challenge(_)) if self.after.is_some() || self.greeted => {
                return Err(NegotiationError::Changed);
            }
            // RFC 6120 lets the server's proof come with the success or before it.
            (State::Proof(verifier, mechanism), Reply::Challenge(proof)) => {
                let salted = verifier.verify(&proof)?;
                self.respond(&[], out);
                self.long = true;
                self.state = State::Proved(salted, mechanism);
                return Ok(Step::More);
            }
            (State::Proof(verifier, mechanism), Reply::Success(proof, outcome, jid)) => {
                (mechanism, Some(verifier.verify(&payload(proof))?), outcome, jid)
            }
            (State::Proved(salted, mechanism), Reply::Success(_, outcome, jid)) => {
                (mechanism, Some(salted), outcome, jid)
            }
            (State::Plain, Reply::Success(_, outcome, jid)) => (Mechanism::Plain, None, outcome, jid),
            (_, Reply::Success(..)) => return Err(NegotiationError::NotProved),
            (_, Reply::Challenge(_)) => return Err(unexpected(element)),
        };
        self.authenticated = Some((mechanism, salted));
        match self.profile {
            Profile::Sasl2 => self.logged_in(outcome, jid, element),
            Profile::Rfc6120 => {
                self.reader.reset();
                self.state = State::Header;
                if self.after.is_none() {
                    self.open(out);
                }
                Ok(Step::More)
            }
        }
    }

    /// What the server says, in the profile that the login was begun in.
    fn reply(&self, element: &Element) -> Result<Option<Reply>, NegotiationError> {
        let decode = |text: &str| decode_payload(text.trim()).map_err(|_| ScramError::Malformed);
        if element.ns() != self.profile.ns() {
            return Ok(None);
        }
        Ok(match (element.name(), self.profile) {
            ("challenge", _) => Some(Reply::Challenge(decode(&element.text())?)),
            ("success", Profile::Rfc6120) => {
                let payload = decode(&element.text())?;
                Some(Reply::Success(Some(payload), sasl2::Outcome::LoggedIn, String::new()))
            }
            ("success", Profile::Sasl2) => match sasl2::Success::from_element(element) {
                Some(success) => {
                    let payload = success.additional.as_deref().map(decode).transpose()?;
                    Some(Reply::Success(payload, success.outcome, success.jid))
                }
                None => None,
            },
            _ => None,
        })
    }

    fn respond(&self, payload: &[u8], out: &mut Vec<u8>) {
        let response = Element::new("response", self.profile.ns());
        let response =
            if payload.is_empty() { response } else { response.with_text(encode_payload(payload)) };
        response.write(out, ns::CLIENT);
    }
}
