//! Which login a server's offer leads to: the profile of SASL, the mechanism, and what it
//! is bound to.

use crate::ext::sasl2;
use crate::ns;
use crate::sasl::{ClientBinding, Mechanism, TlsBinding};
use crate::stream::Features;

/// How a SASL exchange is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    /// RFC 6120 section 6: a new stream follows, and each next thing is asked for in it.
    Rfc6120,
    /// XEP-0388: the login takes along what comes after it.
    Sasl2,
}

impl Profile {
    pub(super) fn ns(self) -> &'static str {
        match self {
            Self::Rfc6120 => ns::SASL,
            Self::Sasl2 => ns::SASL2,
        }
    }
}

/// What the client takes of an offer.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) profile: Profile,
    pub(super) mechanism: Mechanism,
    pub(super) binding: ClientBinding,
}

/// What the client allows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed {
    /// The password as it is.
    pub(super) plain: bool,
    /// XEP-0388.
    pub(super) sasl2: bool,
}

/// The strongest mechanism of an offer; of two profiles that have it, the newer one.
pub(super) fn choose(offer: &Features, tls: &TlsBinding, allowed: Allowed) -> Option<Choice> {
    let bound = ClientBinding::strongest(tls, &offer.channel_bindings);
    let by = |profile: Profile, names: &[String]| {
        let offered = |mechanism: Mechanism| names.iter().any(|name| name == mechanism.name());
        let mechanism = Mechanism::ALL
            .into_iter()
            .filter(|mechanism| offered(*mechanism))
            .filter(|mechanism| !mechanism.is_plus() || bound.is_some())
            .find(|mechanism| *mechanism != Mechanism::Plain || allowed.plain)?;
        let plus_offered =
            Mechanism::ALL.into_iter().any(|mechanism| mechanism.is_plus() && offered(mechanism));
        let binding = match &bound {
            Some(bound) if mechanism.is_plus() => bound.clone(),
            // Ours was not among the offered types: saying that none was offered would look
            // like an attack to the server.
            _ if plus_offered || !tls.available() => ClientBinding::Unsupported,
            _ => ClientBinding::NotOffered,
        };
        Some(Choice { profile, mechanism, binding })
    };
    let newer = offer.authentication.as_ref().filter(|_| allowed.sasl2);
    let newer = newer.and_then(|offered| by(Profile::Sasl2, &offered.mechanisms));
    let older = by(Profile::Rfc6120, &offer.mechanisms);
    match (newer, older) {
        (Some(newer), Some(older)) if older.mechanism > newer.mechanism => Some(older),
        (Some(choice), _) | (None, Some(choice)) => Some(choice),
        (None, None) => None,
    }
}

/// Whether a login of XEP-0388 can bring along all that a session needs.
pub(super) fn is_whole(offered: &sasl2::Offered) -> bool {
    offered.resume && offered.bind && offered.manage
}
