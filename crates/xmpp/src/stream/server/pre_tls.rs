//! Before TLS. Nothing here reads a payload, so no credential can get further.

use super::{Context, MAX_FAILURES, Outcome, Stage, Step};
use crate::ns;
use crate::sasl::{SaslCondition, SaslFailure};
use crate::stream::{Features, StartTls, StreamCondition, StreamError};
use crate::xml::Element;

/// The stage before TLS.
#[derive(Debug, Default)]
pub(super) struct PreTls {
    refused: u8,
}

impl PreTls {
    pub(super) fn features() -> Features {
        Features { starttls: Some(StartTls::Required), ..Features::default() }
    }

    pub(super) fn stanza(mut self, element: &Element, context: &mut Context<'_>) -> Outcome {
        match (element.name(), element.ns()) {
            ("starttls", ns::TLS) => {
                context.send(&Element::new("proceed", ns::TLS));
                Ok((Stage::Handshake, Step::StartTls))
            }
            ("auth", ns::SASL) => {
                context.send(&SaslFailure::from(SaslCondition::EncryptionRequired).to_element());
                self.refused += 1;
                if self.refused < MAX_FAILURES {
                    Ok((Stage::PreTls(self), Step::Continue))
                } else {
                    Err(tls_first())
                }
            }
            _ => Err(tls_first()),
        }
    }
}

fn tls_first() -> StreamError {
    StreamError::with_text(StreamCondition::PolicyViolation, "TLS is required")
}
