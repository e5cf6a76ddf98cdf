//! XEP-0388: a login that takes along what comes after it, a resource (XEP-0386) or the
//! session that is to go on (XEP-0198): one question fewer for each, and no second stream.

use super::sm::Nonza;
use crate::ns;
use crate::sasl::{SaslFailure, encode_payload};
use crate::xml::Element;

/// The longest tag and user agent's id that are looked at, in bytes.
const MAX_NAME: usize = 256;

/// What a server offers in its stream features.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offered {
    /// The mechanisms, strongest first.
    pub mechanisms: Vec<String>,
    /// XEP-0198: a login may resume a session.
    pub resume: bool,
    /// XEP-0386: a login may bind a resource.
    pub bind: bool,
    /// XEP-0386: and turn stream management on for it.
    pub manage: bool,
}

impl Offered {
    /// `<authentication/>`.
    pub fn to_element(&self) -> Element {
        let mut inline = Element::new("inline", ns::SASL2);
        if self.resume {
            inline.push_child(super::sm::feature());
        }
        if self.bind {
            let mut bind = Element::new("bind", ns::BIND2);
            if self.manage {
                let feature = Element::new("feature", ns::BIND2).with_attribute("var", ns::SM);
                bind.push_child(Element::new("inline", ns::BIND2).with_child(feature));
            }
            inline.push_child(bind);
        }
        let authentication = Element::new("authentication", ns::SASL2);
        self.mechanisms
            .iter()
            .fold(authentication, |all, name| all.with_field("mechanism", name.as_str()))
            .with_child(inline)
    }

    /// Reads an `<authentication/>`.
    pub fn from_element(element: &Element) -> Option<Self> {
        if !element.is("authentication", ns::SASL2) {
            return None;
        }
        let mechanisms = element.children().filter(|child| child.is("mechanism", ns::SASL2));
        let inline = element.child("inline", ns::SASL2);
        let bind = inline.and_then(|inline| inline.child("bind", ns::BIND2));
        let inside = bind.and_then(|bind| bind.child("inline", ns::BIND2));
        let managed = |feature: &Element| feature.attribute("var") == Some(ns::SM);
        Some(Self {
            mechanisms: mechanisms.map(Element::text).collect(),
            resume: inline.is_some_and(|inline| inline.child("sm", ns::SM).is_some()),
            bind: bind.is_some(),
            manage: inside.is_some_and(|inside| inside.children().any(managed)),
        })
    }
}

/// What a client wants with its login.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InlineRequests {
    /// The session that is to go on, and how many of its stanzas the client has handled.
    pub resume: Option<(String, u32)>,
    /// A resource, where there is no such session or it cannot go on.
    pub bind: Option<Bind>,
}

/// A resource by XEP-0386: the server chooses it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bind {
    /// What the resource begins with.
    pub tag: Option<String>,
    /// Which installation of the client this is: it has one resource at a time.
    pub agent: Option<String>,
    /// Whether stream management is to be on, and the session resumable.
    pub enable: Option<bool>,
}

impl InlineRequests {
    /// `<authenticate/>`: a login by this mechanism, with what is wanted along with it.
    pub fn to_element(&self, mechanism: &str, initial: &[u8]) -> Element {
        let mut element = Element::new("authenticate", ns::SASL2)
            .with_attribute("mechanism", mechanism)
            .with_field("initial-response", encode_payload(initial));
        if let Some(Bind { tag, agent, enable }) = &self.bind {
            if let Some(agent) = agent {
                element
                    .push_child(Element::new("user-agent", ns::SASL2).with_attribute("id", agent.as_str()));
            }
            let mut bind = Element::new("bind", ns::BIND2);
            if let Some(tag) = tag {
                bind = bind.with_field("tag", tag.as_str());
            }
            if let Some(resume) = *enable {
                bind.push_child(Nonza::Enable { resume, max: None }.to_element());
            }
            element.push_child(bind);
        }
        if let Some((previd, h)) = &self.resume {
            element.push_child(Nonza::Resume { previd: previd.clone(), h: *h }.to_element());
        }
        element
    }

