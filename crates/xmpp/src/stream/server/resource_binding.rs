//! After SASL: a resource is bound or an earlier session resumed.

use super::request::{Request, RequestId};
use super::{Answer, Bound, Context, Outcome, Question, Settings, Stage, Step, out_of_turn};
use crate::ext::csi::ClientState;
use crate::ext::sm::{self, Nonza};
use crate::ext::{bind, ping, session};
use crate::ns;
use crate::resource;
use crate::stanza::{Condition, StanzaError};
use crate::stream::{Features, StreamCondition, StreamError};
use crate::xml::Element;

/// The stage after SASL. Only a positive verdict makes one.
#[derive(Debug)]
pub(super) struct ResourceBinding {
    username: String,
}

/// What the driver has been asked.
#[derive(Debug)]
pub(super) enum ResourceBindingAsked {
    Bind(RequestId),
    /// The id of the session that is to go on.
    Resume(String),
}

impl ResourceBinding {
    pub(super) fn new(username: String) -> Self {
        Self { username }
    }

    pub(super) fn username(&self) -> &str {
        &self.username
    }

    pub(super) fn features(settings: &Settings) -> Features {
        Features {
            bind: true,
            session: true,
            stream_management: settings.stream_management,
            client_state: true,
            pipelining: true,
            caps: settings.feature_caps(),
            limits: Some(settings.limits()),
            ..Features::default()
        }
    }

    /// What there is to choose once a resource is bound.
    pub(super) fn bound_features(settings: &Settings) -> Features {
        Features { bind: false, session: false, pipelining: false, ..Self::features(settings) }
    }

    pub(super) fn stanza(self, element: Element, context: &mut Context<'_>) -> Outcome {
        match (element.name(), element.ns()) {
            ("iq", ns::CLIENT) => match Request::read(element, context) {
                Some(request) => self.request(request, context),
                None => self.go_on(),
            },
            ("message" | "presence", ns::CLIENT) => {
                Err(StreamError::with_text(StreamCondition::NotAuthorized, "bind a resource first"))
            }
            ("resume" | "enable", ns::SM) => self.stream_management(&element, context),
            // Nothing is held back before a resource is bound, so there is no state to keep.
            _ if ClientState::from_element(&element).is_some() => self.go_on(),
            ("auth" | "response" | "abort", ns::SASL)
            | ("authenticate" | "response" | "abort", ns::SASL2) => {
                Err(StreamError::with_text(StreamCondition::PolicyViolation, "already logged in"))
            }
            _ => Err(StreamCondition::UnsupportedStanzaType.into()),
        }
    }

    pub(super) fn answer(
        self,
        asked: ResourceBindingAsked,
        answer: Answer,
        context: &mut Context<'_>,
    ) -> Outcome {
        match (asked, answer) {
            (ResourceBindingAsked::Bind(id), Answer::Bind(Ok(jid))) => {
                let resource =
                    jid.split_once('/').map(|(_, resource)| resource.to_owned()).unwrap_or_default();
                id.result(Some(bind::result(&jid)), context);
                Ok((Stage::Done, Step::Bound(Bound::Resource { jid, resource, legacy: false })))
            }
            (ResourceBindingAsked::Bind(id), Answer::Bind(Err(error))) => {
                id.error(error, context);
                self.go_on()
            }
            (ResourceBindingAsked::Resume(previd), Answer::Resume(Ok(resumed))) => {
                context.send(&Nonza::Resumed { previd, h: resumed.handled }.to_element());
                Ok((Stage::Done, Step::Bound(Bound::Resumed)))
            }
            (ResourceBindingAsked::Resume(_), Answer::Resume(Err(h))) => {
                context.send(&sm::failed(Condition::ItemNotFound, h));
                self.go_on()
            }
            _ => Err(out_of_turn()),
        }
    }

    fn request(self, request: Request, context: &mut Context<'_>) -> Outcome {
        if request.set
            && let Some(resource) = bind::parse_request(&request.payload)
        {
            if resource.as_deref().is_some_and(|wanted| resource::prepare(wanted).is_none()) {
                request.error(StanzaError::bad_request("not a resource"), context);
                return self.go_on();
            }
            let asked = ResourceBindingAsked::Bind(request.into_id());
            return Ok((Stage::BindingAsked(self, asked), Step::Ask(Question::Bind { resource })));
        }
        if request.set && session::is_request(&request.payload) {
            // RFC 3921's session is nothing but this answer.
            request.result(None, context);
        } else if !request.set && ping::is_ping(&request.payload) {
            request.result(None, context);
        } else {
            request.error(StanzaError::not_allowed(), context);
        }
        self.go_on()
    }

    fn stream_management(self, element: &Element, context: &mut Context<'_>) -> Outcome {
        let condition = match Nonza::from_element(element) {
            _ if !context.settings.stream_management => Condition::FeatureNotImplemented,
            Some(Nonza::Resume { previd, h }) => {
                let asked = ResourceBindingAsked::Resume(previd.clone());
                return Ok((Stage::BindingAsked(self, asked), Step::Ask(Question::Resume { previd, h })));
            }
            Some(_) => Condition::UnexpectedRequest,
            None => Condition::BadRequest,
        };
        context.send(&sm::failed(condition, None));
        self.go_on()
    }

    fn go_on(self) -> Outcome {
        Ok((Stage::Binding(self), Step::Continue))
    }
}
