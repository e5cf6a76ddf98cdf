//! What a stanza of the peer leads to: a reply, or the end of the stream.

use tidings_xmpp::ns;
use tidings_xmpp::stream::StreamError;
use tidings_xmpp::xml::Element;

use super::bound_session::BoundSession;

/// What follows from a stanza.
pub(super) enum Outcome {
    /// Go on.
    Continue,
    /// End the stream with an error (and what details it), and the session with it.
    Fail(StreamError, Option<Element>),
}

impl Outcome {
    pub(super) fn fail(error: impl Into<StreamError>) -> Self {
        Self::Fail(error.into(), None)
    }
}

/// Writes a stanza that no store has.
pub(super) fn reply(session: &mut BoundSession, stanza: &Element, out: &mut Vec<u8>) {
    let start = out.len();
    stanza.write(out, ns::CLIENT);
    if let Some(sm) = &mut session.sm {
        sm.keep(start, out);
    }
}
