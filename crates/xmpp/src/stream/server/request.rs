//! IQ requests that the negotiation answers itself, at once or after a question.

use super::Context;
use crate::stanza::{Iq, IqKind, StanzaError};
use crate::xml::Element;

/// An IQ `get` or `set`: what the negotiation answers itself.
pub(super) struct Request {
    id: RequestId,
    pub(super) set: bool,
    pub(super) payload: Element,
}

/// A request without what it asked for: enough to answer it later.
#[derive(Debug)]
pub(super) struct RequestId(Box<Iq>);

impl Request {
    /// Reads an `<iq/>`. `None` for a response, to which no request belongs, and for what is
    /// no proper request: that has been answered with `bad-request` then.
    pub(super) fn read(iq: Element, context: &mut Context<'_>) -> Option<Self> {
        match Iq::from_element(iq) {
            Ok(mut iq) if iq.kind.is_request() => {
                let payload = iq.payload.take()?;
                Some(Self { set: iq.kind == IqKind::Set, id: RequestId(Box::new(iq)), payload })
            }
            Ok(_) => None,
            Err(invalid) => {
                if let Some(reply) = invalid.reply() {
                    context.send(&reply);
                }
                None
            }
        }
    }

    pub(super) fn kind(&self) -> IqKind {
        if self.set { IqKind::Set } else { IqKind::Get }
    }

    pub(super) fn into_id(self) -> RequestId {
        self.id
    }

    pub(super) fn result(&self, payload: Option<Element>, context: &mut Context<'_>) {
        self.id.result(payload, context);
    }

    pub(super) fn error(&self, error: StanzaError, context: &mut Context<'_>) {
        self.id.error(error, context);
    }
}

impl RequestId {
    pub(super) fn result(&self, payload: Option<Element>, context: &mut Context<'_>) {
        context.send(&self.0.result(payload));
    }

    pub(super) fn error(&self, error: StanzaError, context: &mut Context<'_>) {
        context.send(&self.0.error(error));
    }
}