    /// Reads what stands in an `<authenticate/>` beside the login.
    pub fn from_element(authenticate: &Element) -> Self {
        let short = |text: Option<String>| text.filter(|text| (1..=MAX_NAME).contains(&text.len()));
        let resume = authenticate.child("resume", ns::SM).and_then(Nonza::from_element);
        let bind = authenticate.child("bind", ns::BIND2).map(|bind| Bind {
            tag: short(bind.child_text("tag", ns::BIND2)),
            agent: short(
                authenticate
                    .child("user-agent", ns::SASL2)
                    .and_then(|agent| agent.attribute("id").map(str::to_owned)),
            ),
            enable: bind.child("enable", ns::SM).and_then(Nonza::from_element).and_then(
                |enable| match enable {
                    Nonza::Enable { resume, .. } => Some(resume),
                    _ => None,
                },
            ),
        });
        let resume = match resume {
            Some(Nonza::Resume { previd, h }) => Some((previd, h)),
            _ => None,
        };
        Self { resume, bind }
    }
}

/// `<success/>`: the account, as a bare JID or, where it has one, with its resource; and
/// the mechanism's last word.
pub fn success(additional: Option<&[u8]>, jid: &str) -> Element {
    let success = Element::new("success", ns::SASL2);
    let success = match additional {
        Some(data) => success.with_field("additional-data", encode_payload(data)),
        None => success,
    };
    success.with_field("authorization-identifier", jid)
}

/// What a `<success/>` says, to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success {
    /// The mechanism's last word, in base64.
    pub additional: Option<String>,
    /// The account's bare JID or, where there is a resource, the full one.
    pub jid: String,
    /// What became of the requests.
    pub outcome: Outcome,
}

/// What became of a login's [`InlineRequests`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Logged in, and no more than that.
    LoggedIn,
    /// A resource is bound.
    Bound {
        /// [`Nonza::Enabled`] or [`Nonza::Failed`], where stream management was asked for.
        management: Option<Nonza>,
    },
    /// The session goes on; the server has handled this many of the client's stanzas.
    Resumed {
        /// Modulo 2^32.
        handled: u32,
    },
}

impl Success {
    /// Reads a `<success/>`; `None` for any other element.
    pub fn from_element(element: &Element) -> Option<Self> {
        if !element.is("success", ns::SASL2) {
            return None;
        }
        let resumed = element.child("resumed", ns::SM).and_then(Nonza::from_element);
        let bound = element.child("bound", ns::BIND2);
        let outcome = match (resumed, bound) {
            (Some(Nonza::Resumed { h, .. }), _) => Outcome::Resumed { handled: h },
            (_, Some(bound)) => Outcome::Bound { management: bound.children().find_map(Nonza::from_element) },
            _ => Outcome::LoggedIn,
        };
        Some(Self {
            additional: element.child_text("additional-data", ns::SASL2),
            jid: element.child_text("authorization-identifier", ns::SASL2).unwrap_or_default(),
            outcome,
        })
    }
}

