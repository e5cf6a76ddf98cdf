//! What may be said before the server asks for it (XEP-0305): everything that it offered
//! at an earlier login, and nothing else.

use super::NegotiationError;
use super::offer::{Allowed, Choice, Profile, choose, is_whole};
use crate::sasl::{Mechanism, TlsBinding};
use crate::stream::Features;

/// What a server offered at a login that went well; see [`Ready::known`](super::Ready::known).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFeatures {
    login: Features,
    client_state: bool,
    sasl2: bool,
}

/// What to say without waiting for the server's offers, which are the known ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipelining {
    /// What the server offered last time.
    pub known: KnownFeatures,
    /// What a new session says first, once stream management is asked for. A resumed
    /// session does not get it.
    pub greeting: Vec<u8>,
}

impl KnownFeatures {
    /// Keeps what a stream offered before and after the login, if it allows pipelining and
    /// nothing in it would ask for more than what is said ahead: SCRAM, binding, stream
    /// management. A password is never sent ahead as it is.
    pub(super) fn new(
        login: &Features,
        session: &Features,
        profile: Profile,
        mechanism: Mechanism,
    ) -> Option<Self> {
        let suits = match profile {
            Profile::Rfc6120 => session.pipelining && suits(session),
            Profile::Sasl2 => login.authentication.as_ref().is_some_and(is_whole),
        };
        (login.pipelining && suits && mechanism.hash().is_some()).then(|| Self {
            login: login.clone(),
            client_state: session.client_state,
            sasl2: profile == Profile::Sasl2,
        })
    }

    /// Whether the server knows XEP-0352.
    pub fn client_state(&self) -> bool {
        self.client_state
    }

    /// The login that this offer leads to on this connection. PLAIN is none for it.
    pub(super) fn choice(&self, tls: &TlsBinding) -> Option<Choice> {
        choose(&self.login, tls, self.allowed())
    }

    /// Whether a login begun ahead is what the offer that came now leads to: neither less
    /// than it is worth any more, nor more.
    pub(super) fn still_leads_there(
        &self,
        offer: &Features,
        tls: &TlsBinding,
    ) -> Result<(), NegotiationError> {
        let now = choose(offer, tls, self.allowed()).filter(|now| match now.profile {
            Profile::Rfc6120 => true,
            Profile::Sasl2 => offer.authentication.as_ref().is_some_and(is_whole),
        });
        if now.is_some() && now == self.choice(tls) { Ok(()) } else { Err(NegotiationError::Changed) }
    }

    fn allowed(&self) -> Allowed {
        Allowed { plain: false, sasl2: self.sasl2 }
    }
}

/// Whether a session can be had of this offer as it is asked for ahead by RFC 6120.
pub(super) fn suits(session: &Features) -> bool {
    session.bind && session.stream_management
}
