//! What a login of XEP-0388 brings along: asked for once the login stands, and answered
//! together with it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jid::{BareJid, DomainPart, NodePart};
use sha2::{Digest, Sha256};

use super::resource_binding::ResourceBinding;
use super::{Answer, Bound, Context, Outcome, Question, Stage, Step, out_of_turn};
use crate::ext::sasl2::{self, Bind, InlineRequests};
use crate::ext::sm::{self, Nonza};
use crate::ns;
use crate::resource;
use crate::stanza::{Condition, StanzaError};
use crate::xml::Element;

/// Bytes that tell the resources of one tag apart.
const DISTINCTION: usize = 9;

/// The stage in which the driver is asked for what a login brought along.
#[derive(Debug)]
pub(super) struct Sasl2Inline {
    login: Login,
    asked: Asked,
}

/// A login that stands and is not answered yet.
#[derive(Debug)]
struct Login {
    binding: ResourceBinding,
    /// The mechanism's last word.
    additional: Option<Vec<u8>>,
    /// What became of the requests so far.
    answered: Vec<Element>,
}

/// What the driver has been asked.
#[derive(Debug)]
enum Asked {
    Resume {
        previd: String,
        /// What is wanted where that session cannot go on.
        bind: Option<Bind>,
    },
    Bind {
        /// Whether stream management follows, and the session is to be resumable.
        enable: Option<bool>,
    },
    Enable {
        /// The full JID that is bound.
        jid: String,
    },
}

impl Sasl2Inline {
    /// The login stands: asks for the first of the requests, or is done.
    pub(super) fn begin(
        binding: ResourceBinding,
        additional: Option<Vec<u8>>,
        requests: InlineRequests,
        context: &mut Context<'_>,
    ) -> Outcome {
        let mut login = Login { binding, additional, answered: Vec::new() };
        let InlineRequests { resume, bind } = requests;
        match resume {
            Some((previd, h)) if context.settings.stream_management => {
                let asked = Asked::Resume { previd: previd.clone(), bind };
                Ok(login.ask(asked, Question::Resume { previd, h }))
            }
            Some(_) => {
                login.answered.push(sm::failed(Condition::FeatureNotImplemented, None));
                login.bind(bind, context)
            }
            None => login.bind(bind, context),
        }
    }

    pub(super) fn username(&self) -> &str {
        self.login.binding.username()
    }

    pub(super) fn answer(self, answer: Answer, context: &mut Context<'_>) -> Outcome {
        let Self { mut login, asked } = self;
        match (asked, answer) {
            (Asked::Resume { previd, .. }, Answer::Resume(Ok(resumed))) => {
                let success = login.success(&resumed.jid);
                let resumed = Nonza::Resumed { previd, h: resumed.handled };
                context.send(&success.with_child(resumed.to_element()));
                Ok((Stage::Done, Step::Bound(Bound::Resumed)))
            }
            (Asked::Resume { bind, .. }, Answer::Resume(Err(h))) => {
                login.answered.push(sm::failed(Condition::ItemNotFound, h));
                login.bind(bind, context)
            }
            (Asked::Bind { enable }, Answer::Bind(Ok(jid))) => match enable {
                Some(resume) if context.settings.stream_management => {
                    Ok(login.ask(Asked::Enable { jid }, Question::Enable { resume }))
                }
                Some(_) => {
                    let refused = sm::failed(Condition::FeatureNotImplemented, None);
                    login.bound(jid, Some(refused), context)
                }
                None => login.bound(jid, None, context),
            },
            (Asked::Bind { .. }, Answer::Bind(Err(error))) => login.unbound(&error, context),
            (Asked::Enable { jid }, Answer::Enabled(enabled)) => {
                login.bound(jid, Some(enabled.to_element()), context)
            }
            _ => Err(out_of_turn()),
        }
    }
}

impl Login {
    fn ask(self, asked: Asked, question: Question) -> (Stage, Step) {
        (Stage::Inline(Box::new(Sasl2Inline { login: self, asked })), Step::Ask(question))
    }

    /// There is no session to go on: a resource, where one is wanted.
    fn bind(self, bind: Option<Bind>, context: &mut Context<'_>) -> Outcome {
        let Some(bind) = bind else { return self.finish(context) };
        let Some(resource) = resource(&bind, context) else {
            return self.unbound(&StanzaError::bad_request("the tag cannot be part of a resource"), context);
        };
        let asked = Asked::Bind { enable: bind.enable };
        Ok(self.ask(asked, Question::Bind { resource: Some(resource) }))
    }

    /// Logged in and bound, in one answer; what is offered from now on follows.
    fn bound(self, jid: String, managed: Option<Element>, context: &mut Context<'_>) -> Outcome {
        let bound = managed.into_iter().fold(Element::new("bound", ns::BIND2), Element::with_child);
        context.send(&self.success(&jid).with_child(bound));
        context.out.extend_from_slice(context.features.bound());
        let resource = jid.split_once('/').map(|(_, resource)| resource.to_owned()).unwrap_or_default();
        Ok((Stage::Done, Step::Bound(Bound::Resource { jid, resource, legacy: false })))
    }

    /// Logged in, and no resource for this reason.
    fn unbound(mut self, error: &StanzaError, context: &mut Context<'_>) -> Outcome {
        self.answered.push(Element::new("failed", ns::BIND2).with_child(error.to_element()));
        self.finish(context)
    }

    /// Logged in, and no more than that.
    fn finish(self, context: &mut Context<'_>) -> Outcome {
        let jid = bare_jid(self.binding.username(), context.domain).ok_or_else(out_of_turn)?;
        context.send(&self.success(&jid));
        context.out.extend_from_slice(context.features.binding());
        Ok((Stage::Binding(self.binding), Step::Authenticated))
    }

    fn success(&self, jid: &str) -> Element {
        let success = sasl2::success(self.additional.as_deref(), jid);
        self.answered.iter().cloned().fold(success, Element::with_child)
    }
}

/// XEP-0386 section 4: the client's tag and something of the server's, which is always the
/// same for one installation.
fn resource(bind: &Bind, context: &mut Context<'_>) -> Option<String> {
    let distinction = match &bind.agent {
        Some(agent) => {
            let digest = Sha256::digest(agent.as_bytes());
            URL_SAFE_NO_PAD.encode(digest.get(..DISTINCTION).unwrap_or_default())
        }
        None => URL_SAFE_NO_PAD.encode(context.random::<DISTINCTION>()),
    };
    let resource = match &bind.tag {
        Some(tag) => format!("{tag}/{distinction}"),
        None => distinction,
    };
    resource::prepare(&resource)
}

fn bare_jid(username: &str, domain: &str) -> Option<String> {
    let (node, domain) = (NodePart::new(username).ok()?, DomainPart::new(domain).ok()?);
    Some(BareJid::from_parts(Some(&node), &domain).to_string())
}