/// `<failure/>`.
pub fn failure(failure: &SaslFailure) -> Element {
    let element =
        Element::new("failure", ns::SASL2).with_child(Element::new(failure.condition.name(), ns::SASL));
    match &failure.text {
        Some(text) => element.with_field("text", text.as_str()),
        None => element,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::SaslCondition;
    use crate::xml::parse_stanza;

    #[test]
    fn what_is_offered_survives_the_wire() {
        let all =
            Offered { mechanisms: vec!["SCRAM-SHA-256".into()], resume: true, bind: true, manage: true };
        for offered in [all.clone(), Offered { manage: false, ..all }, Offered::default()] {
            let bytes = offered.to_element().to_bytes();
            assert_eq!(Offered::from_element(&parse_stanza(&bytes).unwrap()), Some(offered));
        }
    }

    fn requests(inside: &str) -> InlineRequests {
        let element =
            format!("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>{inside}</authenticate>");
        InlineRequests::from_element(&parse_stanza(element.as_bytes()).unwrap())
    }

    #[test]
    fn wishes_are_read() {
        assert_eq!(requests("<initial-response>AA==</initial-response>"), InlineRequests::default());
        let all = requests(
            "<user-agent id='u-1'><software>x</software></user-agent><bind xmlns='urn:xmpp:bind:0'>\
             <tag>phone</tag><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>\
             <resume xmlns='urn:xmpp:sm:3' previd='p' h='7'/>",
        );
        let bind = Bind { tag: Some("phone".into()), agent: Some("u-1".into()), enable: Some(true) };
        assert_eq!(all, InlineRequests { resume: Some(("p".into(), 7)), bind: Some(bind) });
    }

    #[test]
    fn requests_survive_the_wire() {
        let bind = Bind { tag: Some("phone".into()), agent: Some("u-1".into()), enable: Some(true) };
        for bind in
            [None, Some(Bind::default()), Some(Bind { enable: Some(false), ..bind.clone() }), Some(bind)]
        {
            for resume in [None, Some(("p".to_owned(), u32::MAX))] {
                let requests = InlineRequests { resume, bind: bind.clone() };
                let bytes = requests.to_element("SCRAM-SHA-256", b"x").to_bytes();
                let element = parse_stanza(&bytes).unwrap();
                assert_eq!(element.attribute("mechanism"), Some("SCRAM-SHA-256"));
                assert_eq!(element.child_text("initial-response", ns::SASL2).as_deref(), Some("eA=="));
                assert_eq!(InlineRequests::from_element(&element), requests);
            }
        }
    }

    #[test]
    fn a_success_says_what_became_of_the_requests() {
        let read = |inside: Element| {
            let bytes = success(Some(b"v=x"), "a@b/c").with_child(inside).to_bytes();
            let read = Success::from_element(&parse_stanza(&bytes).unwrap()).unwrap();
            assert_eq!((read.additional.as_deref(), read.jid.as_str()), (Some("dj14"), "a@b/c"));
            read.outcome
        };
        let resumed = Nonza::Resumed { previd: "p".into(), h: 7 };
        assert_eq!(read(resumed.to_element()), Outcome::Resumed { handled: 7 });
        let bound = Element::new("bound", ns::BIND2);
        assert_eq!(read(bound.clone()), Outcome::Bound { management: None });
        let enabled = Nonza::Enabled { id: Some("s".into()), resume: true, max: None };
        let outcome = read(bound.with_child(enabled.to_element()));
        assert_eq!(outcome, Outcome::Bound { management: Some(enabled) });
        assert_eq!(read(Element::new("failed", ns::BIND2)), Outcome::LoggedIn);
        assert_eq!(Success::from_element(&Element::new("success", ns::SASL)), None);
    }

    #[test]
    fn what_is_too_long_or_no_request_is_not_looked_at() {
        let long = "x".repeat(MAX_NAME + 1);
        let read = requests(&format!(
            "<user-agent id='{long}'/><bind xmlns='urn:xmpp:bind:0'><tag>{long}</tag><tag/>\
             <enable xmlns='urn:xmpp:sm:2'/></bind><resume xmlns='urn:xmpp:sm:3' previd='p'/>"
        ));
        assert_eq!(read, InlineRequests { resume: None, bind: Some(Bind::default()) });
    }

    #[test]
    fn a_failure_names_its_condition_as_ever() {
        let failure = failure(&SaslFailure::with_text(SaslCondition::NotAuthorized, "no"));
        let expected = "<failure xmlns='urn:xmpp:sasl:2'><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>\
            <text>no</text></failure>";
        assert_eq!(String::from_utf8(failure.to_bytes()).unwrap(), expected);
    }
}
