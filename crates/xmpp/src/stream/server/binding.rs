//! After SASL: a resource is bound or an earlier session resumed.

use jid::ResourcePart;

use super::request::{Request, RequestId};
use super::{Answer, Bound, Context, Outcome, Question, Settings, Stage, Step, out_of_turn};
use crate::ns;
use crate::stanza::Condition;
use crate::stream::{Features, StreamCondition, StreamError};
use crate::xml::Element;

/// The stage after SASL. Only a positive verdict makes one.
#[derive(Debug)]
pub(super) struct Binding {
    username: String,
}

/// What the driver has been asked.
#[derive(Debug)]
pub(super) enum BindingAsked {
    Bind(RequestId),
    Resume,
}

impl Binding {
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
            caps: settings.feature_caps(),
            limits: Some(settings.limits()),
            ..Features::default()
        }
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
            ("resume", ns::SM) => self.resume(&element, context),
            ("enable", ns::SM) => {
                context.send(&failed(Condition::UnexpectedRequest, None));
                self.go_on()
            }
            // Nothing is held back yet, and nobody has to be told.
            ("active" | "inactive", ns::CSI) => self.go_on(),
            ("auth" | "response" | "abort", ns::SASL) => {
                Err(StreamError::with_text(StreamCondition::PolicyViolation, "already logged in"))
            }
            _ => Err(StreamCondition::UnsupportedStanzaType.into()),
        }
    }

    pub(super) fn answer(self, asked: BindingAsked, answer: Answer, context: &mut Context<'_>) -> Outcome {
        match (asked, answer) {
            (BindingAsked::Bind(id), Answer::Bind(Ok(jid))) => {
                let resource =
                    jid.split_once('/').map(|(_, resource)| resource.to_owned()).unwrap_or_default();
                let bind = Element::new("bind", ns::BIND).with_field("jid", jid.as_str());
                id.result(Some(bind), context);
                Ok((Stage::Done, Step::Bound(Bound::Resource { jid, resource, legacy: false })))
            }
            (BindingAsked::Bind(id), Answer::Bind(Err(error))) => {
                id.error(error, context);
                self.go_on()
            }
            (BindingAsked::Resume, Answer::Resume(Ok(()))) => Ok((Stage::Done, Step::Bound(Bound::Resumed))),
            (BindingAsked::Resume, Answer::Resume(Err(h))) => {
                context.send(&failed(Condition::ItemNotFound, h));
                self.go_on()
            }
            _ => Err(out_of_turn()),
        }
    }

    fn request(self, request: Request, context: &mut Context<'_>) -> Outcome {
        match request.what() {
            ("bind", ns::BIND, true) => {
                let resource =
                    request.payload.child_text("resource", ns::BIND).filter(|wanted| !wanted.is_empty());
                if resource.as_deref().is_some_and(|wanted| ResourcePart::new(wanted).is_err()) {
                    request.error(Condition::BadRequest, context);
                    return self.go_on();
                }
                let asked = BindingAsked::Bind(request.into_id());
                Ok((Stage::BindingAsked(self, asked), Step::Ask(Question::Bind { resource })))
            }
            // RFC 3921's session is nothing but this answer.
            ("session", ns::SESSION, true) => {
                request.result(None, context);
                self.go_on()
            }
            _ => {
                request.error(Condition::NotAllowed, context);
                self.go_on()
            }
        }
    }

    fn resume(self, element: &Element, context: &mut Context<'_>) -> Outcome {
        if !context.settings.stream_management {
            context.send(&failed(Condition::FeatureNotImplemented, None));
            return self.go_on();
        }
        let h = element.attribute("h").and_then(|h| h.parse().ok());
        match (element.attribute("previd"), h) {
            (Some(previd), Some(h)) => {
                let question = Question::Resume { previd: previd.to_owned(), h };
                Ok((Stage::BindingAsked(self, BindingAsked::Resume), Step::Ask(question)))
            }
            _ => {
                context.send(&failed(Condition::BadRequest, None));
                self.go_on()
            }
        }
    }

    fn go_on(self) -> Outcome {
        Ok((Stage::Binding(self), Step::Continue))
    }
}

/// XEP-0198's `<failed/>`.
pub(super) fn failed(condition: Condition, h: Option<u32>) -> Element {
    let mut failed = Element::new("failed", ns::SM);
    if let Some(h) = h {
        failed.set_attribute("h", h.to_string());
    }
    failed.with_child(Element::new(condition.as_str(), ns::STANZAS))
}
