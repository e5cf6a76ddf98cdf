//! What may be said before the server asks for it (XEP-0305): everything that it offered
//! at an earlier login, and nothing else.

use super::NegotiationError;
use crate::sasl::{ClientBinding, Mechanism, TlsBinding};
use crate::stream::Features;

/// What a server offered at a login that went well; see [`Ready::known`](super::Ready::known).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFeatures {
    login: Features,
    session: Features,
}

/// What to say without waiting for the server's offers, which are the known ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipelining {
    /// What the server offered last time.
    pub known: KnownFeatures,
    /// What follows a new session's `<enable/>`. A resumed session does not get it.
    pub greeting: Vec<u8>,
}

impl KnownFeatures {
    /// Keeps the two offers of a stream, if both allow it and nothing in them would ask
    /// for more than what is said ahead: SCRAM, binding, stream management. A password is
    /// never sent ahead as it is.
    pub(super) fn new(login: &Features, session: &Features, mechanism: Mechanism) -> Option<Self> {
        let pipelining = login.pipelining && session.pipelining;
        (pipelining && mechanism.hash().is_some() && suits(session))
            .then(|| Self { login: login.clone(), session: session.clone() })
    }

    /// Whether the server knows XEP-0352.
    pub fn client_state(&self) -> bool {
        self.session.client_state
    }

    /// The mechanism that this offer leads to on this connection. PLAIN is none for it.
    pub(super) fn choice(&self, tls: &TlsBinding) -> Option<(Mechanism, ClientBinding)> {
        choose(&self.login, tls, false)
    }

    /// Whether a login begun ahead is what the offer that came now leads to: neither less
    /// than it is worth any more, nor more.
    pub(super) fn still_leads_there(
        &self,
        offer: &Features,
        tls: &TlsBinding,
    ) -> Result<(), NegotiationError> {
        let now = choose(offer, tls, false);
        if now.is_some() && now == self.choice(tls) { Ok(()) } else { Err(NegotiationError::Changed) }
    }
}

/// Whether a session can be had of this offer as it is asked for ahead.
pub(super) fn suits(session: &Features) -> bool {
    session.bind && session.stream_management
}

/// The strongest mechanism of an offer, and what it is bound to.
pub(super) fn choose(
    offer: &Features,
    tls: &TlsBinding,
    allow_plain: bool,
) -> Option<(Mechanism, ClientBinding)> {
    let offered = |mechanism: Mechanism| offer.mechanisms.iter().any(|name| name == mechanism.name());
    let bound = ClientBinding::strongest(tls, &offer.channel_bindings);
    let mechanism = Mechanism::ALL
        .into_iter()
        .filter(|mechanism| offered(*mechanism))
        .filter(|mechanism| !mechanism.is_plus() || bound.is_some())
        .find(|mechanism| *mechanism != Mechanism::Plain || allow_plain)?;
    let plus_offered = Mechanism::ALL.into_iter().any(|mechanism| mechanism.is_plus() && offered(mechanism));
    let binding = match bound {
        Some(bound) if mechanism.is_plus() => bound,
        // Ours was not among the offered types: saying that none was offered would look
        // like an attack to the server.
        _ if plus_offered || !tls.available() => ClientBinding::Unsupported,
        _ => ClientBinding::NotOffered,
    };
    Some((mechanism, binding))
}
