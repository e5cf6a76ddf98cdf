//! What a login of XEP-0388 brings along: asked for once the login stands, and answered
//! together with it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jid::{BareJid, DomainPart, NodePart, ResourcePart};
use sha2::{Digest, Sha256};

use super::resource_binding::{ResourceBinding, ResourceBindingAsked, failed};
use super::{Answer, Bound, Context, Outcome, Question, Stage, Step, out_of_turn};
use crate::ext::sasl2::{self, Bind, InlineRequests};
use crate::ext::sm::Nonza;
use crate::ns;
use crate::stanza::{Condition, StanzaError};
use crate::xml::Element;

/// Bytes that tell the resources of one tag apart.
const DISTINCTION: usize = 9;

/// A login that stands, and is yet to be answered.
#[derive(Debug)]
pub(super) struct PendingLogin {
    /// The mechanism's last word.
    additional: Option<Vec<u8>>,
    asked: Asked,
    bind: Option<Bind>,
    /// What became of requests so far.
    told: Vec<Element>,
}

#[derive(Debug)]
enum Asked {
    Resume(String),
    Bind,
    /// The full JID that is bound.
    Enable(String),
}

/// The login stands: asks for the first of the requests, or is done.
pub(super) fn begin(
    binding: ResourceBinding,
    additional: Option<Vec<u8>>,
    requests: InlineRequests,
    context: &mut Context<'_>,
) -> Outcome {
    let InlineRequests { resume, bind } = requests;
    let mut told = Vec::new();
    match resume {
        Some((previd, h)) if context.settings.stream_management => {
            let login = PendingLogin { additional, asked: Asked::Resume(previd.clone()), bind, told };
            Ok(ask(binding, login, Question::Resume { previd, h }))
        }
        Some(_) => {
            told.push(failed(Condition::FeatureNotImplemented, None));
            next(binding, additional, bind, told, context)
        }
        None => next(binding, additional, bind, told, context),
    }
}

pub(super) fn answer(
    binding: ResourceBinding,
    login: PendingLogin,
    answer: Answer,
    context: &mut Context<'_>,
) -> Outcome {
    let PendingLogin { additional, asked, bind, mut told } = login;
    match (asked, answer) {
        (Asked::Resume(previd), Answer::Resume(Ok(resumed))) => {
            let success = sasl2::success(additional.as_deref(), &resumed.jid);
            let resumed = Nonza::Resumed { previd, h: resumed.handled };
            context.send(&success.with_child(resumed.to_element()));
            Ok((Stage::Done, Step::Bound(Bound::Resumed)))
        }
        (Asked::Resume(_), Answer::Resume(Err(h))) => {
            told.push(failed(Condition::ItemNotFound, h));
            next(binding, additional, bind, told, context)
        }
        (Asked::Bind, Answer::Bind(Ok(jid))) => match bind.and_then(|bind| bind.enable) {
            Some(resume) if context.settings.stream_management => {
                let login = PendingLogin { additional, asked: Asked::Enable(jid), bind: None, told };
                Ok(ask(binding, login, Question::Enable { resume }))
            }
            Some(_) => {
                let refused = failed(Condition::FeatureNotImplemented, None);
                bound(additional.as_deref(), jid, told, Some(refused), context)
            }
            None => bound(additional.as_deref(), jid, told, None, context),
        },
        (Asked::Bind, Answer::Bind(Err(error))) => {
            told.push(refused(&error));
            logged_in(binding, additional.as_deref(), told, context)
        }
        (Asked::Enable(jid), Answer::Enabled(enabled)) => {
            bound(additional.as_deref(), jid, told, Some(enabled.to_element()), context)
        }
        _ => Err(out_of_turn()),
    }
}

fn ask(binding: ResourceBinding, login: PendingLogin, question: Question) -> (Stage, Step) {
    (Stage::BindingAsked(binding, ResourceBindingAsked::Inline(Box::new(login))), Step::Ask(question))
}

/// There is no session to go on: a resource, where one is wanted.
fn next(
    binding: ResourceBinding,
    additional: Option<Vec<u8>>,
    bind: Option<Bind>,
    mut told: Vec<Element>,
    context: &mut Context<'_>,
) -> Outcome {
    let Some(wanted) = &bind else { return logged_in(binding, additional.as_deref(), told, context) };
    let Some(resource) = resource(wanted, context) else {
        told.push(refused(&StanzaError::bad_request("the tag cannot be part of a resource")));
        return logged_in(binding, additional.as_deref(), told, context);
    };
    let login = PendingLogin { additional, asked: Asked::Bind, bind, told };
    Ok(ask(binding, login, Question::Bind { resource: Some(resource) }))
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
    ResourcePart::new(&resource).ok().map(|resource| resource.as_str().to_owned())
}

/// Logged in and bound, in one answer; what is offered from now on follows.
fn bound(
    additional: Option<&[u8]>,
    jid: String,
    told: Vec<Element>,
    managed: Option<Element>,
    context: &mut Context<'_>,
) -> Outcome {
    let mut bound = Element::new("bound", ns::BIND2);
    managed.into_iter().for_each(|managed| bound.push_child(managed));
    let success = told.into_iter().fold(sasl2::success(additional, &jid), Element::with_child);
    context.send(&success.with_child(bound));
    context.out.extend_from_slice(context.features.bound());
    let resource = jid.split_once('/').map(|(_, resource)| resource.to_owned()).unwrap_or_default();
    Ok((Stage::Done, Step::Bound(Bound::Resource { jid, resource, legacy: false })))
}

/// Logged in, and no more than that.
fn logged_in(
    binding: ResourceBinding,
    additional: Option<&[u8]>,
    told: Vec<Element>,
    context: &mut Context<'_>,
) -> Outcome {
    let jid = bare_jid(binding.username(), context.domain).ok_or_else(out_of_turn)?;
    let success = told.into_iter().fold(sasl2::success(additional, &jid), Element::with_child);
    context.send(&success);
    context.out.extend_from_slice(context.features.binding());
    Ok((Stage::Binding(binding), Step::Authenticated))
}

fn bare_jid(username: &str, domain: &str) -> Option<String> {
    let (node, domain) = (NodePart::new(username).ok()?, DomainPart::new(domain).ok()?);
    Some(BareJid::from_parts(Some(&node), &domain).to_string())
}

/// A resource that could not be bound.
fn refused(error: &StanzaError) -> Element {
    Element::new("failed", ns::BIND2).with_child(error.to_element())
}
