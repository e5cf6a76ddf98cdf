//! XEP-0077: in-band registration.

use crate::ns;
use crate::stanza::{IqKind, StanzaError};
use crate::xml::Element;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Which fields are wanted.
    Fields,
    /// Register; within a session of one's own: change the password.
    Submit(Submission),
    /// Remove the account.
    Remove,
}

/// What a client fills in. A data form (XEP-0004) is read as if it were plain fields.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Submission {
    /// The account's name.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// An address for people.
    pub email: Option<String>,
    /// A name for people.
    pub name: Option<String>,
    /// What the policy `token` asks for.
    pub key: Option<String>,
}

// A password must not reach a log by way of `{:?}`.
impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submission").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Request {
    /// Reads the payload of an iq in this namespace.
    ///
    /// # Errors
    /// `bad-request` where it is none.
    pub fn from_payload(kind: IqKind, query: &Element) -> Result<Self, StanzaError> {
        match kind {
            IqKind::Get if query.is("query", ns::REGISTER) => Ok(Self::Fields),
            IqKind::Set if query.is("query", ns::REGISTER) => {
                if query.child("remove", ns::REGISTER).is_some() {
                    Ok(Self::Remove)
                } else {
                    Ok(Self::Submit(Submission::from_query(query)))
                }
            }
            _ => Err(StanzaError::bad_request("not a registration request")),
        }
    }

    /// The kind of iq that carries it, and its payload.
    pub fn to_payload(&self) -> (IqKind, Element) {
        let query = Element::new("query", ns::REGISTER);
        match self {
            Self::Fields => (IqKind::Get, query),
            Self::Remove => (IqKind::Set, query.with_child(Element::new("remove", ns::REGISTER))),
            Self::Submit(submission) => (IqKind::Set, submission.fill(query)),
        }
    }
}

impl Submission {
    fn from_query(query: &Element) -> Self {
        let mut submission = Self::default();
        for field in query.children().filter(|child| child.ns() == ns::REGISTER) {
            submission.set(field.name(), field.text());
        }
        if let Some(form) = query.child("x", ns::DATA_FORMS) {
            for field in form.children().filter(|child| child.is("field", ns::DATA_FORMS)) {
                if let (Some(name), Some(value)) =
                    (field.attribute("var"), field.child_text("value", ns::DATA_FORMS))
                {
                    submission.set(name, value);
                }
            }
        }
        submission
    }

    fn set(&mut self, name: &str, value: String) {
        let field = match name {
            "username" => &mut self.username,
            "password" => &mut self.password,
            "email" => &mut self.email,
            "name" => &mut self.name,
            "key" => &mut self.key,
            _ => return,
        };
        *field = Some(value);
    }

    fn fill(&self, mut query: Element) -> Element {
        for (name, value) in [
            ("username", &self.username),
            ("password", &self.password),
            ("email", &self.email),
            ("name", &self.name),
            ("key", &self.key),
        ] {
            if let Some(value) = value {
                query = query.with_field(name, value.as_str());
            }
        }
        query
    }
}

/// What the server says to a client that asks for the fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields {
    /// What to do, for people.
    pub instructions: Option<String>,
    /// The account that the asking session is logged in to.
    pub registered_as: Option<String>,
    /// The username that is to be filled in, where another would be refused.
    pub username: Option<String>,
    /// The names of the fields, `username` and `password` among them.
    pub wanted: Vec<String>,
}

impl Fields {
    /// What everybody is asked for: username and password, email and name if they like,
    /// and the key where `with_key`.
    pub fn usual(instructions: impl Into<String>, with_key: bool) -> Self {
        let names = ["username", "password", "email", "name"].into_iter().chain(with_key.then_some("key"));
        Self {
            instructions: Some(instructions.into()),
            registered_as: None,
            username: None,
            wanted: names.map(String::from).collect(),
        }
    }

    /// The payload of the answer.
    pub fn to_element(&self) -> Element {
        let mut query = Element::new("query", ns::REGISTER);
        if self.registered_as.is_some() {
            query.push_child(Element::new("registered", ns::REGISTER));
        }
        if let Some(instructions) = &self.instructions {
            query = query.with_field("instructions", instructions.as_str());
        }
        for name in &self.wanted {
            let username = self.registered_as.as_ref().or(self.username.as_ref());
            let value = username.map(String::as_str).filter(|_| name == "username").unwrap_or_default();
            query = query.with_field(name.clone(), value);
        }
        query
    }

    /// Reads the payload of an answer.
    pub fn from_element(query: &Element) -> Option<Self> {
        if !query.is("query", ns::REGISTER) {
            return None;
        }
        let mut fields = Self::default();
        let mut registered = false;
        for child in query.children().filter(|child| child.ns() == ns::REGISTER) {
            match child.name() {
                "registered" => registered = true,
                "instructions" => fields.instructions = Some(child.text()),
                name => fields.wanted.push(name.to_owned()),
            }
        }
        let username = query.child_text("username", ns::REGISTER).unwrap_or_default();
        if registered {
            fields.registered_as = Some(username);
        } else if !username.is_empty() {
            fields.username = Some(username);
        }
        Some(fields)
    }
}

/// The stream feature.
pub fn feature() -> Element {
    Element::new("register", ns::REGISTER_FEATURE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse_stanza;

    fn read(kind: IqKind, inner: &str) -> Result<Request, StanzaError> {
        let text = format!("<query xmlns='jabber:iq:register'>{inner}</query>");
        Request::from_payload(kind, &parse_stanza(text.as_bytes()).unwrap())
    }

    fn ana() -> Submission {
        Submission {
            username: Some("ana".to_owned()),
            password: Some("p<w".to_owned()),
            ..Submission::default()
        }
    }

    #[test]
    fn requests_survive_the_wire() {
        let full = Submission {
            email: Some("a@b".to_owned()),
            name: Some(String::new()),
            key: Some("k".to_owned()),
            ..ana()
        };
        for request in [Request::Fields, Request::Remove, Request::Submit(ana()), Request::Submit(full)] {
            let (kind, payload) = request.to_payload();
            assert_eq!(Request::from_payload(kind, &parse_stanza(&payload.to_bytes()).unwrap()), Ok(request));
        }
    }

    #[test]
    fn a_form_counts_as_fields() {
        let form = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>jabber:iq:register</value></field>\
            <field var='username'><value>ana</value></field><field var='password'><value>p&lt;w</value></field></x>";
        assert_eq!(read(IqKind::Set, form), Ok(Request::Submit(ana())));
    }

    #[test]
    fn unknown_fields_are_passed_over_and_other_kinds_refused() {
        assert_eq!(
            read(IqKind::Set, "<misc/><username xmlns='urn:x'>no</username>"),
            Ok(Request::Submit(Submission::default()))
        );
        assert!(read(IqKind::Result, "").is_err());
    }

    #[test]
    fn the_answer_survives_the_wire() {
        let fields = Fields::usual("Choose a name.", true);
        assert_eq!(Fields::from_element(&fields.to_element()), Some(fields.clone()));
        assert_eq!(fields.wanted, ["username", "password", "email", "name", "key"]);
        let bound = Fields { username: Some("ana".to_owned()), ..fields.clone() };
        assert_eq!(Fields::from_element(&bound.to_element()), Some(bound));
        let registered = Fields { registered_as: Some("ana".to_owned()), ..fields };
        assert_eq!(Fields::from_element(&registered.to_element()), Some(registered));
    }

    #[test]
    fn a_password_is_not_shown() {
        assert!(!format!("{:?}", ana()).contains("p<w"));
    }
}
